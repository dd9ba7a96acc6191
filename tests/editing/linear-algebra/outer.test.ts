import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addOuter } from '../../../editing/linear-algebra/outer.ts';

describe('outer products', () => {
  it('are added to the upper triangle alone, by hand', () => {
    const a = Float64Array.of(1, 1, 1, 1);
    addOuter(a, 2, 2, Float32Array.of(9, 9, 3, 5), 1);
    assert.deepEqual([...a], [19, 31, 1, 51]);
  });
});
