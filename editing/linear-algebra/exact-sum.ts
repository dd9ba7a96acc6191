import { MOST_TERMS, TermRows } from './exact-sum-kernel.ts';

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
    for (let from = 0; from < weights.length; from += MOST_TERMS) {
      const count = Math.min(MOST_TERMS, weights.length - from);
      const terms = new TermRows(right, columns, from, count);
      for (let i = 0; i < rows; i++) {
        terms.clear();
        for (let t = 0; t < count; t++) {
          const x = sign * weights[from + t] * left[(from + t) * rows + i];
          if (x !== 0) terms.push(t, x);
        }
        terms.addTo(coarse, fine, i * columns, this.upperOnly ? i : 0);
      }
    }
  }

  /** The sums, each rounded once to float64. @param into  float64 [rows, columns] */
  value(into: Float64Array = new Float64Array(this.rows * this.columns)): Float64Array {
    const { coarse, fine } = this;
    for (let i = 0; i < coarse.length; i++) into[i] = coarse[i] + fine[i];
    return into;
  }
}
