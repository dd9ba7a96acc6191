import { addProduct, block, transposed } from '../linear-algebra/multiply.ts';
import type { WidePairs } from './method.ts';

/** A += Σ w kᵀk, upper triangle. @param a  float64 [F, F], changed in place */
export function addMoments(a: Float64Array, F: number, { count, keys, weights }: WidePairs): void {
  const weighted = scaleRows(keys, F, weights);
  const size = { rows: F, columns: F, inner: count };
  addProduct(block(a, F), transposed(block(keys, F)), block(weighted, F), size, 1, true);
}

/** Σ w kᵀr: float64 [F, D]. */
export function crossMoments(
  F: number,
  D: number,
  keys: Float64Array,
  values: Float64Array,
  weights: ArrayLike<number>,
): Float64Array {
  const sums = new Float64Array(F * D);
  const size = { rows: F, columns: D, inner: weights.length };
  addProduct(block(sums, D), transposed(block(keys, F)), block(scaleRows(values, D, weights), D), size);
  return sums;
}

/** What is still missing of each output: R − K ΔW, float64 [n, D]. */
export function missing(
  { count, keys, residuals }: WidePairs,
  F: number,
  D: number,
  delta: Float64Array,
): Float64Array {
  const left = residuals.slice();
  addProduct(block(left, D), block(keys, F), block(delta, D), { rows: count, columns: D, inner: F }, -1);
  return left;
}

/** K as columns: float64 [F, n]. */
export function columns({ count, keys }: WidePairs, F: number): Float64Array {
  const across = new Float64Array(F * count);
  for (let t = 0; t < count; t++) for (let i = 0; i < F; i++) across[i * count + t] = keys[t * F + i];
  return across;
}

/** a += b, elementwise. */
export function addInto(a: Float64Array, b: Float64Array): Float64Array {
  for (let i = 0; i < a.length; i++) a[i] += b[i];
  return a;
}

function scaleRows(rows: Float64Array, width: number, by: ArrayLike<number>): Float64Array {
  return rows.map((x, i) => x * by[Math.floor(i / width)]);
}
