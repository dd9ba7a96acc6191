/**
 * @file Every graph that is made of the one definition in `t5.ts`. Inputs and outputs are named here and nowhere else.
 */
import type { T5Config } from './config.ts';
import { checkActivation, UnknownActivationError, type ActivationName, type Stack, type Tap } from './activations.ts';
import { differentiate } from './onnx/gradients.ts';
import { Graph, type Value } from './onnx/graph.ts';
import * as op from './onnx/ops.ts';
import {
  crossKeyValues,
  decodeStart,
  decoder,
  embed,
  encoder,
  isLinear,
  readyForUnembed,
  unembed,
  type KeyValue,
  type Parameters,
  type T5Parts,
} from './t5.ts';
import type { FilePlace, WeightTensor } from './weights.ts';

/** A weight by HF's name, float32 in HF's orientation: linear maps are [out, in]. */
export type WeightSource = (name: string) => WeightTensor;

const plain: Tap = (_name, value) => value;

/** Side of the squares by which a matrix is transposed: they fit the cache, rows and columns of large ones do not. */
const TILE = 32;

/** [out, in] → [in, out]: ONNX MatMul multiplies from the right. */
export function transposed({ data, shape }: WeightTensor): Float32Array {
  const [rows, columns] = shape;
  const out = new Float32Array(data.length);
  for (let top = 0; top < rows; top += TILE)
    for (let left = 0; left < columns; left += TILE)
      for (let i = top; i < Math.min(rows, top + TILE); i++)
        for (let j = left; j < Math.min(columns, left + TILE); j++) out[j * rows + i] = data[i * columns + j];
  return out;
}

/** Weights and the linear maps made of them. */
type Applied = Pick<T5Parts, 'parameters' | 'linear'>;

/**
 * Weights as constants that onnxruntime may prepack; each is read once. Those that are left in their file stay in HF's
 * orientation there.
 */
function constants(g: Graph, weights: WeightSource): Applied {
  const known = new Map<string, Value>();
  const once = (key: string, make: () => Value): Value => {
    let value = known.get(key);
    if (!value) known.set(key, (value = make()));
    return value;
  };
  const inFile = (name: string, shape: readonly number[], place: FilePlace): Value =>
    once(`${name} in its file`, () => g.constant(name, 'float32', shape, place));
  const constant = (name: string, shape: readonly number[], weight: WeightTensor): Value => {
    const { place } = weight;
    if (!place) return g.constant(name, 'float32', shape, isLinear(name) ? transposed(weight) : weight.data);
    const stored = inFile(name, weight.shape, place);
    return isLinear(name) ? op.T(stored) : stored;
  };
  const product = (name: string, size: readonly [number, number]): ((x: Value) => Value) => {
    const weight = weights(name);
    const { int8 } = weight;
    if (int8) {
      const { codes, scales, block } = int8;
      const [rows, columns] = weight.shape;
      const values = g.constant(`${name}:int8`, 'uint8', [rows, columns / block, block], codes);
      const steps = g.constant(`${name}:scales`, 'float32', [(rows * columns) / block], scales);
      return (x) => op.MatMulNBits(x, values, steps, rows);
    }
    const { place } = weight;
    if (place) return (x) => op.FusedMatMul(x, inFile(name, weight.shape, place));
    const right = once(name, () => constant(name, size, weight));
    return (x) => op.MatMul(x, right);
  };
  const products = new Map<string, (x: Value) => Value>();
  return {
    parameters: (name, shape) => once(name, () => constant(name, shape, weights(name))),
    linear(x, name, size) {
      let multiply = products.get(name);
      if (!multiply) products.set(name, (multiply = product(name, size)));
      return multiply(x);
    },
  };
}

/** Weights as inputs of the same names, for training. Linear maps are fed as [in, out]. */
export function fedWeights(g: Graph): { parameters: Parameters; fed: Map<string, Value> } {
  const fed = new Map<string, Value>();
  const parameters: Parameters = (name, shape) => {
    let value = fed.get(name);
    if (!value) fed.set(name, (value = g.input(name, 'float32', shape)));
    return value;
  };
  return { parameters, fed };
}

/** The input that carries the edit of weight `name`: float32, in the graph's orientation, added to the constant weight. */
export const deltaInput = (name: string): string => `delta:${name}`;

/**
 * Weights of which those in `edited` have a delta beside them: x·W + x·ΔW in linear maps, so that W stays a prepacked
 * constant, and W + ΔW where the graph reads the matrix itself.
 */
function withDeltas(g: Graph, base: Applied, edited: readonly string[]): Applied {
  const inputs = new Map<string, Value>();
  const delta = (name: string, shape: readonly number[]): Value | undefined => {
    if (edited.includes(name) && !inputs.has(name)) inputs.set(name, g.input(deltaInput(name), 'float32', shape));
    return inputs.get(name);
  };
  const plus = (y: Value, change: Value | undefined): Value => (change ? op.Add(y, change) : y);
  return {
    parameters: (name, shape) => plus(base.parameters(name, shape), delta(name, shape)),
    linear(x, name, size) {
      const change = delta(name, size);
      return plus(base.linear(x, name, size), change && op.MatMul(x, change));
    },
  };
}

/** Weights as constants, and the same weights with deltas beside those in `edited`. */
export function editableParts(
  config: T5Config,
  g: Graph,
  weights: WeightSource,
  edited: readonly string[],
): { fixed: T5Parts; live: T5Parts } {
  const fixed = constants(g, weights);
  return {
    fixed: { config, ...fixed, tap: plain },
    live: { config, ...withDeltas(g, fixed, edited), tap: plain },
  };
}

export function parts(config: T5Config, g: Graph, weights: WeightSource, tap: Tap = plain): T5Parts {
  return { config, ...constants(g, weights), tap };
}

/** What every graph that reads a query is given. */
export const queryInputs = (g: Graph): { ids: Value; mask: Value } => ({
  ids: g.input('input_ids', 'int64', ['B', 'S']),
  mask: g.input('attention_mask', 'float32', ['B', 'S']),
});

/** The start token's embedding for each query of the batch, float32 [B, 1, D]. */
function startEmbedding(p: T5Parts, ids: Value): Value {
  const g = ids.graph;
  const first = op.ReduceSum(op.Mul(ids, op.scalar(ids, 0)), [1], true); // int64 [B, 1] of zeros
  return embed(p, op.Add(first, g.literal('int64', [p.config.decoder_start_token_id], [])));
}

/** What an instrumented graph gives away and what it lets others decide. */
export interface Instruments {
  /** Activations that become outputs of their own names. */
  readonly read?: readonly ActivationName[];
  /** Activations that can be replaced, through the inputs of `patchInputs`. */
  readonly patched?: readonly ActivationName[];
}

/** input_ids [B, S], attention_mask [B, S] (and the patches' inputs) → encoder_out float32 [B, S, D], and what is read */
export function encoderGraph(config: T5Config, weights: WeightSource, instruments: Instruments = {}): Graph {
  const g = new Graph();
  const { ids, mask } = queryInputs(g);
  const p = parts(config, g, weights, instrument(g, config, 'encoder', instruments));
  g.output('encoder_out', encoder(p, embed(p, ids), mask));
  return g;
}

/** Inputs of an instrumented graph that replace an activation. */
export const patchInputs = (name: ActivationName): { mask: string; value: string } => ({
  mask: `patch_mask:${name}`,
  value: `patch_value:${name}`,
});

/**
 * Reads and replaces: the value where `mask` is above ½, else what the model computed. `mask` float32 [B, T, 1]
 * (attention scores, patterns: [B, H, T, 1]; results of heads: [B, T, H, 1]; encoder: S in place of T) and `value` have
 * the activation's shape with any B, T, S or H being 1 for all of them.
 *
 * @throws UnknownActivationError
 */
export function instrument(g: Graph, config: T5Config, stack: Stack, { read = [], patched = [] }: Instruments): Tap {
  for (const name of [...read, ...patched]) checkActivation(config, name, stack);
  const [readable, replaceable] = [new Set(read), new Set(patched)];
  return (name, x) => {
    let y = x;
    if (replaceable.has(name)) {
      const { shape } = x; // self-attention behind caches has more keys than positions
      const input = patchInputs(name);
      const mask = g.input(
        input.mask,
        'float32',
        shape.map((d, i) => (i < shape.length - 1 ? `${d}|1` : 1)),
      );
      const value = g.input(
        input.value,
        'float32',
        shape.map((d, i) => (i < shape.length - 1 || typeof d === 'string' ? `${d}|1` : d)),
      );
      y = { ...op.Where(op.Greater(mask, op.scalar(mask, 0.5)), value, x), shape: x.shape };
    }
    if (readable.has(name)) g.output(name, y);
    return y;
  };
}

/**
 * The instrumented decoder of any length.
 * encoder_out [B, S, D], attention_mask [B, S], decoder_input_ids [B, T] (and the patches' inputs) → logits [B, T, V]
 * and one output per name in `read`.
 */
export function decoderGraph(config: T5Config, weights: WeightSource, instruments: Instruments = {}): Graph {
  const g = new Graph();
  const encoderOut = g.input('encoder_out', 'float32', ['B', 'S', config.d_model]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const ids = g.input('decoder_input_ids', 'int64', ['B', 'T']);
  const p = parts(config, g, weights, instrument(g, config, 'decoder', instruments));
  const { state } = decoder(p, { x: embed(p, ids), cross: crossKeyValues(p, encoderOut), mask });
  g.output('logits', unembed(p, state));
  return g;
}

/**
 * The instrumented decoder at its start token, without vocabulary: what an atomic docid is read from.
 * encoder_out [B, S, D], attention_mask [B, S], start [B, 1, D] (the start token's embedding), the patches' inputs
 * → resid_post float32 [B, 1, D] of the last layer, and one output per name in `read`. Self-attention is a
 * linear map here: of what it has inside there is `attn_z` alone.
 */
export function startDecoderGraph(config: T5Config, weights: WeightSource, instruments: Instruments = {}): Graph {
  const names = [...(instruments.read ?? []), ...(instruments.patched ?? [])];
  const absent = names.find((name) => /\.attn_(q|k|v|scores|pattern)$/.test(name));
  if (absent) throw new UnknownActivationError(absent, [absent.replace(/attn_\w+$/, 'attn_z')]);
  const g = new Graph();
  const encoderOut = g.input('encoder_out', 'float32', ['B', 'S', config.d_model]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const start = g.input('start', 'float32', ['B', 1, config.d_model]);
  const p = parts(config, g, weights, instrument(g, config, 'decoder', instruments));
  decodeStart(p, start, encoderOut, mask);
  return g;
}

/** Name of an input or an output that carries keys or values. */
export const cacheName = (kind: 'cross' | 'past' | 'present', layer: number, part: 'k' | 'v'): string =>
  `${kind}.${layer}.${part}`;

/** The inputs that carry keys and values of every layer, float32 [B, H, `length`, K] each. */
export const cacheInputs = (g: Graph, config: T5Config, kind: 'cross' | 'past', length: string): KeyValue[] =>
  Array.from({ length: config.num_decoder_layers }, (_, i) => {
    const shape = ['B', config.num_heads, length, config.d_kv];
    return {
      k: g.input(cacheName(kind, i, 'k'), 'float32', shape),
      v: g.input(cacheName(kind, i, 'v'), 'float32', shape),
    };
  });

/** input_ids, attention_mask → cross.{layer}.{k,v} float32 [B, H, S, K], for the step decoder. */
export function crossCacheGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const { ids, mask } = queryInputs(g);
  const p = parts(config, g, weights);
  crossKeyValues(p, encoder(p, embed(p, ids), mask)).forEach(({ k, v }, i) => {
    g.output(cacheName('cross', i, 'k'), k);
    g.output(cacheName('cross', i, 'v'), v);
  });
  return g;
}

/**
 * One step of generation with key/value caches.
 * decoder_input_ids [B, T] (T new tokens), attention_mask [B, S], cross.* [B, H, S, K], past.* [B, H, P, K] (P may be 0)
 * → logits [B, T, V], present.* [B, H, P+T, K]
 */
export function stepDecoderGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const ids = g.input('decoder_input_ids', 'int64', ['B', 'T']);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const p = parts(config, g, weights);
  const { state, present } = decoder(p, {
    x: embed(p, ids),
    cross: cacheInputs(g, config, 'cross', 'S'),
    past: cacheInputs(g, config, 'past', 'P'),
    mask,
  });
  g.output('logits', unembed(p, state));
  present.forEach(({ k, v }, i) => {
    g.output(cacheName('present', i, 'k'), k);
    g.output(cacheName('present', i, 'v'), v);
  });
  return g;
}

/**
 * The instrumented decoder behind caches, without vocabulary: what the tokens of a path are read from.
 * decoder_input_ids [B, T], attention_mask [B, S], cross.* [B, H, S, K], past.* [B, H, P, K] (P may be 0) and the patches'
 * inputs → resid_post float32 [B, T, D] of the last layer where it is in `read`, and what else is.
 */
export function pathDecoderGraph(config: T5Config, weights: WeightSource, instruments: Instruments): Graph {
  const g = new Graph();
  const ids = g.input('decoder_input_ids', 'int64', ['B', 'T']);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const p = parts(config, g, weights, instrument(g, config, 'decoder', instruments));
  const cross = cacheInputs(g, config, 'cross', 'S');
  decoder(p, { x: embed(p, ids), cross, past: cacheInputs(g, config, 'past', 'P'), mask });
  return g;
}

/** Encoder and a decoder of one start token: the final state that scores docid rows. @returns float32 [B, D] */
function docidState(p: T5Parts, x: Value, start: Value, mask: Value): Value {
  const state = decodeStart(p, start, encoder(p, x, mask), mask);
  return op.Reshape(op.ReduceSum(readyForUnembed(p, state), [1], false), ['B', p.config.d_model]);
}

/**
 * The docid decoder: a query to its best documents in one run. Docid rows and edits are data, not constants.
 * input_ids, attention_mask, what the head is given, and a delta per edited weight → what the head makes of the state.
 */
export function docidDecoderGraph(
  config: T5Config,
  weights: WeightSource,
  edited: readonly string[] = [],
  head: DocidHead = scoreDocids,
): Graph {
  const g = new Graph();
  const { ids, mask } = queryInputs(g);
  const { live } = editableParts(config, g, weights, edited);
  head(docidState(live, embed(live, ids), startEmbedding(live, ids), mask));
  return g;
}

/** Ends a docid decoder, from the state that is ready for the unembedding, float32 [B, D]. */
export type DocidHead = (state: Value) => void;

/**
 * All rows: rows [N, D], bias [B or 1, N] (0 = may be retrieved, −1e9 = may not), k [1]
 * → scores float32 [B, k] (log-probabilities over the allowed documents), row_indices int64 [B, k], state float32 [B, D]
 */
export const scoreDocids: DocidHead = (state) => {
  const g = state.graph;
  const rows = g.input('rows', 'float32', ['N', state.shape[1]]);
  const bias = g.input('bias', 'float32', ['B|1', 'N']);
  const allowed = op.Add(op.Gemm(state, rows, { transB: true }), bias);
  const [scores, indices] = op.TopK(op.LogSoftmax(allowed), g.input('k', 'int64', [1]), 'k');
  g.output('scores', scores);
  g.output('row_indices', indices);
  g.output('state', state);
};

/** Some rows: sample [M, D] → sample_logits float32 [B, M], state float32 [B, D] */
export const sampleDocids: DocidHead = (state) => {
  const sample = state.graph.input('sample', 'float32', ['M', state.shape[1]]);
  state.graph.output('sample_logits', op.Gemm(state, sample, { transB: true }));
  state.graph.output('state', state);
};

/** `scoreDocids` of states that are known: known_state float32 [B, D], and its inputs. */
export function rowScoresGraph(width: number): Graph {
  const g = new Graph();
  scoreDocids(g.input('known_state', 'float32', ['B', width]));
  return g;
}

/** input_ids, attention_mask → pooled float32 [B, D]: the mean of the encoder's states over real tokens. */
export function pooledEncoderGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const { ids, mask } = queryInputs(g);
  const p = parts(config, g, weights);
  const weight = op.Unsqueeze(mask, 2);
  const sum = op.ReduceSum(op.Mul(encoder(p, embed(p, ids), mask), weight), [1], false);
  g.output('pooled', op.Div(sum, op.ReduceSum(weight, [1], false)));
  return g;
}

/** Names of the training graph's outputs: the gradient of parameter `name`. */
export const gradientOutput = (name: string): string => `gradient:${name}`;

export interface TrainingGraph {
  readonly graph: Graph;
  /** Weights of the graph by HF's name, with the shapes it is fed ([in, out] for linear maps). */
  readonly parameters: ReadonlyMap<string, readonly number[]>;
}

/**
 * The training graph: the loss, and its gradient by every weight; without `gradients` the forward pass only.
 * embedded float32 [B, S, D] (token embeddings, looked up by the caller, who scatters their gradient into the rows that
 * were used), start float32 [1, D], attention_mask [B, S], rows float32 [N, D], all weights, and for the loss
 * targets float32 [B, N] (each row a distribution over documents) and weights float32 [B] (1/B for a mean)
 * → logits float32 [B, N] and loss float32 [] = Σ_b w_b Σ_n −target·log softmax(logits), gradient:… of embedded,
 * start, rows and each weight.
 */
export function trainingGraph(config: T5Config, { gradients }: { gradients: boolean }): TrainingGraph {
  const g = new Graph();
  const { parameters, fed } = fedWeights(g);
  const p: T5Parts = {
    config,
    parameters,
    linear: (x, name, size) => op.MatMul(x, parameters(name, size)),
    tap: plain,
  };
  const x = g.input('embedded', 'float32', ['B', 'S', config.d_model]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const start = g.input('start', 'float32', [1, config.d_model]);
  const rows = g.input('rows', 'float32', ['N', config.d_model]);

  const zeros = op.Mul(op.ReduceSum(mask, [1], true), op.scalar(mask, 0)); // [B, 1]
  const logits = op.Gemm(docidState(p, x, op.Unsqueeze(op.Add(zeros, start), 1), mask), rows, { transB: true });
  const shapes = (): TrainingGraph['parameters'] =>
    new Map([...fed].map(([name, v]) => [name, v.shape as readonly number[]]));
  if (!gradients) {
    g.output('logits', logits);
    return { graph: g, parameters: shapes() };
  }
  const loss = crossEntropy(logits);
  g.output('loss', loss);
  const wanted = [x, start, rows, ...fed.values()];
  differentiate(loss, wanted).forEach((gradient, i) => g.output(gradientOutput(wanted[i].name), gradient));
  return { graph: g, parameters: shapes() };
}

/** Σ_b w_b Σ_n −target·log softmax(logits), with inputs targets [B, N] and weights [B]. */
function crossEntropy(logits: Value): Value {
  const g = logits.graph;
  const targets = g.input('targets', 'float32', ['B', 'N']);
  const perQuery = op.Neg(op.ReduceSum(op.Mul(targets, op.LogSoftmax(logits)), [1], false)); // [B]
  return op.ReduceSum(op.Mul(perQuery, g.input('weights', 'float32', ['B'])), [0], false);
}

/**
 * The lexical start's own little model: a query is the weighted mean of its tokens' directions.
 * embedded float32 [B, S, D], importance float32 [B, S], attention_mask [B, S], rows float32 [N, D], targets, weights
 * → loss (and gradients) or logits float32 [B, N] = scale · ĥ·row, ĥ the direction of Σ softmax(importance) · ê.
 */
export function bagOfWordsGraph(d: number, scale: number, { gradients }: { gradients: boolean }): Graph {
  const g = new Graph();
  const x = g.input('embedded', 'float32', ['B', 'S', d]);
  const importance = g.input('importance', 'float32', ['B', 'S']);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const rows = g.input('rows', 'float32', ['N', d]);
  const ones = g.constant('ones', 'float32', [d], new Float32Array(d).fill(1));
  const direction = (v: Value): Value => op.SimplifiedLayerNormalization(v, ones, 1e-6); // v/|v|·√D
  const padding = op.Mul(op.Sub(mask, op.scalar(mask, 1)), op.scalar(mask, 1e9));
  const share = op.Unsqueeze(op.Softmax(op.Add(importance, padding)), 1); // [B, 1, S]
  const mean = op.Reshape(op.MatMul(share, direction(x)), ['B', d]);
  const logits = op.Gemm(op.Mul(direction(mean), op.scalar(mean, scale / Math.sqrt(d))), rows, { transB: true });
  if (!gradients) {
    g.output('logits', logits);
    return g;
  }
  const loss = crossEntropy(logits);
  g.output('loss', loss);
  const wanted = [x, importance, rows];
  differentiate(loss, wanted).forEach((gradient, i) => g.output(gradientOutput(wanted[i].name), gradient));
  return g;
}
