/** @file Sums over the numbers of an activation, in float64. */

type Vector = ArrayLike<number>;

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** ‖a‖₂ */
export const norm = (a: Vector): number => Math.sqrt(dot(a, a));

/** NaN where one of the two is zero and has no direction. */
export const cosine = (a: Vector, b: Vector): number => dot(a, b) / (norm(a) * norm(b));

/** A running mean of what is a number: NaN stands for a value that does not exist. */
export class Mean {
  private sum = 0;
  private count = 0;

  add(value: number): void {
    if (Number.isNaN(value)) return;
    this.sum += value;
    this.count++;
  }

  /** null where there was no value. */
  get value(): number | null {
    return this.count ? this.sum / this.count : null;
  }
}

/** The mean of those that are numbers; null where none is. */
export function meanOfDefined(values: Iterable<number>): number | null {
  const mean = new Mean();
  for (const value of values) mean.add(value);
  return mean.value;
}

/** The median of those that are numbers, the lower of two in the middle; null where none is. */
export function medianOfDefined(values: Iterable<number>): number | null {
  const sorted = [...values].filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return sorted.length ? sorted[Math.ceil(sorted.length / 2) - 1] : null;
}
