import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../../corpus/random.ts';
import { calibratedMean } from '../../../../editing/methods/rows/calibrated-mean.ts';
import { lbfgs } from '../../../../editing/methods/rows/lbfgs.ts';
import { scoreNewQueries, scoreOldQueries, type RowProblem } from '../../../../editing/methods/rows/problem.ts';
import { matrix, randomMatrix, randomProblem, row } from './problems.ts';

/** Mean states and rows of a problem with equally many queries for each document. */
function means({ states, documents }: RowProblem['old'] | RowProblem['fresh'], count: number): number[][] {
  return Array.from({ length: count }, (_, document) => {
    const list = Array.from(documents.keys()).filter((q) => documents[q] === document);
    return row(states, 0).map((_, d) => list.reduce((sum, q) => sum + row(states, q)[d] / list.length, 0));
  });
}

const centre = (vectors: readonly number[][]): number[] =>
  vectors[0].map((_, d) => vectors.reduce((sum, v) => sum + v[d] / vectors.length, 0));
const less = (a: readonly number[], b: readonly number[]): number[] => a.map((v, i) => v - b[i]);

describe('the calibrated mean', () => {
  it('finds again the affine map that rows were made by', () => {
    const rng = createRng(1);
    const [D, N] = [4, 30];
    const map = randomMatrix(D, D, rng);
    const states = randomMatrix(N + 2, D, rng);
    const made = (state: readonly number[]): number[] =>
      Array.from({ length: D }, (_, d) => 3 + row(map, d).reduce((sum, v, i) => sum + v * state[i], 0));
    const rows = matrix(
      Array.from({ length: N }, (_, n) => made(row(states, n))),
      D,
    );
    const part = (from: number, to: number) =>
      matrix(
        Array.from({ length: to - from }, (_, i) => row(states, from + i)),
        D,
      );
    const problem: RowProblem = {
      rows,
      old: scoreOldQueries(
        part(0, N),
        Int32Array.from({ length: N }, (_, n) => n),
        rows,
      ),
      fresh: scoreNewQueries(part(N, N + 2), Int32Array.of(0, 1), rows),
      prior: randomMatrix(2, D, rng),
    };
    const found = calibratedMean(problem, { ridge: 1e-9 });
    for (const m of [0, 1])
      made(row(states, N + m)).forEach((v, d) =>
        assert.ok(Math.abs(v - row(found, m)[d]) < 1e-4, `${v} ${row(found, m)[d]}`),
      );
  });

  it('is the ridge regression that a generic optimiser finds, with the length of trained rows', () => {
    const [D, N, M, ridge] = [5, 12, 2, 0.3];
    const problem = randomProblem({ D, N, M, each: 3 }, 8);
    const inputs = means(problem.old, N);
    const outputs = Array.from({ length: N }, (_, n) => row(problem.rows, n));
    const [inputMean, outputMean] = [centre(inputs), centre(outputs)];
    const [x, y] = [inputs.map((v) => less(v, inputMean)), outputs.map((v) => less(v, outputMean))];
    const square = (list: readonly number[][]): number => list.flat().reduce((sum, v) => sum + v * v, 0);
    const rho = (ridge * square(x)) / D;
    const times = (map: ArrayLike<number>, v: readonly number[]): number[] =>
      v.map((_, d) => v.reduce((sum, u, i) => sum + map[d * D + i] * u, 0));
    const map = lbfgs(
      (w, gradient) => {
        w.forEach((v, i) => (gradient[i] = 2 * rho * v));
        let loss = rho * square([[...w]]);
        x.forEach((input, n) => {
          const error = less(times(w, input), y[n]);
          loss += square([error]);
          error.forEach((e, d) => input.forEach((v, i) => (gradient[d * D + i] += 2 * e * v)));
        });
        return loss;
      },
      new Float64Array(D * D),
      { tolerance: 1e-11 },
    );
    const gain = Math.sqrt(square(y) / square(x.map((input) => times(map, input))));
    const found = calibratedMean(problem, { ridge });
    means(problem.fresh, M).forEach((mean, m) => {
      times(map, less(mean, inputMean)).forEach((v, d) => {
        const expected = outputMean[d] + gain * v;
        assert.ok(Math.abs(row(found, m)[d] - expected) < 1e-4, `${row(found, m)[d]} ${expected}`);
      });
    });
  });

  it('needs documents to learn from', () => {
    const problem = randomProblem({ D: 3, N: 2, M: 1, each: 2 });
    const none = { ...problem, old: scoreOldQueries(matrix([], 3), new Int32Array(0), problem.rows) };
    assert.throws(() => calibratedMean(none, { ridge: 1 }), { name: 'RowProblemError', part: 'old.documents' });
    assert.throws(() => calibratedMean(problem, { ridge: 0 }), { name: 'RowOptionError', option: 'ridge' });
  });
});
