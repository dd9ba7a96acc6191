import { tensor } from '../models/session.ts';
import type { Batch } from './lab.ts';

/** Batches as one, padded to its longest query. Nothing is kept of other activations that were read. */
export function joinBatches(batches: readonly Batch[]): Batch {
  const B = batches.reduce((sum, { queries }) => sum + queries.length, 0);
  const S = Math.max(...batches.map(({ mask }) => mask.shape[1]));
  const D = batches[0].encoderOut.shape[2];
  const queries = new Int32Array(B);
  const [ids, mask] = [new BigInt64Array(B * S), new Float32Array(B * S)];
  const encoderOut = new Float32Array(B * S * D);
  let at = 0;
  for (const batch of batches) {
    const [size, length] = batch.mask.shape;
    queries.set(batch.queries, at);
    for (let b = 0; b < size; b++, at++) {
      const [from, to] = [b * length, (b + 1) * length];
      ids.set(batch.ids.data.subarray(from, to), at * S);
      mask.set(batch.mask.data.subarray(from, to), at * S);
      encoderOut.set(batch.encoderOut.data.subarray(from * D, to * D), at * S * D);
    }
  }
  return {
    queries,
    ids: tensor(ids, [B, S]),
    mask: tensor(mask, [B, S]),
    encoderOut: tensor(encoderOut, [B, S, D]),
    read: {},
  };
}
