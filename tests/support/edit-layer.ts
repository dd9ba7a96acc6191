import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { CovarianceFitter, type Covariance } from '../../editing/covariance.ts';
import type { EditedLayer, EditPairs } from '../../editing/methods/method.ts';
import { createRng, type Rng } from '../../corpus/random.ts';

/** Standard normal (Box and Muller). */
export const gaussian = (rng: Rng): number =>
  Math.sqrt(-2 * Math.log(1 - rng.next())) * Math.cos(2 * Math.PI * rng.next());

export const gaussians = (rng: Rng, length: number): Float32Array => Float32Array.from({ length }, () => gaussian(rng));

/** float32 [n, F]: ReLU of correlated normal numbers. */
export function reluKeys(rng: Rng, n: number, F: number): Float32Array {
  const mix = gaussians(createRng(F), F * F);
  const keys = new Float32Array(n * F);
  for (let t = 0; t < n; t++) {
    const z = gaussians(rng, F);
    for (let i = 0; i < F; i++) {
      let sum = z[i];
      for (let j = 0; j < F; j++) sum += (0.5 * mix[i * F + j] * z[j]) / Math.sqrt(F);
      keys[t * F + i] = Math.max(0, sum);
    }
  }
  return keys;
}

/** E[k kᵀ] of keys [n, F], by its definition. */
export function momentOf(keys: Float32Array, size: number): Covariance {
  const count = keys.length / size;
  const moment = new Float64Array(size * size);
  let fourthMoment = 0;
  for (let t = 0; t < count; t++) {
    let square = 0;
    for (let i = 0; i < size; i++) {
      square += keys[t * size + i] ** 2;
      for (let j = 0; j < size; j++) moment[i * size + j] += (keys[t * size + i] * keys[t * size + j]) / count;
    }
    fourthMoment += square ** 2 / count;
  }
  return { size, count, moment, fourthMoment };
}

export interface RandomLayer {
  readonly layer: EditedLayer;
  readonly F: number;
  readonly D: number;
  /** float32 [n, F]  the keys that the covariance is of */
  readonly stored: Float32Array;
}

export function randomLayer(rng: Rng, { F = 24, D = 7, n = 150 } = {}): RandomLayer {
  const stored = reluKeys(rng, n, F);
  return { layer: { covariance: momentOf(stored, F), d_model: D }, F, D, stored };
}

export const randomPairs = (rng: Rng, { F, D }: RandomLayer, n: number, weighted = false): EditPairs => ({
  keys: reluKeys(rng, n, F),
  residuals: gaussians(rng, n * D),
  ...(weighted && { weights: Array.from({ length: n }, () => 0.5 + rng.next()) }),
});

/** All pairs as those of one edit. */
export const joined = (all: readonly EditPairs[], F: number): EditPairs => ({
  keys: Float32Array.from(all.flatMap(({ keys }) => [...keys])),
  residuals: Float32Array.from(all.flatMap(({ residuals }) => [...residuals])),
  weights: all.flatMap(({ keys, weights }) => Array.from(weights ?? new Array<number>(keys.length / F).fill(1))),
});

/** a·b for a [rows, inner], b [inner, columns], by the definition. */
export function times(a: ArrayLike<number>, b: ArrayLike<number>, inner: number, columns: number): Float64Array {
  const rows = a.length / inner;
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      for (let k = 0; k < inner; k++) out[i * columns + j] += a[i * inner + k] * b[k * columns + j];
  return out;
}

export const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0));

/** How many singular values of a float32 matrix are more than rounding. */
export function rankOf(matrix: Float32Array, rows: number, columns: number): number {
  const { diagonal } = new SingularValueDecomposition(Matrix.from1DArray(rows, columns, matrix), {
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
  });
  return diagonal.filter((x) => x > 1e-5 * diagonal[0]).length;
}

/** ‖a − b‖ / ‖b‖ */
export const relativeDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  norm(Array.from(a, (x, i) => x - b[i])) / norm(b);

/** ‖K ΔW − R‖ / ‖R‖ */
export const relativeError = ({ keys, residuals }: EditPairs, delta: Float32Array, F: number, D: number): number =>
  relativeDifference(times(keys, delta, F, D), residuals);

export function fitted(keys: Float32Array, F: number): ReturnType<CovarianceFitter['finish']> {
  const fitter = new CovarianceFitter(F);
  fitter.update(keys);
  return fitter.finish();
}

/** A positive definite matrix, G Gᵀ / size + I: float64 [size, size] */
export function positive(rng: Rng, size: number): Float64Array {
  const g = gaussians(rng, size * size);
  const across = g.map((_, i) => g[(i % size) * size + Math.floor(i / size)]);
  return times(g, across, size, size).map((x, i) => x / size + (i % (size + 1) ? 0 : 1));
}
