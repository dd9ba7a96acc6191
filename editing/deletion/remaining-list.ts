/** @file Is what remains ranked as it would be had the document never been there? */
import type { Asked } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { finding, RETRAIN, type AuditTest, type Finding } from './finding.ts';
import { meanOf, rankCorrelation } from './statistics.ts';

const LEAST = 0.95;
const RENORMALISED = 'the softmax of before, renormalised';

export const remainingList: AuditTest = {
  meaning: 'the ranking of the remaining documents on its queries, and whether the next best one takes its place',
  async run({ case: { before, after, retrain }, deleted, others }) {
    const common = after.docids.filter((docid) => before.rowOf.has(docid) && (!retrain || retrain.rowOf.has(docid)));
    const lists = (model: AuditedModel, asked: Asked): Promise<Float32Array[]> => scoresOf(model, asked, common);
    const [was, is] = [await lists(before, deleted.before), await lists(after, deleted.after)];
    const renormalised = compared(is, was, RENORMALISED);
    if (!retrain || !deleted.retrain || !others.retrain) return renormalised(LEAST);
    const truth = await lists(retrain, deleted.retrain);
    const trained = compared(is, truth, RETRAIN);
    // Two trainings differ more than .05; what is as one of the two is as it should be.
    const isTrained = trained(LEAST).every(({ passed }) => passed);
    const [now, elsewhere] = [await lists(after, others.after), await lists(retrain, others.retrain)];
    return [
      ...renormalised(isTrained ? undefined : LEAST),
      ...trained(isTrained ? LEAST : undefined),
      finding('rank correlation, before', correlation(was, truth), { against: RETRAIN }),
      finding('next best one first, before', sameFirst(was, truth), { against: RETRAIN }),
      finding('rank correlation on queries of other documents', correlation(now, elsewhere), { against: RETRAIN }),
    ];
  },
};

const compared =
  (is: readonly Float32Array[], should: readonly Float32Array[], against: string) =>
  (least: number | undefined): Finding[] => {
    const bounds = { against, ...(least !== undefined && { least }) };
    return [
      finding('rank correlation', correlation(is, should), bounds),
      finding('next best one first', sameFirst(is, should), bounds),
    ];
  };

async function scoresOf(model: AuditedModel, asked: Asked, docids: readonly string[]): Promise<Float32Array[]> {
  const rows = docids.map((docid) => model.rowOf.get(docid)!);
  const lists: Float32Array[] = [];
  await model.eachScores(asked.seen.states, (scores) => {
    lists.push(Float32Array.from(rows, (row) => scores[row]));
  });
  return lists;
}

const correlation = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  meanOf(a.map((scores, q) => rankCorrelation(scores, b[q])));

const first = (scores: Float32Array): number => scores.reduce((best, x, i) => (x > scores[best] ? i : best), 0);

const sameFirst = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  meanOf(a.map((scores, q) => (first(scores) === first(b[q]) ? 1 : 0)));
