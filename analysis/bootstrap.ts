import type { Rng } from '../corpus/random.ts';

/** Two ends of a confidence interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Source of the draws: equal generators, equal intervals. */
  readonly rng: Rng;
  /** @default 1000 */
  readonly resamples?: number;
  /** Share of intervals that hold the true mean. @default 0.95 */
  readonly level?: number;
}

export const defaultResamples = 1000;
export const defaultLevel = 0.95;

/**
 * Percentile bootstrap intervals of the means over queries (Efron 1979; for retrieval Sakai, SIGIR 2006): queries are
 * drawn anew with replacement, and the middle `level` of the resampled means is the interval. All columns see the
 * same draws. Where all values of a column agree the interval is that one point.
 *
 * @param columns  one array per measure, each with one value per query, in the same order of queries
 */
export function bootstrapIntervals(
  columns: readonly Float64Array[],
  { rng, resamples = defaultResamples, level = defaultLevel }: BootstrapOptions,
): Interval[] {
  const queries = columns[0]?.length ?? 0;
  const means = columns.map(() => new Float64Array(resamples));
  const drawn = new Uint32Array(queries);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < queries; i++) drawn[i] = rng.int(queries);
    columns.forEach((values, c) => {
      let sum = 0;
      for (let i = 0; i < queries; i++) sum += values[drawn[i]];
      means[c][r] = sum / queries;
    });
  }
  const tail = (1 - level) / 2;
  return means.map((sample) => {
    sample.sort();
    return { low: quantile(sample, tail), high: quantile(sample, 1 - tail) };
  });
}

/** Linear between the two nearest of the sorted values (Hyndman and Fan's type 7, numpy's default). */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.ceil(at);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}
