/**
 * @file Small graphs for what an edit computes many times: scores of states, states under a delta, changes of the residual
 * stream that give a document its margin. A state is ready for the unembedding, float32 [Q, D].
 */
import type { T5Config } from '../models/config.ts';
import { parts, type WeightSource } from '../models/graphs.ts';
import { Graph, type Value } from '../models/onnx/graph.ts';
import * as op from '../models/onnx/ops.ts';
import { norm, readyForUnembed } from '../models/t5.ts';

const FINAL_NORM = 'decoder.final_layer_norm.weight';

/** HF's name of the matrix that an edit of this decoder layer changes. */
export const outputWeight = (layer: number): string => `decoder.block.${layer}.layer.2.DenseReluDense.wo.weight`;

/**
 * states float32 [Q, D], rows float32 [N, D], bias float32 [1, N], own int64 [Q, 1], k int64 [1]
 * → best float32 [Q, k] with rivals int64 [Q, k], log_p float32 [Q, 1] of the best one, own_score float32 [Q, 1]
 */
export function scoresGraph({ d_model: D }: T5Config): Graph {
  const g = new Graph();
  const states = g.input('states', 'float32', ['Q', D]);
  const rows = g.input('rows', 'float32', ['N', D]);
  const scores = op.Add(op.Gemm(states, rows, { transB: true }), g.input('bias', 'float32', [1, 'N']));
  const [best, rivals] = op.TopK(scores, g.input('k', 'int64', [1]), 'k');
  const [logP] = op.TopK(op.LogSoftmax(scores), g.literal('int64', [1]), 1);
  g.output('best', best);
  g.output('rivals', rivals);
  g.output('log_p', logP);
  g.output('own_score', op.GatherElements(scores, g.input('own', 'int64', ['Q', 1])));
  return g;
}

/** states float32 [Q, D], rows float32 [N, D], bias float32 [1, N] → best float32 [Q, 1] with rivals int64 [Q, 1] */
export function bestGraph({ d_model: D }: T5Config): Graph {
  const g = new Graph();
  const states = g.input('states', 'float32', ['Q', D]);
  const scores = op.Gemm(states, g.input('rows', 'float32', ['N', D]), { transB: true });
  const [best, rivals] = op.TopK(op.Add(scores, g.input('bias', 'float32', [1, 'N'])), g.literal('int64', [1]), 1);
  g.output('best', best);
  g.output('rivals', rivals);
  return g;
}

/** states float32 [Q, D, 1], rows float32 [Q, k, D], other ones for each query → scores float32 [Q, k, 1] */
export function nearGraph({ d_model: D }: T5Config): Graph {
  const g = new Graph();
  g.output('scores', op.MatMul(g.input('rows', 'float32', ['Q', 'k', D]), g.input('states', 'float32', ['Q', D, 1])));
  return g;
}

/** states float32 [Q, D], rows float32 [N, D] → scores float32 [Q, N] */
export function productsGraph(D: number): Graph {
  const g = new Graph();
  const rows = g.input('rows', 'float32', ['N', D]);
  g.output('scores', op.Gemm(g.input('states', 'float32', ['Q', D]), rows, { transB: true }));
  return g;
}

/**
 * The share of a document's S queries, each with its weight, that rows would take where a query would otherwise have its
 * `offset` log Σ exp: Σ w / (1 + exp(offset − score)). states float32 [M, S, D], offset and weights float32 [M, S, 1], rows
 * float32 [N, D] → shares float32 [M, N]
 */
export function sharesGraph(D: number, S: number): Graph {
  const g = new Graph();
  const scores = op.FusedMatMul(g.input('states', 'float32', ['M', S, D]), g.input('rows', 'float32', ['N', D]));
  const ahead = op.Sub(scores, g.input('offset', 'float32', ['M', S, 1]));
  const half = op.scalar(ahead, 0.5);
  const share = op.Add(half, op.Mul(half, op.Tanh(op.Mul(half, ahead))));
  g.output('shares', op.ReduceSum(op.Mul(share, g.input('weights', 'float32', ['M', S, 1])), [1], false));
  return g;
}

/** residual float32 [Q, D], keys float32 [Q, F] → stream float32 [Q, D]: what the last MLP makes of them. */
export function streamGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const { d_model: D, d_ff: F, num_decoder_layers: L } = config;
  const added = parts(config, g, weights).linear(g.input('keys', 'float32', ['Q', F]), outputWeight(L - 1), [F, D]);
  g.output('stream', op.Add(g.input('residual', 'float32', ['Q', D]), added));
  return g;
}

/** What the last MLP makes of keys more, and what follows: stream float32 [Q, D], keys float32 [Q, F], delta float32 [F, D] → states float32 [Q, D]. */
export function restateGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const { d_model: D, d_ff: F } = config;
  const p = parts(config, g, weights);
  const added = op.MatMul(g.input('keys', 'float32', ['Q', F]), g.input('delta', 'float32', [F, D]));
  const stream = op.Add(g.input('stream', 'float32', ['Q', D]), added);
  g.output('states', readyForUnembed(p, norm(p, stream, FINAL_NORM)));
  return g;
}

/** Values below this are not divided by. */
const TINY = 1e-9;

/**
 * Newton steps towards the nearest stream at which the own row has its margin over every other, residual float32 [Q, D], keys
 * float32 [Q, F], own float32 [Q, D] (the row each query should have), rows float32 [N, D], bias float32 [Q or 1, N] (very low
 * for rows that are no rivals), margin float32 [1] → change float32 [Q, D] of the stream after the last decoder layer.
 * A step goes along the gradient of log p (own) through the RMSNorm's Jacobian, as far as brings the lead to the margin to
 * first order.
 */
export function marginGraph(config: T5Config, weights: WeightSource, steps: number): Graph {
  const g = new Graph();
  const { d_model: D, d_ff: F, num_decoder_layers: L } = config;
  const p = parts(config, g, weights);
  const keys = g.input('keys', 'float32', ['Q', F]);
  const own = g.input('own', 'float32', ['Q', D]);
  const rows = g.input('rows', 'float32', ['N', D]);
  const bias = g.input('bias', 'float32', ['Q|1', 'N']);
  const margin = g.input('margin', 'float32', [1]);
  const start = op.Add(g.input('residual', 'float32', ['Q', D]), p.linear(keys, outputWeight(L - 1), [F, D]));
  const gain = p.parameters(FINAL_NORM, [D]);
  const ready = (x: Value): Value => readyForUnembed(p, x);
  const one = g.literal('int64', [1]);
  let stream = start;
  for (let i = 0; i < steps; i++) {
    const state = ready(norm(p, stream, FINAL_NORM));
    const score = op.ReduceSum(op.Mul(state, own), [1], true); // [Q, 1]
    const others = op.Add(op.Gemm(state, rows, { transB: true }), bias); // [Q, N]
    const [best] = op.TopK(others, one, 1); // [Q, 1]
    const short = op.Relu(op.Add(op.Sub(best, score), margin)); // [Q, 1]
    // ∂ log p(own) / ∂state, p over the others and the own row, up to its length: own row − softmax mean of the others.
    const ahead = op.Sub(own, op.MatMul(op.Softmax(others), rows));
    const slope = ready(op.Mul(ahead, gain)); // by the normalised stream
    const scale = op.Div(
      op.scalar(stream, 1),
      op.Sqrt(op.Add(op.ReduceMean(op.Mul(stream, stream), [1], true), op.scalar(stream, config.layer_norm_epsilon))),
    ); // [Q, 1]
    const along = op.ReduceMean(op.Mul(slope, stream), [1], true);
    const gradient = op.Mul(scale, op.Sub(slope, op.Mul(stream, op.Mul(along, op.Mul(scale, scale)))));
    const square = op.Add(op.ReduceSum(op.Mul(gradient, gradient), [1], true), op.scalar(stream, TINY));
    stream = op.Add(stream, op.Mul(gradient, op.Div(short, square)));
  }
  g.output('change', op.Sub(stream, start));
  g.output('stream', start);
  return g;
}
