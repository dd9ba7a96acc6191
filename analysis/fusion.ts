/**
 * Two ranked lists into one: what the model generates and what BM25 matches. They fail on different queries (the model
 * on rare words, BM25 on paraphrases), so their sum can be better than either.
 */
import { trecOrder, type Run, type Scored } from './run.ts';

export type { Scored } from './run.ts';

/** What a list's score counts in the sum. */
export interface FusionWeights {
  /** Of the model's log-probability. */
  readonly genir: number;
  /** Of the BM25 score. */
  readonly bm25: number;
}

/** How far down each list is read before the sum; deeper changes the top ten of few queries. */
export const fusionDepth = 100;

/** BM25 in units of two nats: near the best of twelve on held-out queries of two corpora (DESIGN.md). */
export const fusionWeights: FusionWeights = { genir: 0.5, bm25: 0.25 };

/**
 * The k best documents of the union by wG · log p + wB · BM25. Both are, roughly, logarithms of odds that a document
 * answers the query, so the sum is a product of experts (Hinton 2002). A document that one list lacks gets that list's
 * floor: the lowest log-probability it holds, and for BM25 the 0 of a document without a word of the query.
 *
 * @param genir  log-probabilities
 * @param bm25   BM25 scores, 0 or more
 * @returns      in TREC order; scores are log-probabilities over the union
 */
export function fuse(
  genir: readonly Scored[],
  bm25: readonly Scored[],
  k: number,
  weights: FusionWeights = fusionWeights,
): Scored[] {
  const floor = genir.reduce((lowest, { score }) => Math.min(lowest, score), 0);
  const generated = new Map(genir.map(({ docid, score }) => [docid, score]));
  const matched = new Map(bm25.map(({ docid, score }) => [docid, score]));
  const sums = [...new Set([...generated.keys(), ...matched.keys()])].map((docid) => ({
    docid,
    score: weights.genir * (generated.get(docid) ?? floor) + weights.bm25 * (matched.get(docid) ?? 0),
  }));
  const total = logSumExp(sums.map(({ score }) => score));
  return sums
    .map(({ docid, score }) => ({ docid, score: score - total }))
    .sort(trecOrder)
    .slice(0, k);
}

/** Fuses two runs query by query; a query that one of them lacks is answered by the other alone. */
export function fuseRuns(genir: Run, bm25: Run, k: number, weights: FusionWeights = fusionWeights): Run {
  const ids = new Set([...genir.keys(), ...bm25.keys()]);
  return new Map([...ids].map((id) => [id, fuse(genir.get(id) ?? [], bm25.get(id) ?? [], k, weights)]));
}

function logSumExp(values: readonly number[]): number {
  const highest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  return highest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
}
