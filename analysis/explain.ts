/**
 * @file Why a query led to a document: where its rank was made, who contributed to its logit, what the heads of
 * cross-attention read and wrote, which neurons fired for it.
 */
import type { ActivationName } from '../models/activations.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import { writers, type Writer } from './components.ts';
import type { Lab } from './lab.ts';
import { stageOf, type StageName, type Stages } from './stages.ts';

/** Points of the residual stream, in order. */
const RESIDUALS = ['resid_mid', 'resid_mid_cross', 'resid_post'] as const;

export interface RankAt {
  readonly layer: number;
  /** After self-attention, after cross-attention, after the MLP. */
  readonly after: 'attn' | 'cross_attn' | 'mlp';
  /** By the logit lens; 1 is best. */
  readonly rank: number;
  readonly docidRank: number;
}

export interface Contribution {
  readonly type: Writer['type'];
  /** −1 for the embedding. */
  readonly layer: number;
  readonly stage: StageName | null;
  /** What the part adds to the document's logit; all parts sum to it. */
  readonly logit: number;
  /** What it adds to the distance to the rival. */
  readonly margin: number;
}

export interface HeadRead {
  readonly layer: number;
  readonly head: number;
  readonly logit: number;
  readonly margin: number;
  /** Attention to each token of the query; sums to 1. */
  readonly attention: readonly number[];
  /** What the head wrote, by the logit lens: best entries of the vocabulary. */
  readonly wrote: readonly string[];
}

export interface FiredNeuron {
  readonly layer: number;
  readonly neuron: number;
  readonly activation: number;
  readonly logit: number;
  readonly margin: number;
  /** What the neuron's value vector promotes, by the logit lens. */
  readonly promotes: readonly string[];
}

export interface Explanation {
  readonly query: string;
  /** As the model reads it. */
  readonly tokens: readonly string[];
  readonly docid: string;
  readonly rank: number;
  readonly docidRank: number;
  readonly logit: number;
  /** The best other document. */
  readonly rival: { readonly docid: string; readonly logit: number } | null;
  readonly ranks: readonly RankAt[];
  readonly contributions: readonly Contribution[];
  /** Heads of cross-attention, those that contributed most to the margin first. */
  readonly heads: readonly HeadRead[];
  /** Neurons of all layers, those that contributed most to the margin first. */
  readonly neurons: readonly FiredNeuron[];
}

export interface ExplainOptions {
  /** The model's first document where left out. */
  readonly document?: number;
  readonly stages?: Stages | undefined;
  /** Words, heads and neurons listed. @default 8 */
  readonly top?: number;
}

/** @throws RangeError  when the model has no such document */
export async function explain(lab: Lab, query: string, options: ExplainOptions = {}): Promise<Explanation> {
  const { stages, top = 8 } = options;
  const L = lab.layers;
  const layers = Array.from({ length: L }, (_, layer) => layer);
  const parts = writers(L);
  const of = (point: string): ActivationName[] => layers.map((layer) => `decoder.${layer}.${point}` as ActivationName);
  const read = [
    ...parts.map(({ at }) => at),
    ...[...RESIDUALS, 'cross_attn_result', 'cross_attn_pattern', 'mlp_post'].flatMap(of),
  ];
  const encoded = await lab.encode([query]);
  let reading: Readonly<Record<string, FloatTensor>> = {};
  for await (const { out } of lab.decodeBatches(encoded, { read: [...new Set(read)] })) reading = out;
  const state = tensor(reading[`decoder.${L - 1}.resid_post`].data, [1, lab.config.d_model]);
  const { document, rival } = await rivals(lab, state, options.document);

  const direction = readout(lab, state);
  const toLogit = direction(document);
  const toRival = rival === undefined ? undefined : direction(rival);
  const effect = (vector: Float32Array): { logit: number; margin: number } => {
    const logit = dot(vector, toLogit);
    return { logit, margin: toRival ? logit - dot(vector, toRival) : logit };
  };

  const residuals = layers.flatMap((layer) => RESIDUALS.map((point) => reading[`decoder.${layer}.${point}`].data));
  const seen = await lab.ranks(
    stack(residuals),
    residuals.map(() => document),
  );
  const after = ['attn', 'cross_attn', 'mlp'] as const;
  const ranks = residuals.map((_, i) => ({
    layer: Math.floor(i / after.length),
    after: after[i % after.length],
    rank: seen.rank[i],
    docidRank: seen.docidRank[i],
  }));

  const contributions = parts.map(({ type, layer, at }) => ({
    type,
    layer,
    stage: (stages && layer >= 0 && stageOf(stages, layer)) || null,
    ...effect(reading[at].data),
  }));

  return {
    query,
    tokens: tokensOf(lab, encoded.batches[0].ids.data),
    docid: lab.genir.docids[document],
    rank: ranks.at(-1)!.rank,
    docidRank: ranks.at(-1)!.docidRank,
    logit: dot(state.data, toLogit),
    rival: rival === undefined ? null : { docid: lab.genir.docids[rival], logit: dot(state.data, direction(rival)) },
    ranks,
    contributions,
    heads: await headsOf(),
    neurons: await neuronsOf(),
  };

  async function headsOf(): Promise<HeadRead[]> {
    const { num_heads: H, d_model: D } = lab.config;
    const found = layers.flatMap((layer) => {
      const results = reading[`decoder.${layer}.cross_attn_result`].data;
      const pattern = reading[`decoder.${layer}.cross_attn_pattern`].data;
      const S = pattern.length / H;
      return Array.from({ length: H }, (_, head) => {
        const vector = results.subarray(head * D, (head + 1) * D);
        return {
          layer,
          head,
          vector,
          attention: Array.from(pattern.subarray(head * S, (head + 1) * S)),
          ...effect(vector),
        };
      });
    });
    return named(lab, strongest(found, top), top, 'wrote');
  }

  async function neuronsOf(): Promise<FiredNeuron[]> {
    const { d_ff: F, d_model: D } = lab.config;
    const found = layers.flatMap((layer) => {
      const post = reading[`decoder.${layer}.mlp_post`].data;
      const { data: out } = lab.weight(`decoder.block.${layer}.layer.2.DenseReluDense.wo.weight`); // [D, F]
      const gains = [toLogit, toRival].map((to) => (to ? through(out, to, F) : undefined));
      return Array.from(post, (activation, neuron) => {
        const logit = activation * gains[0]![neuron];
        const margin = gains[1] ? logit - activation * gains[1][neuron] : logit;
        return { layer, neuron, activation, logit, margin, out };
      }).filter(({ activation }) => activation !== 0);
    });
    const best = strongest(found, top).map(({ out, ...one }) => {
      const sign = Math.sign(one.activation);
      return { ...one, vector: Float32Array.from({ length: D }, (_, d) => sign * out[d * F + one.neuron]) };
    });
    return named(lab, best, top, 'promotes');
  }
}

/** The document in question and the best other one. */
async function rivals(
  lab: Lab,
  state: FloatTensor,
  asked: number | undefined,
): Promise<{ document: number; rival: number | undefined }> {
  const N = lab.genir.docids.length;
  if (asked !== undefined && !(asked >= 0 && asked < N))
    throw new RangeError(`explain: expected a document's row below ${N}, got ${asked}`);
  const about = async (document: number) => {
    const out = await lab.lens(state, { kinds: ['ranks', 'rivals'], documents: [document] });
    return { rank: out.docid_rank.data[0], rival: Number(out.docid_rival.data[0]) };
  };
  let document = asked ?? 0;
  if (asked === undefined && N > 1) {
    const first = await about(document);
    if (first.rank !== 1) document = first.rival;
  }
  return { document, rival: N > 1 ? (await about(document)).rival : undefined };
}

/**
 * Under the final norm's rms of this very state, a document's logit is linear in the residual stream: the direction
 * whose dot product with a part of the stream is that part's share (direct logit attribution).
 */
function readout(lab: Lab, { data }: FloatTensor): (document: number) => Float32Array {
  const { d_model: D, layer_norm_epsilon, scale_decoder_outputs } = lab.config;
  const gain = lab.weight('decoder.final_layer_norm.weight').data;
  const rms = Math.sqrt(dot(data, data) / D + layer_norm_epsilon);
  const scale = (scale_decoder_outputs ? D ** -0.5 : 1) / rms;
  return (document) => lab.rows.data.subarray(document * D, (document + 1) * D).map((x, d) => x * gain[d] * scale);
}

/** vectorᵀ W for W [D, F]: float32 [F]. */
function through(weight: Float32Array, vector: Float32Array, F: number): Float32Array {
  const out = new Float32Array(F);
  for (let d = 0; d < vector.length; d++) for (let f = 0; f < F; f++) out[f] += vector[d] * weight[d * F + f];
  return out;
}

function strongest<T extends { margin: number }>(all: readonly T[], count: number): T[] {
  return [...all].sort((a, b) => Math.abs(b.margin) - Math.abs(a.margin)).slice(0, count);
}

/** Puts what the lens sees in each vector in the vector's place. */
async function named<T extends { vector: Float32Array }, N extends string>(
  lab: Lab,
  all: readonly T[],
  top: number,
  name: N,
): Promise<(Omit<T, 'vector'> & { [K in N]: string[] })[]> {
  if (!all.length) return [];
  const { tokens } = await lab.lens(stack(all.map(({ vector }) => vector)), { kinds: ['top'], k: top });
  const words = Array.from(tokens.data as BigInt64Array, (token) => lab.tokenName(Number(token)));
  const each = words.length / all.length;
  return all.map(({ vector: _vector, ...rest }, i) => ({
    ...rest,
    [name]: words.slice(i * each, (i + 1) * each),
  })) as never;
}

function stack(vectors: readonly Float32Array[]): FloatTensor {
  const D = vectors[0].length;
  const data = new Float32Array(vectors.length * D);
  vectors.forEach((vector, i) => data.set(vector, i * D));
  return { data, shape: [vectors.length, D] };
}

const tokensOf = (lab: Lab, ids: BigInt64Array): string[] =>
  Array.from(ids, (id) => lab.tokenizer.token(Number(id)) ?? '');

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
