/**
 * @file Sums of products that do not depend on the order, nor on what was added and taken away in between.
 *
 * Float64 addition is exact between multiples of one power of two, as long as the sums stay below 2^53 of it. So each
 * term is rounded once, by itself, to a coarse and a fine part, and the parts are summed apart:
 *
 *     bits      2^35 ......... 2^-18 | 2^-19 ......... 2^-52
 *     sums of   coarse parts         | fine parts, at most 2^-19 each
 *
 * Whatever the order, 2^20 terms of at most 2^15 fill neither. A term keeps an absolute precision of 2^-53.
 */
export const MAX_TERMS = 2 ** 20;
export const MAX_TERM = 2 ** 15;

/** Adding and subtracting 1.5 · 2^52 · q rounds to a multiple of q. */
const COARSE = 1.5 * 2 ** (52 - 18);
const FINE = 1.5 * 2 ** (52 - 52);

/** A matrix of exact sums, float64 [rows, columns]. */
export class ExactSum {
  readonly rows: number;
  readonly columns: number;
  private readonly coarse: Float64Array;
  private readonly fine: Float64Array;
  private readonly upperOnly: boolean;

  /** @param upperOnly  leaves what is below the diagonal at 0 */
  constructor(rows: number, columns: number, upperOnly = false) {
    this.rows = rows;
    this.columns = columns;
    this.upperOnly = upperOnly;
    this.coarse = new Float64Array(rows * columns);
    this.fine = new Float64Array(rows * columns);
  }

  /**
   * Adds sign · Σ_t weights[t] · left[t]ᵀ right[t], each product rounded by itself.
   *
   * @param left   float32 [terms, rows]
   * @param right  float32 [terms, columns]
   */
  add(left: Float32Array, right: Float32Array, weights: ArrayLike<number>, sign: 1 | -1): void {
    const { rows, columns, coarse, fine } = this;
    for (let i = 0; i < rows; i++) {
      const start = this.upperOnly ? i : 0;
      for (let t = 0; t < weights.length; t++) {
        const x = sign * weights[t] * left[t * rows + i];
        if (x !== 0) addScaled(coarse, fine, i * columns, right, t * columns, start, columns, x);
      }
    }
  }

  /** The sums, each rounded once to float64. */
  value(): Float64Array {
    return this.coarse.map((coarse, i) => coarse + this.fine[i]);
  }
}

function addScaled(
  coarse: Float64Array,
  fine: Float64Array,
  row: number,
  right: Float32Array,
  from: number,
  start: number,
  end: number,
  x: number,
): void {
  for (let j = start; j < end; j++) {
    const term = x * right[from + j];
    const high = term + COARSE - COARSE;
    coarse[row + j] += high;
    fine[row + j] += term - high + FINE - FINE;
  }
}
