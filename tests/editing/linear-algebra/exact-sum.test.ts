import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng, shuffle } from '../../../corpus/random.ts';
import { ExactSum, MAX_TERM } from '../../../editing/linear-algebra/exact-sum.ts';
import { gaussian, gaussians } from '../../support/edit-layer.ts';

const rng = createRng(3);
const [rows, columns] = [5, 6];

interface Term {
  readonly left: Float32Array;
  readonly right: Float32Array;
  readonly weight: number;
}
/** Terms whose sizes differ by powers of ten, which is where plain sums round differently. */
const terms: Term[] = Array.from({ length: 60 }, () => ({
  left: gaussians(rng, rows).map((x) => x * 10 ** (2 * gaussian(rng))),
  right: gaussians(rng, columns),
  weight: rng.next(),
}));
const add = (sum: ExactSum, { left, right, weight }: Term, sign: 1 | -1 = 1): void =>
  sum.add(left, right, [weight], sign);
const summed = (all: readonly Term[]): ExactSum => {
  const sum = new ExactSum(rows, columns);
  for (const term of all) add(sum, term);
  return sum;
};

describe('an exact sum', () => {
  it('has the same bytes in every order, which a plain sum has not', () => {
    const plain = (all: readonly Term[]): number =>
      all.reduce((sum, { left, right, weight }) => sum + weight * left[0] * right[0], 0);
    const orders = Array.from({ length: 20 }, () => shuffle([...terms], rng));
    for (const order of orders) assert.deepEqual(summed(order), summed(terms));
    assert.ok(new Set(orders.map(plain)).size > 1);
  });

  it('has the same bytes in batches', () => {
    const flat = (part: 'left' | 'right'): Float32Array => Float32Array.from(terms.flatMap((t) => [...t[part]]));
    const sum = new ExactSum(rows, columns);
    sum.add(
      flat('left'),
      flat('right'),
      terms.map(({ weight }) => weight),
      1,
    );
    assert.deepEqual(sum, summed(terms));
  });

  it('forgets what was taken away to the last bit, down to nothing', () => {
    const sum = summed(terms.slice(0, 40));
    for (const term of terms.slice(40)) add(sum, term);
    for (const term of shuffle(terms.slice(10, 60), rng)) add(sum, term, -1);
    assert.deepEqual(sum, summed(terms.slice(0, 10)));
    for (const term of terms.slice(0, 10)) add(sum, term, -1);
    assert.deepEqual(sum, new ExactSum(rows, columns));
    assert.ok(sum.value().every((x) => Object.is(x, 0)));
  });

  it('is the sum, to 2^-53 a term', () => {
    const dyadic = terms.map((t) => ({ ...t, weight: 0.5 }));
    const total = dyadic.reduce((sum, { left, right, weight }) => sum + product(weight * left[1], right[2]), 0n);
    const got = summed(dyadic).value()[columns + 2];
    const want = Number(total) / 2 ** 200;
    assert.ok(Math.abs(got - want) <= dyadic.length * 2 ** -53 + Math.abs(want) * 2 ** -52, `${got} ${want}`);
  });

  it('takes the largest terms that are allowed', () => {
    const sum = new ExactSum(1, 1);
    const large = Float32Array.of(MAX_TERM);
    for (let i = 0; i < 1000; i++) sum.add(large, Float32Array.of(1), [1], 1);
    sum.add(Float32Array.of(2 ** -26), Float32Array.of(2 ** -26), [1], 1);
    for (let i = 0; i < 1000; i++) sum.add(large, Float32Array.of(1), [1], -1);
    assert.equal(sum.value()[0], 2 ** -52);
  });

  it('has the bytes of the plain loop over parts, of many terms and at any size', () => {
    for (const [n, rows, columns] of [
      [1, 1, 1],
      [5, 9, 13],
      [300, 7, 20],
    ]) {
      const keys = gaussians(rng, n * rows).map((x) => Math.max(0, 100 * x));
      const right = gaussians(rng, n * columns).map((x) => x * 10 ** (2 * gaussian(rng)));
      const weights = Array.from({ length: n }, () => rng.next());
      const sum = new ExactSum(rows, columns);
      sum.add(keys, right, weights, 1);
      const expected = Float64Array.from({ length: rows * columns }, (_, at) => {
        const [i, j] = [Math.floor(at / columns), at % columns];
        let [coarse, fine] = [0, 0];
        for (let t = 0; t < n; t++) {
          const term = weights[t] * keys[t * rows + i] * right[t * columns + j];
          const high = nearest(term, 2 ** -18);
          coarse += high;
          fine += nearest(term - high, 2 ** -52);
        }
        return coarse + fine;
      });
      assert.deepEqual(sum.value(), expected);
    }
  });

  it('of the upper triangle leaves the rest at 0', () => {
    const sum = new ExactSum(3, 3, true);
    const k = Float32Array.of(1, 2, 3);
    sum.add(k, k, [2], 1);
    assert.deepEqual([...sum.value()], [2, 4, 6, 0, 8, 12, 0, 0, 18]);
  });
});

/** The nearest multiple of a power of two; of two, the even one. */
function nearest(x: number, unit: number): number {
  const whole = Math.floor(x / unit);
  const rest = x / unit - whole;
  return unit * (rest > 0.5 || (rest === 0.5 && whole % 2) ? whole + 1 : whole);
}

/** x·y in units of 2^-200, exactly. */
function product(x: number, y: number): bigint {
  const scaled = (v: number): bigint => {
    let [mantissa, exponent] = [v, 0];
    while (!Number.isInteger(mantissa)) [mantissa, exponent] = [mantissa * 2, exponent + 1];
    return BigInt(mantissa) << BigInt(100 - exponent);
  };
  return scaled(x) * scaled(y);
}
