/**
 * Two ranked lists into one: what the model generates and what BM25 matches. They fail on different queries (the model
 * on rare words, BM25 on paraphrases), so their sum is better than either.
 */
export interface Scored {
  readonly docid: string;
  readonly score: number;
}

/** How far down each list is read before the sum; deeper changes the top ten of few queries. */
export const fusionDepth = 100;
/** Share of the model in the sum; the rest is BM25's. */
export const genirWeight = 0.5;
/** Divides log-probabilities: above 1 makes the model less sure of itself. */
export const genirTemperature = 1;
/** Divides BM25 scores, which are worth about this many nats of log-probability each. */
export const bm25Temperature = 2;

/**
 * The k best documents of the union by the weighted sum of both scores (a product of experts). A document that one list
 * lacks gets from it what no evidence means there: the list's lowest log-probability, and a BM25 of 0.
 *
 * @param genir  log-probabilities, best first
 * @param bm25   BM25 scores (0 or more), best first
 * @returns      best first, equal sums in order of docid; scores are log-probabilities over the union
 */
export function fuse(genir: readonly Scored[], bm25: readonly Scored[], k: number): Scored[] {
  const lowest = genir.reduce((least, { score }) => Math.min(least, score), 0);
  const generated = new Map(genir.map(({ docid, score }) => [docid, score]));
  const matched = new Map(bm25.map(({ docid, score }) => [docid, score]));
  const sums = [...new Set([...generated.keys(), ...matched.keys()])].map((docid) => {
    const model = (generated.get(docid) ?? lowest) / genirTemperature;
    const words = (matched.get(docid) ?? 0) / bm25Temperature;
    return { docid, score: genirWeight * model + (1 - genirWeight) * words };
  });
  const total = logSumExp(sums.map(({ score }) => score));
  return sums
    .sort((a, b) => b.score - a.score || (a.docid < b.docid ? -1 : 1))
    .slice(0, k)
    .map(({ docid, score }) => ({ docid, score: score - total }));
}

function logSumExp(values: readonly number[]): number {
  const highest = values.reduce((most, value) => Math.max(most, value), -Infinity);
  return highest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
}
