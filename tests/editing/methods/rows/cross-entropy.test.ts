import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../../corpus/random.ts';
import { crossEntropy, crossEntropyObjective } from '../../../../editing/methods/rows/cross-entropy.ts';
import { scoreNewQueries, scoreOldQueries, type RowProblem } from '../../../../editing/methods/rows/problem.ts';
import { dot, matrix, randomProblem, row } from './problems.ts';

const options = { oldWeight: 2, pull: 0.05, screen: 0 };
const allOf = ({ old }: RowProblem): Int32Array => Int32Array.from(old.own.keys());

/** F with every softmax over all N + M rows written out. */
function written({ rows, fresh, old, prior }: RowProblem, x: readonly number[], { oldWeight, pull } = options): number {
  const [[N], [M, D]] = [rows.shape, prior.shape];
  const all = [
    ...Array.from({ length: N }, (_, n) => row(rows, n)),
    ...Array.from({ length: M }, (_, m) => x.slice(m * D, (m + 1) * D)),
  ];
  const loss = (state: readonly number[], answer: number): number => {
    const scores = all.map((one) => dot(one, state));
    return -Math.log(Math.exp(scores[answer]) / scores.reduce((sum, s) => sum + Math.exp(s), 0));
  };
  let sum = 0;
  fresh.documents.forEach((m, q) => (sum += loss(row(fresh.states, q), N + m)));
  old.documents.forEach((n, p) => (sum += oldWeight * loss(row(old.states, p), n)));
  return sum + pull * x.reduce((square, v, i) => square + (v - prior.data[i]) ** 2, 0);
}

describe('rows by cross-entropy', () => {
  it('have the loss of a softmax over all rows, and its gradient by finite differences', () => {
    const problem = randomProblem({ D: 5, N: 4, M: 3, each: 3 }, 2);
    const rng = createRng(3);
    const x = Float64Array.from({ length: 15 }, () => 2 * rng.next() - 1);
    const gradient = new Float64Array(15);
    const value = crossEntropyObjective(problem, options, allOf(problem))(x, gradient);
    assert.ok(Math.abs(value - written(problem, [...x])) < 1e-9 * value);
    x.forEach((v, i) => {
      const at = (shift: number): number => written(problem, [...x.with(i, v + shift)]);
      const difference = (at(1e-5) - at(-1e-5)) / 2e-5;
      assert.ok(
        Math.abs(difference - gradient[i]) < 1e-6 * (1 + Math.abs(difference)),
        `${i}: ${difference} ${gradient[i]}`,
      );
    });
  });

  it('are where the gradient vanishes and no other point is lower', () => {
    for (const M of [1, 3]) {
      const problem = randomProblem({ D: 6, N: 5, M, each: 4 }, M);
      const found = Float64Array.from(crossEntropy(problem, options).data);
      const gradient = new Float64Array(found.length);
      const f = crossEntropyObjective(problem, options, allOf(problem));
      const least = f(found, gradient);
      assert.ok(Math.hypot(...gradient) < 1e-4, `gradient ${Math.hypot(...gradient)}`); // the rows are float32
      const rng = createRng(9);
      for (let i = 0; i < 50; i++) {
        const other = found.map((v) => v + 0.1 * (rng.next() - 0.5));
        assert.ok(f(other, gradient) > least);
      }
    }
  });

  it('are the same with screening as far as what is left out weighs', () => {
    const problem = randomProblem({ D: 12, N: 60, M: 2, each: 3 }, 4);
    const all = crossEntropy(problem, options).data;
    const screened = crossEntropy(problem, { ...options, screen: 1e-6 }).data;
    const worst = Math.max(...all.map((v, i) => Math.abs(v - screened[i])));
    assert.ok(worst < 1e-3, `differs by ${worst}`);
  });

  it('steal less the more old queries weigh', () => {
    const problem = randomProblem({ D: 4, N: 10, M: 1, each: 5 }, 6);
    const stolen = [0, 1, 10, 100].map((oldWeight) => {
      const x = crossEntropy(problem, { ...options, oldWeight }).data;
      const over = Array.from(problem.old.logSumExp, (lse, p) => dot(row(problem.old.states, p), x) - lse);
      return over.reduce((sum, v) => sum + Math.log1p(Math.exp(v)), 0); // what −log p of the old answers rises by
    });
    assert.deepEqual(
      stolen,
      stolen.toSorted((a, b) => b - a),
    );
  });

  it('solve the one-dimensional case', () => {
    // One row 0, one query at 1, no pull to speak of but to 1: F = log(1 + e^x) − x + .25 (x − 1)²; F' = −1/(1 + e^x) + .5 (x − 1) = 0.
    const rows = matrix([[0]], 1);
    const problem: RowProblem = {
      rows,
      fresh: scoreNewQueries(matrix([[1]], 1), Int32Array.of(0), rows),
      old: scoreOldQueries(matrix([], 1), new Int32Array(0), rows),
      prior: matrix([[1]], 1),
    };
    const [x] = crossEntropy(problem, { ...options, pull: 0.25 }).data;
    assert.ok(Math.abs(0.5 * (x - 1) - 1 / (1 + Math.exp(x))) < 1e-6);
  });

  for (const [name, value] of Object.entries({ oldWeight: -1, pull: 0, screen: 1 })) {
    it(`refuse ${name} ${value}`, () => {
      const problem = randomProblem({ D: 2, N: 2, M: 1, each: 1 });
      assert.throws(() => crossEntropy(problem, { ...options, [name]: value }), {
        name: 'RowOptionError',
        option: name,
      });
    });
  }
});
