/** @file Symmetric positive definite systems in float64, by Cholesky's factor. Matrices are flat, row by row. */

/** A matrix that is not positive definite. */
export class NotPositiveDefiniteError extends Error {
  override readonly name = 'NotPositiveDefiniteError';
  readonly row: number;
  readonly pivot: number;
  constructor(row: number, pivot: number) {
    super(`Cholesky: expected a positive definite matrix, got pivot ${pivot} in row ${row}; add a larger ridge`);
    this.row = row;
    this.pivot = pivot;
  }
}

/**
 * L with A = L Lᵀ, in place of A's lower triangle; what is above the diagonal is left alone.
 *
 * @param a  float64 [n, n], its lower triangle is read
 * @throws NotPositiveDefiniteError
 */
export function factor(a: Float64Array, n: number): Float64Array {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j];
      for (let k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
      if (j < i) a[i * n + j] = sum / a[j * n + j];
      else if (sum > 0) a[i * n + i] = Math.sqrt(sum);
      else throw new NotPositiveDefiniteError(i, sum);
    }
  }
  return a;
}

/**
 * Solves L Lᵀ x = b in place of b.
 *
 * @param l  from `factor`
 * @param b  float64 [n]
 */
export function solveFactored(l: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) b[i] -= l[i * n + k] * b[k];
    b[i] /= l[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    b[i] /= l[i * n + i];
    for (let k = 0; k < i; k++) b[k] -= l[i * n + k] * b[i];
  }
  return b;
}

/** Adds weight · h hᵀ to the lower triangle of `a`, for row `at` of `h`. */
export function addOuter(a: Float64Array, n: number, weight: number, h: Float32Array | Float64Array, at = 0): void {
  const from = at * n;
  for (let i = 0; i < n; i++) {
    const scaled = weight * h[from + i];
    if (scaled === 0) continue;
    for (let j = 0; j <= i; j++) a[i * n + j] += scaled * h[from + j];
  }
}
