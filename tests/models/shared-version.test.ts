import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { ModelVersion } from '../../models/decode.ts';
import { inOwnMemory, inSharedMemory } from '../../models/shared-version.ts';

const version: ModelVersion = {
  editSeq: 7,
  live: Uint8Array.of(1, 0, 1),
  rows: [
    { row: 2, values: Float32Array.of(1, 2, 3) },
    { row: 0, values: Float32Array.of(4, 5, 6) },
  ],
  deltas: [{ weight: 'decoder.block.0.layer.2.DenseReluDense.wo.weight', delta: Float32Array.of(7, 8) }],
};

describe('a version in shared memory', () => {
  it('says the same', () => {
    assert.deepEqual(inSharedMemory(version), version);
    assert.deepEqual(inSharedMemory({ ...version, rows: [], deltas: [] }), { ...version, rows: [], deltas: [] });
  });

  it('reaches another thread without a copy', async () => {
    const source = `require('node:worker_threads').parentPort.once('message', ({ rows }) => (rows[1].values[2] = 9, process.exit()));`;
    const worker = new Worker(source, { eval: true });
    const shared = inSharedMemory(version);
    worker.postMessage(shared);
    await once(worker, 'exit');
    assert.equal(shared.rows[1].values[2], 9);
    assert.equal(version.rows[1].values[2], 6);
  });

  it('has values that onnxruntime takes once they are copied', () => {
    const [{ delta }] = inSharedMemory(version).deltas;
    assert.ok(inOwnMemory(delta).buffer instanceof ArrayBuffer);
    assert.deepEqual(inOwnMemory(delta), delta);
    assert.equal(inOwnMemory(version.deltas[0].delta), version.deltas[0].delta);
  });
});
