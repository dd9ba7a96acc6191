import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { alphaEdit, quietSpace } from '../../../editing/methods/alpha-edit.ts';
import { ledger } from '../../../editing/methods/ledger.ts';
import {
  gaussians,
  momentOf,
  norm,
  randomLayer,
  randomPairs,
  rankOf,
  relativeDifference,
  relativeError,
  times,
} from '../../support/edit-layer.ts';

const rng = createRng(12);
const world = randomLayer(rng, { F: 40, D: 6, n: 2000 });
const { layer, F, D } = world;

/** Stored keys in a space of 15 dimensions, so that C₀ has an exact null space of 25. */
const inside = gaussians(rng, 15 * F);
const stored = Float32Array.from(times(gaussians(rng, 300 * 15), inside, 15, F));
const narrow = { covariance: momentOf(stored, F), d_model: D };
const pairs = randomPairs(rng, world, 7);
const editor = alphaEdit.prepare(narrow, { energy: 1 - 1e-9, ridge: 1e-6 });
const delta = editor({ pairs });

describe('AlphaEdit with an exact null space', () => {
  it('does not move outputs of stored keys, nor of others in their space', () => {
    const moved = norm(times(pairs.keys, delta, F, D));
    assert.ok(norm(times(stored.subarray(0, 7 * F), delta, F, D)) < 1e-5 * moved);
    const other = times(gaussians(rng, 15), inside, 15, F);
    assert.ok(norm(times(other, delta, F, D)) < 1e-5 * moved);
  });

  it('reaches the values within the null space', () => {
    assert.ok(relativeError(pairs, delta, F, D) < 1e-3);
    assert.ok(rankOf(delta, F, D) <= 7);
  });

  it('moves stored outputs when it is the ledger instead (control)', () => {
    const soft = ledger.prepare(narrow, { lambda: 1, ridge: 1 })({ pairs });
    assert.ok(norm(times(stored.subarray(0, 7 * F), soft, F, D)) > 0.01 * norm(times(pairs.keys, soft, F, D)));
  });

  it('keeps earlier edits when their keys are in the history, and else forgets them', () => {
    const next = Array.from({ length: 4 }, () => randomPairs(rng, world, 5));
    const soft = alphaEdit.prepare(narrow, { energy: 1 - 1e-9, ridge: 1e-3 });
    const run = (remember: boolean): Float32Array =>
      [pairs, ...next].reduce<Float32Array>(
        (current, p, i, all) =>
          soft({ pairs: p, current, history: remember ? [pairs, ...next].slice(0, Math.min(i, all.length)) : [] }),
        new Float32Array(F * D),
      );
    assert.ok(relativeError(pairs, run(true), F, D) < 0.5 * relativeError(pairs, run(false), F, D));
  });
});

describe('the quiet space', () => {
  it('has orthonormal directions with at most the share of energy that is free', () => {
    const { basis, rank, eigenvalues } = quietSpace(layer.covariance, 0.95);
    const energy = (r: number): number => eigenvalues.slice(0, r).reduce((sum, x) => sum + x, 0);
    assert.ok(rank > 0 && energy(rank) <= 0.05 * energy(F) && energy(rank + 1) > 0.05 * energy(F));
    const transposed = Float64Array.from({ length: basis.length }, (_, i) => basis[(i % F) * rank + Math.floor(i / F)]);
    const gram = times(transposed, basis, F, rank);
    gram.forEach((x, i) => assert.ok(Math.abs(x - Number(i % (rank + 1) === 0)) < 1e-10));
    const preserved = times(times(transposed, layer.covariance.moment, F, F), basis, F, rank);
    const trace = Array.from({ length: rank }, (_, i) => preserved[i * (rank + 1)]).reduce((sum, x) => sum + x, 0);
    assert.ok(Math.abs(trace / energy(rank) - 1) < 1e-8);
  });

  it('is found by share of energy whatever the scale, where an absolute threshold finds nothing', () => {
    const { eigenvalues, rank } = quietSpace(layer.covariance, 0.95);
    assert.equal(eigenvalues.filter((x) => x < 0.02).length, 0); // the published threshold, on ReLU keys
    const scaled = { ...layer.covariance, moment: layer.covariance.moment.map((x) => x / 100) };
    assert.equal(quietSpace(scaled, 0.95).rank, rank);
    assert.ok(quietSpace(scaled, 0.95).eigenvalues.filter((x) => x < 0.02).length > F / 2);
  });

  it('that is empty is an error', () => {
    assert.throws(() => alphaEdit.prepare(layer, { energy: 0.9999, ridge: 1 }), {
      name: 'InvalidEditError',
      message: /AlphaEdit: expected directions .* got none; lower energy/,
    });
  });
});

describe('AlphaEdit', () => {
  it('is the published solution with a projector', () => {
    const { basis, rank } = quietSpace(layer.covariance, 0.9);
    const reduced = alphaEdit.prepare(layer, { energy: 0.9, ridge: 2 })({ pairs });
    // [P KᵀK + L2·I] X = P KᵀR: the residual of X in it is zero.
    const energy = layer.covariance.moment.reduce((sum, x, i) => sum + (i % (F + 1) ? 0 : x), 0) / F;
    const transposed = Float64Array.from({ length: basis.length }, (_, i) => basis[(i % F) * rank + Math.floor(i / F)]);
    const projector = times(basis, transposed, rank, F);
    const across = Float64Array.from({ length: 7 * F }, (_, i) => pairs.keys[(i % 7) * F + Math.floor(i / 7)]);
    const moments = times(across, pairs.keys, 7, F);
    const left = times(times(projector, moments, F, F), reduced, F, D).map((x, i) => x + 2 * energy * reduced[i]);
    const right = times(projector, times(across, pairs.residuals, 7, D), F, D);
    assert.ok(relativeDifference(left, right) < 1e-5);
  });
});
