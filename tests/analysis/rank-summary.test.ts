import { it } from 'node:test';
import assert from 'node:assert/strict';
import { summarizeRanks } from '../../analysis/rank-summary.ts';

it('summarizes ranks, worked by hand', () => {
  const { interval, ...summary } = summarizeRanks(Float32Array.of(1, 4, 1, 20));
  assert.deepEqual(summary, {
    queries: 4,
    mean: 6.5,
    median: 2.5,
    mrr: (1 + 1 / 4 + 1 + 1 / 20) / 4,
    success: 0.5,
    within10: 0.75,
    moved: 2,
  });
  assert.ok(interval.low < 0.5 && interval.high > 0.5);
  assert.equal(summarizeRanks([3, 1, 2]).median, 2);
});
