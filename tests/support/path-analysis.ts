/** Models with paths as docids, opened for analysis. */
import { after } from 'node:test';
import type { PathSubject } from '../../analysis/experiments/path-experiment.ts';
import type { LabOptions } from '../../analysis/lab.ts';
import { PathLab } from '../../analysis/path-lab.ts';
import { answerPaths } from '../../analysis/path-population.ts';
import type { Ranking } from '../../analysis/population.ts';
import { readModelFolder } from '../../models/folder.ts';

/** Closed after the tests of the file. Batches are small, so that queries are in several. */
export function openPathLab(dir: string, options: LabOptions = {}): PathLab {
  const lab = new PathLab(readModelFolder(dir), { batchSize: 4, ...options });
  after(() => lab.close());
  return lab;
}

/** A subject whose population are all of these queries, answered correctly or not. */
export async function pathSubjectOf(
  lab: PathLab,
  queries: readonly { readonly text: string; readonly docid: string }[],
  ranking: Ranking = 'vocabulary',
): Promise<PathSubject> {
  const judged = queries.map(({ text, docid }, i) => ({ id: `q${i}`, text, relevant: [docid] }));
  const answered = await answerPaths(lab, judged);
  const count = (by: Ranking): number => answered.filter(({ found }) => found[by]).length;
  return {
    lab,
    population: {
      ranking,
      asked: answered.length,
      correct: { vocabulary: count('vocabulary'), docids: count('docids') },
      questions: answered.map(({ id, text, document }) => ({ id, text, document })),
    },
    encoded: await lab.encode(answered.map(({ text }) => text)),
    test: [],
    seed: 1,
    onProgress: () => undefined,
  };
}
