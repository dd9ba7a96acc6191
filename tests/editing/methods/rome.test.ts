import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Matrix, inverse } from 'ml-matrix';
import { createRng } from '../../../corpus/random.ts';
import { outputDrift } from '../../../editing/covariance.ts';
import { NotPositiveDefiniteError } from '../../../editing/linear-algebra/cholesky.ts';
import { InvalidEditError } from '../../../editing/methods/method.ts';
import { rome } from '../../../editing/methods/rome.ts';
import {
  gaussians,
  norm,
  randomLayer,
  randomPairs,
  rankOf,
  relativeDifference,
  times,
} from '../../support/edit-layer.ts';

const rng = createRng(10);
const world = randomLayer(rng);
const { layer, F, D } = world;
const pairs = randomPairs(rng, world, 1);
const current = gaussians(rng, F * D).map((x) => x / 10);
const editor = rome.prepare(layer, { ridge: 0 });
const delta = editor({ pairs, current });
const step = delta.map((x, i) => x - current[i]);

describe('ROME', () => {
  it('gives the key its value', () => {
    assert.ok(relativeDifference(times(pairs.keys, current, F, D), pairs.residuals) > 0.5); // control
    assert.ok(relativeDifference(times(pairs.keys, delta, F, D), pairs.residuals) < 1e-5);
  });

  it('adds a matrix of rank 1', () => {
    assert.equal(rankOf(editor({ pairs }), F, D), 1);
  });

  it('moves stored outputs least of all changes that reach the value', () => {
    const least = outputDrift(layer.covariance, step);
    const square = norm(pairs.keys) ** 2;
    for (let i = 0; i < 50; i++) {
      // A random change that does not move the key's output: N − kᵀ(k N)/(k kᵀ).
      const random = gaussians(rng, F * D);
      const moved = times(pairs.keys, random, F, D);
      const other = step.map(
        (x, at) => x + 0.01 * (random[at] - (pairs.keys[Math.floor(at / D)] * moved[at % D]) / square),
      );
      assert.ok(
        norm(Array.from(times(pairs.keys, other, F, D), (y, j) => y - times(pairs.keys, step, F, D)[j])) < 1e-5,
      );
      assert.ok(outputDrift(layer.covariance, other) > least);
    }
  });

  it('leaves keys alone that are C⁻¹-orthogonal to the edited one', () => {
    const inverted = inverse(Matrix.from1DArray(F, F, layer.covariance.moment));
    const [direction] = new Matrix([Array.from(pairs.keys)]).mmul(inverted).to2DArray(); // k C⁻¹
    const other = randomPairs(rng, world, 1).keys;
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => times(a, b, F, 1)[0];
    const share = dot(other, direction) / dot(direction, direction);
    const orthogonal = Float64Array.from(other, (x, i) => x - share * direction[i]);
    assert.ok(norm(times(orthogonal, step, F, D)) < 1e-5 * norm(times(other, step, F, D)));
  });

  it('takes one key, and not one of zeros', () => {
    assert.throws(() => editor({ pairs: randomPairs(rng, world, 2) }), {
      name: 'InvalidEditError',
      expected: 'one key',
    });
    assert.throws(() => editor({ pairs: { ...pairs, keys: new Float32Array(F) } }), InvalidEditError);
  });

  it('needs a ridge where stored keys do not span the space', () => {
    const narrow = randomLayer(rng, { n: 10 }).layer;
    assert.throws(() => rome.prepare(narrow, { ridge: 0 }), NotPositiveDefiniteError);
    const held = rome.prepare(narrow, rome.defaults)({ pairs });
    assert.ok(relativeDifference(times(pairs.keys, held, F, D), pairs.residuals) < 1e-5);
  });
});
