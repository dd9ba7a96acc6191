import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../../corpus/random.ts';
import { lbfgs } from '../../../../editing/methods/rows/lbfgs.ts';
import { dotAt, scoreNewQueries, scoreOldQueries } from '../../../../editing/methods/rows/problem.ts';
import { addRows, products } from '../../../../editing/methods/rows/passes.ts';
import { dot, matrix, randomMatrix, row } from './problems.ts';

describe('L-BFGS', () => {
  it("finds the bottom of Rosenbrock's valley", () => {
    const x = lbfgs(
      ([a, b], gradient) => {
        gradient[0] = -2 * (1 - a) - 400 * a * (b - a * a);
        gradient[1] = 200 * (b - a * a);
        return (1 - a) ** 2 + 100 * (b - a * a) ** 2;
      },
      Float64Array.of(-1.2, 1),
    );
    assert.ok(Math.hypot(x[0] - 1, x[1] - 1) < 1e-6, `${x.join(', ')}`);
  });
});

describe('scores of queries', () => {
  const rows = matrix(
    [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 2],
    ],
    3,
  );

  it('are taken against the rows that stay', () => {
    const states = matrix(
      [
        [3, 1, 0],
        [0, 1, 1],
      ],
      3,
    );
    const fresh = scoreNewQueries(states, Int32Array.of(0, 0), rows);
    assert.deepEqual([...fresh.rivals], [0, 2]);
    assert.deepEqual([...fresh.best], [3, 2]);
    assert.ok(Math.abs(fresh.logSumExp[0] - Math.log(Math.exp(3) + Math.exp(1) + 1)) < 1e-12);
    const old = scoreOldQueries(states, Int32Array.of(1, 2), rows);
    assert.deepEqual([...old.own], [1, 2]);
    assert.deepEqual(old.logSumExp, fresh.logSumExp);
  });

  it('have no rival where no row stays', () => {
    const fresh = scoreNewQueries(matrix([[1, 1, 1]], 3), Int32Array.of(0), matrix([], 3));
    assert.deepEqual([fresh.rivals[0], fresh.best[0], fresh.logSumExp[0]], [-1, -Infinity, -Infinity]);
  });

  it('are dot products of rows of any length', () => {
    for (const D of [1, 2, 5]) {
      const a = randomMatrix(3, D, createRng(D));
      assert.ok(Math.abs(dotAt(a.data, 2, a.data, 1, D) - dot(row(a, 2), row(a, 1))) < 1e-12);
    }
  });
});

describe('products of one vector with many rows', () => {
  const rng = createRng(5);

  for (const count of [1, 3, 4, 9])
    it(`are those of each of ${count} rows alone`, () => {
      const D = 6;
      const rows = randomMatrix(count, D, rng);
      const x = Float64Array.from({ length: D + 2 }, () => rng.next() - 0.5);
      const out = new Float64Array(count);
      products(x, 2, D, rows.data, out);
      const y = new Float64Array(D + 2);
      addRows(y, 2, D, rows.data, out);
      const alone = new Float64Array(1);
      const sum = new Float64Array(D);
      for (let q = 0; q < count; q++) {
        products(x, 2, D, rows.data.slice(q * D, (q + 1) * D), alone);
        assert.equal(out[q], alone[0]);
        assert.ok(Math.abs(alone[0] - dot(row(rows, q), [...x.subarray(2)])) < 1e-12);
        for (let d = 0; d < D; d++) sum[d] += out[q] * row(rows, q)[d];
      }
      assert.deepEqual([y[0], y[1]], [0, 0]);
      sum.forEach((v, d) => assert.ok(Math.abs(v - y[2 + d]) < 1e-12));
    });
});
