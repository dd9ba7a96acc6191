import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { LuDecomposition, Matrix } from 'ml-matrix';
import { SessionCache } from '../../../analysis/session-cache.ts';
import { createRng } from '../../../corpus/random.ts';
import { factorize, NotPositiveDefiniteError } from '../../../editing/linear-algebra/cholesky.ts';
import { solveEquations } from '../../../editing/linear-algebra/solve-graph.ts';
import { gaussians, positive, relativeDifference } from '../../support/edit-layer.ts';

const rng = createRng(5);
const sessions = new SessionCache(1);
after(() => sessions.close());

const below = (i: number, size: number): boolean => i % size < Math.floor(i / size);

describe('equations solved by graphs', () => {
  for (const [size, columns] of [
    [1, 1],
    [7, 3],
    [128, 5],
    [129, 2],
    [300, 33],
    [700, 9], // its factor is found in halves
  ])
    it(`of ${size} rows and ${columns} columns have the solution that an LU decomposition finds, in the same bytes each time`, async () => {
      const a = positive(rng, size);
      const b = Float64Array.from(gaussians(rng, size * columns));
      const before = b.slice();
      const upper = a.map((x, i) => (below(i, size) ? NaN : x));
      const found = await solveEquations(sessions, upper.slice(), b, 'a');
      const lu = new LuDecomposition(Matrix.from1DArray(size, size, a));
      const expected = lu.solve(Matrix.from1DArray(size, columns, b)).to1DArray();
      assert.ok(relativeDifference(found, Float32Array.from(expected)) < 1e-7);
      assert.deepEqual(await solveEquations(sessions, upper.slice(), b, 'a'), found);
      assert.deepEqual(b, before);
    });

  it('have the same solution on any number of threads', async () => {
    const a = positive(rng, 600);
    const b = Float64Array.from(gaussians(rng, 600 * 20));
    const expected = await solveEquations(sessions, a.slice(), b, 'a');
    const pair = new SessionCache(2);
    assert.deepEqual(await solveEquations(pair, a.slice(), b, 'a'), expected);
    await pair.close();
  });

  it('say which row of the whole is not positive definite, as the factor by loops does', async () => {
    for (const row of [3, 599]) {
      const a = positive(rng, 640);
      a[row * 641] = -1;
      const errorOf = (error: unknown): object => {
        assert.ok(error instanceof NotPositiveDefiniteError);
        return { size: error.size, row: error.row };
      };
      const expected = { size: 640, row };
      assert.throws(() => factorize(a.slice(), 640, 'a'), expected);
      const error: unknown = await solveEquations(sessions, a, new Float64Array(640), 'a').catch((e: unknown) => e);
      assert.deepEqual(errorOf(error), expected);
    }
  });
});
