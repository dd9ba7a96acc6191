import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { ledger } from '../../../editing/methods/ledger.ts';
import { memit } from '../../../editing/methods/memit.ts';
import type { EditPairs } from '../../../editing/methods/method.ts';
import { randomLayer, randomPairs, rankOf, relativeDifference, relativeError } from '../../support/edit-layer.ts';

const rng = createRng(9);
const world = randomLayer(rng, { F: 60, D: 8, n: 400 });
const { layer, F, D } = world;
const prior = { lambda: 2, ridge: 1 };
const batches = Array.from({ length: 12 }, () => randomPairs(rng, world, 5, true));

/** One edit after the other, each on top of those before. */
function sequence(history: boolean): Float32Array {
  const editor = memit.prepare(layer, { ...prior, history });
  return batches.reduce<Float32Array>(
    (current, pairs, i) => editor({ pairs, history: batches.slice(0, i), current }),
    new Float32Array(F * D),
  );
}

describe('MEMIT', () => {
  it('is the ledger for the first batch', () => {
    const alone = memit.prepare(layer, { ...prior, history: false })({ pairs: batches[0] });
    assert.ok(relativeDifference(alone, ledger.prepare(layer, prior)({ pairs: batches[0] })) < 1e-6);
    assert.equal(rankOf(alone, F, D), 5);
  });

  it('with history is the ledger of all batches, one after the other', () => {
    const all = ledger.prepare(layer, prior)({ pairs: batches.at(-1)!, history: batches.slice(0, -1) });
    assert.ok(relativeDifference(sequence(true), all) < 1e-6);
    assert.ok(relativeDifference(sequence(false), all) > 0.05); // control
  });

  it('without history forgets early edits', () => {
    const error = (delta: Float32Array, pairs: readonly EditPairs[]): number =>
      pairs.reduce((sum, p) => sum + relativeError(p, delta, F, D), 0) / pairs.length;
    const [first, last] = [batches.slice(0, 4), batches.slice(-4)];
    const [plain, kept] = [sequence(false), sequence(true)];
    assert.ok(error(plain, first) > 1.3 * error(plain, last), `${error(plain, first)} ${error(plain, last)}`);
    assert.ok(error(kept, first) < 1.15 * error(kept, last), `${error(kept, first)} ${error(kept, last)}`);
    assert.ok(error(plain, first) > 1.3 * error(kept, first));
  });
});
