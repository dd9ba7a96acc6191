import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../../corpus/random.ts';
import {
  addOuter,
  factor,
  NotPositiveDefiniteError,
  solveFactored,
} from '../../../../editing/methods/rows/cholesky.ts';
import { lbfgs } from '../../../../editing/methods/rows/lbfgs.ts';
import { dotAt, scoreNewQueries, scoreOldQueries } from '../../../../editing/methods/rows/problem.ts';
import { ridgeRows, secondMoment } from '../../../../editing/methods/rows/ridge-rows.ts';
import { dot, matrix, randomMatrix, randomProblem, row } from './problems.ts';

describe('Cholesky', () => {
  it('gives A back as L Lᵀ and solves', () => {
    const n = 6;
    const vectors = randomMatrix(9, n, createRng(1));
    const a = new Float64Array(n * n);
    for (let i = 0; i < 9; i++) addOuter(a, n, 1 + i, vectors.data, i);
    const full = (i: number, j: number): number => a[Math.max(i, j) * n + Math.min(i, j)];
    const l = factor(a.slice(), n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let k = 0; k <= j; k++) sum += l[i * n + k] * l[j * n + k];
        assert.ok(Math.abs(sum - full(i, j)) < 1e-10);
      }
    }
    const x = Float64Array.from({ length: n }, (_, i) => i - 2);
    const b = x.map((_, i) => x.reduce((sum, v, j) => sum + full(i, j) * v, 0));
    solveFactored(l, b).forEach((v, i) => assert.ok(Math.abs(v - x[i]) < 1e-10));
  });

  it('refuses a matrix that is not positive definite', () => {
    assert.throws(() => factor(Float64Array.of(1, 0, 2, 4), 2), new NotPositiveDefiniteError(1, 0));
  });
});

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

describe('ridge rows', () => {
  it('are where their quadratic is least', () => {
    const { fresh, old } = randomProblem({ D: 4, N: 5, M: 2, each: 3 }, 3);
    const [newWeight, newMargin, damping, pull] = [0.6, 1, 20, 0.1];
    const found = ridgeRows(fresh, secondMoment(old.states), 2, { newWeight, newMargin, damping, pull });
    const P = old.states.shape[0];
    const loss = (m: number, x: readonly number[]): number => {
      let sum = pull * dot(x, x);
      for (let p = 0; p < P; p++) sum += (((1 - newWeight) * damping) / P) * dot(row(old.states, p), x) ** 2;
      fresh.documents.forEach((document, q) => {
        if (document === m) sum += newWeight * (fresh.best[q] + newMargin - dot(row(fresh.states, q), x)) ** 2;
      });
      return sum;
    };
    for (const m of [0, 1]) {
      const x = row(found, m);
      x.forEach((v, d) => {
        const slope = (loss(m, x.with(d, v + 1e-4)) - loss(m, x.with(d, v - 1e-4))) / 2e-4;
        assert.ok(Math.abs(slope) < 1e-3, `slope ${slope}`);
      });
    }
  });
});
