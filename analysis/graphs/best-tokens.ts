import type { T5Config } from '../../models/config.ts';
import { parts, type WeightSource } from '../../models/graphs.ts';
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { SHARE_DEPTHS, sharesAmongBest } from '../../models/lens.ts';
import { readyForUnembed, unembedName } from '../../models/t5.ts';

/**
 * What vectors of the residual stream's space say of tokens, read as the model reads its last state.
 * states float32 [M, D], tokens int64 [M, C], k int64 [1] → log_probabilities float32 [M, C] of those tokens over the whole
 * vocabulary, best int64 [M, k] of the vocabulary
 */
export function bestTokensGraph(config: T5Config, weights: WeightSource): Graph {
  const { g, logits } = readStates(config, weights);
  const [, best] = op.TopK(logits, g.input('k', 'int64', [1]), 'k');
  g.output('best', best);
  g.output('log_probabilities', op.GatherElements(op.LogSoftmax(logits), g.input('tokens', 'int64', ['M', 'C'])));
  return g;
}

/**
 * Which tokens vectors favour: states float32 [M, D], k int64 [1] → best int64 [M, k] of the vocabulary, docid_share float32
 * [M, 3] of the tokens of docids among the best 10, 100 and 1000
 *
 * @param isDocidToken  [V], 1 = a token that occurs in docids
 */
export function favouritesGraph(config: T5Config, weights: WeightSource, isDocidToken: Float32Array): Graph {
  const { g, logits } = readStates(config, weights);
  const [, best] = op.TopK(logits, g.input('k', 'int64', [1]), 'k');
  const deepest = Math.min(SHARE_DEPTHS.at(-1)!, config.vocab_size);
  const [, order] = op.TopK(logits, g.literal('int64', [deepest]), deepest);
  const isDocid = op.Gather(g.constant('docid_tokens', 'float32', [config.vocab_size], isDocidToken), order);
  g.output('best', best);
  g.output('docid_share', sharesAmongBest(isDocid, deepest));
  return g;
}

/** Logits of `states` over the vocabulary, float32 [M, V]. */
function readStates(config: T5Config, weights: WeightSource): { g: Graph; logits: Value } {
  const g = new Graph();
  const { d_model: D, vocab_size: V } = config;
  const states = g.input('states', 'float32', ['M', D]);
  const p = parts(config, g, weights);
  const gain = p.parameters('decoder.final_layer_norm.weight', [D]);
  const x = readyForUnembed(p, op.SimplifiedLayerNormalization(states, gain, config.layer_norm_epsilon));
  return { g, logits: op.Gemm(x, p.parameters(unembedName(config), [V, D]), { transB: true }) };
}
