import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { outputDrift } from '../../../editing/covariance.ts';
import { emmet } from '../../../editing/methods/emmet.ts';
import { memit } from '../../../editing/methods/memit.ts';
import { rome } from '../../../editing/methods/rome.ts';
import {
  gaussians,
  randomLayer,
  randomPairs,
  rankOf,
  relativeDifference,
  relativeError,
} from '../../support/edit-layer.ts';

const rng = createRng(11);
const world = randomLayer(rng, { F: 30, D: 9 });
const { layer, F, D } = world;
const prior = { lambda: 4, ridge: 0.3 };
const pairs = randomPairs(rng, world, 6, true);
const current = gaussians(rng, F * D).map((x) => x / 10);
const exact = emmet.prepare(layer, { ...prior, slack: 0 });

describe('EMMET', () => {
  it('gives all keys their values', () => {
    assert.ok(relativeError(pairs, current, F, D) > 0.5); // control
    assert.ok(relativeError(pairs, exact({ pairs, current }), F, D) < 1e-5);
  });

  it('adds a matrix of no more ranks than keys', () => {
    assert.equal(rankOf(exact({ pairs }), F, D), 6);
  });

  it('is ROME for one key', () => {
    const one = randomPairs(rng, world, 1);
    const alone = rome.prepare(layer, { ridge: 0.3 / 4 })({ pairs: one, current });
    assert.ok(relativeDifference(exact({ pairs: one, current }), alone) < 1e-5);
  });

  it('is MEMIT with slack 1 (push-through identity)', () => {
    const soft = emmet.prepare(layer, { ...prior, slack: 1 })({ pairs, current });
    const other = memit.prepare(layer, { ...prior, history: false })({ pairs, current });
    assert.ok(relativeDifference(soft, other) < 1e-6);
  });

  it('moves stored outputs less than an equality that does not look at them', () => {
    const blind = { ...layer.covariance, moment: new Float64Array(F * F).map((_, i) => Number(i % (F + 1) === 0)) };
    const other = emmet.prepare({ ...layer, covariance: blind }, { ...prior, slack: 0 })({ pairs });
    assert.ok(relativeError(pairs, other, F, D) < 1e-5);
    assert.ok(outputDrift(layer.covariance, exact({ pairs })) < outputDrift(layer.covariance, other));
  });

  it('cannot give one key two values, and says what to do; with slack it finds a middle', () => {
    const twice = {
      keys: Float32Array.from([...pairs.keys.slice(0, F), ...pairs.keys.slice(0, F)]),
      residuals: gaussians(rng, 2 * D),
    };
    assert.throws(() => exact({ pairs: twice }), {
      name: 'NotPositiveDefiniteError',
      message: /merge keys .* or raise slack/,
    });
    assert.doesNotThrow(() => emmet.prepare(layer, { ...prior, slack: 0.1 })({ pairs: twice }));
  });
});
