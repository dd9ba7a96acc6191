import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../corpus/random.ts';
import {
  CovarianceFitter,
  InvalidKeysError,
  meanEnergy,
  outputDrift,
  shrink,
  shrinkageIntensity,
} from '../../editing/covariance.ts';
import { fitted, gaussians, momentOf, norm, reluKeys, relativeDifference, times } from '../support/edit-layer.ts';

const F = 13;
const rng = createRng(5);
const keys = reluKeys(rng, 203, F);

const rowsWhere = (chosen: (t: number) => boolean): Float32Array => keys.filter((_, i) => chosen(Math.floor(i / F)));

describe('the covariance of streamed keys', () => {
  it('has the bytes of one batch, wherever batches end', () => {
    const whole = fitted(keys, F);
    for (const size of [1, 7, 64]) {
      const fitter = new CovarianceFitter(F);
      for (let t = 0; t < 203; t += size) fitter.update(keys.subarray(t * F, (t + size) * F));
      assert.deepEqual(fitter.finish(), whole, `batches of ${size}`);
    }
  });

  it('is the mean of k kᵀ over four keys in five, and over the fifth', () => {
    const { fitted: most, heldOut } = fitted(keys, F);
    for (const [covariance, expected] of [
      [
        most,
        momentOf(
          rowsWhere((t) => t % 5 !== 4),
          F,
        ),
      ],
      [
        heldOut,
        momentOf(
          rowsWhere((t) => t % 5 === 4),
          F,
        ),
      ],
    ] as const) {
      assert.equal(covariance.count, expected.count);
      assert.ok(relativeDifference(covariance.moment, expected.moment) < 1e-14);
      assert.ok(Math.abs(covariance.fourthMoment / expected.fourthMoment - 1) < 1e-14);
    }
    assert.equal(heldOut.count, 40);
  });

  it('is symmetric to the bit', () => {
    const { moment } = fitted(keys, F).fitted;
    for (let i = 0; i < F; i++) for (let j = 0; j < i; j++) assert.equal(moment[i * F + j], moment[j * F + i]);
  });

  it('refuses keys of another length, numbers that are none, and too few keys', () => {
    const fitter = new CovarianceFitter(F);
    assert.throws(() => fitter.update(new Float32Array(F + 1)), InvalidKeysError);
    fitter.update(keys.subarray(0, 3 * F));
    const broken = keys.slice(0, 2 * F);
    broken[F + 2] = NaN;
    assert.throws(() => fitter.update(broken), { actual: 'NaN in key 4' });
    assert.throws(() => fitter.finish(), { expected: 'held-out keys', actual: 'none' });
  });
});

describe('shrinkage', () => {
  const { fitted: covariance } = fitted(keys, F);

  it('keeps the trace and ends at a multiple of the identity', () => {
    assert.deepEqual(shrink(covariance, 0).moment, covariance.moment);
    for (const intensity of [0.2, 1])
      assert.ok(Math.abs(meanEnergy(shrink(covariance, intensity)) / meanEnergy(covariance) - 1) < 1e-14);
    const round = shrink(covariance, 1).moment;
    round.forEach((x, i) => assert.equal(x, i % (F + 1) ? 0 : meanEnergy(covariance)));
  });

  it('chooses the intensity of the definition', () => {
    const m = meanEnergy(covariance);
    const used = rowsWhere((t) => t % 5 !== 4);
    const n = used.length / F;
    let variance = 0; // (1/n²) Σ ‖kkᵀ − C‖²
    for (let t = 0; t < n; t++)
      for (let i = 0; i < F; i++)
        for (let j = 0; j < F; j++)
          variance += (used[t * F + i] * used[t * F + j] - covariance.moment[i * F + j]) ** 2 / n ** 2;
    const distance = norm(covariance.moment.map((x, i) => x - (i % (F + 1) ? 0 : m))) ** 2;
    assert.ok(Math.abs(shrinkageIntensity(covariance) - variance / distance) < 1e-12);
  });

  it('brings moments of few keys nearer to the true one on average, and falls with their number', () => {
    const truth = momentOf(reluKeys(createRng(6), 20_000, F), F);
    const draws = createRng(7);
    let [plain, shrunk] = [0, 0];
    for (let i = 0; i < 40; i++) {
      const few = momentOf(reluKeys(draws, 8, F), F);
      plain += relativeDifference(few.moment, truth.moment) ** 2;
      shrunk += relativeDifference(shrink(few, shrinkageIntensity(few)).moment, truth.moment) ** 2;
    }
    assert.ok(shrunk < plain, `${shrunk} < ${plain}`);
    const [few, more, many] = [20, 200, 2000].map((n) => shrinkageIntensity(momentOf(reluKeys(draws, n, F), F)));
    assert.ok(few > 3 * more && more > 3 * many, `${few} ${more} ${many}`);
  });

  it('is complete where nothing is known but one direction is as good as another', () => {
    const round = { size: 2, count: 10, moment: Float64Array.of(1, 0, 0, 1), fourthMoment: 8 };
    assert.equal(shrinkageIntensity(round), 1);
  });
});

describe('the drift of preserved outputs', () => {
  it('is the root mean square of ‖k ΔW‖', () => {
    const delta = gaussians(rng, F * 4);
    const moved = times(keys, delta, F, 4);
    const expected = norm(moved) / Math.sqrt(203);
    assert.ok(Math.abs(outputDrift(momentOf(keys, F), delta) / expected - 1) < 1e-12);
  });
});
