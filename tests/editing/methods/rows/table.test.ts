import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RowProblem } from '../../../../editing/methods/rows/problem.ts';
import { rowSolvers, type RowMethod, type RowOptions } from '../../../../editing/methods/rows/table.ts';
import { dot, matrix, randomProblem, row } from './problems.ts';

const options: RowOptions = {
  incdsi: { newWeight: 0.9, newMargin: 1, oldMargin: 0.5, pull: 0.001, cap: 100, screen: 1 },
  'calibrated-mean': { ridge: 0.1 },
  'cross-entropy': { oldWeight: 1, pull: 0.001, screen: 1e-9 },
};

for (const method of Object.keys(rowSolvers) as RowMethod[]) {
  const solve = (problem: RowProblem): ReturnType<(typeof rowSolvers)['incdsi']> =>
    rowSolvers[method](problem, options[method] as never);

  describe(`rows by ${method}`, () => {
    it('lead most queries to the new documents and steal few, and leave their input alone', () => {
      const problem = randomProblem({ D: 32, N: 40, M: 3, each: 6 }, 11);
      const before = structuredClone(problem);
      const found = solve(problem);
      assert.deepEqual(problem, before);
      assert.deepEqual(found.shape, [3, 32]);
      let won = 0;
      problem.fresh.documents.forEach((m, q) => {
        if (dot(row(found, m), row(problem.fresh.states, q)) > problem.fresh.best[q]) won++;
      });
      let stolen = 0;
      problem.old.own.forEach((own, p) => {
        if ([0, 1, 2].some((m) => dot(row(found, m), row(problem.old.states, p)) > own)) stolen++;
      });
      assert.ok(won >= 0.8 * 18, `${won} of 18 won`);
      assert.ok(stolen <= 0.1 * 240, `${stolen} of 240 stolen`);
    });

    it('are the same whenever they are solved', () => {
      const problem = randomProblem({ D: 8, N: 10, M: 2, each: 3 }, 12);
      assert.deepEqual(solve(problem).data, solve(problem).data);
    });

    const problem = randomProblem({ D: 4, N: 3, M: 2, each: 2 });
    const { fresh, old, rows, prior } = problem;
    const broken: Record<string, RowProblem> = {
      rows: { ...problem, rows: matrix([[1, 2, 3]], 3) },
      prior: {
        ...problem,
        prior: matrix(
          [
            [1, NaN, 0, 0],
            [0, 0, 0, 0],
          ],
          4,
        ),
      },
      'fresh.states': { ...problem, fresh: { ...fresh, states: matrix([[1, 2]], 2) } },
      'old.states': { ...problem, old: { ...old, states: { ...old.states, data: old.states.data.with(5, Infinity) } } },
      'fresh.documents': { ...problem, fresh: { ...fresh, documents: new Int32Array(4) } },
      'old.documents': { ...problem, old: { ...old, documents: old.documents.with(0, 3) } },
      'fresh.best': { ...problem, fresh: { ...fresh, best: new Float64Array(1) } },
      'old.own': { ...problem, old: { ...old, own: new Float64Array(0) } },
    };
    for (const [part, wrong] of Object.entries(broken)) {
      it(`refuse a wrong ${part}`, () => {
        assert.throws(() => solve(wrong), { name: 'RowProblemError', part });
      });
    }
    it('keep the number of rows apart from that of documents', () => {
      assert.deepEqual(solve({ rows, fresh, old, prior }).shape, prior.shape);
    });
  });
}
