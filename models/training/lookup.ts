import type { Batch } from './examples.ts';

/** Rows of a table [V, width] for each id, side by side: float32 [ids.length, width], written to `out` where given. */
export function gather(
  table: Float32Array,
  ids: ArrayLike<number>,
  width: number,
  out: Float32Array = new Float32Array(ids.length * width),
): Float32Array {
  for (let i = 0; i < ids.length; i++) out.set(table.subarray(ids[i] * width, (ids[i] + 1) * width), i * width);
  return out;
}

/** The tokens of a batch, each once, in order of appearance; padding is none. */
export function distinctIds({ ids, mask }: Pick<Batch, 'ids' | 'mask'>): Int32Array {
  return Int32Array.from(new Set(ids.filter((_, i) => mask[i])));
}

/** Gradients of the looked-up rows, summed per token that the batch contains, in the order of `distinctIds`. */
export function scatterGradients(
  batch: Pick<Batch, 'ids' | 'mask'>,
  gradient: Float32Array,
  width: number,
): { ids: Int32Array; gradients: Float32Array } {
  const sums = new TokenGradients(width);
  sums.addBatch(batch, gradient);
  return { ids: sums.ids, gradients: sums.gradients };
}

/** Row `to` of `into` += factor · row i of `from`, rows of so many numbers. */
export function addRow(
  into: Float32Array,
  to: number,
  from: Float32Array,
  i: number,
  width: number,
  factor: number,
): void {
  for (let j = 0; j < width; j++) into[to * width + j] += factor * from[i * width + j];
}

/** Gradients of looked-up rows from several places, summed by token. */
export class TokenGradients {
  private readonly width: number;
  private readonly sums = new Map<number, Float32Array>();

  constructor(width: number) {
    this.width = width;
  }

  /** Adds `factor` times the i-th row of `from`, float32 [n, width]. */
  add(id: number, from: Float32Array, i: number, factor = 1): void {
    let sum = this.sums.get(id);
    if (!sum) this.sums.set(id, (sum = new Float32Array(this.width)));
    addRow(sum, 0, from, i, this.width, factor);
  }

  /** Adds the rows of a batch's tokens; padding is none. */
  addBatch({ ids, mask }: Pick<Batch, 'ids' | 'mask'>, from: Float32Array): void {
    for (let i = 0; i < ids.length; i++) if (mask[i]) this.add(ids[i], from, i);
  }

  /** Removes a token's sum: float32 [width], zeros where there is none. */
  take(id: number): Float32Array {
    const sum = this.sums.get(id) ?? new Float32Array(this.width);
    this.sums.delete(id);
    return sum;
  }

  /** In order of appearance. */
  get ids(): Int32Array {
    return Int32Array.from(this.sums.keys());
  }

  /** float32 [ids.length, width] */
  get gradients(): Float32Array {
    const all = new Float32Array(this.sums.size * this.width);
    [...this.sums.values()].forEach((sum, i) => all.set(sum, i * this.width));
    return all;
  }
}
