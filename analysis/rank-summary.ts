import type { Interval } from './bootstrap.ts';
import { clopperPearson } from './binomial.ts';

/** Ranks of many queries' documents, in a few numbers. Ranks count from 1. */
export interface RankSummary {
  readonly queries: number;
  readonly mean: number;
  /** Of two in the middle the mean. */
  readonly median: number;
  readonly mrr: number;
  /** Share at rank 1, with its exact 95 % interval (Clopper and Pearson). */
  readonly success: number;
  readonly interval: Interval;
  /** Share at ranks 1 to 10. */
  readonly within10: number;
  /** Queries that are not at rank 1. */
  readonly moved: number;
}

/** @param ranks  of one query or more */
export function summarizeRanks(ranks: ArrayLike<number>): RankSummary {
  const sorted = Float64Array.from(ranks).sort();
  const n = sorted.length;
  const mean = (value: (rank: number) => number): number => sorted.reduce((sum, rank) => sum + value(rank), 0) / n;
  const first = sorted.filter((rank) => rank === 1).length;
  return {
    queries: n,
    mean: mean((rank) => rank),
    median: (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2,
    mrr: mean((rank) => 1 / rank),
    success: first / n,
    interval: clopperPearson(first, n),
    within10: mean((rank) => (rank <= 10 ? 1 : 0)),
    moved: n - first,
  };
}
