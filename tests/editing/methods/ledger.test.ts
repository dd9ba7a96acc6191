import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Matrix, solve as leastSquares } from 'ml-matrix';
import { createRng, shuffle } from '../../../corpus/random.ts';
import { meanEnergy, outputDrift } from '../../../editing/covariance.ts';
import { NotPositiveDefiniteError } from '../../../editing/linear-algebra/cholesky.ts';
import { MAX_TERM } from '../../../editing/linear-algebra/exact-sum.ts';
import { Ledger, LedgerEntryError, ledger } from '../../../editing/methods/ledger.ts';
import { InvalidEditError, type EditPairs } from '../../../editing/methods/method.ts';
import {
  gaussians,
  joined,
  norm,
  randomLayer,
  randomPairs,
  rankOf,
  relativeDifference,
  relativeError,
  times,
} from '../../support/edit-layer.ts';

const rng = createRng(8);
const world = randomLayer(rng);
const { layer, F, D, stored } = world;
const options = { lambda: 3, ridge: 0.5 };
const edits = new Map(Array.from({ length: 8 }, (_, i) => [`d${i}`, randomPairs(rng, world, 1 + rng.int(5), true)]));

function ledgerOf(ids: Iterable<string>): Ledger {
  const made = new Ledger(layer, options);
  for (const id of ids) made.add(id, edits.get(id)!);
  return made;
}
const all = [...edits.keys()];

/** Σ w‖kΔW − r‖² + λE‖k₀ΔW‖² + ε‖ΔW‖² */
function objective(pairs: EditPairs, delta: Float32Array): number {
  const preserved = times(stored, delta, F, D);
  const reached = times(pairs.keys, delta, F, D);
  const cost = reached.reduce(
    (sum, y, i) => sum + pairs.weights![Math.floor(i / D)] * (y - pairs.residuals[i]) ** 2,
    0,
  );
  const epsilon = options.ridge * meanEnergy(layer.covariance);
  return cost + (options.lambda * norm(preserved) ** 2) / (stored.length / F) + epsilon * norm(delta) ** 2;
}

describe('the ledger', () => {
  const pairs = joined([...edits.values()], F);
  const delta = ledgerOf(all).delta();

  it('solves the least-squares problem, as QR of the stacked problem does', () => {
    const rows: number[][] = [];
    const targets: number[][] = [];
    const push = (key: ArrayLike<number>, target: ArrayLike<number>, weight: number): void => {
      rows.push(Array.from(key, (x) => Math.sqrt(weight) * x));
      targets.push(Array.from(target, (x) => Math.sqrt(weight) * x));
    };
    const zero = new Float32Array(D);
    const n = stored.length / F;
    for (let t = 0; t < n; t++) push(stored.subarray(t * F, (t + 1) * F), zero, options.lambda / n);
    const epsilon = options.ridge * meanEnergy(layer.covariance);
    for (let i = 0; i < F; i++)
      push(
        Float32Array.from({ length: F }, (_, j) => Number(i === j)),
        zero,
        epsilon,
      );
    for (const [t, weight] of Array.from(pairs.weights!).entries())
      push(pairs.keys.subarray(t * F, (t + 1) * F), pairs.residuals.subarray(t * D, (t + 1) * D), weight);
    const expected = leastSquares(new Matrix(rows), new Matrix(targets)).to1DArray();
    assert.ok(relativeDifference(delta, expected) < 1e-6, `${relativeDifference(delta, expected)}`);
  });

  it('cannot be improved by a step in any of fifty directions', () => {
    const least = objective(pairs, delta);
    for (let i = 0; i < 50; i++) {
      const step = gaussians(rng, F * D);
      for (const size of [1e-3, -1e-3])
        assert.ok(
          objective(
            pairs,
            delta.map((x, j) => x + size * step[j]),
          ) > least,
        );
    }
  });

  it('moves outputs of stored queries less, and its own keys less far, as λ grows', () => {
    const points = [1, 10, 100, 1000].map((lambda) => {
      const mine = new Ledger(layer, { ...options, lambda });
      mine.add('all', pairs);
      return { drift: outputDrift(layer.covariance, mine.delta()), error: relativeError(pairs, mine.delta(), F, D) };
    });
    for (let i = 1; i < points.length; i++) {
      assert.ok(points[i].drift < points[i - 1].drift && points[i].error > points[i - 1].error);
      assert.ok(points[i].error < 1);
    }
  });

  it('has a delta of no more ranks than keys', () => {
    const few = new Ledger(layer, options);
    few.add('a', randomPairs(rng, world, 3));
    assert.equal(rankOf(few.delta(), F, D), 3);
  });

  it('has the same bytes in every order', () => {
    for (let i = 0; i < 5; i++) assert.deepEqual(ledgerOf(shuffle([...all], rng)).delta(), delta);
  });

  it('has the bytes of never added after a removal, whatever came between', () => {
    const expected = ledgerOf(['d1', 'd4', 'd6']).delta();
    assert.notDeepEqual(delta, expected);
    const changing = ledgerOf(all);
    changing.delta();
    for (const id of ['d0', 'd7', 'd2']) changing.remove(id);
    changing.delta();
    changing.add('d2', edits.get('d2')!);
    for (const id of ['d5', 'd2', 'd3']) changing.remove(id);
    assert.deepEqual(changing.delta(), expected);
    for (const id of ['d1', 'd4', 'd6']) changing.remove(id);
    assert.equal(changing.size, 0);
    assert.deepEqual(changing.delta(), new Float32Array(F * D));
  });

  it('has the bytes of a new ledger with the same entries after any adds and removals', () => {
    const step = fc.tuple(fc.constantFrom(...all), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const changing = new Ledger(layer, options);
        for (const [id, ask] of steps) {
          if (changing.has(id)) changing.remove(id);
          else changing.add(id, edits.get(id)!);
          if (ask) changing.delta();
        }
        const left = all.filter((id) => changing.has(id));
        assert.deepEqual(changing.delta(), ledgerOf(left).delta());
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  it('counts a pair of weight 2 as two pairs', () => {
    const one = randomPairs(rng, world, 1);
    const [weighted, twice] = [new Ledger(layer, options), new Ledger(layer, options)];
    weighted.add('a', { ...one, weights: [2] });
    twice.add('a', one);
    twice.add('b', one);
    assert.deepEqual(weighted.delta(), twice.delta());
  });
});

describe('a trial', () => {
  it('tells the delta of a change up to float32 rounding, and does not make it', () => {
    const mine = ledgerOf(all.slice(0, 5));
    const before = mine.delta();
    const trial = mine.trial({ add: [edits.get('d5')!, edits.get('d6')!], remove: ['d0', 'd3'] });
    assert.deepEqual(mine.delta(), before);
    const changed = ledgerOf(['d1', 'd2', 'd4', 'd5', 'd6']).delta();
    assert.ok(relativeDifference(trial, changed) < 1e-7);
    assert.ok(relativeDifference(before, changed) > 0.01);
    assert.deepEqual(mine.trial({}), before);
    const alone = new Ledger(layer, options).trial({ add: [edits.get('d0')!] });
    assert.ok(relativeDifference(alone, ledgerOf(['d0']).delta()) < 1e-7);
  });

  it('cannot take back what is not there, or twice', () => {
    const mine = ledgerOf(['d0']);
    assert.throws(() => mine.trial({ remove: ['d1'] }), LedgerEntryError);
    assert.throws(() => mine.trial({ remove: ['d0', 'd0'] }), LedgerEntryError);
  });
});

describe('a ledger refuses', () => {
  it('an id twice, and an unknown one', () => {
    const mine = ledgerOf(['d0']);
    assert.throws(() => mine.add('d0', edits.get('d1')!), { name: 'LedgerEntryError', id: 'd0' });
    assert.throws(() => mine.remove('d1'), { name: 'LedgerEntryError', id: 'd1' });
  });

  it('products too large to be summed exactly, unchanged by it', () => {
    const mine = ledgerOf(['d0']);
    const large = randomPairs(rng, world, 1);
    large.residuals[0] = MAX_TERM * 1e6;
    assert.throws(() => mine.add('d1', large), InvalidEditError);
    assert.throws(() => mine.trial({ add: [large] }), InvalidEditError);
    assert.throws(() => mine.add('d1', { ...edits.get('d1')!, keys: edits.get('d1')!.keys.map((x) => x * 1e6) }), {
      name: 'InvalidEditError',
    });
    assert.deepEqual(mine.delta(), ledgerOf(['d0']).delta());
  });

  it('a prior that leaves directions of keys free', () => {
    const moment = layer.covariance.moment.slice();
    for (let i = 0; i < F; i++) moment[i * F + 3] = moment[3 * F + i] = 0; // a neuron no stored query uses
    const dead = { ...layer, covariance: { ...layer.covariance, moment } };
    assert.throws(() => new Ledger(dead, { lambda: 3, ridge: 0 }).delta(), NotPositiveDefiniteError);
    assert.doesNotThrow(() => new Ledger(dead, options).delta());
  });
});

describe('the ledger among the methods', () => {
  it('has the bytes of a ledger with history and pairs', () => {
    const editor = ledger.prepare(layer, options);
    const history = all.slice(0, 7).map((id) => edits.get(id)!);
    assert.deepEqual(editor({ pairs: edits.get('d7')!, history }), ledgerOf(all).delta());
  });
});
