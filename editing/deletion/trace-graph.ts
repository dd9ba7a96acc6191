import type { T5Config } from '../../models/config.ts';
import { parts, type WeightSource } from '../../models/graphs.ts';
import { Graph } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { norm, readyForUnembed } from '../../models/t5.ts';
import { outputWeight } from '../edit-graphs.ts';

const FINAL_NORM = 'decoder.final_layer_norm.weight';
/** Values below this are not divided by. */
const TINY = 1e-9;

/**
 * Newton steps to the nearest stream at which a row's lead over the best other one is what is wanted: residual float32
 * [Q, D], keys float32 [Q, F], own float32 [1, D] (the row), rows float32 [N, D], bias float32 [1, N] (very low for rows that
 * are no rivals), lead float32 [Q, 1] → change float32 [Q, D] of the stream after the last decoder layer.
 *
 * A step goes against the gradient g of the row's score less the softmax mean of the others', through the RMSNorm's Jacobian:
 * what the row loses, those that would be answered without it gain.
 */
export function traceGraph(config: T5Config, weights: WeightSource, steps: number): Graph {
  const g = new Graph();
  const { d_model: D, d_ff: F, num_decoder_layers: L } = config;
  const p = parts(config, g, weights);
  const own = g.input('own', 'float32', [1, D]);
  const rows = g.input('rows', 'float32', ['N', D]);
  const bias = g.input('bias', 'float32', [1, 'N']);
  const lead = g.input('lead', 'float32', ['Q', 1]);
  const start = op.Add(
    g.input('residual', 'float32', ['Q', D]),
    p.linear(g.input('keys', 'float32', ['Q', F]), outputWeight(L - 1), [F, D]),
  );
  const gain = p.parameters(FINAL_NORM, [D]);
  const one = g.literal('int64', [1]);
  let stream = start;
  for (let i = 0; i < steps; i++) {
    const state = readyForUnembed(p, norm(p, stream, FINAL_NORM));
    const score = op.ReduceSum(op.Mul(state, own), [1], true); // [Q, 1]
    const others = op.Add(op.Gemm(state, rows, { transB: true }), bias); // [Q, N]
    const [best] = op.TopK(others, one, 1); // [Q, 1]
    const over = op.Sub(op.Sub(score, best), lead); // [Q, 1]; below 0 where the step before went too far
    const ahead = op.Sub(own, op.MatMul(op.Softmax(others), rows)); // [Q, D]
    const slope = readyForUnembed(p, op.Mul(ahead, gain)); // by the normalised stream
    const square = op.ReduceMean(op.Mul(stream, stream), [1], true);
    const scale = op.Div(op.scalar(stream, 1), op.Sqrt(op.Add(square, op.scalar(stream, config.layer_norm_epsilon)))); // [Q, 1]
    const along = op.ReduceMean(op.Mul(slope, stream), [1], true);
    const gradient = op.Mul(scale, op.Sub(slope, op.Mul(stream, op.Mul(along, op.Mul(scale, scale)))));
    const length = op.Add(op.ReduceSum(op.Mul(gradient, gradient), [1], true), op.scalar(stream, TINY));
    stream = op.Sub(stream, op.Mul(gradient, op.Div(over, length)));
  }
  g.output('change', op.Sub(stream, start));
  return g;
}
