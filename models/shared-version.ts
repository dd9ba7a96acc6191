import type { ModelVersion } from './decode.ts';

/**
 * The same version with its rows and deltas in shared memory: other threads get it without a copy. Nobody may write into it
 * afterwards.
 */
export function inSharedMemory(version: ModelVersion): ModelVersion {
  const { rows, deltas } = version;
  const count = [...rows.map(({ values }) => values), ...deltas.map(({ delta }) => delta)].reduce(
    (sum, { length }) => sum + length,
    0,
  );
  const memory = new SharedArrayBuffer(Float32Array.BYTES_PER_ELEMENT * count);
  let at = 0;
  const moved = (values: Float32Array): Float32Array => {
    const there = new Float32Array(memory, Float32Array.BYTES_PER_ELEMENT * at, values.length);
    there.set(values);
    at += values.length;
    return there;
  };
  return {
    ...version,
    rows: rows.map(({ row, values }) => ({ row, values: moved(values) })),
    deltas: deltas.map(({ weight, delta }) => ({ weight, delta: moved(delta) })),
  };
}

/** Values that onnxruntime takes, which refuses shared memory: a copy of those that lie there. */
export const inOwnMemory = (values: Float32Array): Float32Array =>
  values.buffer instanceof SharedArrayBuffer ? values.slice() : values;
