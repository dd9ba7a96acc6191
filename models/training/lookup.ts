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

/** Gradients of the looked-up rows, summed per token that the batch contains. Padding has none. */
export function scatterGradients(
  { ids, mask }: Batch,
  gradient: Float32Array,
  width: number,
): { ids: Int32Array; gradients: Float32Array } {
  const places = new Map<number, number>();
  for (let i = 0; i < ids.length; i++) if (mask[i] && !places.has(ids[i])) places.set(ids[i], places.size);
  const gradients = new Float32Array(places.size * width);
  for (let i = 0; i < ids.length; i++) {
    if (!mask[i]) continue;
    const to = places.get(ids[i])! * width;
    const from = i * width;
    for (let j = 0; j < width; j++) gradients[to + j] += gradient[from + j];
  }
  return { ids: Int32Array.from(places.keys()), gradients };
}
