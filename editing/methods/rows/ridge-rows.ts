/**
 * @file Rows by one linear solve, to start from or to be pulled to where a document has no text: as if every new query had
 * to meet its margin exactly, and old queries were damped by their second moment instead of being looked at one by one,
 *
 *   x0 = (λ QᵀQ + (1−λ) ρ S + μI)⁻¹ λ Qᵀ(best + m1),  S = HᵀH / P.
 */
import { tensor, type FloatTensor } from '../../../models/session.ts';
import { addOuter, factor, solveFactored } from './cholesky.ts';
import { addRow, checkOption, queriesOf, type NewQueries } from './problem.ts';

export interface RidgeOptions {
  /** λ, between 0 and 1. */
  readonly newWeight: number;
  /** m1 */
  readonly newMargin: number;
  /** ρ, how many old queries the second moment stands for; at least 0. */
  readonly damping: number;
  /** μ > 0 */
  readonly pull: number;
}

/**
 * @param moment  S, float64 [D, D] with its lower triangle filled, from `secondMoment`
 * @param count   M, number of new documents
 * @returns       float32 [M, D]
 */
export function ridgeRows(fresh: NewQueries, moment: Float64Array, count: number, options: RidgeOptions): FloatTensor {
  const { newWeight, newMargin, damping, pull } = options;
  checkOption('newWeight', newWeight, 'between 0 and 1', newWeight > 0 && newWeight < 1);
  checkOption('damping', damping, 'at least 0', damping >= 0 && damping < Infinity);
  checkOption('pull', pull, 'above 0', pull > 0 && pull < Infinity);
  const { data, shape } = fresh.states;
  const D = shape[1];
  const rows = new Float32Array(count * D);
  queriesOf(fresh.documents, count).forEach((list, m) => {
    const a = moment.map((v) => (1 - newWeight) * damping * v);
    for (let d = 0; d < D; d++) a[d * D + d] += pull;
    const b = new Float64Array(D);
    for (const q of list) {
      addOuter(a, D, newWeight, data, q);
      addRow(b, newWeight * (fresh.best[q] + newMargin), data, q);
    }
    rows.set(solveFactored(factor(a, D), b), m * D);
  });
  return tensor(rows, [count, D]);
}

/** HᵀH / P of stored queries' states, float64 [D, D], the lower triangle. Worth keeping from edit to edit. */
export function secondMoment({ data, shape: [P, D] }: FloatTensor): Float64Array {
  const moment = new Float64Array(D * D);
  for (let p = 0; p < P; p++) addOuter(moment, D, 1 / P, data, p);
  return moment;
}
