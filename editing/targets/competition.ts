/**
 * @file What is read from the decoder's last stream while a target is sought: the loss of the own row against those that
 * compete with it, as nodes of a graph.
 */
import type { T5Config } from '../../models/config.ts';
import { parts, type WeightSource } from '../../models/graphs.ts';
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { int64, tensor, type Feeds, type FloatTensor } from '../../models/session.ts';
import { takeRows } from '../../models/tensor-rows.ts';
import { norm, readyForUnembed, type T5Parts } from '../../models/t5.ts';
import { ASIDE, type EditModel } from '../edit-model.ts';
import type { TargetProblem } from './target.ts';

export const FINAL_NORM = 'decoder.final_layer_norm.weight';

/** Best rows of each query that compete with its own one; rows that are among those of no query are left out. */
const RIVALS = 64;

/** Queries, their own rows and the rows that compete, M in all. */
export interface Competition {
  /** float32 [Q, D] */
  readonly own: FloatTensor;
  /** float32 [M, D], own ones among them. */
  readonly rows: FloatTensor;
  /** float32 [Q, M], `ASIDE` for rows that are not in a query's competition. */
  readonly bias: FloatTensor;
  /** float32 [Q, M], `ASIDE` for the own row too. */
  readonly rivalBias: FloatTensor;
}

/** states float32 [Q, D], rows float32 [N, D], k int64 [1] → rivals int64 [Q, k] */
function rivalsGraph({ d_model: D }: T5Config): Graph {
  const g = new Graph();
  const states = g.input('states', 'float32', ['Q', D]);
  const scores = op.Gemm(states, g.input('rows', 'float32', ['N', D]), { transB: true });
  g.output('rivals', op.TopK(scores, g.input('k', 'int64', [1]), 'k')[1]);
  return g;
}

/** The own rows, then the `RIVALS` best base rows of every query. */
export async function competitionOf(
  model: EditModel,
  { observed, own, aside = [] }: TargetProblem,
): Promise<Competition> {
  const { lab, rows } = model;
  const [N, D] = rows.shape;
  const Q = own.shape[0];
  const session = await lab.session('edit rivals', () => rivalsGraph(lab.config));
  const { rivals } = await session.run({ states: observed.states, rows, k: int64([Math.min(RIVALS, N)]) });
  const chosen = Int32Array.from(new Set(Array.from(rivals.data as BigInt64Array, Number))).sort();

  const ownRows: Float32Array[] = [];
  const ownAt = Int32Array.from({ length: Q }, (_, q) => {
    const row = own.data.subarray(q * D, (q + 1) * D);
    const known = ownRows.findIndex((other) => other.every((x, i) => x === row[i]));
    return known < 0 ? ownRows.push(row) - 1 : known;
  });
  const M = ownRows.length + chosen.length;
  const all = new Float32Array(M * D);
  ownRows.forEach((row, i) => all.set(row, i * D));
  all.set(takeRows(rows, chosen).data, ownRows.length * D);
  const [bias, rivalBias] = [new Float32Array(Q * M), new Float32Array(Q * M)];
  for (let q = 0; q < Q; q++) {
    bias.fill(ASIDE, q * M, q * M + ownRows.length);
    chosen.forEach((row, i) => {
      if (aside[q]?.includes(row)) bias[q * M + ownRows.length + i] = ASIDE;
    });
  }
  rivalBias.set(bias);
  ownAt.forEach((at, q) => (bias[q * M + at] = 0));
  return { own, rows: tensor(all, [M, D]), bias: tensor(bias, [Q, M]), rivalBias: tensor(rivalBias, [Q, M]) };
}

/** The competition of some of the queries, and what they are pulled to, as inputs of a graph that `compete` is part of. */
export function competitionFeeds(
  { own, rows, bias, rivalBias }: Competition,
  wanted: FloatTensor,
  queries: ArrayLike<number>,
): Feeds {
  return {
    rows,
    own: takeRows(own, queries),
    wanted: takeRows(wanted, queries),
    bias: takeRows(bias, queries),
    rival_bias: takeRows(rivalBias, queries),
  };
}

/**
 * stream float32 [B, D] after the last decoder layer; inputs rows [M, D], own, wanted [B, D], bias, rival_bias [B, M]
 * → loss [B, 1], lead [B, 1], expected [B, D]:
 *
 *     scores s = h·rowsᵀ + bias, p = softmax s;  lead = h·own − best rival;  expected = Σ p_n row_n
 *     loss = log Σ exp s − h·wanted
 *
 * which is the cross-entropy −Σ y_n log p_n for labels y with Σ y_n row_n = wanted. Its gradient by h is
 * expected − wanted.
 */
export function compete(p: T5Parts, stream: Value): { loss: Value; expected: Value; wanted: Value } {
  const g = stream.graph;
  const D = p.config.d_model;
  const rows = g.input('rows', 'float32', ['M', D]);
  const own = g.input('own', 'float32', ['B', D]);
  const wanted = g.input('wanted', 'float32', ['B', D]);
  const state = readyForUnembed(p, norm(p, stream, FINAL_NORM));
  const raw = op.Gemm(state, rows, { transB: true });
  const scores = op.Add(raw, g.input('bias', 'float32', ['B', 'M']));
  const probabilities = op.Softmax(scores);
  // Every s_n − log p_n is log Σ exp s, the same for all n.
  const logSumExp = op.ReduceSum(op.Mul(probabilities, op.Sub(scores, op.LogSoftmax(scores))), [1], true);
  const along = (direction: Value): Value => op.ReduceSum(op.Mul(state, direction), [1], true);
  const loss = op.Sub(logSumExp, along(wanted));
  const [best] = op.TopK(op.Add(raw, g.input('rival_bias', 'float32', ['B', 'M'])), g.literal('int64', [1]), 1);
  const expected = op.MatMul(probabilities, rows);
  g.output('loss', loss);
  g.output('lead', op.Sub(along(own), best));
  g.output('expected', expected);
  return { loss, expected, wanted };
}

/**
 * stream float32 [B, D] and the inputs of `compete` → its outputs, and gradient float32 [B, D] of each query's loss by its
 * stream: (expected − wanted) through the RMSNorm's Jacobian. No reverse mode.
 */
export function lastStreamGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const D = config.d_model;
  const stream = g.input('stream', 'float32', ['B', D]);
  const p = parts(config, g, weights);
  const { expected, wanted } = compete(p, stream);
  // h = g ⊙ x/σ with σ² = mean x² + ε:  ∂/∂x = (u − x mean(u⊙x)/σ²)/σ for u = g ⊙ ∂/∂h
  const slope = readyForUnembed(p, op.Mul(op.Sub(expected, wanted), p.parameters(FINAL_NORM, [D])));
  const square = op.Add(op.ReduceMean(op.Mul(stream, stream), [1], true), op.scalar(stream, config.layer_norm_epsilon));
  const along = op.Div(op.ReduceMean(op.Mul(slope, stream), [1], true), square);
  g.output('gradient', op.Div(op.Sub(slope, op.Mul(stream, along)), op.Sqrt(square)));
  return g;
}
