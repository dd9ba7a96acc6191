import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { addProduct, block, transposed } from '../../../editing/linear-algebra/multiply.ts';
import { gaussians } from '../../support/edit-layer.ts';

const rng = createRng(1);
const random = (length: number): Float64Array => Float64Array.from(gaussians(rng, length));

describe('a product of blocks', () => {
  it('has the bytes of sums over ascending index, at any size', () => {
    for (const [rows, columns, inner] of [
      [1, 1, 1],
      [2, 4, 8],
      [3, 5, 7],
      [9, 2, 300],
      [16, 13, 513],
      [5, 6, 0],
      [259, 515, 258],
    ])
      for (const sign of [1, -1] as const) {
        const [a, b, c] = [random(rows * inner), random(inner * columns), random(rows * columns)];
        const expected = c.slice();
        for (let i = 0; i < rows; i++)
          for (let k = 0; k < inner; k++)
            for (let j = 0; j < columns; j++) expected[i * columns + j] += sign * a[i * inner + k] * b[k * columns + j];
        addProduct(block(c, columns), block(a, inner), block(b, columns), { rows, columns, inner }, sign);
        assert.deepEqual(c, expected, `${rows} × ${inner} × ${columns}, ${sign}`);
      }
  });

  it('reads parts and transposes where they lie', () => {
    const [a, b] = [random(6 * 5), random(6 * 7)];
    const c = new Float64Array(4 * 9);
    addProduct(block(c, 9, 1, 2), transposed(block(a, 5, 2, 1)), block(b, 7, 2, 3), { rows: 3, columns: 4, inner: 4 });
    const expected = new Float64Array(4 * 9);
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 4; j++)
        for (let k = 0; k < 4; k++) expected[(1 + i) * 9 + 2 + j] += a[(2 + k) * 5 + 1 + i] * b[(2 + k) * 7 + 3 + j];
    assert.deepEqual(c, expected);
  });

  it('leaves out what lies below the diagonal, and has all above', () => {
    for (const [n, inner] of [
      [11, 6],
      [530, 3],
    ]) {
      const a = random(inner * n);
      const [whole, upper] = [new Float64Array(n * n), new Float64Array(n * n)];
      const size = { rows: n, columns: n, inner };
      addProduct(block(whole, n), transposed(block(a, n)), block(a, n), size);
      addProduct(block(upper, n), transposed(block(a, n)), block(a, n), size, 1, true);
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          if (j >= i) assert.equal(upper[i * n + j], whole[i * n + j]);
          if (i >= j + 4) assert.equal(upper[i * n + j], 0);
        }
    }
  });
});
