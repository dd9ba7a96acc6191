import { tensor, type FloatTensor } from './session.ts';

/** The rows of a matrix that are listed, in that order: float32 [list.length, D]. */
export function takeRows({ data, shape: [, D] }: FloatTensor, list: ArrayLike<number>): FloatTensor {
  const taken = new Float32Array(list.length * D);
  for (let i = 0; i < list.length; i++) taken.set(data.subarray(list[i] * D, (list[i] + 1) * D), i * D);
  return tensor(taken, [list.length, D]);
}

/** Rows of one tensor after the other, float32 [ΣQ, D]. */
export function stackRows(parts: readonly FloatTensor[]): FloatTensor {
  const width = parts[0].shape[1];
  const rows = parts.reduce((sum, { shape }) => sum + shape[0], 0);
  const data = new Float32Array(rows * width);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return tensor(data, [rows, width]);
}
