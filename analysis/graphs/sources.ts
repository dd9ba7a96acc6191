/**
 * @file Who puts in what: the input of MLP neurons and the scores of cross-attention, divided among the earlier writers
 * to the residual stream. A neuron's input and a head's score are linear in the stream but for the norm before them, and
 * that divides by a number which is the same for all writers. Everything is computed within the decoder's own graph: one
 * run per batch for all layers, and only shares come out.
 *
 * Beside the alphabet of `models/t5.ts`: C writers before the component in question, in the order of `writersBefore`.
 */
import type { ActivationName } from '../../models/activations.ts';
import type { T5Config } from '../../models/config.ts';
import { cacheInputs, parts, type WeightSource } from '../../models/graphs.ts';
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { decoder, decodeStart, embed, type T5Parts } from '../../models/t5.ts';
import { writersBefore } from '../components.ts';
import type { DecoderKind } from '../decoded-position.ts';

/** A writer is among a neuron's most important ones up to this place. */
export const TOP = 5;

/**
 * How a contribution is measured: as published (arXiv 2503.19715, §5.3), by the plain product of weight and output, or
 * exactly, with the norm's weights and its division, so that contributions sum to what the component computes.
 */
export type Mode = 'published' | 'exact';
export const modes: readonly Mode[] = ['published', 'exact'];

/** Outputs of the graph of neurons for the MLP of a layer. */
export const neuronOutputs = (layer: number) => ({
  /** float32 [B, C] shares of positive contributions, mean over active neurons; 0 where no neuron is active. */
  shares: { published: `published:${layer}`, exact: `exact:${layer}` } satisfies Record<Mode, string>,
  /** float32 [B, C] shares of the active neurons' whole input, signed; sum to 1, or are 0 where no neuron is active. */
  signed: `signed:${layer}`,
  /** float32 [B, 1] */
  active: `active:${layer}`,
  /**
   * float32 [B, C′] number of active neurons that have the writer among their `TOP` greatest positive contributors,
   * where each head of cross-attention is a writer of its own, in the place of its component.
   */
  top: { published: `top:published:${layer}`, exact: `top:exact:${layer}` } satisfies Record<Mode, string>,
  /** float32 [B, C, F] */
  contributions: {
    published: `contributions:published:${layer}`,
    exact: `contributions:exact:${layer}`,
  } satisfies Record<Mode, string>,
  /** float32 [B, 1, F] */
  preActivation: `pre:${layer}`,
});

/** Outputs of the graph of heads for the cross-attention of a layer. */
export const headOutputs = (layer: number) => ({
  /** float32 [B, C, H] shares of positive contributions to the score at the position that the head looks at most. */
  shares: { published: `published:${layer}`, exact: `exact:${layer}` } satisfies Record<Mode, string>,
  /** float32 [B, C, H] */
  contributions: {
    published: `contributions:published:${layer}`,
    exact: `contributions:exact:${layer}`,
  } satisfies Record<Mode, string>,
  /** float32 [B, H, 1, S] */
  scores: `scores:${layer}`,
});

/**
 * The inputs of MLP neurons. A neuron is active where its pre-activation is above 0; in gated MLPs that is the gate
 * branch's (`wi_0`), whose input is then what is divided.
 * What `tappedDecoder` is given → those of `neuronOutputs` that are wanted
 */
export function neuronSourcesGraph(
  config: T5Config,
  weights: WeightSource,
  wanted: readonly string[],
  kind: DecoderKind = 'start',
): Graph {
  const { graph, p, at, give } = tappedDecoder(config, weights, wanted, kind);
  const { d_model: D, d_ff: F, num_heads: H, num_decoder_layers: L } = config;
  const wi = config.feed_forward_proj === 'gated-gelu' ? 'wi_0' : 'wi';
  for (let layer = 0; layer < L; layer++) {
    const sublayer = `decoder.block.${layer}.layer.2`;
    const weight = p.parameters(`${sublayer}.DenseReluDense.${wi}.weight`, [D, F]);
    const scale = normScale(p, at(`decoder.${layer}.resid_mid_cross`), `${sublayer}.layer_norm.weight`);
    const contributions = (outputs: Value): Record<Mode, Value> => ({
      published: op.MatMul(outputs, weight),
      exact: op.MatMul(op.Mul(outputs, scale), weight),
    });
    const before = writersBefore(L, 'mlp', layer);
    const split = before.map(({ type, layer: l, at: name }) =>
      type === 'cross_attn' ? op.Reshape(at(`decoder.${l}.cross_attn_result`), ['B', H, D]) : at(name),
    );
    const byWriter = contributions(stack(before.map((writer) => at(writer.at))));
    const byHead = contributions(stack(split));
    const pre = at(`decoder.${layer}.mlp_pre`); // [B, 1, F]
    const active = op.Cast(op.Greater(pre, op.scalar(pre, 0)), 'float32');

    const names = neuronOutputs(layer);
    for (const mode of modes) {
      give(names.shares[mode], meanShares(byWriter[mode], active));
      give(names.top[mode], topCounts(byHead[mode], active));
      give(names.contributions[mode], byWriter[mode]);
    }
    give(names.signed, signedShares(byWriter.exact, active));
    give(names.active, op.ReduceSum(active, [2], false));
    give(names.preActivation, pre);
  }
  return graph;
}

/**
 * The scores of cross-attention, each head's at the one position it looks at most: (W_Q x)·k there.
 * What `tappedDecoder` is given → those of `headOutputs` that are wanted
 */
export function headSourcesGraph(
  config: T5Config,
  weights: WeightSource,
  wanted: readonly string[],
  kind: DecoderKind = 'start',
): Graph {
  const { graph, p, mask, keys, at, give } = tappedDecoder(config, weights, wanted, kind);
  const { num_decoder_layers: L } = config;
  for (let layer = 0; layer < L; layer++) {
    const sublayer = `decoder.block.${layer}.layer.1`;
    const scores = at(`decoder.${layer}.cross_attn_scores`); // [B, H, 1, S]
    const key = keys(layer, oneHotOfGreatest(scores, op.Positions(mask, 1))); // [H, B, K]
    const queryWeight = perHead(p, `${sublayer}.EncDecAttention.q.weight`);
    const reader = op.Transpose(op.MatMul(key, op.T(queryWeight)), [1, 2, 0]); // W_Qᵀk: [B, D, H]
    const outputs = stack(writersBefore(L, 'cross_attn', layer).map((writer) => at(writer.at)));
    const scale = normScale(p, at(`decoder.${layer}.resid_mid`), `${sublayer}.layer_norm.weight`);
    const contributions: Record<Mode, Value> = {
      published: op.MatMul(outputs, reader),
      exact: op.MatMul(op.Mul(outputs, scale), reader),
    };
    const names = headOutputs(layer);
    for (const mode of modes) {
      give(names.shares[mode], positiveShares(contributions[mode]));
      give(names.contributions[mode], contributions[mode]);
    }
    give(names.scores, scores);
  }
  return graph;
}

/** Keys of a layer's cross-attention at one source position of each head: float32 [B, H, S] of 0 and 1 → [H, B, K]. */
type Keys = (layer: number, there: Value) => Value;

/**
 * The decoder at one position, every activation in it by name, and a way to give away results that are wanted.
 * At the start token: encoder_out [B, S, D], attention_mask [B, S], start [B, 1, D]. Behind caches: decoder_input_ids [B, 1],
 * attention_mask, cross.* [B, H, S, K], past.* [B, H, P, K].
 */
function tappedDecoder(config: T5Config, weights: WeightSource, wanted: readonly string[], kind: DecoderKind) {
  const graph = new Graph();
  const known = new Map<string, Value>();
  const p = parts(config, graph, weights, (name, value) => {
    known.set(name, value);
    return value;
  });
  const mask = graph.input('attention_mask', 'float32', ['B', 'S']);
  const run: { readonly [Kind in DecoderKind]: () => Keys } = {
    start() {
      const encoderOut = graph.input('encoder_out', 'float32', ['B', 'S', config.d_model]);
      decodeStart(p, graph.input('start', 'float32', ['B', 1, config.d_model]), encoderOut, mask);
      return (layer, there) => {
        const states = op.MatMul(there, encoderOut); // [B, H, D]
        const weight = perHead(p, `decoder.block.${layer}.layer.1.EncDecAttention.k.weight`);
        return op.MatMul(op.Transpose(states, [1, 0, 2]), weight);
      };
    },
    cached() {
      const ids = graph.input('decoder_input_ids', 'int64', ['B', 1]);
      const cross = cacheInputs(graph, config, 'cross', 'S');
      decoder(p, { x: embed(p, ids), cross, past: cacheInputs(graph, config, 'past', 'P'), mask });
      return (layer, there) => {
        const key = op.MatMul(op.Unsqueeze(there, 2), cross[layer].k); // [B, H, 1, K]
        return op.Transpose(op.Reshape(key, ['B', config.num_heads, config.d_kv]), [1, 0, 2]);
      };
    },
  };
  const keys = run[kind]();
  return {
    graph,
    p,
    mask,
    keys,
    at: (name: ActivationName): Value => known.get(name)!,
    give: (name: string, value: Value): void => {
      if (wanted.includes(name)) graph.output(name, value);
    },
  };
}

/** A linear map of an attention by head: float32 [H, D, K]. */
const perHead = ({ config, parameters }: T5Parts, name: string): Value => {
  const { d_model: D, d_kv: K, num_heads: H } = config;
  return op.Transpose(op.Reshape(parameters(name, [D, H * K]), [D, H, K]), [1, 0, 2]);
};

/** [B, 1, D] or [B, H, D] each → [B, C, D] */
const stack = (outputs: readonly Value[]): Value =>
  op.Concat(
    outputs,
    1,
    outputs.reduce((sum, { shape }) => sum + Number(shape[1]), 0),
  );

/** `x` without its axis of size 1. */
const squeeze = (x: Value, axis: number): Value => op.ReduceSum(x, [axis], false);

/** What the norm multiplies its input `x` [B, 1, D] by: gain / √(mean(x²) + ε), float32 [B, 1, D]. */
function normScale({ config, parameters }: T5Parts, x: Value, gain: string): Value {
  const square = op.ReduceMean(op.Mul(x, x), [2], true);
  const rms = op.Sqrt(op.Add(square, op.scalar(x, config.layer_norm_epsilon)));
  return op.Div(parameters(gain, [config.d_model]), rms);
}

/** `y`, and 1 where it is not above 0: a divisor. */
const orOne = (y: Value): Value => op.Where(op.Greater(y, op.scalar(y, 0)), y, op.scalar(y, 1));

/** Each writer's share of the positive contributions: float32 [B, C, …], 0 where there are none. */
function positiveShares(contributions: Value): Value {
  const positive = op.Relu(contributions);
  return op.Div(positive, orOne(op.ReduceSum(positive, [1], true)));
}

/** Positive shares of [B, C, F], mean over the active neurons that have positive contributions: float32 [B, C]. */
function meanShares(contributions: Value, active: Value): Value {
  const positive = op.Relu(contributions);
  const total = op.ReduceSum(positive, [1], true); // [B, 1, F]
  const weight = op.Div(active, orOne(total));
  const sum = squeeze(op.MatMul(positive, op.T(weight)), 2); // [B, C]
  return op.Div(sum, orOne(op.ReduceSum(sum, [1], true)));
}

/** Shares of the sum of all active neurons' inputs: float32 [B, C]. */
function signedShares(contributions: Value, active: Value): Value {
  const sum = squeeze(op.MatMul(contributions, op.T(active)), 2);
  return op.Div(sum, orOne(op.ReduceSum(sum, [1], true)));
}

/** For how many active neurons each of the writers is among the `TOP` greatest positive contributors: float32 [B, C]. */
function topCounts(contributions: Value, active: Value): Value {
  const g = contributions.graph;
  const byNeuron = op.T(contributions); // [B, F, C]
  const top = Math.min(TOP, Number(byNeuron.shape[2]));
  const [best] = op.TopK(byNeuron, g.literal('int64', [top]), top);
  const last = Array.from({ length: top }, (_, i) => (i === top - 1 ? 1 : 0));
  const least = op.MatMul(best, g.literal('float32', last, [top, 1])); // [B, F, 1]
  const [zero, one] = [op.scalar(byNeuron, 0), op.scalar(byNeuron, 1)];
  const reaches = op.Where(op.Greater(least, byNeuron), zero, one);
  const counts = op.Where(op.Greater(byNeuron, zero), reaches, zero);
  return squeeze(op.MatMul(active, counts), 1); // [B, 1, F] [B, F, C]
}

/** 1 at the (first) greatest score, 0 elsewhere. @param scores float32 [B, H, 1, S] @returns float32 [B, H, S] */
function oneHotOfGreatest(scores: Value, positions: Value): Value {
  const [, index] = op.TopK(scores, scores.graph.literal('int64', [1]), 1); // [B, H, 1, 1]
  const H = scores.shape[1];
  const one = op.scalar(index, 1);
  const is = (flags: Value): Value => op.Cast(flags, 'int64');
  const off = op.Add(is(op.Greater(positions, index)), is(op.Greater(index, positions))); // [B, H, 1, S]
  return op.Reshape(op.Cast(op.Sub(one, off), 'float32'), ['B', H, 'S']);
}
