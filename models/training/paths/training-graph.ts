import type { T5Config } from '../../config.ts';
import { fedWeights, gradientOutput } from '../../graphs.ts';
import { differentiate } from '../../onnx/gradients.ts';
import { Graph } from '../../onnx/graph.ts';
import * as op from '../../onnx/ops.ts';
import { crossKeyValues, decoder, encoder, readyForUnembed, type T5Parts } from '../../t5.ts';

/** A training graph, and the shapes of the weights that are fed to it by HF's names, linear maps [in, out]. */
export interface PathTrainingGraph {
  readonly graph: Graph;
  readonly parameters: ReadonlyMap<string, readonly number[]>;
}

/**
 * All steps of a path at once, each behind the right tokens before it (teacher forcing). A letter beside those of `t5.ts`:
 * A tokens that compete.
 *
 * embedded float32 [B, S, D], attention_mask [B, S], decoder_embedded [B, T, D] (the start token, then all of a path but its
 * last), rows [A, D], and each weight
 * → logits float32 [B, T, A], or loss float32 [] = Σ_bt w_bt Σ_a −target·log softmax(logits) with targets [B, T, A] and
 * weights [B, T], and gradient:… of embedded, decoder_embedded, rows and each weight.
 */
export function pathTrainingGraph(config: T5Config, { gradients }: { gradients: boolean }): PathTrainingGraph {
  const { d_model: D } = config;
  const g = new Graph();
  const { parameters, fed } = fedWeights(g);
  const parts: T5Parts = {
    ...{ config, parameters },
    linear: (x, name, size) => op.MatMul(x, parameters(name, size)),
    tap: (_name, value) => value,
  };
  const embedded = g.input('embedded', 'float32', ['B', 'S', D]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const x = g.input('decoder_embedded', 'float32', ['B', 'T', D]);
  const rows = g.input('rows', 'float32', ['A', D]);
  const cross = crossKeyValues(parts, encoder(parts, embedded, mask));
  const { state } = decoder(parts, { x, cross, mask });
  const logits = op.Gemm(op.Reshape(readyForUnembed(parts, state), ['B·T', D]), rows, { transB: true });
  const shapes = (): PathTrainingGraph['parameters'] =>
    new Map([...fed].map(([name, { shape }]) => [name, shape as readonly number[]]));
  if (!gradients) {
    g.output('logits', logits); // [B·T, A]
    return { graph: g, parameters: shapes() };
  }
  const targets = g.input('targets', 'float32', ['B·T', 'A']);
  const perStep = op.Neg(op.ReduceSum(op.Mul(targets, op.LogSoftmax(logits)), [1], false)); // [B·T]
  const loss = op.ReduceSum(op.Mul(perStep, g.input('weights', 'float32', ['B·T'])), [0], false);
  g.output('loss', loss);
  const wanted = [embedded, x, rows, ...fed.values()];
  differentiate(loss, wanted).forEach((gradient, i) => g.output(gradientOutput(wanted[i].name), gradient));
  return { graph: g, parameters: shapes() };
}
