import { differentiate } from '../../onnx/gradients.ts';
import { Graph, type Value } from '../../onnx/graph.ts';
import * as op from '../../onnx/ops.ts';
import { gradientOutput } from '../../graphs.ts';
import { SCALE } from '../lexical-start.ts';

/** Weight of the loss of clusters alone, without which a beam would not keep the right ones. */
const CLUSTER_LOSS = 0.2;

/** Σ_b w_b Σ_n −target·log softmax(logits) */
function crossEntropy(logits: Value, targets: Value, weights: Value): Value {
  const perQuery = op.Neg(op.ReduceSum(op.Mul(targets, op.LogSoftmax(logits)), [1], false)); // [B]
  return op.ReduceSum(op.Mul(perQuery, weights), [0], false);
}

/**
 * The bag of words of two-token docids: log p(cluster) + log p(document | cluster) but for terms that all documents share.
 * topics float32 [B, S, C], seeds [B, S, K], classes [B, S, M] (one-hot), importance [B, S], attention_mask [B, S],
 * members [N, C] (one-hot: whose cluster), rows [N, M·K], targets [B, N], cluster_targets [B, C], weights [B]
 * → loss and gradients of topics, seeds, importance and rows, or logits float32 [B, N].
 */
export function pathBagGraph(C: number, K: number, M: number, { gradients }: { gradients: boolean }): Graph {
  const g = new Graph();
  const topics = g.input('topics', 'float32', ['B', 'S', C]);
  const seeds = g.input('seeds', 'float32', ['B', 'S', K]);
  const classes = g.input('classes', 'float32', ['B', 'S', M]);
  const importance = g.input('importance', 'float32', ['B', 'S']);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const members = g.input('members', 'float32', ['N', C]);
  const rows = g.input('rows', 'float32', ['N', M * K]);
  const direction = (v: Value, d: number): Value => {
    const ones = g.constant(`ones ${d}`, 'float32', [d], new Float32Array(d).fill(1 / Math.sqrt(d)));
    return op.SimplifiedLayerNormalization(v, ones, 1e-9);
  };
  const padding = op.Mul(op.Sub(mask, op.scalar(mask, 1)), op.scalar(mask, 1e9));
  const share = op.Softmax(op.Add(importance, padding)); // [B, S]
  const ofTopics = op.Reshape(op.MatMul(op.Unsqueeze(share, 1), topics), ['B', C]);
  const perClass = op.MatMul(op.T(op.Mul(classes, op.Unsqueeze(share, 2))), seeds); // [B, M, K]
  const clusters = op.Mul(direction(ofTopics, C), op.scalar(share, SCALE)); // [B, C]
  const state = op.Mul(direction(op.Reshape(perClass, ['B', M * K]), M * K), op.scalar(share, SCALE));
  const logits = op.Add(op.Gemm(clusters, members, { transB: true }), op.Gemm(state, rows, { transB: true }));
  if (!gradients) {
    g.output('logits', logits);
    return g;
  }
  const weights = g.input('weights', 'float32', ['B']);
  const ofDocuments = crossEntropy(logits, g.input('targets', 'float32', ['B', 'N']), weights);
  const ofClusters = crossEntropy(clusters, g.input('cluster_targets', 'float32', ['B', C]), weights);
  const loss = op.Add(ofDocuments, op.Mul(ofClusters, op.scalar(ofClusters, CLUSTER_LOSS)));
  g.output('loss', loss);
  const wanted = [topics, seeds, importance, rows];
  differentiate(loss, wanted).forEach((gradient, i) => g.output(gradientOutput(wanted[i].name), gradient));
  return g;
}
