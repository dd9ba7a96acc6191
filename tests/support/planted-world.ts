/** A planted model with a corpus of judged queries about its documents. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { threeStages, writePlantedModel, type PlantedModel, type PlantedQuery } from './planted-model.ts';

export interface PlantedWorld {
  readonly planted: PlantedModel;
  readonly modelDir: string;
  readonly corpus: string;
}

export type SplitOf = (query: PlantedQuery, i: number) => 'dev' | 'test';

/** Priming in layer 0, bridging in 1, interaction in 2; of the three queries for each document one is a test query. */
export function writePlantedWorld(
  dir: string,
  splitOf: SplitOf = (_, i) => (i % 3 === 0 ? 'test' : 'dev'),
): PlantedWorld {
  const modelDir = join(dir, 'model');
  const planted = writePlantedModel(modelDir, { mechanism: threeStages(1, 2, 3), decoderLayers: 3, documents: 8 });
  return { planted, modelDir, corpus: writePlantedCorpus(join(dir, 'corpus'), planted.queries, splitOf) };
}

/** A BEIR folder of documents d0 … d7, and those that the queries are about, with these queries. */
export function writePlantedCorpus(dir: string, queries: readonly PlantedQuery[], splitOf: SplitOf): string {
  mkdirSync(join(dir, 'qrels'), { recursive: true });
  const lines = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const docids = new Set([...Array.from({ length: 8 }, (_, i) => `d${i}`), ...queries.map(({ docid }) => docid)]);
  const documents = Array.from(docids, (_id, i) => ({ _id, title: `Number ${i}`, text: `Text ${i}.` }));
  writeFileSync(join(dir, 'corpus.jsonl'), lines(documents));
  writeFileSync(join(dir, 'queries.jsonl'), lines(queries.map(({ text }, i) => ({ _id: `q${i}`, text }))));
  for (const split of ['dev', 'test']) {
    const judged = queries.flatMap((query, i) => (splitOf(query, i) === split ? [`q${i}\t${query.docid}\t1\n`] : []));
    if (judged.length)
      writeFileSync(join(dir, 'qrels', `${split}.tsv`), `query-id\tcorpus-id\tscore\n${judged.join('')}`);
  }
  return dir;
}
