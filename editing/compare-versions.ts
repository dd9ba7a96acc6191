/** @file What edits did to what is found: the same judged queries under two versions of a model, query by query. */
import { evaluateRun } from '../analysis/evaluate.ts';
import { mcnemar } from '../analysis/mcnemar.ts';
import { parseMeasure } from '../analysis/measures/table.ts';
import { toQrels } from '../analysis/qrels.ts';
import type { Run } from '../analysis/run.ts';
import type { JudgedQuery } from '../corpus/documents.ts';
import { DocidDecoder } from '../models/decode.ts';
import type { Store } from '../corpus/store.ts';
import { pastVersions, type PastOptions, type PastVersion } from './past-version.ts';

const measures = ['Success@1', 'Success@10', 'RR@10', 'nDCG@10'].map(parseMeasure);
const deepest = 10;
const batchSize = 32;

/** Queries by whether a document that answers them is in the model: before and after, only after, only before. */
export const queryGroups = ['kept', 'added', 'removed'] as const;
export type QueryGroup = (typeof queryGroups)[number];

export interface GroupComparison {
  readonly queries: number;
  /** Measures by name; 0 where no document that answers is in the model. */
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  /** Queries that find their document at rank 1 under one version only, and McNemar's exact p of these. */
  readonly onlyBefore: number;
  readonly onlyAfter: number;
  readonly p: number;
}

export interface Comparison {
  /** Documents that can be found. */
  readonly before: { readonly seq: number; readonly documents: number };
  readonly after: { readonly seq: number; readonly documents: number };
  /** Null for a group without queries. */
  readonly groups: { readonly [G in QueryGroup]: GroupComparison | null };
}

export interface CompareOptions extends PastOptions {
  readonly before: number;
  readonly after: number;
  /** With docids of now. */
  readonly queries: readonly JudgedQuery[];
}

/** @throws what `pastVersions` throws */
export async function compareVersions(options: CompareOptions): Promise<Comparison> {
  const { store, folder, queries, onProgress } = options;
  const versions = await pastVersions(options, [options.before, options.after]);
  const relevant = queries.map((query) => numbersOf(store, query));
  const known = versions.map(({ documents }) => new Set(documents));
  const groups = relevant.map((numbers) => groupOf(known.map((set) => numbers.some((number) => set.has(number)))));
  const decoder = await DocidDecoder.open(folder);
  try {
    const lists: number[][][] = [];
    for (const [v, version] of versions.entries()) {
      await decoder.publish(version.model);
      const found: number[][] = [];
      for (let at = 0; at < queries.length; at += batchSize) {
        onProgress?.({
          done: v * queries.length + at,
          total: 2 * queries.length,
          message: `asking edit ${version.model.editSeq}`,
        });
        const batch = queries.slice(at, at + batchSize).map(({ text }) => ({ query: text, k: deepest }));
        for (const { rows } of await decoder.retrieve(batch))
          found.push(Array.from(rows, (row) => version.documents[row]!));
      }
      lists.push(found);
    }
    const [before, after] = versions.map(({ model, documents }) => ({
      seq: model.editSeq,
      documents: countOf(documents),
    }));
    const compare = (group: QueryGroup): GroupComparison | null => {
      const places = [...groups.keys()].filter((q) => groups[q] === group);
      return places.length ? comparison(places, relevant, lists) : null;
    };
    return { before, after, groups: { kept: compare('kept'), added: compare('added'), removed: compare('removed') } };
  } finally {
    await decoder.close();
  }
}

const countOf = (documents: PastVersion['documents']): number => documents.filter((number) => number !== null).length;

const numbersOf = (store: Store, { relevant }: JudgedQuery): number[] =>
  relevant.flatMap((docid) => store.numberOf(docid) ?? []);

function groupOf([before, after]: readonly boolean[]): QueryGroup | undefined {
  if (before) return after ? 'kept' : 'removed';
  return after ? 'added' : undefined;
}

function comparison(
  places: readonly number[],
  relevant: readonly (readonly number[])[],
  lists: readonly (readonly (readonly number[])[])[],
): GroupComparison {
  const judgements = places.flatMap((q) =>
    relevant[q].map((number) => ({ queryId: `${q}`, docid: `${number}`, score: 1 })),
  );
  const qrels = toQrels(judgements);
  const [before, after] = lists.map((found) => {
    const run: Run = new Map(
      places.map((q) => [`${q}`, found[q].map((number, i) => ({ docid: `${number}`, score: -i }))]),
    );
    return evaluateRun(run, qrels, measures);
  });
  const means = ({ results }: typeof before) =>
    Object.fromEntries([...results].map(([name, { mean }]) => [name, mean]));
  const first = ({ results }: typeof before) => results.get('Success@1')!.perQuery;
  const { onlyFirst, onlySecond, p } = mcnemar(first(before), first(after));
  return {
    queries: places.length,
    before: means(before),
    after: means(after),
    ...{ onlyBefore: onlyFirst, onlyAfter: onlySecond, p },
  };
}
