import type { T5Config } from './config.ts';
import { parts, type WeightSource } from './graphs.ts';
import { Graph } from './onnx/graph.ts';
import * as op from './onnx/ops.ts';

/** The encoder's final norm alone: resid float32 [B, S, D] of any of its layers → encoder_out float32 [B, S, D]. */
export function encoderNormGraph(config: T5Config, weights: WeightSource): Graph {
  const g = new Graph();
  const resid = g.input('resid', 'float32', ['B', 'S', config.d_model]);
  const gain = parts(config, g, weights).parameters('encoder.final_layer_norm.weight', [config.d_model]);
  g.output('encoder_out', op.SimplifiedLayerNormalization(resid, gain, config.layer_norm_epsilon));
  return g;
}
