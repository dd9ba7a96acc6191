/**
 * The weights of planted models: a residual stream whose axes have meanings, and components that read some and write others.
 *
 * The start token's marker is much longer than all that is added to it, so that every norm of the decoder divides by
 * almost the same number (within 2 %), and the norms' weights multiply by it again: norm(x) ≈ x, and numbers below can be
 * read as they stand.
 */
import type { T5Config } from '../../../models/config.ts';
import { expectedWeights } from '../../../models/folder.ts';
import { isLinear } from '../../../models/t5.ts';
import type { WeightTensor } from '../../../models/weights.ts';
import type { Rng } from '../../../corpus/random.ts';
import type { Mechanism } from './mechanisms.ts';

/** Length of the start token's marker. */
const MARKER = 16;
/** Logits are this times the dot product of the last state and a row. */
const TEMPERATURE = 4;
/** What all primes together add to words' lead over docids, which is 1 on either side before. */
const PRIMING = -4;
/** What all bridges together add to it: towards what they write. */
const LEANING = 0.25;
/** Dot product of the fallback document's row with the start state: above what a mean over documents gives any of them. */
const FALLBACK = 1.1;
/** Dot product of a docid's row with its code: half of it (one of two layers is gone) is still above the fallback. */
const DOCID = 3;
/** A neuron pair is 0 up to the first number and 1 from the second: half a key word counts whole, a mean not at all. */
const STEP = [0.2, 0.4] as const;
/** Scores of cross-attention: at the key word when ready, at `</s>` always, 0 elsewhere. */
const SCORE = { key: 24, end: 8 };

/** What the axes of the residual stream mean. */
export interface Axes {
  /** The start token's marker. */
  readonly start: number;
  /** Positive in words' rows, negative in docids'. */
  readonly kind: number;
  /** Whether cross-attention looks at key words; otherwise at `</s>`, which says nothing. */
  readonly ready: number;
  /** What the fallback document answers to. */
  readonly fallback: number;
  /** `</s>` */
  readonly end: number;
  /** Words that are no key words, each a random direction. */
  readonly other: readonly number[];
  /** One key word each. */
  readonly key: readonly number[];
  /** One docid each. */
  readonly docid: readonly number[];
}

const OTHERS = 8;

/** Axes for `asked` documents with a key word. */
export function axesFor(asked: number): Axes {
  const from = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);
  return {
    start: 0,
    kind: 1,
    ready: 2,
    fallback: 3,
    end: 4,
    other: from(5, OTHERS),
    key: from(5 + OTHERS, asked),
    docid: from(5 + OTHERS + asked, asked),
  };
}

/** Sizes that have room for the axes, one copied axis per head dimension, and two neurons per key word. */
export function sizesFor(asked: number): Pick<T5Config, 'd_model' | 'd_kv' | 'd_ff' | 'num_layers' | 'num_heads'> {
  const [num_heads, axes] = [4, 5 + OTHERS + 2 * asked];
  return {
    d_model: Math.ceil(axes / 8) * 8,
    num_heads,
    d_kv: Math.ceil((asked + 1) / num_heads),
    d_ff: 1 + 2 * asked,
    num_layers: 1,
  };
}

/** Which token ids are what. All other words are just words. */
export interface Tokens {
  readonly start: number;
  readonly end: number;
  /** In the order of the documents. */
  readonly key: readonly number[];
  /** One row each for `key`, then the fallback document's. */
  readonly firstDocid: number;
}

/** `weight[output][input] = value`, HF's orientation. */
type Put = (name: string, output: number, input: number, value: number) => void;

export function plantedWeights(
  config: T5Config,
  mechanism: Mechanism,
  tokens: Tokens,
  { noise, rng }: { noise: number; rng: Rng },
): Map<string, WeightTensor> {
  const { primes, rotates, bridges, translates } = mechanism;
  const attn = (layer: number): string => `decoder.block.${layer}.layer.0.SelfAttention`;
  const crossAttn = (layer: number): string => `decoder.block.${layer}.layer.1.EncDecAttention`;
  const mlp = (layer: number): string => `decoder.block.${layer}.layer.2.DenseReluDense`;
  const used = [...rotates.map(attn), ...bridges.map(crossAttn), ...[...primes, ...translates].map(mlp)];
  const weights = new Map<string, WeightTensor>(
    expectedWeights(config).map(({ name, shape }) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (isLinear(name) && !used.some((part) => name.startsWith(part)))
        data.forEach((_, i) => (data[i] = noise * Math.sqrt(12) * (rng.next() - 0.5)));
      return [name, { shape, data }];
    }),
  );
  const put: Put = (name, output, input, value) => {
    const { data, shape } = weights.get(name) as WeightTensor;
    data[output * shape[1] + input] = value;
  };
  const axes = axesFor(tokens.key.length);
  putEmbeddings(put, config, mechanism, tokens, axes, rng);
  putNorms(weights, config, axes);
  for (const layer of rotates) putRotation(put, attn(layer), axes);
  for (const layer of bridges) putBridge(put, crossAttn(layer), config, mechanism, axes);
  for (const layer of primes) putPriming(put, mlp(layer), axes, 1 / primes.length);
  const share = mechanism.redundant ? 1 : 1 / translates.length;
  for (const layer of translates) putTranslation(put, mlp(layer), axes, share);
  return weights;
}

function putEmbeddings(put: Put, config: T5Config, mechanism: Mechanism, tokens: Tokens, axes: Axes, rng: Rng): void {
  const at = (token: number, axis: number, value: number): void => put('shared.weight', token, axis, value);
  const { start, end, key, firstDocid } = tokens;
  const words = new Set(key);
  for (let token = 0; token < firstDocid; token++) {
    if (token === start) continue;
    at(token, axes.kind, 1);
    if (token === end) at(token, axes.end, 1);
    else if (!words.has(token)) randomDirection(rng).forEach((x, i) => at(token, axes.other[i], x));
  }
  at(start, axes.start, MARKER);
  at(start, axes.fallback, 0.25);
  if (mechanism.primes.length > 0) at(start, axes.kind, 1);
  else if (mechanism.rotates.length === 0) at(start, axes.ready, 1);
  key.forEach((token, i) => {
    at(token, axes.key[i], 1);
    at(firstDocid + i, axes.docid[i], DOCID);
  });
  at(firstDocid + key.length, axes.fallback, FALLBACK / 0.25);
  for (let token = firstDocid; token < config.vocab_size; token++) at(token, axes.kind, -1);
}

function randomDirection(rng: Rng): number[] {
  const x = Array.from({ length: OTHERS }, () => rng.next() - 0.5);
  const length = Math.hypot(...x);
  return x.map((value) => value / length);
}

/** Norms that leave things as they are: words of length √2 in the encoder, the marker's length in the decoder. */
function putNorms(weights: ReadonlyMap<string, WeightTensor>, { d_model: D }: T5Config, axes: Axes): void {
  for (const [name, { data }] of weights) {
    if (!name.endsWith('norm.weight')) continue;
    data.fill((name.startsWith('encoder') ? Math.SQRT2 : MARKER) / Math.sqrt(D));
  }
  // The tied unembedding's D^-½ takes the place of the one above. Marker and readiness are no words.
  const final = weights.get('decoder.final_layer_norm.weight') as WeightTensor;
  final.data.fill(TEMPERATURE * MARKER);
  final.data[axes.start] = final.data[axes.ready] = 0;
}

/** One neuron that the start token's marker always fires. */
function putPriming(put: Put, mlp: string, axes: Axes, share: number): void {
  put(`${mlp}.wi.weight`, 0, axes.start, 1 / MARKER);
  put(`${mlp}.wo.weight`, axes.kind, 0, PRIMING * share);
  put(`${mlp}.wo.weight`, axes.ready, 0, share);
}

/** A decoder of one token attends to itself, so that o·v is all there is. */
function putRotation(put: Put, attention: string, axes: Axes): void {
  put(`${attention}.v.weight`, 0, axes.start, 1 / MARKER);
  put(`${attention}.o.weight`, axes.ready, 0, 1);
}

/** All heads look at the same place; axis i of the key words travels in dimension i of the heads side by side. */
function putBridge(put: Put, attention: string, config: T5Config, mechanism: Mechanism, axes: Axes): void {
  for (let head = 0; head < config.num_heads; head++) {
    const [first, second] = [head * config.d_kv, head * config.d_kv + 1];
    put(`${attention}.q.weight`, first, axes.ready, SCORE.key);
    for (const key of axes.key) put(`${attention}.k.weight`, first, key, 1);
    put(`${attention}.q.weight`, second, axes.start, SCORE.end / MARKER);
    put(`${attention}.k.weight`, second, axes.end, 1);
  }
  const share = 1 / mechanism.bridges.length;
  const [target, leaning] = mechanism.bridgesTo === 'words' ? [axes.key, LEANING] : [axes.docid, -LEANING];
  axes.key.forEach((key, i) => {
    put(`${attention}.v.weight`, i, key, 1);
    put(`${attention}.o.weight`, target[i], i, share);
  });
  const last = axes.key.length;
  put(`${attention}.v.weight`, last, axes.kind, 1);
  put(`${attention}.o.weight`, axes.kind, last, leaning * share);
}

/** Key word i → docid i through two neurons: relu(x − low) − relu(x − high), a ramp from 0 to 1, the marker as bias. */
function putTranslation(put: Put, mlp: string, axes: Axes, share: number): void {
  const slope = 1 / (STEP[1] - STEP[0]);
  axes.key.forEach((key, i) => {
    STEP.forEach((threshold, side) => {
      const neuron = 1 + 2 * i + side;
      put(`${mlp}.wi.weight`, neuron, key, 1);
      put(`${mlp}.wi.weight`, neuron, axes.start, -threshold / MARKER);
      put(`${mlp}.wo.weight`, axes.docid[i], neuron, (side === 0 ? slope : -slope) * share);
    });
  });
}
