import { addProduct, block, transposed } from './multiply.ts';

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

/** Rows that are eliminated one by one before a matrix product takes the rest. */
const PANEL = 32;

/** Pivots below this share of the largest diagonal element are rounding errors of the ones before. */
const leastShare = (size: number): number => 4 * size * Number.EPSILON;

/**
 * Cholesky's factor, in place: A is overwritten. ml-matrix, which goes element by element, takes four times as long here and
 * seven times as long for `solve` (512 rows). The same bytes on every machine.
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
): Factor {
  let largest = 0;
  for (let i = 0; i < size; i++) largest = Math.max(largest, a[i * (size + 1)]);
  const least = largest * leastShare(size);
  for (let from = 0; from < size; from += PANEL) {
    const to = Math.min(size, from + PANEL);
    for (let i = from; i < to; i++) {
      for (let k = from; k < i; k++) subtractRow(a, i * size, k * size, i, size, a[k * size + i]);
      const pivot = a[i * size + i];
      if (!(pivot > least)) throw new NotPositiveDefiniteError(what, size, i, pivot, least, advice);
      const root = Math.sqrt(pivot);
      a[i * size + i] = root;
      for (let j = i + 1; j < size; j++) a[i * size + j] /= root;
    }
    const rest = size - to;
    const panel = block(a, size, from, to);
    addProduct(
      block(a, size, to, to),
      transposed(panel),
      panel,
      { rows: rest, columns: rest, inner: to - from },
      -1,
      true,
    );
  }
  return { size, upper: a };
}

/**
 * A⁻¹B, in place: B is overwritten.
 *
 * @param b  float64 [size, columns]
 */
export function solve(factor: Factor, b: Float64Array, columns: number): Float64Array {
  return solveUpper(factor, solveLower(factor, b, columns), columns);
}

/** U⁻ᵀB, in place. */
export function solveLower({ size, upper }: Factor, b: Float64Array, columns: number): Float64Array {
  for (let from = 0; from < size; from += PANEL) {
    const to = Math.min(size, from + PANEL);
    for (let i = from; i < to; i++) {
      for (let k = from; k < i; k++) subtractRow(b, i * columns, k * columns, 0, columns, upper[k * size + i]);
      divideRow(b, i * columns, columns, upper[i * size + i]);
    }
    const sizes = { rows: size - to, columns, inner: to - from };
    const panel = transposed(block(upper, size, from, to));
    addProduct(block(b, columns, to), panel, block(b, columns, from), sizes, -1);
  }
  return b;
}

/** U⁻¹B, in place. */
export function solveUpper({ size, upper }: Factor, b: Float64Array, columns: number): Float64Array {
  for (let to = size; to > 0; to -= PANEL) {
    const from = Math.max(0, to - PANEL);
    for (let i = to - 1; i >= from; i--) {
      for (let k = i + 1; k < to; k++) subtractRow(b, i * columns, k * columns, 0, columns, upper[i * size + k]);
      divideRow(b, i * columns, columns, upper[i * size + i]);
    }
    const sizes = { rows: from, columns, inner: to - from };
    addProduct(block(b, columns), block(upper, size, 0, from), block(b, columns, from), sizes, -1);
  }
  return b;
}

/** Elements `start` to `end` of the row at `row` −= factor · those of the row at `other`. */
function subtractRow(a: Float64Array, row: number, other: number, start: number, end: number, factor: number): void {
  for (let j = start; j < end; j++) a[row + j] -= factor * a[other + j];
}

function divideRow(a: Float64Array, row: number, columns: number, by: number): void {
  for (let j = 0; j < columns; j++) a[row + j] /= by;
}
