/** @file The docid decoder of a circuit: a graph in which only the parts that work are left. */
import { circuitParts, type Circuit, type CircuitPart } from './circuit-record.ts';
import type { T5Config } from './config.ts';
import { editableParts, queryInputs, scoreDocids, type DocidHead, type WeightSource } from './graphs.ts';
import { Graph, type Value } from './onnx/graph.ts';
import * as op from './onnx/ops.ts';
import { blockPrefix, embed, encoder, mlp, norm, paddingBias, readyForUnembed, type T5Parts } from './t5.ts';

export interface CircuitGraph {
  readonly graph: Graph;
  /** Weights that are applied to the query as they are, and so may have deltas. */
  readonly editable: ReadonlySet<string>;
}

/**
 * The docid decoder of a circuit: inputs and outputs of `docidDecoderGraph`. What does not depend on the query is
 * written as nodes over constants, which onnxruntime computes when it opens the session.
 *
 * @param edited  weights with a delta, of those in `editable`
 */
export function circuitDecoderGraph(
  config: T5Config,
  weights: WeightSource,
  circuit: Circuit,
  edited: readonly string[] = [],
  head: DocidHead = scoreDocids,
): CircuitGraph {
  const g = new Graph();
  const { ids, mask } = queryInputs(g);
  const { fixed, live } = editableParts(config, g, weights, edited);
  const editable = new Set<string>();
  const noted = (name: string): string => {
    editable.add(name);
    return name;
  };
  const recorded: T5Parts = {
    ...live,
    parameters: (name, shape) => live.parameters(noted(name), shape),
    linear: (x, name, size) => live.linear(x, noted(name), size),
  };
  const encoderOut = encoder(recorded, embed(recorded, ids), mask);
  head(decodeCircuitStart(fixed, recorded, circuit, encoderOut, mask));
  editable.delete('shared.weight');
  return { graph: g, editable };
}

/**
 * `decodeStart` of a circuit, ready for the unembedding. Up to the first cross-attention that works the residual stream
 * is the same for all queries, and so is what that cross-attention looks for: q W_Kᵀ of each head. Means stand in
 * for their components, those between two working components as one sum.
 *
 * @param fixed       weights that nobody edits: for what is the same for all queries
 * @param live        for all else
 * @param encoderOut  float32 [B, S, D]
 * @param mask        float32 [B, S]
 * @returns           float32 [B, D]
 */
export function decodeCircuitStart(
  fixed: T5Parts,
  live: T5Parts,
  { layers, means }: Circuit,
  encoderOut: Value,
  mask: Value,
): Value {
  const g = mask.graph;
  const { config } = live;
  const { d_model: D, vocab_size: V, decoder_start_token_id: start } = config;
  const padding = op.Reshape(paddingBias(mask), ['B', 1, 'S']);
  let x = op.Gather(fixed.parameters('shared.weight', [V, D]), g.literal('int64', [start])); // [1, D], then [B, D]
  let isFixed = true;
  let waiting: Float32Array | undefined; // means not yet added
  const flush = (before: string): void => {
    if (waiting) x = op.Add(x, g.constant(`means before ${before}`, 'float32', [D], waiting));
    waiting = undefined;
  };
  const work: { readonly [P in CircuitPart]: (layer: number) => Value } = {
    attn: (layer) => selfAttention(isFixed ? fixed : live, fixed, layer, x),
    cross_attn: (layer) => crossAttention(isFixed ? fixed : live, live, layer, x, encoderOut, padding),
    mlp: (layer) => mlp(isFixed ? fixed : live, 'decoder', layer, x),
  };
  const rest = [...means];
  layers.forEach((one, layer) => {
    for (const part of circuitParts) {
      if (one[part] === 'mean') {
        const mean = rest.shift()!;
        waiting = waiting ? waiting.map((value, i) => value + mean[i]) : mean;
      }
      if (one[part] !== 'keep') continue;
      flush(`${layer}.${part}`);
      x = op.Add(x, work[part](layer));
      isFixed &&= part !== 'cross_attn';
    }
  });
  flush('the final norm');
  if (isFixed) x = op.Add(x, op.Mul(op.ReduceSum(mask, [1], true), op.scalar(mask, 0))); // as often as there are queries
  const gain = readyForUnembed(live, live.parameters('decoder.final_layer_norm.weight', [D]));
  return op.SimplifiedLayerNormalization(x, gain, config.layer_norm_epsilon);
}

/**
 * At one position self-attention is W_O W_V: one matrix, unless two have fewer numbers.
 *
 * @param asking  weights of the norm, and of the two matrices where they stay two
 * @param x       float32 [B, D]; [1, D] where it is the same for all queries
 */
function selfAttention(asking: T5Parts, fixed: T5Parts, layer: number, x: Value): Value {
  const { d_model: D, num_heads: H, d_kv: K } = asking.config;
  const prefix = `${blockPrefix('decoder', layer)}.0`;
  const [v, o] = ['v', 'o'].map((letter) => `${prefix}.SelfAttention.${letter}.weight`);
  const h = norm(asking, x, `${prefix}.layer_norm.weight`);
  if (x.shape[0] === 1 || D > 2 * H * K) return asking.linear(asking.linear(h, v, [D, H * K]), o, [H * K, D]);
  return op.MatMul(h, op.MatMul(fixed.parameters(v, [D, H * K]), fixed.parameters(o, [H * K, D])));
}

/**
 * Cross-attention of one query position, as in `decodeStart`.
 *
 * @param asking   weights of the norm, W_Q and W_K
 * @param live     W_V and W_O
 * @param x        float32 [B, D]; [1, D] where all queries ask the same
 * @param padding  float32 [B, 1, S]
 * @returns        float32 [B, D]
 */
function crossAttention(
  asking: T5Parts,
  live: T5Parts,
  layer: number,
  x: Value,
  encoderOut: Value,
  padding: Value,
): Value {
  const { d_model: D, num_heads: H, d_kv: K } = live.config;
  const prefix = `${blockPrefix('decoder', layer)}.1`;
  const weight = (letter: string): string => `${prefix}.EncDecAttention.${letter}.weight`;
  /** W [D, I] as [H, D, K] */
  const perHead = (parts: T5Parts, letter: string): Value =>
    op.Transpose(op.Reshape(parts.parameters(weight(letter), [D, H * K]), [D, H, K]), [1, 0, 2]);
  const h = norm(asking, x, `${prefix}.layer_norm.weight`);
  const q = op.Reshape(asking.linear(h, weight('q'), [D, H * K]), [x.shape[0], H, K]);
  const read = op.MatMul(op.Transpose(q, [1, 0, 2]), op.T(perHead(asking, 'k'))); // [H, B, D]
  const scores =
    x.shape[0] === 1
      ? op.T(op.MatMul(encoderOut, op.T(op.Reshape(read, [H, D])))) // [B, S, H] → [B, H, S]
      : op.MatMul(op.Transpose(read, [1, 0, 2]), op.T(encoderOut)); // [B, H, S]
  const mean = op.MatMul(op.Softmax(op.Add(scores, padding)), encoderOut); // [B, H, D]
  const z = op.MatMul(op.Transpose(mean, [1, 0, 2]), perHead(live, 'v')); // [H, B, K]
  return live.linear(op.Reshape(op.Transpose(z, [1, 0, 2]), ['B', H * K]), weight('o'), [H * K, D]);
}
