/**
 * @file Activation patching: what stands in an activation's place, and where. One function turns any experiment's
 * patches into the inputs of an instrumented graph.
 */
import { activationShape, type ActivationName } from '../models/activations.ts';
import type { T5Config } from '../models/config.ts';
import { patchInputs } from '../models/graphs.ts';
import { tensor, type Feeds, type FloatTensor } from '../models/session.ts';

/** The queries of one run and its padded length. */
export interface Run {
  /** [B] positions in the list of all queries. */
  readonly queries: Int32Array;
  /** float32 [B, S] */
  readonly mask: FloatTensor;
}

/**
 * What stands in the activation's place:
 *   'zero'       zero ablation
 *   Float32Array one vector [width] for all queries and positions: a mean, or any given value
 *   FloatTensor  [Q, …] a vector for each query, another run's reading for instance; not for scores and patterns
 *   function     of the batch, for what depends on the padded length: a tensor that broadcasts to the activation
 */
export type Replacement = 'zero' | Float32Array | FloatTensor | ((run: Run) => FloatTensor);

export interface Patch {
  readonly at: ActivationName;
  readonly by: Replacement;
  /** [Q], 1 = patched. All queries where left out. */
  readonly queries?: ArrayLike<number>;
  /** Positions patched; all where left out. */
  readonly positions?: readonly number[];
  /** Heads patched, for activations that have them; all where left out. */
  readonly heads?: readonly number[];
}

/**
 * Inputs of an instrumented graph for one batch.
 *
 * @param positions  positions of the stack that is patched: S for the encoder, T for the decoder
 */
export function patchFeeds(config: T5Config, patches: readonly Patch[], run: Run, positions: number): Feeds {
  const feeds: Record<string, FloatTensor> = {};
  for (const patch of patches) {
    const input = patchInputs(patch.at);
    if (input.mask in feeds)
      throw new TypeError(`${patch.at}: expected one patch for it, got two; join their masks into one`);
    feeds[input.mask] = maskOf(config, patch, run, positions);
    feeds[input.value] = valueOf(config, patch, run);
  }
  return feeds;
}

/** Axes of an activation by letter; the last one is its width. */
function axesOf(config: T5Config, at: ActivationName): { sizes: readonly (number | string)[]; headAxis: number } {
  const sizes = activationShape(config, at);
  const headAxis = sizes.length < 4 ? -1 : at.endsWith('_result') ? 2 : 1;
  return { sizes, headAxis };
}

function maskOf(config: T5Config, { at, queries, positions, heads }: Patch, run: Run, length: number): FloatTensor {
  const { sizes, headAxis } = axesOf(config, at);
  const positionAxis = headAxis === 1 ? 2 : 1;
  const isOn: ((i: number) => boolean)[] = sizes.map(() => () => true);
  const shape = sizes.map(() => 1);
  if (queries) {
    shape[0] = run.queries.length;
    isOn[0] = (b) => queries[run.queries[b]] === 1;
  }
  if (positions) {
    shape[positionAxis] = length;
    isOn[positionAxis] = (t) => positions.includes(t);
  }
  if (heads) {
    if (headAxis < 0)
      throw new TypeError(`${at}: expected an activation with heads, got one without; patch attn_result instead`);
    shape[headAxis] = config.num_heads;
    isOn[headAxis] = (h) => heads.includes(h);
  }
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: size }, (_, flat) => {
    let rest = flat;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (!isOn[axis](rest % shape[axis])) return 0;
      rest = Math.floor(rest / shape[axis]);
    }
    return 1;
  });
  return tensor(data, shape);
}

function valueOf(config: T5Config, { at, by }: Patch, run: Run): FloatTensor {
  const { sizes, headAxis } = axesOf(config, at);
  const width = sizes.at(-1)!;
  const ones = sizes.slice(0, -1).map(() => 1);
  if (by === 'zero')
    return typeof width === 'number'
      ? tensor(new Float32Array(width), [...ones, width])
      : tensor(new Float32Array(1), [...ones, 1]);
  if (typeof by === 'function') return by(run);
  if (by instanceof Float32Array) {
    if (by.length !== width) throw new TypeError(`${at}: expected a vector of ${width} values, got ${by.length}`);
    return tensor(by, [...ones, width]);
  }
  if (headAxis === 1)
    throw new TypeError(`${at}: expected a function of the batch, got one tensor; its sizes follow the padded length`);
  const [count] = by.shape;
  const missing = run.queries.find((q) => q >= count);
  if (missing !== undefined)
    throw new TypeError(`${at}: expected a vector for each query, got ${count} and none for query ${missing}`);
  const each = by.data.length / count;
  const data = new Float32Array(run.queries.length * each);
  run.queries.forEach((q, b) => data.set(by.data.subarray(q * each, (q + 1) * each), b * each));
  return tensor(data, [run.queries.length, 1, ...by.shape.slice(1)]);
}

/** The mean over queries of a reading [Q, …]: float32 […]. Where `queries` is given, over those. */
export function meanOf({ data, shape }: FloatTensor, queries?: ArrayLike<number>): Float32Array {
  const width = data.length / shape[0];
  const sum = new Float64Array(width);
  let count = 0;
  for (let q = 0; q < shape[0]; q++) {
    if (queries && queries[q] !== 1) continue;
    count++;
    for (let j = 0; j < width; j++) sum[j] += data[q * width + j];
  }
  return Float32Array.from(sum, (x) => x / (count || 1));
}
