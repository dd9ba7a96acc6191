import { LuDecomposition, Matrix } from 'ml-matrix';
import { solve, type Factor } from './cholesky.ts';
import { addProduct, block } from './multiply.ts';

/** Terms w·kᵀk of A and w·kᵀr of B that come (w > 0) or go (w < 0). */
export interface Terms {
  /** float64 [n, F] */
  readonly keys: Float64Array;
  /** float64 [n, D] */
  readonly residuals: Float64Array;
  /** float64 [n], none of them 0 */
  readonly weights: Float64Array;
}

/**
 * What A⁻¹B becomes with other terms in A and B, from the factor of A as it is (Woodbury's identity): with G = A⁻¹Kᵀ
 *
 *     X + G (diag(1/w) + K G)⁻¹ (R − K X)
 *
 * For n terms 2nF(F + D) multiplications, where a new factor and a solve take F³/6 + F²D.
 *
 * @param x  float64 [F, D]  A⁻¹B; left as it is
 */
export function changedSolution(factor: Factor, x: Float64Array, D: number, terms: Terms): Float64Array {
  const F = factor.size;
  const n = terms.weights.length;
  const k = block(terms.keys, F);
  const g = new Float64Array(F * n);
  for (let t = 0; t < n; t++) for (let i = 0; i < F; i++) g[i * n + t] = terms.keys[t * F + i];
  solve(factor, g, n);

  const small = new Float64Array(n * n);
  for (let t = 0; t < n; t++) small[t * (n + 1)] = 1 / terms.weights[t];
  addProduct(block(small, n), k, block(g, n), { rows: n, columns: n, inner: F });
  const left = terms.residuals.slice();
  addProduct(block(left, D), k, block(x, D), { rows: n, columns: D, inner: F }, -1);

  // Indefinite where terms come and go, hence LU.
  const lu = new LuDecomposition(Matrix.from1DArray(n, n, small));
  const coefficients = Float64Array.from(lu.solve(Matrix.from1DArray(n, D, left)).to1DArray());
  const changed = x.slice();
  addProduct(block(changed, D), block(g, n), block(coefficients, D), { rows: F, columns: D, inner: n });
  return changed;
}
