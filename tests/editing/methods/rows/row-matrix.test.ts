import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../../corpus/random.ts';
import { RowMatrix } from '../../../../editing/methods/rows/row-matrix.ts';
import { assertClose } from '../../../support/analysis.ts';

const rng = createRng(1);
const numbers = (length: number): Float64Array => Float64Array.from({ length }, () => rng.next() - 0.5);

describe('rows in WebAssembly', () => {
  const matrix = new RowMatrix();
  // Sizes that are no multiples of four, growing and shrinking within one memory.
  for (const [count, D] of [
    [5, 7],
    [1, 1],
    [300, 130],
    [4, 16],
    [0, 8],
    [6, 32],
  ] as const)
    // prettier-ignore
    it(`multiply and add as loops do, ${count} of ${D} numbers`, () => {
      const rows = Float32Array.from(numbers(count * D));
      const [x, weights, y] = [numbers(D), numbers(count), numbers(D)];
      matrix.load([rows], D);
      const out = new Float64Array(count);
      matrix.products(x, out);
      const expected = Array.from(out, (_, q) => x.reduce((sum, v, d) => sum + v * rows[q * D + d], 0));
      assertClose(out, expected, 'products', 1e-13);
      const rough = new Float64Array(count);
      matrix.productsRoughly(Float32Array.from(x), rough);
      assertClose(rough, expected, 'rough products', 1e-6);
      matrix.products(x, rough);
      assert.deepEqual(rough, out);
      const sums = y.map((v, d) => weights.reduce((sum, w, q) => sum + w * rows[q * D + d], v));
      matrix.addRows(y, weights);
      assertClose(y, sums, 'sums', 1e-13);
    });

  it('give a row the same whatever stands beside it', () => {
    const D = 33;
    const rows = Float32Array.from(numbers(9 * D));
    const x = numbers(D);
    const all = new Float64Array(9);
    matrix.load([rows.subarray(0, 5 * D), rows.subarray(5 * D)], D);
    matrix.products(x, all);
    for (let q = 0; q < 9; q++) {
      const one = new Float64Array(1);
      matrix.load([rows.subarray(q * D, (q + 1) * D)], D);
      matrix.products(x, one);
      assert.equal(one[0], all[q]);
    }
  });
});
