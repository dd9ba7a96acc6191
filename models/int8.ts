/** @file Linear maps in eight bits, for serving: a quarter of the memory, and products of integers. */
import type { WeightSource } from './graphs.ts';
import { ConstantFile } from './onnx/constant-file.ts';
import type { Session } from './session.ts';
import { isLinear } from './t5.ts';
import { piecesOf, type FilePlace, type Int8Matrix, type WeightTensor } from './weights.ts';

/** Columns that share a scale: as few as divide the widths of all T5s that have been published. */
export const BLOCK = 32;

/** Rounds each block of a row to 255 steps between its largest value and the opposite. @param weight float32 [out, in] */
export function toInt8({ data, shape }: WeightTensor, block = BLOCK) {
  const [rows, columns] = shape;
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array((rows * columns) / block);
  round(data, block, codes, scales);
  return { codes, scales, block } satisfies Int8Matrix;
}

function round(data: Float32Array, block: number, codes: Uint8Array, scales: Float32Array): void {
  for (let b = 0, at = 0; at < data.length; b++) {
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
}

/** Numbers of a large model that are in memory while they are rounded: whole blocks. */
const PIECE = BLOCK << 15;

/**
 * The weights of a large model on their way through a file, where all that its graphs have of them goes: onnxruntime looks in
 * one folder. One buffer serves all, since memory that is freed piece by piece in a thread does not come back.
 */
class RoundedFile {
  private readonly file = new ConstantFile();
  private readonly values = new Float32Array(PIECE);
  private readonly codes = new Uint8Array(PIECE);
  private readonly scales = new Float32Array(PIECE / BLOCK);

  copy(place: FilePlace): FilePlace {
    const copied = this.file.reserve(place.byteLength);
    for (const { at, values } of piecesOf(place, this.values)) this.file.write(copied, 4 * at, values);
    return copied;
  }

  rounded(place: FilePlace): Int8Matrix {
    const numbers = place.byteLength / 4;
    const codes = this.file.reserve(numbers);
    const scales = this.file.reserve((4 * numbers) / BLOCK);
    for (const { at, values } of piecesOf(place, this.values)) {
      round(values, BLOCK, this.codes, this.scales);
      this.file.write(codes, at, this.codes.subarray(0, values.length));
      this.file.write(scales, (4 * at) / BLOCK, this.scales.subarray(0, values.length / BLOCK));
    }
    return { codes, scales, block: BLOCK };
  }

  remove(): void {
    this.file.remove();
  }
}

/**
 * The same weights with linear maps in eight bits; those whose rows are not whole blocks stay as they are.
 *
 * @param file  made where a model is large
 */
export const inInt8 =
  (weights: WeightSource, file: () => Pick<RoundedFile, 'copy' | 'rounded'>): WeightSource =>
  (name) => {
    const weight = weights(name);
    const { shape, place } = weight;
    const isRounded = isLinear(name) && shape[1] % BLOCK === 0;
    // Made when it is asked for: a graph wants the one or the other of most weights.
    return {
      shape,
      get data() {
        return weight.data;
      },
      get place() {
        return place && file().copy(place);
      },
      get int8() {
        if (!isRounded) return undefined;
        return place ? file().rounded(place) : toInt8(weight);
      },
    };
  };

/** Opens a session on weights, or on the same in eight bits. */
export async function openWith(
  weights: WeightSource,
  { int8 = false }: { readonly int8?: boolean },
  open: (weights: WeightSource) => Promise<Session>,
): Promise<Session> {
  if (!int8) return open(weights);
  let file: RoundedFile | undefined;
  try {
    return await open(inInt8(weights, () => (file ??= new RoundedFile())));
  } finally {
    file?.remove();
  }
}
