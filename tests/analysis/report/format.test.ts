/** Numbers as reports write them. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatNumber, formatTick, formatValue } from '../../../analysis/report/format.ts';

it('numbers have three digits below 100, commas above, and signs that are no hyphens', () => {
  const written = [0, 0.12345, -1.5, 99.96, 1234.6, -12345, 9.12e-7, -9.12e-7].map(formatNumber);
  assert.deepEqual(written, ['0', '0.123', '−1.5', '100', '1,235', '−12,345', '9.1e−7', '−9.1e−7']);
});

it('shares are percentages, and what is no number is nothing', () => {
  assert.equal(formatValue(-0.0125, 'percent'), '−1.3\u00a0%');
  assert.deepEqual(
    [null, undefined, NaN, Infinity].map((value) => formatValue(value, 'number')),
    ['', '', '', ''],
  );
});

it('labels of axes are short', () => {
  assert.deepEqual(
    [0, 0.5, -2500, 3e6].map((value) => formatTick(value, 'number')),
    ['0', '0.5', '−2.5k', '3M'],
  );
  assert.equal(formatTick(-0.5, 'percent'), '−50\u00a0%');
});
