import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { factorize, solve } from '../../../editing/linear-algebra/cholesky.ts';
import { changedSolution, type Terms } from '../../../editing/linear-algebra/woodbury.ts';
import { gaussians, randomLayer, reluKeys, relativeDifference } from '../../support/edit-layer.ts';

const rng = createRng(4);
const world = randomLayer(rng, { F: 40, D: 5 });
const { F, D } = world;

const randomTerms = (n: number): Terms => ({
  keys: Float64Array.from(reluKeys(rng, n, F)),
  residuals: Float64Array.from(gaussians(rng, n * D)),
  weights: Float64Array.from({ length: n }, () => 0.5 + rng.next()),
});

/** A⁻¹B from nothing. */
function fresh(all: readonly Terms[]): { factor: ReturnType<typeof factorize>; x: Float64Array } {
  const a = world.layer.covariance.moment.map((x, i) => 5 * x + (i % (F + 1) ? 0 : 0.1));
  const b = new Float64Array(F * D);
  for (const { keys, residuals, weights } of all)
    weights.forEach((w, t) => {
      for (let i = 0; i < F; i++) {
        for (let j = 0; j < F; j++) a[i * F + j] += w * keys[t * F + i] * keys[t * F + j];
        for (let j = 0; j < D; j++) b[i * D + j] += w * keys[t * F + i] * residuals[t * D + j];
      }
    });
  const factor = factorize(a, F, 'a');
  return { factor, x: solve(factor, b, D) };
}

const negative = (terms: Terms): Terms => ({ ...terms, weights: terms.weights.map((w) => -w) });
const both = (p: Terms, q: Terms): Terms => ({
  keys: Float64Array.from([...p.keys, ...q.keys]),
  residuals: Float64Array.from([...p.residuals, ...q.residuals]),
  weights: Float64Array.from([...p.weights, ...q.weights]),
});

describe('a changed solution', () => {
  const [first, second, third] = [randomTerms(30), randomTerms(12), randomTerms(1)];

  it('equals a fresh one with terms added', () => {
    const { factor, x } = fresh([first]);
    for (const terms of [second, third])
      assert.ok(relativeDifference(changedSolution(factor, x, D, terms), fresh([first, terms]).x) < 1e-10);
  });

  it('equals a fresh one that never had the terms taken away', () => {
    const { factor, x } = fresh([first, second, third]);
    const expected = fresh([first]).x;
    assert.ok(relativeDifference(x, expected) > 0.01);
    const changed = changedSolution(factor, x, D, negative(both(second, third)));
    assert.ok(relativeDifference(changed, expected) < 1e-10);
  });

  it('equals a fresh one where terms come and go together', () => {
    const { factor, x } = fresh([first, second]);
    const changed = changedSolution(factor, x, D, both(third, negative(second)));
    assert.ok(relativeDifference(changed, fresh([first, third]).x) < 1e-10);
  });

  it('leaves what it is given as it was', () => {
    const { factor, x } = fresh([first]);
    const before = [x.slice(), factor.upper.slice(), second.keys.slice()];
    changedSolution(factor, x, D, second);
    assert.deepEqual([x, factor.upper, second.keys], before);
  });
});
