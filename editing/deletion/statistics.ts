/** @file How figures of deleted documents are compared with those of documents that never were there. */
import type { Interval } from '../../analysis/bootstrap.ts';
import type { Rng } from '../../corpus/random.ts';

const RESAMPLES = 2000;
const LEVEL = 0.95;

/**
 * Where the mean over n documents that were never indexed lies in 95 % of the cases: n of them are drawn with
 * replacement, again and again.
 *
 * @param values  of each control document
 */
export function intervalOfMeans(values: readonly number[], n: number, rng: Rng): Interval {
  const means = new Float64Array(RESAMPLES);
  for (let r = 0; r < RESAMPLES; r++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[rng.int(values.length)];
    means[r] = sum / n;
  }
  means.sort();
  const tail = (1 - LEVEL) / 2;
  const at = (share: number): number => means[Math.round(share * (RESAMPLES - 1))];
  return { low: at(tail), high: at(1 - tail) };
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The chance that one of `positive` is above one of `negative`, ties counting half (Mann and Whitney 1947). */
export function auc(positive: readonly number[], negative: readonly number[]): number {
  const all = [...positive.map((x) => ({ x, isPositive: true })), ...negative.map((x) => ({ x, isPositive: false }))];
  all.sort((a, b) => a.x - b.x);
  let [wins, below] = [0, 0];
  for (let from = 0; from < all.length;) {
    let to = from;
    let [up, down] = [0, 0];
    for (; to < all.length && all[to].x === all[from].x; to++) {
      if (all[to].isPositive) up++;
      else down++;
    }
    wins += up * (below + down / 2);
    below += down;
    from = to;
  }
  return wins / (positive.length * negative.length);
}

/** The chance for the positives of each document: their mean, by their numbers, is that of all. */
export function areaOfEach(of: Int32Array, positive: readonly number[], negative: readonly number[]): number[] {
  const lists = new Map<number, number[]>();
  positive.forEach((x, i) => lists.set(of[i], [...(lists.get(of[i]) ?? []), x]));
  return [...lists.values()].map((list) => auc(list, negative));
}

/** What an attacker gets out of a figure who does not care for its sign. */
export const eitherWay = (area: number): number => Math.max(area, 1 - area);

/** Spearman's correlation of two lists without ties worth speaking of. */
export function rankCorrelation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [x, y] = [ranks(a), ranks(b)];
  const n = x.length;
  const middle = (n + 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) ** 2;
    yy += (y[i] - middle) ** 2;
  }
  return xy / Math.sqrt(xx * yy);
}

function ranks(values: ArrayLike<number>): Float64Array {
  const order = Int32Array.from({ length: values.length }, (_, i) => i).sort((i, j) => values[i] - values[j] || i - j);
  const rank = new Float64Array(values.length);
  order.forEach((i, place) => (rank[i] = place + 1));
  return rank;
}
