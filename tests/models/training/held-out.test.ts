import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { measureSuccess } from '../../../models/training/held-out.ts';

const batch = (size: number) => ({
  ...{ size, length: 1, targets: [] },
  ids: new Int32Array(size),
  mask: new Float32Array(size).fill(1),
});

describe('measureSuccess', () => {
  const batches = [
    { batch: batch(3), relevant: [[0], [1, 2], [2]] },
    { batch: batch(1), relevant: [[0]] },
  ];
  // Three documents, and behind them two words.
  const logits = [
    Float32Array.of(...[5, 1, 1, 1, 4.9], ...[0, 1, 3, 3, 1], ...[4, 0, 1, 0, 0]),
    Float32Array.of(2, 1, 1, 2, 1),
  ];
  const documentLogits = [Float32Array.of(5, 1, 1, 0, 1, 3, 4, 0, 1), Float32Array.of(2, 1, 1)];
  const ofBatch = (of: readonly Float32Array[]) => (asked: object) =>
    Promise.resolve(of[batches.findIndex((one) => one.batch === asked)]);

  it('is the share of queries whose best document is right, and of those where it also comes before all words', async () => {
    // Right and before the words; right but as good as a word; wrong; right but as good as a word.
    assert.deepEqual(await measureSuccess(batches, 3, ofBatch(logits)), {
      success: 0.75,
      freeSuccess: 0.25,
    });
  });

  it('says nothing of words where it is given none, and nothing at all without queries', async () => {
    assert.deepEqual(await measureSuccess(batches, 3, ofBatch(documentLogits)), { success: 0.75 });
    assert.equal(await measureSuccess([], 3, ofBatch(logits)), undefined);
  });
});
