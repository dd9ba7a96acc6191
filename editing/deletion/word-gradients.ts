/** @file How far ahead of other documents a docid row is, and what each word of the query does for it. */
import { parts, type WeightSource } from '../../models/graphs.ts';
import type { T5Config } from '../../models/config.ts';
import { differentiate } from '../../models/onnx/gradients.ts';
import { Graph } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { decodeStart, encoder, readyForUnembed } from '../../models/t5.ts';
import { padBatch } from '../../models/tokenizer.ts';
import type { EditModel } from '../edit-model.ts';

/** A query as its tokens, and the row that it is about. */
export interface RowQuery {
  readonly tokens: readonly number[];
  readonly row: number;
}

/**
 * A query as the model reads it: its state is nearly a weighted sum of word vectors.
 *
 * `direction` float64 [D]: the gradient of the row's lead by all words together. `shares` [tokens]: how much of it comes
 * through each; about 1 together.
 */
export interface WordBag {
  readonly tokens: readonly number[];
  readonly lead: number;
  readonly direction: Float64Array;
  readonly shares: Float64Array;
}

/** Queries that run together. */
const BATCH = 64;

/**
 * embedded float32 [B, S, D], attention_mask [B, S], start [B, 1, D], own [B, D], rows [N, D], any [1, N] (1 for one of
 * them, 0 for the rest), others [B] → lead float32 [B] = own · state − others · max(rows · state), gradient float32 [B, S, D]
 * of own · state − others · log Σ exp(rows · state) by the words: what the row loses goes to those that would be answered
 * without it.
 */
export function wordGradientsGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const { d_model: D } = config;
  const p = parts(config, g, weights);
  const embedded = g.input('embedded', 'float32', ['B', 'S', D]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const start = g.input('start', 'float32', ['B', 1, D]);
  const own = g.input('own', 'float32', ['B', D]);
  const rows = g.input('rows', 'float32', ['N', D]);
  const decoded = decodeStart(p, start, encoder(p, embedded, mask), mask);
  const state = op.Reshape(op.ReduceSum(readyForUnembed(p, decoded), [1], false), ['B', D]);
  const scores = op.Gemm(state, rows, { transB: true });
  const any = g.input('any', 'float32', [1, 'N']);
  const sum = op.ReduceSum(op.Mul(op.Sub(scores, op.LogSoftmax(scores)), any), [1], false); // log Σ exp, whatever the column
  const score = op.ReduceSum(op.Mul(own, state), [1], false);
  const others = g.input('others', 'float32', ['B']);
  const lead = op.Sub(score, op.Mul(others, sum));
  const [best] = op.TopK(scores, g.literal('int64', [1]), 1);
  g.output('lead', op.Sub(score, op.Mul(others, op.Reshape(best, ['B']))));
  g.output('gradient', differentiate(op.ReduceSum(lead, [0], false), [embedded])[0]);
  return g;
}

export interface WordBagOptions {
  /** float32 [V, D] */
  readonly embeddings: Float32Array;
  /** float32 [N, D] rows that the own one has to be ahead of; its score alone counts where left out. */
  readonly rivals?: FloatTensor;
}

/** Each query's bag. */
export async function wordBags(
  model: EditModel,
  queries: readonly RowQuery[],
  { embeddings, rivals }: WordBagOptions,
): Promise<WordBag[]> {
  const { config, weight } = model.lab;
  const { d_model: D, decoder_start_token_id: startToken } = config;
  const session = await model.lab.session('word gradients', () => wordGradientsGraph(config, weight));
  const rows = rivals ?? tensor(new Float32Array(D), [1, D]);
  const any = tensor(
    Float32Array.from({ length: rows.shape[0] }, (_, n) => (n ? 0 : 1)),
    [1, rows.shape[0]],
  );
  const vector = (token: number): Float32Array => embeddings.subarray(token * D, (token + 1) * D);
  const order = Int32Array.from(queries.keys()).sort((a, b) => queries[a].tokens.length - queries[b].tokens.length);
  const bags = new Array<WordBag>(queries.length);
  for (let from = 0; from < order.length; from += BATCH) {
    const batch = order.subarray(from, from + BATCH);
    const B = batch.length;
    const { inputIds, mask, length } = padBatch(Array.from(batch, (q) => [...queries[q].tokens]));
    const [embedded, starts, own] = [B * length, B, B].map((count) => new Float32Array(count * D));
    inputIds.forEach((token, i) => embedded.set(vector(Number(token)), i * D));
    batch.forEach((q, b) => {
      starts.set(vector(startToken), b * D);
      own.set(model.rows.data.subarray(queries[q].row * D, (queries[q].row + 1) * D), b * D);
    });
    const out = await session.run({
      embedded: tensor(embedded, [B, length, D]),
      attention_mask: tensor(mask, [B, length]),
      start: tensor(starts, [B, 1, D]),
      own: tensor(own, [B, D]),
      rows,
      any,
      others: tensor(new Float32Array(B).fill(rivals ? 1 : 0), [B]),
    });
    const [leads, gradient] = [out.lead.data as Float32Array, out.gradient.data as Float32Array];
    batch.forEach((q, b) => {
      const { tokens } = queries[q];
      bags[q] = bagOf(tokens, leads[b], gradient.subarray(b * length * D, (b * length + tokens.length) * D));
    });
  }
  return bags;
}

/** @param gradient  float32 [tokens, D] */
function bagOf(tokens: readonly number[], lead: number, gradient: Float32Array): WordBag {
  const D = gradient.length / tokens.length;
  const direction = new Float64Array(D);
  gradient.forEach((x, i) => (direction[i % D] += x));
  const square = direction.reduce((sum, x) => sum + x * x, 0) || 1;
  const shares = Float64Array.from(tokens, (_, s) => {
    let dot = 0;
    for (let d = 0; d < D; d++) dot += gradient[s * D + d] * direction[d];
    return dot / square;
  });
  return { tokens, lead, direction, shares };
}
