import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tensor, type FloatTensor } from '../session.ts';
import { readSafetensors, writeSafetensors } from '../weights.ts';
import { dot } from './dot.ts';

/**
 * Directions along which graphs hold docid rows, float32 [R, D], of length 1 and at right angles to each other: those in which
 * rows are longest, the eigenvectors of Σ rowᵀ row with the largest eigenvalues. Undefined where rows need all their numbers.
 */
export type Axes = FloatTensor | undefined;

/** float32 [R]: a row or state as graphs hold it. */
export function along(values: Float32Array, axes: Axes): Float32Array {
  if (!axes) return values;
  return Float32Array.from({ length: axes.shape[0] }, (_, i) => dot(axes.data, i * values.length, values));
}

const digestOf = (axes: Axes): string =>
  createHash('sha256')
    .update(axes ? new Uint8Array(axes.data.buffer, axes.data.byteOffset, axes.data.byteLength) : '')
    .digest('hex');

/** Of axes and what they were found for: graphs along other axes do not fit. */
export const keyWith = (rowsKey: string, axes: Axes): string => `${rowsKey}-${digestOf(axes)}`;

/** @param rowsKey  of the rows that they were found for */
export function writeAxes(file: string, rowsKey: string, axes: Axes): void {
  const tensors = new Map(axes ? [['axes', { shape: axes.shape, data: axes.data }]] : []);
  writeSafetensors(file, tensors, { metadata: { key: keyWith(rowsKey, axes) } });
}

/** `missing` where there are none for these rows that are whole. */
export function readAxes(file: string, rowsKey: string): Axes | 'missing' {
  if (!existsSync(file)) return 'missing';
  try {
    const { tensors, metadata } = readSafetensors(file);
    const stored = tensors.get('axes');
    const axes = stored && tensor(stored.data, [...stored.shape]);
    return metadata.key === keyWith(rowsKey, axes) ? axes : 'missing';
  } catch {
    return 'missing';
  }
}
