/** @file Linear maps in eight bits, for serving: a quarter of the memory, and products of integers. */
import type { WeightSource } from './graphs.ts';
import { ConstantFile } from './onnx/constant-file.ts';
import type { Session } from './session.ts';
import { isLinear } from './t5.ts';
import type { FilePlace, Int8Matrix, WeightTensor } from './weights.ts';

/** Columns that share a scale: as few as divide the widths of all T5s that have been published. */
export const BLOCK = 32;

/** Rounds each block of a row to 255 steps between its largest value and the opposite. @param weight float32 [out, in] */
export function toInt8({ data, shape }: WeightTensor, block = BLOCK) {
  const [rows, columns] = shape;
  const scales = new Float32Array((rows * columns) / block);
  const codes = new Uint8Array(rows * columns);
  for (let b = 0, at = 0; b < scales.length; b++) {
    const end = at + block;
    let largest = 0;
    for (let i = at; i < end; i++) {
      const size = data[i] < 0 ? -data[i] : data[i];
      if (size > largest) largest = size;
    }
    scales[b] = largest / 127;
    const inverse = largest > 0 ? 127 / largest : 0;
    for (; at < end; at++) codes[at] = (data[at] * inverse + 128.5) | 0;
  }
  return { codes, scales, block } satisfies Int8Matrix;
}

/**
 * The same weights with linear maps in eight bits; those whose rows are not whole blocks stay as they are.
 *
 * @param file  made where a model is large: all that its graphs have of weights goes there, as onnxruntime looks in one folder
 */
export const inInt8 =
  (weights: WeightSource, file: () => ConstantFile): WeightSource =>
  (name) => {
    const weight = weights(name);
    return weight.place || isRounded(name, weight) ? new RoundedWeight(name, weight, file) : weight;
  };

const isRounded = (name: string, { shape }: WeightTensor): boolean => isLinear(name) && shape[1] % BLOCK === 0;

/** Made when it is asked for: a graph wants the one or the other of most weights. */
class RoundedWeight implements WeightTensor {
  readonly shape: readonly number[];
  private readonly name: string;
  private readonly weight: WeightTensor;
  private readonly file: () => ConstantFile;
  private readonly isLarge: boolean;

  constructor(name: string, weight: WeightTensor, file: () => ConstantFile) {
    this.shape = weight.shape;
    this.name = name;
    this.weight = weight;
    this.file = file;
    this.isLarge = weight.place !== undefined;
  }

  get data(): Float32Array {
    return this.weight.data;
  }

  get place(): FilePlace | undefined {
    return this.isLarge ? this.file().append(this.weight.data) : undefined;
  }

  get int8(): Int8Matrix | undefined {
    if (!isRounded(this.name, this.weight)) return undefined;
    const { codes, scales, block } = toInt8(this.weight);
    if (!this.isLarge) return { codes, scales, block };
    return { codes: this.file().append(codes), scales: this.file().append(scales), block };
  }
}

/** Opens a session on weights, or on the same in eight bits. */
export async function openWith(
  weights: WeightSource,
  { int8 = false }: { readonly int8?: boolean },
  open: (weights: WeightSource) => Promise<Session>,
): Promise<Session> {
  if (!int8) return open(weights);
  let file: ConstantFile | undefined;
  try {
    return await open(inInt8(weights, () => (file ??= new ConstantFile())));
  } finally {
    file?.remove();
  }
}
