/** Ten documents that a tiny model knows and six that it does not, with queries of every split about each. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Document, JudgedQuery } from '../../corpus/documents.ts';
import type { BenchCorpus } from '../../editing/bench/plan.ts';
import { texts } from './tiny-model.ts';

const held = [
  'lanterns give light to ships near the harbour',
  'yeast and bread and ice and wind',
  'a tail of molten rock near the river',
  'strings of a violin are made of wind',
  'books about trees and fruit for readers',
  'the needle of a slow compass in the dough',
];

const document = (docid: string, text: string): Document => ({
  ...{ docid, text, title: text.split(' ').slice(0, 2).join(' '), metadata: {}, version: 1, state: 'live' },
});

/** Four words from a place in the text. */
function queries(name: string, from: number, documents: readonly Document[]): JudgedQuery[] {
  return documents.map(({ docid, text }) => {
    const words = text.split(' ');
    return { id: `${docid}-${name}`, text: words.slice(from, from + 4).join(' '), relevant: [docid] };
  });
}

const base = texts.map((text, i) => document(`d${i}`, text));
const heldOut = held.map((text, i) => document(`h${i}`, text));
const all = [...base, ...heldOut];

export const benchCorpus: BenchCorpus = {
  ...{ base, heldOut },
  train: [...queries('t1', 0, all), ...queries('t2', 2, all)],
  dev: queries('dev', 1, all),
  test: [...queries('a', 3, all), ...queries('b', 4, all)],
};

/** The same as a BEIR folder. */
export function writeBenchCorpus(dir: string): string {
  mkdirSync(join(dir, 'qrels'), { recursive: true });
  const lines = (values: readonly object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');
  writeFileSync(join(dir, 'corpus.jsonl'), lines(all.map(({ docid, title, text }) => ({ _id: docid, title, text }))));
  const { train, dev, test } = benchCorpus;
  const every = [...train, ...dev, ...test].map(({ id, text }) => ({ _id: id, text }));
  writeFileSync(join(dir, 'queries.jsonl'), lines(every));
  for (const [split, judged] of Object.entries({ train, dev, test })) {
    const rows = judged.map(({ id, relevant }) => `${id}\t${relevant[0]}\t1\n`).join('');
    writeFileSync(join(dir, 'qrels', `${split}.tsv`), `query-id\tcorpus-id\tscore\n${rows}`);
  }
  return dir;
}
