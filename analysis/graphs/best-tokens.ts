import type { T5Config } from '../../models/config.ts';
import { parts, type WeightSource } from '../../models/graphs.ts';
import { Graph } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { readyForUnembed, unembedName } from '../../models/t5.ts';

/**
 * What vectors of the residual stream's space say of tokens, read as the model reads its last state.
 * states float32 [M, D], tokens int64 [M, C], k int64 [1] → log_probabilities float32 [M, C] of those tokens over the whole
 * vocabulary, best int64 [M, k] of the vocabulary
 */
export function bestTokensGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const { d_model: D, vocab_size: V } = config;
  const states = g.input('states', 'float32', ['M', D]);
  const p = parts(config, g, weights);
  const gain = p.parameters('decoder.final_layer_norm.weight', [D]);
  const x = readyForUnembed(p, op.SimplifiedLayerNormalization(states, gain, config.layer_norm_epsilon));
  const logits = op.Gemm(x, p.parameters(unembedName(config), [V, D]), { transB: true }); // [M, V]
  const [, best] = op.TopK(logits, g.input('k', 'int64', [1]), 'k');
  g.output('best', best);
  g.output('log_probabilities', op.GatherElements(op.LogSoftmax(logits), g.input('tokens', 'int64', ['M', 'C'])));
  return g;
}
