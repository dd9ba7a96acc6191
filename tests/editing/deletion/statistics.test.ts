import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { atMost, finding, within } from '../../../editing/deletion/finding.ts';
import { auc, eitherWay, intervalOfMeans, meanOf, rankCorrelation } from '../../../editing/deletion/statistics.ts';

const rng = createRng(1);
const draws = (n: number, levels: number): number[] => Array.from({ length: n }, () => rng.int(levels));

describe('area under the curve', () => {
  it('is the share of pairs in order, ties counting half', () => {
    for (let trial = 0; trial < 20; trial++) {
      const [up, down] = [draws(1 + rng.int(20), 12), draws(1 + rng.int(20), 9)];
      let sum = 0;
      for (const a of up) for (const b of down) sum += a > b ? 1 : a === b ? 0.5 : 0;
      assert.ok(Math.abs(auc(up, down) - sum / (up.length * down.length)) < 1e-12);
    }
  });

  it('is read whichever way round', () => {
    assert.equal(auc([1, 2], [3, 4]), 0);
    assert.equal(eitherWay(0), 1);
  });
});

describe('rank correlation', () => {
  it('is 1 for a monotone map, −1 for its reverse, and Spearman’s 1 − 6Σd²/(n³ − n) otherwise', () => {
    const list = Array.from({ length: 30 }, () => rng.next());
    const rank = (x: readonly number[]): number[] => x.map((value) => x.filter((other) => other < value).length);
    assert.ok(Math.abs(rankCorrelation(list, list.map(Math.exp)) - 1) < 1e-12);
    assert.ok(Math.abs(rankCorrelation(list, list.map((x) => -x)) + 1) < 1e-12); // prettier-ignore
    const other = list.map(() => rng.next());
    const [a, b] = [rank(list), rank(other)];
    const squares = a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0);
    assert.ok(Math.abs(rankCorrelation(list, other) - (1 - (6 * squares) / (30 ** 3 - 30))) < 1e-12);
  });
});

describe('interval of means', () => {
  it('holds the mean of as many documents drawn from the same in 95 of 100 cases', () => {
    const population = Array.from({ length: 200 }, () => rng.next() ** 2);
    const { low, high } = intervalOfMeans(population, 10, createRng(2));
    let inside = 0;
    for (let i = 0; i < 1000; i++) {
      const mean = meanOf(Array.from({ length: 10 }, () => population[rng.int(200)]));
      if (mean >= low && mean <= high) inside++;
    }
    assert.ok(inside > 920 && inside < 980, `${inside} of 1000`);
  });
});

describe('a finding', () => {
  it('passes between its bounds, and always without', () => {
    const interval = { low: 0.2, high: 0.4 };
    assert.equal(within('x', 0.1, interval).passed, false);
    assert.equal(within('x', 0.4, interval).passed, true);
    assert.equal(atMost('x', 0.1, interval).passed, true);
    assert.equal(atMost('x', 0.41, interval).passed, false);
    assert.equal(finding('x', 99).passed, true);
  });
});
