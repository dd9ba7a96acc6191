import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bootstrapIntervals } from '../../analysis/bootstrap.ts';
import { mcnemar, UnpairedError } from '../../analysis/mcnemar.ts';
import { createRng } from '../../corpus/random.ts';

const bernoulli = (n: number, p: number, rng = createRng(1)): Float64Array =>
  Float64Array.from({ length: n }, () => (rng.next() < p ? 1 : 0));

describe('the bootstrap', () => {
  it('covers the true mean about as often as it says', () => {
    const rng = createRng(11);
    const trials = 400;
    let covered = 0;
    for (let t = 0; t < trials; t++) {
      const [{ low, high }] = bootstrapIntervals([bernoulli(80, 0.6, rng)], { rng, resamples: 300 });
      if (low <= 0.6 && 0.6 <= high) covered++;
    }
    // .95 ± 3.5 standard errors (.011), and .02 less, by which percentile intervals of 80 values are known to be short.
    assert.ok(covered / trials > 0.89 && covered / trials < 0.99, `coverage ${covered / trials}`);
  });

  it('agrees with the normal approximation on many queries', () => {
    const values = bernoulli(4000, 0.5);
    const mean = values.reduce((a, b) => a + b) / values.length;
    const half = 1.96 * Math.sqrt((mean * (1 - mean)) / values.length);
    const [{ low, high }] = bootstrapIntervals([values], { rng: createRng(2) });
    assert.ok(Math.abs(low - (mean - half)) < 0.003 && Math.abs(high - (mean + half)) < 0.003, `${low} ${high}`);
  });

  it('is wider at a higher level', () => {
    const values = bernoulli(200, 0.5);
    const width = (level: number): number => {
      const [{ low, high }] = bootstrapIntervals([values], { rng: createRng(3), level });
      return high - low;
    };
    assert.ok(width(0.99) > width(0.95) && width(0.95) > width(0.5));
  });

  it('draws the same queries for every column', () => {
    const values = bernoulli(50, 0.3);
    const [one, other] = bootstrapIntervals([values, values.map((v) => 2 * v)], { rng: createRng(4) });
    assert.ok(Math.abs(2 * one.low - other.low) < 1e-12 && Math.abs(2 * one.high - other.high) < 1e-12);
  });
});

describe("McNemar's exact test", () => {
  const pairs = (both: number, onlyFirst: number, onlySecond: number, none: number): [number[], number[]] => [
    [...Array<number>(both + onlyFirst).fill(1), ...Array<number>(onlySecond + none).fill(0)],
    [
      ...Array<number>(both).fill(1),
      ...Array<number>(onlyFirst).fill(0),
      ...Array<number>(onlySecond).fill(1),
      ...Array<number>(none).fill(0),
    ],
  ];

  it('gives the two-sided binomial probability of the queries that differ', () => {
    // n = 6, lesser 1: 2 (C(6,0) + C(6,1)) / 2⁶ = 2 · 7 / 64 = .21875
    const six = mcnemar(...pairs(10, 1, 5, 7));
    assert.deepEqual([six.onlyFirst, six.onlySecond], [1, 5]);
    assert.ok(Math.abs(six.p - 0.21875) < 1e-12);
    // n = 10, lesser 0: 2 / 2¹⁰
    assert.ok(Math.abs(mcnemar(...pairs(3, 10, 0, 0)).p - 2 / 1024) < 1e-12);
  });

  it('finds no difference where there is none', () => {
    assert.equal(mcnemar(...pairs(5, 0, 0, 5)).p, 1);
    assert.equal(mcnemar(...pairs(5, 4, 4, 5)).p, 1);
  });

  it('holds for more queries than 2ⁿ has room for', () => {
    // Normal approximation with continuity correction: z = (5200 − 5000 − 1) / √10200 = 1.9704, p = .0488
    const { p } = mcnemar(...pairs(0, 5000, 5200, 0));
    assert.ok(Math.abs(p - 0.0488) < 0.0005, String(p));
  });

  it('refuses values that are not paired, or not 0 and 1', () => {
    assert.throws(() => mcnemar([1, 0], [1]), UnpairedError);
    assert.throws(() => mcnemar([0.5], [1]), UnpairedError);
  });
});
