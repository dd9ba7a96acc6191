import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { clopperPearson } from '../../analysis/binomial.ts';

describe('the interval of a share', () => {
  it('agrees with quantiles of the beta distribution (scipy.stats.beta.ppf)', () => {
    for (const [successes, n, low, high] of [
      [8, 10, 0.4439045376923585, 0.9747892736731666],
      [0, 10, 0, 0.3084971078187607],
      [10, 10, 0.6915028921812392, 1],
      [3, 7, 0.09898827844250786, 0.8159484323599169],
      [344, 396, 0.8313887063503697, 0.9003513854319125],
      [1, 1043, 2.4273730301270676e-5, 0.005330247358702433],
      [500, 1000, 0.46854917297179194, 0.531450827028208],
    ]) {
      const interval = clopperPearson(successes, n);
      assert.ok(Math.abs(interval.low - low) < 1e-9, `${successes} of ${n}: low ${interval.low}, scipy ${low}`);
      assert.ok(Math.abs(interval.high - high) < 1e-9, `${successes} of ${n}: high ${interval.high}, scipy ${high}`);
    }
  });

  it('covers the true share at least as often as it says', () => {
    const [n, share] = [12, 0.3];
    let covered = 0;
    let probability = (1 - share) ** n; // of k successes, exactly
    for (let k = 0; k <= n; k++) {
      const { low, high } = clopperPearson(k, n, 0.9);
      if (low <= share && share <= high) covered += probability;
      probability *= ((n - k) / (k + 1)) * (share / (1 - share));
    }
    assert.ok(covered >= 0.9, `${covered}`);
  });
});
