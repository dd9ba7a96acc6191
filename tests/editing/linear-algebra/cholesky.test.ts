import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LuDecomposition, Matrix } from 'ml-matrix';
import { createRng } from '../../../corpus/random.ts';
import {
  factorize,
  NotPositiveDefiniteError,
  solve,
  solveLower,
  solveUpper,
} from '../../../editing/linear-algebra/cholesky.ts';
import { gaussians, positive, relativeDifference, times } from '../../support/edit-layer.ts';

const rng = createRng(2);

/** The textbook's loops, element by element. */
function textbook(a: Float64Array, size: number): Float64Array {
  const u = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = i; j < size; j++) {
      let sum = a[i * size + j];
      for (let k = 0; k < i; k++) sum -= u[k * size + i] * u[k * size + j];
      u[i * size + j] = j === i ? Math.sqrt(sum) : sum / u[i * size + i];
    }
  return u;
}

const upperPart = (a: Float64Array, size: number): Float64Array =>
  a.map((x, i) => (i % size >= Math.floor(i / size) ? x : 0));

describe('the factor of a positive definite matrix', () => {
  it('has the bytes of the unblocked algorithm', () => {
    // Of the largest one, columns are in several groups.
    for (const size of [1, 2, 31, 32, 33, 97, 530]) {
      const a = positive(rng, size);
      assert.deepEqual(upperPart(factorize(a.slice(), size, 'a').upper, size), textbook(a, size), `${size}`);
    }
  });

  it('does not hang on what was solved before', () => {
    const a = positive(rng, 30);
    const b = Float64Array.from(gaussians(rng, 30));
    const factor = factorize(a.slice(), 30, 'a');
    const expected = solve(factor, b.slice(), 1);
    solve({ size: 64, upper: new Float64Array(64 * 64).fill(NaN) }, new Float64Array(64 * 64).fill(NaN), 64);
    assert.deepEqual(solve(factor, b.slice(), 1), expected);
  });

  it('reads the upper triangle only', () => {
    const a = positive(rng, 40);
    const expected = upperPart(factorize(a.slice(), 40, 'a').upper, 40);
    assert.deepEqual(upperPart(factorize(upperPart(a, 40), 40, 'a').upper, 40), expected);
  });

  it('solves as an LU decomposition does', () => {
    for (const [size, columns] of [
      [1, 1],
      [7, 3],
      [70, 9],
    ]) {
      const a = positive(rng, size);
      const b = Float64Array.from(gaussians(rng, size * columns));
      const lu = new LuDecomposition(Matrix.from1DArray(size, size, a));
      const expected = lu.solve(Matrix.from1DArray(size, columns, b)).to1DArray();
      const factor = factorize(a.slice(), size, 'a');
      assert.ok(relativeDifference(solve(factor, b.slice(), columns), expected) < 1e-12);
      const lower = solveLower(factor, b.slice(), columns);
      assert.deepEqual(solveUpper(factor, lower, columns), solve(factor, b.slice(), columns));
    }
  });

  it('solves triangles with the bytes of the plain loops, also columns of several groups', () => {
    for (const [size, columns] of [
      [5, 6],
      [130, 300],
    ]) {
      const factor = factorize(positive(rng, size), size, 'a');
      const u = factor.upper;
      const b = Float64Array.from(gaussians(rng, size * columns));
      const [lower, upper] = [b.slice(), b.slice()];
      for (let c = 0; c < columns; c++) {
        for (let i = 0; i < size; i++) {
          for (let k = 0; k < i; k++) lower[i * columns + c] -= u[k * size + i] * lower[k * columns + c];
          lower[i * columns + c] /= u[i * size + i];
        }
        for (let i = size - 1; i >= 0; i--) {
          const near = Math.min(size, 4 * Math.floor(i / 4) + 4);
          for (let k = near; k < size; k++) upper[i * columns + c] -= u[i * size + k] * upper[k * columns + c];
          for (let k = i + 1; k < near; k++) upper[i * columns + c] -= u[i * size + k] * upper[k * columns + c];
          upper[i * columns + c] /= u[i * size + i];
        }
      }
      assert.deepEqual(solveLower(factor, b.slice(), columns), lower, `${size} × ${columns}`);
      assert.deepEqual(solveUpper(factor, b.slice(), columns), upper, `${size} × ${columns}`);
    }
  });

  it('does not exist for other matrices, and the error says where and what to do', () => {
    const indefinite = Float64Array.from([1, 2, 2, 1]);
    assert.throws(() => factorize(indefinite, 2, 'these keys'), {
      name: 'NotPositiveDefiniteError',
      size: 2,
      row: 1,
      pivot: -3,
      message: /^these keys: expected .* got -3 as pivot of row 1 .*; raise the ridge/,
    });
    assert.throws(() => factorize(new Float64Array(9), 3, 'zeros'), NotPositiveDefiniteError);
    assert.throws(() => factorize(Float64Array.of(NaN), 1, 'nan'), NotPositiveDefiniteError);
  });

  it('is refused where float64 cannot tell the matrix from a singular one', () => {
    const size = 50;
    const g = gaussians(rng, size * 10); // rank 10
    const singular = times(
      g,
      g.map((_, i) => g[(i % size) * 10 + Math.floor(i / size)]),
      10,
      size,
    );
    assert.throws(() => factorize(singular.slice(), size, 'rank 10'), { name: 'NotPositiveDefiniteError', row: 10 });
    const held = singular.map((x, i) => x + (i % (size + 1) ? 0 : 1e-6));
    assert.doesNotThrow(() => factorize(held, size, 'with a ridge'));
  });
});
