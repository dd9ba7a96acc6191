/**
 * @file The whole T5 encoder-decoder, to be read beside HF's modeling_t5.py.
 *
 * One alphabet for shapes, here and everywhere else:
 *   B batch · S source positions · T decoder positions · P cached decoder positions · D d_model · H heads ·
 *   K d_kv · I = H·K (need not equal D) · F d_ff · V vocabulary · L layers · N documents
 *
 * T5 has no biases; its layer norm is RMSNorm; attention scores are not divided by √K; positions enter only as a
 * learned bias per head and distance bucket, which all layers of a stack share; tied models scale the decoder's
 * last state by D^-½ before the unembedding.
 */
import type { T5Config } from './config.ts';
import type { Stack, Tap } from './activations.ts';
import type { Value } from './onnx/graph.ts';
import * as op from './onnx/ops.ts';

const { Add, Mul, MatMul, Sub } = op;
const { fround } = Math;

/**
 * Where the graph takes its weights from: constants (serving), inputs (training), either with an edit delta beside.
 *
 * @param name   HF's name of the weight
 * @param shape  in the graph's orientation: linear maps are [in, out], the transpose of HF's [out, in]
 */
export type Parameters = (name: string, shape: readonly number[]) => Value;

/** Applies the linear map `name` to `x` [..., in]; a source with edits adds its delta here. */
export type Linear = (x: Value, name: string, size: readonly [input: number, output: number]) => Value;

export interface T5Parts {
  readonly config: T5Config;
  readonly parameters: Parameters;
  readonly linear: Linear;
  readonly tap: Tap;
}

/** Names of the weights that the graph uses transposed: every linear map, but neither embeddings nor norms. */
export const isLinear = (name: string): boolean => /\.(q|k|v|o|wi|wi_0|wi_1|wo)\.weight$/.test(name);

const BIG = 1e9; // HF masks with the smallest float32; −1e9 also underflows to 0 in the softmax

/** Beginning of the names of a layer's weights. */
export const blockPrefix = (stack: Stack, layer: number): string => `${stack}.block.${layer}.layer`;

export const norm = ({ config, parameters }: T5Parts, x: Value, name: string): Value =>
  op.SimplifiedLayerNormalization(x, parameters(name, [config.d_model]), config.layer_norm_epsilon);

/** [B, T, I] → [B, H, T, K] */
const splitHeads = (c: T5Config, x: Value): Value =>
  op.Transpose(op.Reshape(x, [x.shape[0], x.shape[1], c.num_heads, c.d_kv]), [0, 2, 1, 3]);

/** [B, H, T, K] → [B, T, I] */
const joinHeads = (c: T5Config, x: Value): Value => {
  const t = op.Transpose(x, [0, 2, 1, 3]);
  return op.Reshape(t, [t.shape[0], t.shape[1], c.num_heads * c.d_kv]);
};

/**
 * The distance bucket of a relative position (T5's `_relative_position_bucket`): small distances have one each,
 * larger ones share them logarithmically up to `relative_attention_max_distance`.
 */
export function relativeBucket(distance: number, config: T5Config, bidirectional: boolean): number {
  const { relative_attention_num_buckets: all, relative_attention_max_distance: furthest } = config;
  const buckets = bidirectional ? all >> 1 : all;
  const offset = bidirectional && distance > 0 ? buckets : 0;
  const n = bidirectional ? Math.abs(distance) : Math.max(-distance, 0);
  const exact = buckets >> 1;
  if (n < exact) return offset + n;
  const share = fround(fround(Math.log(n / exact)) / fround(Math.log(furthest / exact))); // in float32, as HF floors it
  return offset + Math.min(buckets - 1, exact + Math.floor(fround(share * (buckets - exact))));
}

/**
 * The position bias of a stack.
 *
 * @param queries  int64 [T]  positions of the queries
 * @param keys     int64 [S]  positions of the keys
 * @returns        float32 [H, T, S]
 */
export function positionBias({ config, parameters }: T5Parts, stack: Stack, queries: Value, keys: Value): Value {
  const g = queries.graph;
  const reach = config.relative_attention_max_distance; // farther distances share the last bucket
  const buckets = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    relativeBucket(i - reach, config, stack === 'encoder'),
  );
  const distance = Sub(op.Unsqueeze(keys, 0), op.Unsqueeze(queries, 1)); // [T, S]
  const index = Add(op.Clip(distance, -reach, reach), op.scalar(distance, reach));
  const bucket = op.Gather(g.literal('int64', buckets), index); // [T, S]
  const table = parameters(`${blockPrefix(stack, 0)}.0.SelfAttention.relative_attention_bias.weight`, [
    config.relative_attention_num_buckets,
    config.num_heads,
  ]);
  return op.Transpose(op.Gather(table, bucket), [2, 0, 1]); // [T, S, H] → [H, T, S]
}

/** Additive mask of padded source positions. @param mask float32 [B, S], 1 = a token  @returns float32 [B, 1, 1, S] */
export function paddingBias(mask: Value): Value {
  const bias = Mul(Sub(mask, op.scalar(mask, 1)), op.scalar(mask, BIG));
  return op.Unsqueeze(op.Unsqueeze(bias, 1), 1);
}

/** Additive mask of later positions. @returns float32 [T, P] with −1e9 where the key comes after the query */
function causalBias(queries: Value, keys: Value, like: Value): Value {
  const later = op.Greater(op.Unsqueeze(keys, 0), op.Unsqueeze(queries, 1));
  return op.Where(later, op.scalar(like, -BIG), op.scalar(like, 0));
}

/** Where an attention is, by the beginning of its activations' names. */
type Place = `${Stack}.${number}.${'attn' | 'cross_attn'}`;

/** softmax(QKᵀ + bias) V. @returns float32 [B, T, I], the heads side by side */
export function attend({ config, tap }: T5Parts, place: Place, q: Value, k: Value, v: Value, bias: Value): Value {
  const scores = tap(`${place}_scores`, Add(MatMul(q, op.T(k)), bias));
  const pattern = tap(`${place}_pattern`, op.Softmax(scores));
  return joinHeads(config, MatMul(pattern, v));
}

/** One linear map of an attention, split into heads: [B, T, D] → [B, H, T, K]. */
export const project = (parts: T5Parts, x: Value, prefix: string, letter: 'q' | 'k' | 'v'): Value => {
  const { config, linear } = parts;
  return splitHeads(config, linear(x, `${prefix}.${letter}.weight`, [config.d_model, config.num_heads * config.d_kv]));
};

/**
 * The heads' results summed: z W_O. Each head's own share is computed where a tap asks for it.
 *
 * @param z  float32 [B, T, I]
 */
function output({ config, linear, parameters, tap }: T5Parts, place: Place, z: Value, prefix: string): Value {
  const { num_heads: H, d_kv: K, d_model: D } = config;
  const name = `${prefix}.o.weight`;
  const heads = tap(`${place}_z`, z);
  const [B, T] = heads.shape;
  const perHead = MatMul(
    op.Unsqueeze(op.Reshape(heads, [B, T, H, K]), 3),
    op.Reshape(parameters(name, [H * K, D]), [H, K, D]),
  ); // [B, T, H, 1, D]
  const results = op.Reshape(perHead, [B, T, H, D]);
  const tapped = tap(`${place}_result`, results);
  const sum = tapped === results ? linear(heads, name, [H * K, D]) : op.ReduceSum(tapped, [2], false);
  return tap(`${place}_out`, sum);
}

/** HF's gelu_new: ½x(1 + tanh(√(2/π)(x + 0.044715x³))). */
function geluNew(x: Value): Value {
  const cubic = Mul(Mul(x, x), Mul(x, op.scalar(x, 0.044715)));
  const t = op.Tanh(Mul(Add(x, cubic), op.scalar(x, Math.sqrt(2 / Math.PI))));
  return Mul(Mul(x, op.scalar(x, 0.5)), Add(t, op.scalar(x, 1)));
}

/** The MLP sublayer without its residual: wo(relu(wi x)), or wo(gelu(wi_0 x) ⊙ wi_1 x). */
export function mlp(parts: T5Parts, stack: Stack, layer: number, x: Value): Value {
  const { config, linear, tap } = parts;
  const { d_model: D, d_ff: F } = config;
  const prefix = `${blockPrefix(stack, layer)}.${stack === 'encoder' ? 1 : 2}`;
  const h = norm(parts, x, `${prefix}.layer_norm.weight`);
  const dense = `${prefix}.DenseReluDense`;
  const gated = config.feed_forward_proj === 'gated-gelu';
  const wi = (name: string): Value => linear(h, `${dense}.${name}.weight`, [D, F]);
  const pre = tap(`${stack}.${layer}.mlp_pre`, wi(gated ? 'wi_0' : 'wi'));
  const post = gated ? Mul(geluNew(pre), wi('wi_1')) : op.Relu(pre);
  return linear(tap(`${stack}.${layer}.mlp_post`, post), `${dense}.wo.weight`, [F, D]);
}

/** Token embeddings. @param ids int64 [B, S] @returns float32 [B, S, D] */
export const embed = ({ config, parameters }: T5Parts, ids: Value): Value =>
  op.Gather(parameters('shared.weight', [config.vocab_size, config.d_model]), ids);

/**
 * @param x     float32 [B, S, D]  token embeddings
 * @param mask  float32 [B, S]     1 = a token, 0 = padding
 * @returns     float32 [B, S, D]  after the final norm
 */
export function encoder(parts: T5Parts, x: Value, mask: Value): Value {
  const { config, tap } = parts;
  const positions = op.Positions(x, 1);
  const bias = Add(op.Unsqueeze(positionBias(parts, 'encoder', positions, positions), 0), paddingBias(mask)); // [B, H, S, S]
  for (let i = 0; i < config.num_layers; i++) {
    const self = `${blockPrefix('encoder', i)}.0`;
    x = tap(`encoder.${i}.resid_pre`, x);
    const h = norm(parts, x, `${self}.layer_norm.weight`);
    const [q, k, v] = (['q', 'k', 'v'] as const).map((l) =>
      tap(`encoder.${i}.attn_${l}`, project(parts, h, `${self}.SelfAttention`, l)),
    );
    const z = attend(parts, `encoder.${i}.attn`, q, k, v, bias);
    x = tap(`encoder.${i}.resid_mid`, Add(x, output(parts, `encoder.${i}.attn`, z, `${self}.SelfAttention`)));
    x = tap(`encoder.${i}.resid_post`, Add(x, tap(`encoder.${i}.mlp_out`, mlp(parts, 'encoder', i, x))));
  }
  return tap('encoder.final_norm', norm(parts, x, 'encoder.final_layer_norm.weight'));
}

/** The keys and values of one attention, each float32 [B, H, S, K]. */
export interface KeyValue {
  readonly k: Value;
  readonly v: Value;
}

/** Cross-attention keys and values of every decoder layer: computed once per query, shared by all steps and beams. */
export function crossKeyValues(parts: T5Parts, encoderOut: Value): KeyValue[] {
  return Array.from({ length: parts.config.num_decoder_layers }, (_, i) => {
    const prefix = `${blockPrefix('decoder', i)}.1.EncDecAttention`;
    return { k: project(parts, encoderOut, prefix, 'k'), v: project(parts, encoderOut, prefix, 'v') };
  });
}

export interface DecoderInputs {
  /** float32 [B, T, D]  embeddings of the decoder's tokens */
  readonly x: Value;
  /** per layer, from `crossKeyValues` */
  readonly cross: readonly KeyValue[];
  /** float32 [B, S] */
  readonly mask: Value;
  /** Self-attention keys and values of the P earlier positions, per layer; none: the sequence starts here. */
  readonly past?: readonly KeyValue[];
}

/** The two reads of a decoder block: of earlier positions and of the encoder. Each gives heads side by side [B, T, I]. */
export interface Reads {
  self(layer: number, h: Value): Value;
  cross(layer: number, h: Value): Value;
}

/** The blocks of the decoder and its final norm, whatever the way it attends. */
export function decoderBlocks(parts: T5Parts, x: Value, reads: Reads): Value {
  const { config, tap } = parts;
  for (let i = 0; i < config.num_decoder_layers; i++) {
    const prefix = blockPrefix('decoder', i);
    x = tap(`decoder.${i}.resid_pre`, x);
    const self = reads.self(i, norm(parts, x, `${prefix}.0.layer_norm.weight`));
    x = tap(`decoder.${i}.resid_mid`, Add(x, output(parts, `decoder.${i}.attn`, self, `${prefix}.0.SelfAttention`)));
    const cross = reads.cross(i, norm(parts, x, `${prefix}.1.layer_norm.weight`));
    x = tap(
      `decoder.${i}.resid_mid_cross`,
      Add(x, output(parts, `decoder.${i}.cross_attn`, cross, `${prefix}.1.EncDecAttention`)),
    );
    x = tap(`decoder.${i}.resid_post`, Add(x, tap(`decoder.${i}.mlp_out`, mlp(parts, 'decoder', i, x))));
  }
  return tap('decoder.final_norm', norm(parts, x, 'decoder.final_layer_norm.weight'));
}

/**
 * The decoder up to its final norm, before the tied-embedding scale.
 *
 * @returns `state` float32 [B, T, D] and `present`, the self-attention cache including these positions
 */
export function decoder(
  parts: T5Parts,
  { x, cross, mask, past }: DecoderInputs,
): { state: Value; present: KeyValue[] } {
  const padding = paddingBias(mask);
  const present: KeyValue[] = [];
  let selfBias: Value | undefined;
  const state = decoderBlocks(parts, x, {
    self(i, h) {
      const [q, k, v] = (['q', 'k', 'v'] as const).map((l) =>
        parts.tap(`decoder.${i}.attn_${l}`, project(parts, h, `${blockPrefix('decoder', i)}.0.SelfAttention`, l)),
      );
      const all = past ? join(past[i], { k, v }) : { k, v };
      present.push(all);
      selfBias ??= decoderBias(parts, x, all.k, past !== undefined);
      return attend(parts, `decoder.${i}.attn`, q, all.k, all.v, selfBias);
    },
    cross(i, h) {
      const q = project(parts, h, `${blockPrefix('decoder', i)}.1.EncDecAttention`, 'q');
      return attend(parts, `decoder.${i}.cross_attn`, q, cross[i].k, cross[i].v, padding);
    },
  });
  return { state, present };
}

/**
 * The same decoder for one start token per query, at a fraction of the cost.
 * Attention over a single key has weight 1, so self-attention is the linear map W_O W_V (experiment E10 of
 * arXiv 2503.19715). Cross-attention has one query per head, so W_K moves from the S keys to that query,
 * (q W_Kᵀ) xᵀ, and W_V from the S values to their weighted mean, (p x) W_V: the encoder's states are read as they are.
 * Self-attention has no queries, keys, scores and no pattern here, and its values are `attn_z`.
 *
 * @param x           float32 [B, 1, D]
 * @param encoderOut  float32 [B, S, D]
 * @returns           float32 [B, 1, D]
 */
export function decodeStart(parts: T5Parts, x: Value, encoderOut: Value, mask: Value): Value {
  const { config, parameters, tap } = parts;
  const { d_model: D, num_heads: H, d_kv: K } = config;
  const padding = paddingBias(mask);
  /** W [D, I] per head, [H, D, K] */
  const perHead = (name: string): Value => op.Transpose(op.Reshape(parameters(name, [D, H * K]), [D, H, K]), [1, 0, 2]);
  return decoderBlocks(parts, x, {
    self: (i, h) => joinHeads(config, project(parts, h, `${blockPrefix('decoder', i)}.0.SelfAttention`, 'v')),
    cross(i, h) {
      const prefix = `${blockPrefix('decoder', i)}.1.EncDecAttention`;
      const q = op.Transpose(op.Reshape(project(parts, h, prefix, 'q'), ['B', H, K]), [1, 0, 2]); // [H, B, K]
      const read = op.Transpose(MatMul(q, op.T(perHead(`${prefix}.k.weight`))), [1, 0, 2]); // [B, H, D]
      const raw = op.Unsqueeze(MatMul(read, op.T(encoderOut)), 2); // [B, H, 1, S]
      const scores = tap(`decoder.${i}.cross_attn_scores`, Add(raw, padding));
      const pattern = tap(`decoder.${i}.cross_attn_pattern`, op.Softmax(scores));
      const mean = MatMul(op.Reshape(pattern, ['B', H, 'S']), encoderOut); // [B, H, D]
      const z = MatMul(op.Transpose(mean, [1, 0, 2]), perHead(`${prefix}.v.weight`)); // [H, B, K]
      return op.Reshape(op.Unsqueeze(op.Transpose(z, [1, 0, 2]), 1), ['B', 1, H * K]);
    },
  });
}

/** The cache with the new positions behind it, along axis 2. */
const join = (past: KeyValue, now: KeyValue): KeyValue => ({
  k: op.Concat([past.k, now.k], 2, 'P+T'),
  v: op.Concat([past.v, now.v], 2, 'P+T'),
});

/** Position bias and causal mask of the decoder: float32 [1, H, T, P+T]. */
function decoderBias(parts: T5Parts, x: Value, keys: Value, cached: boolean): Value {
  const keyPositions = op.Positions(keys, 2);
  const queryPositions = cached ? lastPositions(x, keyPositions) : op.Positions(x, 1);
  const bias = positionBias(parts, 'decoder', queryPositions, keyPositions); // [H, T, P+T]
  return op.Unsqueeze(Add(bias, causalBias(queryPositions, keyPositions, bias)), 0);
}

/** The positions of the T new tokens: the last T of the P+T key positions. */
function lastPositions(x: Value, keyPositions: Value): Value {
  const count = (v: Value, axis: number): Value => op.Gather(op.ShapeOf(v), v.graph.literal('int64', [axis], []));
  const earlier = Sub(count(keyPositions, 0), count(x, 1));
  return Add(op.Positions(x, 1), earlier);
}

/** The state that is multiplied with vocabulary rows: scaled by D^-½ where the model asks for it (tied embeddings). */
export const readyForUnembed = ({ config }: T5Parts, state: Value): Value =>
  config.scale_decoder_outputs ? Mul(state, op.scalar(state, config.d_model ** -0.5)) : state;

/** HF's name of the matrix whose rows are multiplied with the decoder's state. */
export const unembedName = (config: T5Config): string =>
  config.tie_word_embeddings ? 'shared.weight' : 'lm_head.weight';

/** Logits over the whole vocabulary. @param state float32 [B, T, D] @returns float32 [B, T, V] */
export const unembed = (parts: T5Parts, state: Value): Value => {
  const { config, parameters } = parts;
  return MatMul(
    readyForUnembed(parts, state),
    op.T(parameters(unembedName(config), [config.vocab_size, config.d_model])),
  );
};
