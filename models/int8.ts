/** @file Linear maps in eight bits, for serving: a quarter of the memory, and products of integers. */
import type { WeightSource } from './graphs.ts';
import { isLinear } from './t5.ts';
import type { Int8Matrix, WeightTensor } from './weights.ts';

/** Columns that share a scale: as few as divide the widths of all T5s that have been published. */
export const BLOCK = 32;

/** Rounds each block of a row to 255 steps between its largest value and the opposite. @param weight float32 [out, in] */
export function toInt8({ data, shape }: WeightTensor, block = BLOCK): Int8Matrix {
  const [rows, columns] = shape;
  const scales = new Float32Array((rows * columns) / block);
  const codes = new Uint8Array(rows * columns);
  for (let b = 0, at = 0; b < scales.length; b++) {
    const end = at + block;
    let largest = 0;
    for (let i = at; i < end; i++) largest = Math.max(largest, Math.abs(data[i]));
    const step = (scales[b] = largest / 127);
    const inverse = step > 0 ? 1 / step : 0;
    for (; at < end; at++) codes[at] = 128 + Math.round(data[at] * inverse);
  }
  return { codes, scales, block };
}

/**
 * The same weights with linear maps in eight bits; those whose rows are not whole blocks stay as they are. None is left in
 * its file: onnxruntime takes constants from files or from memory.
 */
export const inInt8 =
  (weights: WeightSource): WeightSource =>
  (name) => {
    const weight = weights(name);
    return {
      shape: weight.shape,
      get data() {
        return weight.data;
      },
      ...(isLinear(name) && weight.shape[1] % BLOCK === 0 && { int8: toInt8(weight) }),
    };
  };
