/**
 * @file What all closed-form edits of one MLP output matrix share.
 *
 * Orientation, here and in every file of this folder: W = `decoder.block.l.layer.2.DenseReluDense.wo` as the graph has
 * it, [F, D] (in, out), so an output is y = k W with the key k as a row, the transpose of HF's and of the papers'.
 * A delta ΔW is float32 [F, D], counted from the base weights W₀, and fits `WeightDelta`. Everything is computed
 * in float64.
 */
import { meanEnergy, type Covariance } from '../covariance.ts';

/** The layer that is edited. F is the covariance's size. */
export interface EditedLayer {
  /** C₀ = E[k kᵀ] of stored queries. */
  readonly covariance: Covariance;
  /** D, the length of an output. */
  readonly d_model: number;
}

/** n keys and what should become of their outputs. */
export interface EditPairs {
  /** float32 [n, F]  inputs of `wo` at the docid's position (`mlp_post`) */
  readonly keys: Float32Array;
  /** float32 [n, D]  wanted change of the output, counted from what the base weights give */
  readonly residuals: Float32Array;
  /** [n], above 0. All 1 where left out. */
  readonly weights?: ArrayLike<number>;
}

export interface Edit {
  readonly pairs: EditPairs;
  /** Earlier edits that are still in force. */
  readonly history?: readonly EditPairs[];
  /** float32 [F, D]  the delta in force; zeros where left out. */
  readonly current?: Float32Array;
}

/** The delta that holds `edit.pairs` too, in place of `edit.current`. Pure: nothing of the edit is changed. */
export type Editor = (edit: Edit) => Float32Array;

/** One closed form. */
export interface EditMethod<Options> {
  readonly meaning: string;
  /** Where the formula comes from. */
  readonly source: string;
  readonly defaults: Options;
  /**
   * Does what depends on the layer alone, once for many edits.
   *
   * @throws InvalidEditError  for options out of range
   * @throws NotPositiveDefiniteError
   */
  prepare(layer: EditedLayer, options: Options): Editor;
}

/** Pairs, options or a delta that do not fit. */
export class InvalidEditError extends Error {
  override readonly name = 'InvalidEditError';
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
  constructor(what: string, expected: string, actual: string, advice: string) {
    super(`${what}: expected ${expected}, got ${actual}; ${advice}`);
    this.what = what;
    this.expected = expected;
    this.actual = actual;
  }
}

export function checkOption(name: string, value: number, expected: string, valid: boolean): void {
  if (!valid) throw new InvalidEditError(`option ${name}`, expected, String(value), 'choose another value');
}

/** Pairs in float64, every array given. */
export interface WidePairs {
  /** n */
  readonly count: number;
  /** float64 [n, F] */
  readonly keys: Float64Array;
  /** float64 [n, D] */
  readonly residuals: Float64Array;
  /** float64 [n] */
  readonly weights: Float64Array;
}

/** @throws InvalidEditError */
export function checkPairs({ covariance, d_model }: EditedLayer, pairs: EditPairs): number {
  const F = covariance.size;
  const count = pairs.keys.length / F;
  if (count < 1 || !Number.isInteger(count))
    throw new InvalidEditError('keys', `float32 [n, ${F}]`, `${pairs.keys.length} numbers`, 'are they of this layer?');
  checkLength('residuals', `float32 [${count}, ${d_model}]`, pairs.residuals, count * d_model);
  if (pairs.weights) checkLength('weights', `[${count}]`, pairs.weights, count);
  checkEach('keys', 'finite numbers', pairs.keys, Number.isFinite);
  checkEach('residuals', 'finite numbers', pairs.residuals, Number.isFinite);
  checkEach('weights', 'finite numbers above 0', pairs.weights ?? [], (w) => w > 0 && w < Infinity);
  return count;
}

function checkLength(what: string, expected: string, values: ArrayLike<number>, length: number): void {
  if (values.length !== length)
    throw new InvalidEditError(what, expected, `${values.length} numbers`, 'one row for each key is needed');
}

function checkEach(what: string, expected: string, values: ArrayLike<number>, valid: (x: number) => boolean): void {
  for (let i = 0; i < values.length; i++)
    if (!valid(values[i]))
      throw new InvalidEditError(
        what,
        expected,
        `${values[i]} at ${i}`,
        'leave this pair out, or look where it is from',
      );
}

/** @throws InvalidEditError */
export function widen(layer: EditedLayer, pairs: EditPairs): WidePairs {
  const count = checkPairs(layer, pairs);
  return {
    count,
    keys: Float64Array.from(pairs.keys),
    residuals: Float64Array.from(pairs.residuals),
    weights: pairs.weights ? Float64Array.from(pairs.weights) : new Float64Array(count).fill(1),
  };
}

/** The delta in force, in float64: a copy. @throws InvalidEditError */
export function currentDelta({ covariance, d_model }: EditedLayer, current: Float32Array | undefined): Float64Array {
  const length = covariance.size * d_model;
  if (!current) return new Float64Array(length);
  checkLength('current delta', `float32 [${covariance.size}, ${d_model}]`, current, length);
  checkEach('current delta', 'finite numbers', current, Number.isFinite);
  return Float64Array.from(current);
}

/** How much of the prior an edit has against it. */
export interface PriorOptions {
  /** λ: a stored query's key counts as much as this many edited ones. */
  readonly lambda: number;
  /** The same for keys that point evenly in all directions and have as much energy on average: ε = ridge · tr C₀ / F. */
  readonly ridge: number;
}

/** λC₀ + εI, float64 [F, F]. @throws InvalidEditError */
export function prior(covariance: Covariance, { lambda, ridge }: PriorOptions): Float64Array {
  checkOption('lambda', lambda, 'a number from 0', lambda >= 0 && lambda < Infinity);
  checkOption('ridge', ridge, 'a number from 0', ridge >= 0 && ridge < Infinity);
  const added = ridge * meanEnergy(covariance);
  return covariance.moment.map((x, i) => lambda * x + (i % (covariance.size + 1) ? 0 : added));
}
