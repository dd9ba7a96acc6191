import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { ledger } from '../../../editing/methods/ledger.ts';
import { mergeKeys } from '../../../editing/methods/merge-keys.ts';
import { randomLayer, randomPairs, relativeDifference } from '../../support/edit-layer.ts';

const rng = createRng(14);
const world = randomLayer(rng, { F: 3, D: 1 });
const { layer } = world;

describe('merged keys', () => {
  it('are weighted means, by hand', () => {
    const merged = mergeKeys(layer, {
      keys: Float32Array.of(1, 0, 0, 0, 1, 0, 3, 0, 0, 0, 1, 0.5),
      residuals: Float32Array.of(1, 5, 5, 7),
      weights: [1, 1, 3, 2],
    });
    // The cosine of (0, 1, 0) and (0, 1, .5) is .894.
    assert.deepEqual([...merged.keys], [2.5, 0, 0, 0, 1, 0, 0, 1, 0.5]);
    assert.deepEqual([...merged.residuals], [4, 5, 7]);
    assert.deepEqual([...Array.from(merged.weights)], [4, 1, 2]);
  });

  it('that are equal give the very edit that they gave apart', () => {
    const one = randomPairs(rng, world, 1);
    const twice = { keys: Float32Array.from([...one.keys, ...one.keys]), residuals: Float32Array.of(1, 2) };
    const editor = ledger.prepare(layer, { lambda: 1, ridge: 0.1 });
    const merged = mergeKeys(layer, twice);
    assert.equal(merged.residuals.length, 1);
    assert.ok(relativeDifference(editor({ pairs: merged }), editor({ pairs: twice })) < 1e-6);
  });

  it('are left as they are where none are near, zeros among them', () => {
    const apart = { keys: Float32Array.of(1, 0, 0, 0, 0, 0, 0, 1, 0), residuals: Float32Array.of(1, 2, 3) };
    const merged = mergeKeys(layer, apart);
    assert.deepEqual([merged.keys, merged.residuals], [apart.keys, apart.residuals]);
  });
});
