/**
 * @file Where targets are sought: a stream that can be changed and tells the loss. The one after the last decoder layer
 * has an exact gradient in closed form; what is added by an earlier MLP goes through the layers above it, by reverse mode.
 */
import type { ActivationName, Tap } from '../../models/activations.ts';
import type { Encoded } from '../../analysis/lab.ts';
import type { T5Config } from '../../models/config.ts';
import { gradientOutput, parts, type WeightSource } from '../../models/graphs.ts';
import { differentiate } from '../../models/onnx/gradients.ts';
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { takeRows } from '../../models/tensor-rows.ts';
import { decodeStart } from '../../models/t5.ts';
import type { EditModel } from '../edit-model.ts';
import { compete, competitionFeeds, lastStreamGraph, type Competition } from './competition.ts';
import type { TargetProblem } from './target.ts';

/** What a change of the stream makes of each query. */
export interface Standing {
  /** [Q] cross-entropy for the labels, up to a constant. */
  readonly loss: Float32Array;
  /** [Q] score of the own row above the best rival. */
  readonly lead: Float32Array;
  /** float32 [Q, D] Σ p_n row_n over the rows that compete. */
  readonly expected: FloatTensor;
  /** float32 [Q, D] of each query's loss by its change. */
  readonly gradient: FloatTensor;
}

export interface Stream {
  /** float32 [Q, D] with the base weights. */
  readonly start: FloatTensor;
  /**
   * @param change  float32 [Q, D] added to the stream
   * @param wanted  float32 [Q, D] what the expected row should be: Σ y_n row_n for labels y
   */
  at(change: FloatTensor, wanted: FloatTensor): Promise<Standing>;
}

/** The stream after the last decoder layer. */
export async function lastStream(
  model: EditModel,
  { observed }: TargetProblem,
  competition: Competition,
): Promise<Stream> {
  const { config, weight } = model.lab;
  const start = await model.streamOf(observed);
  const all = Int32Array.from({ length: start.shape[0] }, (_, q) => q);
  return {
    start,
    async at({ data }, wanted) {
      const session = await model.lab.session('edit targets', () => lastStreamGraph(config, weight));
      const stream = tensor(
        start.data.map((x, i) => x + data[i]),
        start.shape,
      );
      const out = await session.run({ stream, ...competitionFeeds(competition, wanted, all) });
      return {
        loss: out.loss.data as Float32Array,
        lead: out.lead.data as Float32Array,
        expected: out.expected as FloatTensor,
        gradient: out.gradient as FloatTensor,
      };
    },
  };
}

const CHANGE = 'change';

/**
 * The decoder at its start token with a change of one MLP's output: encoder_out, attention_mask, start, change float32
 * [B, 1, D] and the inputs of `compete` → its outputs, gradient float32 [B, 1, D] of each query's loss by its change, and the stream
 * after that layer [B, 1, D].
 */
export function layerStreamGraph(config: T5Config, weights: WeightSource, layer: number): Graph {
  const g = new Graph();
  const { d_model: D, num_decoder_layers: L } = config;
  const encoderOut = g.input('encoder_out', 'float32', ['B', 'S', D]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const start = g.input('start', 'float32', ['B', 1, D]);
  const change = g.input(CHANGE, 'float32', ['B', 1, D]);
  const [edited, after, last] = [`${layer}.mlp_out`, `${layer}.resid_post`, `${L - 1}.resid_post`].map(
    (name): ActivationName => `decoder.${name}` as ActivationName,
  );
  let stream: Value | undefined;
  const tap: Tap = (name, value) => {
    if (name === after) g.output('stream', value);
    if (name === last) stream = value;
    return name === edited ? op.Add(value, change) : value;
  };
  const p = parts(config, g, weights, tap);
  decodeStart(p, start, encoderOut, mask);
  const { loss } = compete(p, op.Reshape(stream!, ['B', D]));
  const [gradient] = differentiate(op.ReduceSum(loss, [0, 1], false), [change]);
  g.output(gradientOutput(CHANGE), gradient);
  return g;
}

/** The stream after any decoder layer, changed by what its MLP adds. */
export async function layerStream(
  model: EditModel,
  competition: Competition,
  encoded: Encoded,
  layer: number,
): Promise<Stream> {
  const lab = model.atomicLab;
  const D = lab.config.d_model;
  const Q = encoded.count;
  const run = async (
    change: FloatTensor,
    wanted: FloatTensor,
  ): Promise<Standing & { readonly stream: FloatTensor }> => {
    const key = JSON.stringify(['edit targets', layer]);
    const session = await lab.session(key, () => layerStreamGraph(lab.config, lab.weight, layer));
    const matrix = (): FloatTensor => tensor(new Float32Array(Q * D), [Q, D]);
    const result = {
      ...{ loss: new Float32Array(Q), lead: new Float32Array(Q) },
      ...{ expected: matrix(), gradient: matrix(), stream: matrix() },
    };
    for (const batch of encoded.batches) {
      const { queries } = batch;
      const { data } = takeRows(change, queries);
      const out = await session.run({
        ...lab.startFeeds(batch),
        [CHANGE]: tensor(data, [queries.length, 1, D]),
        ...competitionFeeds(competition, wanted, queries),
      });
      const read = (name: string): Float32Array => out[name].data as Float32Array;
      queries.forEach((q, b) => {
        [result.loss[q], result.lead[q]] = [read('loss')[b], read('lead')[b]];
        const of = (name: string): Float32Array => read(name).subarray(b * D, (b + 1) * D);
        result.expected.data.set(of('expected'), q * D);
        result.gradient.data.set(of(gradientOutput(CHANGE)), q * D);
        result.stream.data.set(of('stream'), q * D);
      });
    }
    return result;
  };
  const none = tensor(new Float32Array(Q * D), [Q, D]);
  return { start: (await run(none, none)).stream, at: run };
}
