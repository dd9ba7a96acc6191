import { addProduct, block, transposed } from './linear-algebra/multiply.ts';

/** What is known of the keys that an edit should leave alone: those of stored queries. */
export interface Covariance {
  /** F, the length of a key. */
  readonly size: number;
  /** How many keys were seen. */
  readonly count: number;
  /** float64 [F, F]  E[k kᵀ], not centred. */
  readonly moment: Float64Array;
  /** E‖k‖⁴, which `shrinkageIntensity` needs. */
  readonly fourthMoment: number;
}

/** Keys that do not have the form they must have. */
export class InvalidKeysError extends Error {
  override readonly name = 'InvalidKeysError';
  readonly expected: string;
  readonly actual: string;
  constructor(expected: string, actual: string, advice: string) {
    super(`covariance: expected ${expected}, got ${actual}; ${advice}`);
    this.expected = expected;
    this.actual = actual;
  }
}

class MomentSum {
  private readonly size: number;
  private readonly sum: Float64Array;
  private count = 0;
  private fourth = 0;

  constructor(size: number) {
    this.size = size;
    this.sum = new Float64Array(size * size);
  }

  add(keys: Float64Array): void {
    const { size } = this;
    const rows = keys.length / size;
    const k = block(keys, size);
    addProduct(block(this.sum, size), transposed(k), k, { rows: size, columns: size, inner: rows }, 1, true);
    this.count += rows;
    for (let t = 0; t < rows; t++) {
      let square = 0;
      for (let i = t * size; i < (t + 1) * size; i++) square += keys[i] * keys[i];
      this.fourth += square * square;
    }
  }

  covariance(whose: string): Covariance {
    const { size, count, sum } = this;
    if (!count) throw new InvalidKeysError(`${whose} keys`, 'none', 'give more keys');
    const moment = new Float64Array(size * size);
    for (let i = 0; i < size; i++)
      for (let j = i; j < size; j++) moment[i * size + j] = moment[j * size + i] = sum[i * size + j] / count;
    return { size, count, moment, fourthMoment: this.fourth / count };
  }
}

/** One key in five is held out. */
const HELD_OUT_EVERY = 5;

/**
 * Second moments of keys that come in batches; every fifth key goes to a second, held-out one. Sums run over the keys in
 * the order in which they come, element by element, so the bytes do not depend on where a batch ends.
 */
export class CovarianceFitter {
  private readonly size: number;
  private readonly fitted: MomentSum;
  private readonly heldOut: MomentSum;
  private seen = 0;

  constructor(size: number) {
    this.size = size;
    this.fitted = new MomentSum(size);
    this.heldOut = new MomentSum(size);
  }

  /**
   * @param keys  float32 [n, F]  inputs of `wo` at docid positions of stored queries
   * @throws InvalidKeysError
   */
  update(keys: Float32Array): void {
    const { size } = this;
    if (keys.length % size)
      throw new InvalidKeysError(`keys [n, ${size}]`, `${keys.length} numbers`, 'are they of this layer?');
    const bad = keys.findIndex((x) => !Number.isFinite(x));
    if (bad >= 0) {
      const where = `${keys[bad]} in key ${this.seen + Math.floor(bad / size)}`;
      throw new InvalidKeysError('finite numbers', where, 'does the model overflow on this query?');
    }
    const rows = keys.length / size;
    const isHeldOut = (t: number): boolean => (this.seen + t) % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
    for (const [sum, held] of [
      [this.fitted, false],
      [this.heldOut, true],
    ] as const) {
      const chosen = Array.from({ length: rows }, (_, t) => t).filter((t) => isHeldOut(t) === held);
      const part = new Float64Array(chosen.length * size);
      chosen.forEach((t, at) => part.set(keys.subarray(t * size, (t + 1) * size), at * size));
      sum.add(part);
    }
    this.seen += rows;
  }

  /** @throws InvalidKeysError  for fewer than five keys */
  finish(): { readonly fitted: Covariance; readonly heldOut: Covariance } {
    return { fitted: this.fitted.covariance('fitted'), heldOut: this.heldOut.covariance('held-out') };
  }
}

/** As of keys √`by` times as long. */
export const scaled = (covariance: Covariance, by: number): Covariance => ({
  ...covariance,
  moment: covariance.moment.map((x) => x * by),
  fourthMoment: covariance.fourthMoment * by ** 2,
});

/** tr C / F: what a key's neuron has of energy on average. */
export function meanEnergy({ size, moment }: Covariance): number {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += moment[i * (size + 1)];
  return trace / size;
}

/** (1 − intensity)·C + intensity·(tr C / F)·I. */
export function shrink(covariance: Covariance, intensity: number): Covariance {
  const { size } = covariance;
  const added = intensity * meanEnergy(covariance);
  const moment = covariance.moment.map((x, i) => (1 - intensity) * x + (i % (size + 1) ? 0 : added));
  return { ...covariance, moment };
}

/**
 * The intensity that brings C nearest to the true moment on average, from 0 to 1 (Ledoit and Wolf, Journal of Multivariate
 * Analysis 88, 2004; here for moments that are not centred): the variance of C over its distance from (tr C / F)·I.
 */
export function shrinkageIntensity(covariance: Covariance): number {
  const { size, count, moment, fourthMoment } = covariance;
  const mean = meanEnergy(covariance);
  let [square, distance] = [0, 0];
  moment.forEach((x, i) => {
    square += x * x;
    distance += (x - (i % (size + 1) ? 0 : mean)) ** 2;
  });
  const variance = Math.max(0, fourthMoment - square) / count;
  return variance >= distance ? 1 : variance / distance;
}

/**
 * Root mean square of ‖k ΔW‖ over the keys of a covariance, √tr(ΔWᵀ C ΔW): how far an edit moves outputs that it should
 * leave alone. Compare the value for held-out keys with that for the fitted ones.
 *
 * @param delta  float32 [F, D]
 */
export function outputDrift({ size, moment }: Covariance, delta: Float32Array): number {
  const D = delta.length / size;
  const wide = Float64Array.from(delta);
  const product = new Float64Array(size * D);
  addProduct(block(product, D), block(moment, size), block(wide, D), { rows: size, columns: D, inner: size });
  return Math.sqrt(
    Math.max(
      0,
      wide.reduce((sum, x, i) => sum + x * product[i], 0),
    ),
  );
}
