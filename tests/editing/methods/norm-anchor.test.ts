import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { InvalidEditError } from '../../../editing/methods/method.ts';
import { anchorNorms, pilotNorm } from '../../../editing/methods/norm-anchor.ts';
import { gaussians, norm, relativeDifference } from '../../support/edit-layer.ts';

const D = 6;
const rng = createRng(13);
const targets = { outputs: gaussians(rng, 5 * D), residuals: gaussians(rng, 5 * D) };

const value = (t: number, residuals: Float32Array, at = t): number[] =>
  Array.from({ length: D }, (_, i) => targets.outputs[t * D + i] + residuals[at * D + i]);

describe('norm anchoring', () => {
  it('gives every value the pilot’s mean norm and leaves its direction', () => {
    const { residuals, kept } = anchorNorms(targets, D, 10);
    assert.deepEqual(kept, [0, 1, 2, 3, 4]);
    for (const t of kept) {
      const [before, after] = [value(t, targets.residuals), value(t, residuals)];
      assert.ok(Math.abs(norm(after) - 10) < 1e-5);
      const scaled = before.map((x) => (10 * x) / norm(before));
      assert.ok(relativeDifference(after, scaled) < 1e-6);
    }
  });

  it('takes the mean of norms, by hand', () => {
    const two = { outputs: Float32Array.of(3, 0, 0, 0), residuals: Float32Array.of(0, 4, 0, 1) };
    assert.equal(pilotNorm(two, 2), 3);
  });

  it('leaves out values more than twice as long, and those without a direction', () => {
    const given = { outputs: Float32Array.of(4, 0, 1, 1, 4.01, 0), residuals: Float32Array.of(0, 0, -1, -1, 0, 0) };
    const { residuals, kept } = anchorNorms(given, 2, 2);
    assert.deepEqual(kept, [0]);
    assert.deepEqual([...residuals], [-2, 0]);
  });

  it('refuses what does not fit', () => {
    assert.throws(() => anchorNorms({ ...targets, residuals: new Float32Array(D) }, D, 1), InvalidEditError);
    assert.throws(() => anchorNorms(targets, D, 0), { what: 'pilot norm' });
    assert.throws(
      () => pilotNorm({ outputs: Float32Array.of(NaN), residuals: Float32Array.of(1) }, 1),
      InvalidEditError,
    );
    assert.throws(() => pilotNorm({ outputs: new Float32Array(), residuals: new Float32Array() }, 1), InvalidEditError);
  });
});
