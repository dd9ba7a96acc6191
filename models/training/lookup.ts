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
  { ids, mask }: Batch,
  gradient: Float32Array,
  width: number,
): { ids: Int32Array; gradients: Float32Array } {
  const distinct = distinctIds({ ids, mask });
  const places = new Map(Array.from(distinct, (id, place) => [id, place]));
  const gradients = new Float32Array(places.size * width);
  for (let i = 0; i < ids.length; i++) {
    if (!mask[i]) continue;
    const to = places.get(ids[i])! * width;
    const from = i * width;
    for (let j = 0; j < width; j++) gradients[to + j] += gradient[from + j];
  }
  return { ids: distinct, gradients };
}
