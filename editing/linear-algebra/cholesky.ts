import { Triangle } from './triangle.ts';

/** A matrix that had to be positive definite is not, or is too near to one that is not for float64. */
export class NotPositiveDefiniteError extends Error {
  override readonly name = 'NotPositiveDefiniteError';
  readonly size: number;
  /** Row of the first pivot that is too small, and its square before the root. */
  readonly row: number;
  readonly pivot: number;
  constructor(what: string, size: number, row: number, pivot: number, least: number, advice: string) {
    super(
      `${what}: expected a positive definite matrix of ${size} rows, got ${pivot} as pivot of row ${row} ` +
        `(more than ${least} is needed); ${advice}`,
    );
    this.size = size;
    this.row = row;
    this.pivot = pivot;
  }
}

/** A = UᵀU. */
export interface Factor {
  readonly size: number;
  /** float64 [size, size], upper triangle; what stands below it means nothing. */
  readonly upper: Float64Array;
}

/** Pivots below this share of the largest diagonal element are rounding errors of the ones before. */
const leastShare = (size: number): number => 4 * size * Number.EPSILON;

/** The matrix that another one is a part of, or what is left of one. */
export interface Whole {
  readonly size: number;
  /** Of the whole, the part's first one. */
  readonly row: number;
  /** What pivots must be above. */
  readonly least: number;
}

export function wholeOf(a: Float64Array, size: number): Whole {
  let largest = 0;
  for (let i = 0; i < size; i++) largest = Math.max(largest, a[i * (size + 1)]);
  return { size, row: 0, least: largest * leastShare(size) };
}

/**
 * Cholesky's factor, in place: A is overwritten. ml-matrix, which goes element by element, takes twenty times as long here
 * and thirty times as long for `solve` (`npm run bench -- ledger --library`). The same bytes on every machine.
 *
 * @param a       float64 [size, size], of which the upper triangle is read
 * @param what    the matrix as an error calls it
 * @param advice  what to do where it is not positive definite
 * @throws NotPositiveDefiniteError
 */
export function factorize(
  a: Float64Array,
  size: number,
  what: string,
  advice = 'raise the ridge, or shrink the covariance',
  whole = wholeOf(a, size),
): Factor {
  const triangle = new Triangle(a, size);
  const failed = triangle.factorize(whole.least);
  if (failed >= 0) {
    const row = whole.row + failed;
    throw new NotPositiveDefiniteError(what, whole.size, row, triangle.pivot(failed), whole.least, advice);
  }
  triangle.write(a);
  return { size, upper: a };
}

/**
 * A⁻¹B, in place: B is overwritten.
 *
 * @param b  float64 [size, columns]
 */
export function solve({ size, upper }: Factor, b: Float64Array, columns: number): Float64Array {
  new Triangle(upper, size).solve(b, columns, ['lower', 'upper']);
  return b;
}

/** U⁻ᵀB, in place. */
export function solveLower({ size, upper }: Factor, b: Float64Array, columns: number): Float64Array {
  new Triangle(upper, size).solve(b, columns, ['lower']);
  return b;
}

/** U⁻¹B, in place. */
export function solveUpper({ size, upper }: Factor, b: Float64Array, columns: number): Float64Array {
  new Triangle(upper, size).solve(b, columns, ['upper']);
  return b;
}
