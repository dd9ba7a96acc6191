/**
 * @file Gradients of a readout of the decoder at its start token by activations: what attribution patching needs
 * (Nanda 2023; Syed, Rager and Conmy, BlackboxNLP 2024).
 */
import { checkActivation, UnknownActivationError, type ActivationName, type Tap } from './activations.ts';
import type { T5Config } from './config.ts';
import { gradientOutput, parts, type WeightSource } from './graphs.ts';
import { differentiate } from './onnx/gradients.ts';
import { Graph, type Value } from './onnx/graph.ts';
import * as op from './onnx/ops.ts';
import { decodeStart, readyForUnembed } from './t5.ts';

/**
 * encoder_out [B, S, D], attention_mask [B, S], start [B, 1, D], direction float32 [B, D] → metric float32 [B], the
 * product of each query's direction and its state as it is multiplied with vocabulary rows (after the final norm, D^-½
 * where the model scales); and `gradientOutput(name)` of each name, in the activation's shape: the gradient of the
 * query's own metric, since queries of a batch do not see each other.
 *
 * @param names  of the decoder; self-attention's scores and pattern do not exist at one position
 * @throws UnknownActivationError
 */
export function startGradientGraph(config: T5Config, weights: WeightSource, names: readonly ActivationName[]): Graph {
  const g = new Graph();
  const D = config.d_model;
  const encoderOut = g.input('encoder_out', 'float32', ['B', 'S', D]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const start = g.input('start', 'float32', ['B', 1, D]);
  const direction = g.input('direction', 'float32', ['B', D]);
  for (const name of names) checkActivation(config, name, 'decoder');
  const values = new Map<ActivationName, Value>();
  const tap: Tap = (name, value) => {
    if (!names.includes(name)) return value;
    const tapped = op.Identity(value); // another value: what is computed from it must go through it
    values.set(name, tapped);
    return tapped;
  };
  const p = parts(config, g, weights, tap);
  const state = readyForUnembed(p, decodeStart(p, start, encoderOut, mask));
  const metric = op.ReduceSum(op.Mul(state, op.Unsqueeze(direction, 1)), [1, 2], false); // [B]
  g.output('metric', metric);
  const targets = names.map((name) => {
    const value = values.get(name);
    if (!value) throw new UnknownActivationError(name, [name.replace(/attn_\w+$/, 'attn_z')]);
    return value;
  });
  differentiate(op.ReduceSum(metric, [0], false), targets).forEach((gradient, i) =>
    g.output(gradientOutput(names[i]), gradient),
  );
  return g;
}
