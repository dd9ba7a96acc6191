import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { incdsi, solveIncdsi, type IncdsiOptions } from '../../../../editing/methods/rows/incdsi.ts';
import { lbfgs } from '../../../../editing/methods/rows/lbfgs.ts';
import { scoreNewQueries, scoreOldQueries, type RowProblem } from '../../../../editing/methods/rows/problem.ts';
import { dot, matrix, randomProblem, row } from './problems.ts';

const options: IncdsiOptions = {
  newWeight: 0.7,
  newMargin: 1,
  oldMargin: 0.5,
  pull: 0.01,
  cap: Infinity,
  screen: Infinity,
};

/** L and ∇L as they are written, for document m, without any of the solver's parts. */
function written({ fresh, old, prior }: RowProblem, m: number, o: IncdsiOptions) {
  return (x: Float64Array, gradient: Float64Array): number => {
    let loss = 0;
    gradient.fill(0);
    const add = (weight: number, violation: number, a: readonly number[], sign: number): void => {
      if (violation <= 0) return;
      loss += weight * violation ** 2;
      a.forEach((v, d) => (gradient[d] += 2 * weight * violation * sign * v));
    };
    fresh.documents.forEach((document, q) => {
      const state = row(fresh.states, q);
      if (document === m) add(o.newWeight, fresh.best[q] + o.newMargin - dot(state, x), state, -1);
    });
    old.own.forEach((own, p) => {
      const state = row(old.states, p);
      add(1 - o.newWeight, dot(state, x) - own + o.oldMargin, state, 1);
    });
    row(prior, m).forEach((v, d) => {
      loss += o.pull * (x[d] - v) ** 2;
      gradient[d] += 2 * o.pull * (x[d] - v);
    });
    return loss;
  };
}

const close = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): void => {
  const worst = Math.max(...Array.from(a, (v, i) => Math.abs(v - b[i])));
  assert.ok(worst <= tolerance, `differs by ${worst}`);
};

describe('the IncDSI row', () => {
  for (const sizes of [
    { D: 3, N: 5, M: 1, each: 4 }, // more hinges than dimensions
    { D: 24, N: 6, M: 2, each: 3 }, // fewer
    { D: 8, N: 30, M: 1, each: 6 },
  ]) {
    it(`is where the written loss is least, ${JSON.stringify(sizes)}`, () => {
      for (const seed of [1, 2, 3]) {
        const problem = randomProblem(sizes, seed);
        const { row: x, loss, active } = solveIncdsi(problem, 0, options);
        const f = written(problem, 0, options);
        const gradient = new Float64Array(sizes.D);
        assert.ok(Math.abs(f(x, gradient) - loss) < 1e-9 * (1 + loss));
        assert.ok(Math.hypot(...gradient) < 1e-8 * (1 + loss), `gradient ${Math.hypot(...gradient)}`);
        const generic = lbfgs(
          f,
          Float64Array.from({ length: sizes.D }, (_, d) => Math.sin(d + seed)),
          { tolerance: 1e-11 },
        );
        close(x, generic, 1e-5); // one minimum: the pull makes the loss strictly convex
        const held = Array.from(problem.old.own).flatMap((own, p) =>
          dot(row(problem.old.states, p), x) > own - options.oldMargin ? [p] : [],
        );
        assert.deepEqual(active, held);
      }
    });
  }

  it('is the same with screening, however narrow', () => {
    for (const seed of [1, 2, 3, 4]) {
      const problem = randomProblem({ D: 6, N: 40, M: 1, each: 5 }, seed);
      const all = solveIncdsi(problem, 0, options);
      assert.ok(all.active.length > 0, 'old queries hold the row');
      for (const screen of [0, 0.5, 3]) {
        const screened = solveIncdsi(problem, 0, { ...options, screen });
        close(screened.row, all.row, 1e-9);
        assert.deepEqual(screened.active, all.active);
      }
    }
  });

  it('stays inside the cap, where the KKT conditions hold', () => {
    const problem = randomProblem({ D: 7, N: 12, M: 1, each: 5 }, 5);
    const free = solveIncdsi(problem, 0, options);
    const length = Math.hypot(...free.row);
    assert.deepEqual(solveIncdsi(problem, 0, { ...options, cap: 1.01 * length }).row, free.row);
    for (const share of [0.9, 0.5, 0.1]) {
      const { row: x, multiplier } = solveIncdsi(problem, 0, { ...options, cap: share * length, screen: 0 });
      assert.ok(Math.abs(Math.hypot(...x) / (share * length) - 1) < 1e-8);
      assert.ok(multiplier > 0);
      const gradient = new Float64Array(7);
      written(problem, 0, options)(x, gradient);
      close(
        gradient,
        x.map((v) => -2 * multiplier * v),
        1e-7 * (1 + Math.hypot(...gradient)),
      );
    }
  });

  // One dimension: q = 1, best 2 (row 2), h = −1 … by hand.
  const line = (state: number, oldState: number, prior: number): RowProblem => {
    const rows = matrix([[2]], 1);
    return {
      rows,
      fresh: scoreNewQueries(matrix([[state]], 1), Int32Array.of(0), rows),
      old: scoreOldQueries(matrix([[oldState]], 1), Int32Array.of(0), rows),
      prior: matrix([[prior]], 1),
    };
  };

  it('is a weighted mean of what a query asks and where it comes from', () => {
    // Old query at −1 scores −2 with its row, and −x with the new one: −x > −2 − .5 for x < 2.5, untouched at x = 3.
    // L = .5 (2 + 1 − x)₊² + .5 (x − …)…: new alone wants x = 3; pull .5 to 0 → x = 3·.5 / (.5 + .5) = 1.5, where the old
    // hinge is open: .5 (−x + 2 + .5)₊² has slope −(2.5 − x). Together: −(3 − x) − (2.5 − x) + x = 0, x = 5.5 / 3.
    const { row: x } = solveIncdsi(line(1, -1, 0), 0, { ...options, newWeight: 0.5, pull: 0.5 });
    close(x, [5.5 / 3], 1e-12);
  });

  it('stays at the prior where nothing is violated', () => {
    // q = 1: 5 > 2 + 1; h = −1: −5 < −2 − .5
    const { row: x, loss } = solveIncdsi(line(1, -1, 5), 0, options);
    assert.equal(x[0], 5);
    assert.equal(loss, 0);
  });

  it('lets an old query pull a row back', () => {
    // h = 1: 4 − 2 + .5 = 2.5 too much; new satisfied at q = 1: 4 > 3. Weight .5, pull .5: (x − 1.5) + (x − 4) = 0 → 2.75 breaks
    // the new margin 3 as well: (x − 1.5) + (x − 4) − (3 − x) = 0 → x = 8.5 / 3.
    const { row: x } = solveIncdsi(line(1, 1, 4), 0, { ...options, newWeight: 0.5, pull: 0.5 });
    close(x, [8.5 / 3], 1e-12);
  });

  it('takes documents one after the other, the earlier being rivals of the later', () => {
    const problem = randomProblem({ D: 10, N: 8, M: 2, each: 4 }, 7);
    const { data } = incdsi(problem, options);
    const first = solveIncdsi(problem, 0, options).row;
    close(data.subarray(0, 10), first, 1e-5);
    // The second by hand: the first as one more row, its queries among the old ones.
    const { fresh, old, rows } = problem;
    const solved = Array.from(data.subarray(0, 10));
    const both = matrix([...Array.from({ length: 8 }, (_, n) => row(rows, n)), solved], 10);
    const queries = (document: number): number[][] =>
      Array.from(fresh.documents.keys())
        .filter((q) => fresh.documents[q] === document)
        .map((q) => row(fresh.states, q));
    const stored = [...Array.from(old.own.keys(), (p) => row(old.states, p)), ...queries(0)];
    const second: RowProblem = {
      rows: both,
      fresh: scoreNewQueries(matrix(queries(1), 10), new Int32Array(4), both),
      old: scoreOldQueries(matrix(stored, 10), Int32Array.from([...old.documents, 8, 8, 8, 8]), both),
      prior: matrix([row(problem.prior, 1)], 10),
    };
    close(data.subarray(10), solveIncdsi(second, 0, options).row, 1e-5);
  });

  it('meets its margins where they can be met, with a small pull', () => {
    const problem = randomProblem({ D: 40, N: 4, M: 1, each: 3 }, 3);
    const { row: x } = solveIncdsi(problem, 0, { ...options, pull: 1e-7 });
    problem.fresh.best.forEach((best, q) => assert.ok(dot(row(problem.fresh.states, q), x) > best + 1 - 1e-4));
    problem.old.own.forEach((own, p) => assert.ok(dot(row(problem.old.states, p), x) < own - 0.5 + 1e-4));
  });

  it('does without old queries', () => {
    const problem = randomProblem({ D: 5, N: 3, M: 1, each: 2 });
    const alone = { ...problem, old: scoreOldQueries(matrix([], 5), new Int32Array(0), problem.rows) };
    assert.ok(Number.isFinite(solveIncdsi(alone, 0, options).loss));
  });

  for (const [name, value] of Object.entries({
    newWeight: 1,
    newMargin: -1,
    oldMargin: NaN,
    pull: 0,
    cap: 0,
    screen: -1,
  })) {
    it(`refuses ${name} ${value}`, () => {
      const problem = randomProblem({ D: 2, N: 2, M: 1, each: 1 });
      assert.throws(() => incdsi(problem, { ...options, [name]: value }), { name: 'RowOptionError', option: name });
    });
  }
});
