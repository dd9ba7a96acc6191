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

/** So many rows are eliminated one by one; of more, halves are, with a matrix product between them. */
const LEAF = 16;

/** Pivots below this share of the largest diagonal element are rounding errors of the ones before. */
const leastShare = (size: number): number => 4 * size * Number.EPSILON;

/**
 * Cholesky's factor, in place: A is overwritten. ml-matrix, which goes element by element, takes five times as long here and
 * ten times as long for `solve` (`npm run bench -- ledger --library`). The same bytes on every machine.
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
  const eliminate = (from: number, to: number): void => {
    if (to - from > LEAF) {
      const middle = halfway(from, to);
      eliminate(from, middle);
      lower(a, size, from, middle, a, size, middle, to);
      const panel = block(a, size, from, middle);
      const sizes = { rows: to - middle, columns: to - middle, inner: middle - from };
      addProduct(block(a, size, middle, middle), transposed(panel), panel, sizes, -1, true);
      eliminate(middle, to);
      return;
    }
    for (let i = from; i < to; i++) {
      for (let k = from; k < i; k++) subtractRow(a, i * size, k * size, i, to, a[k * size + i]);
      const pivot = a[i * size + i];
      if (!(pivot > least)) throw new NotPositiveDefiniteError(what, size, i, pivot, least, advice);
      const root = Math.sqrt(pivot);
      a[i * size + i] = root;
      divideRow(a, i * size, i + 1, to, root);
    }
  };
  eliminate(0, size);
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
export function solveLower({ size, upper: u }: Factor, b: Float64Array, columns: number): Float64Array {
  lower(u, size, 0, size, b, columns, 0, columns);
  return b;
}

/** U⁻¹B, in place. */
export function solveUpper({ size, upper: u }: Factor, b: Float64Array, columns: number): Float64Array {
  upper(u, size, 0, size, b, columns);
  return b;
}

/** Rows `from` to `to` of U⁻ᵀB, columns `left` to `right` of B, whose rows are `width` apart. */
function lower(
  u: Float64Array,
  size: number,
  from: number,
  to: number,
  b: Float64Array,
  width: number,
  left: number,
  right: number,
): void {
  if (to - from > LEAF) {
    const middle = halfway(from, to);
    lower(u, size, from, middle, b, width, left, right);
    const sizes = { rows: to - middle, columns: right - left, inner: middle - from };
    const panel = transposed(block(u, size, from, middle));
    addProduct(block(b, width, middle, left), panel, block(b, width, from, left), sizes, -1);
    lower(u, size, middle, to, b, width, left, right);
    return;
  }
  for (let i = from; i < to; i++) {
    for (let k = from; k < i; k++) subtractRow(b, i * width, k * width, left, right, u[k * size + i]);
    divideRow(b, i * width, left, right, u[i * size + i]);
  }
}

/** Rows `from` to `to` of U⁻¹B, last ones first. */
function upper(u: Float64Array, size: number, from: number, to: number, b: Float64Array, columns: number): void {
  if (to - from > LEAF) {
    const middle = halfway(from, to);
    upper(u, size, middle, to, b, columns);
    const sizes = { rows: middle - from, columns, inner: to - middle };
    addProduct(block(b, columns, from), block(u, size, from, middle), block(b, columns, middle), sizes, -1);
    upper(u, size, from, middle, b, columns);
    return;
  }
  for (let i = to - 1; i >= from; i--) {
    for (let k = i + 1; k < to; k++) subtractRow(b, i * columns, k * columns, 0, columns, u[i * size + k]);
    divideRow(b, i * columns, 0, columns, u[i * size + i]);
  }
}

/** A multiple of LEAF rows after `from`, so that tiles fit. */
const halfway = (from: number, to: number): number => from + LEAF * Math.ceil((to - from) / LEAF / 2);

/** Elements `start` to `end` of the row at `row` −= factor · those of the row at `other`. */
function subtractRow(a: Float64Array, row: number, other: number, start: number, end: number, factor: number): void {
  for (let j = start; j < end; j++) a[row + j] -= factor * a[other + j];
}

function divideRow(a: Float64Array, row: number, start: number, end: number, by: number): void {
  for (let j = start; j < end; j++) a[row + j] /= by;
}
