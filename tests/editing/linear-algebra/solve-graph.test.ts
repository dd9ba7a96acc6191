import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LuDecomposition, Matrix } from 'ml-matrix';
import { createRng } from '../../../corpus/random.ts';
import { factorize } from '../../../editing/linear-algebra/cholesky.ts';
import { solveGraph, solveIn } from '../../../editing/linear-algebra/solve-graph.ts';
import { Session } from '../../../models/session.ts';
import { gaussians, relativeDifference, times } from '../../support/edit-layer.ts';

const rng = createRng(5);

/** G Gᵀ / size + I */
function positive(size: number): Float64Array {
  const g = gaussians(rng, size * size);
  const across = g.map((_, i) => g[(i % size) * size + Math.floor(i / size)]);
  return times(g, across, size, size).map((x, i) => x / size + (i % (size + 1) ? 0 : 1));
}

describe('equations solved in a graph', () => {
  for (const [size, columns] of [
    [1, 1],
    [7, 3],
    [128, 5],
    [129, 2],
    [300, 33],
    [384, 1],
  ])
    it(`of ${size} rows and ${columns} columns have the solution that an LU decomposition finds, in the same bytes each time`, async () => {
      const a = positive(size);
      const b = Float64Array.from(gaussians(rng, size * columns));
      const before = b.slice();
      const session = await Session.open(solveGraph(size, columns));
      const factor = factorize(a.slice(), size, 'a');
      const found = await solveIn(session, factor, b, columns);
      const lu = new LuDecomposition(Matrix.from1DArray(size, size, a));
      const expected = lu.solve(Matrix.from1DArray(size, columns, b)).to1DArray();
      assert.ok(relativeDifference(found, Float32Array.from(expected)) < 1e-7);
      assert.deepEqual(await solveIn(session, factor, b, columns), found);
      assert.deepEqual(b, before);
      await session.release();
    });

  it('do not read what is below the triangle', async () => {
    const factor = factorize(positive(190), 190, 'a');
    const b = Float64Array.from(gaussians(rng, 190));
    const session = await Session.open(solveGraph(190, 1));
    const found = await solveIn(session, factor, b, 1);
    const clean = factor.upper.map((x, i) => (i % 190 >= Math.floor(i / 190) ? x : NaN));
    assert.deepEqual(await solveIn(session, { size: 190, upper: clean }, b, 1), found);
    await session.release();
  });
});
