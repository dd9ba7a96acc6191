/**
 * @file Who wrote a token's logit: the parts of the decoder, taken apart into heads of cross-attention and neurons, at one
 * of its positions.
 */
import type { ActivationName } from '../models/activations.ts';
import { circuitParts, type Circuit, type CircuitPart } from '../models/circuit-record.ts';
import type { T5Config } from '../models/config.ts';
import type { WeightSource } from '../models/graphs.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import { outputOf, writers, type Writer } from './components.ts';
import type { Effect, FiredNeuron, HeadRead } from './explanation.ts';
import type { Patch } from './patch.ts';
import { dot } from './vectors.ts';

/** What is written where in the decoder's pass over one query, at one position. */
export interface Pass {
  /** Tokens of the query. */
  readonly tokens: readonly string[];
  /** The activation of this position, without its axes of queries and positions. */
  read(at: ActivationName): Float32Array;
}

/** Directions [D] of the residual stream along which logits grow; a rival there may be none. */
export interface Readout {
  readonly own: Float32Array;
  readonly rival: Float32Array | undefined;
}

/** A vector of the residual stream's space, float32 [D]. */
export interface Written {
  readonly vector: Float32Array;
}

export interface Shares {
  /** Of the writers, in their order. */
  readonly contributions: readonly (Effect & Pick<Writer, 'type' | 'layer'>)[];
  /** The strongest. */
  readonly heads: readonly (Omit<HeadRead, 'wrote'> & Written)[];
  readonly neurons: readonly (Omit<FiredNeuron, 'promotes'> & Written)[];
}

/** The residual stream after a part has written. */
const streamAfter = { embedding: '', attn: 'resid_mid', cross_attn: 'resid_mid_cross', mlp: 'resid_post' } as const;

const pointAfter = ({ type, layer, at }: Writer): ActivationName =>
  type === 'embedding' ? at : `decoder.${layer}.${streamAfter[type]}`;

/** Takes logits apart. Keeps the MLPs' output matrices in memory. */
export class ExplainedParts {
  readonly writers: readonly Writer[];
  /** What a pass has to have read. */
  readonly activations: readonly ActivationName[];
  private readonly config: T5Config;
  private readonly weight: WeightSource;
  private readonly circuit: Circuit | undefined;
  private readonly layers: readonly number[];
  /** float32 [D, F] of each layer: a neuron's value vector is a column. */
  private readonly outputs = new Map<number, Float32Array>();

  /** @param circuit  what answers in place of the whole decoder */
  constructor({ config, weight }: { config: T5Config; weight: WeightSource }, circuit?: Circuit) {
    this.config = config;
    this.weight = weight;
    this.circuit = circuit;
    this.layers = Array.from({ length: config.num_decoder_layers }, (_, layer) => layer);
    this.writers = writers(this.layers.length);
    const points = (point: string) => this.layers.map((layer) => `decoder.${layer}.${point}` as ActivationName);
    const inside = ['cross_attn_result', 'cross_attn_pattern', 'mlp_post'].flatMap(points);
    this.activations = [...new Set([...this.writers.flatMap((writer) => [writer.at, pointAfter(writer)]), ...inside])];
  }

  /** The residual stream after each writer, the last state at the end: float32 [D] each. */
  streams(pass: Pass): Float32Array[] {
    return this.writers.map((writer) => pass.read(pointAfter(writer)));
  }

  /** @param top  heads and neurons at most */
  shares(pass: Pass, { own, rival }: Readout, top: number): Shares {
    const effect = (vector: Float32Array): Effect => {
      const logit = dot(vector, own);
      return { logit, margin: rival ? logit - dot(vector, rival) : logit };
    };
    return {
      contributions: this.writers.map(({ type, layer, at }) => ({ type, layer, ...effect(pass.read(at)) })),
      heads: strongest(this.heads(pass, effect), top),
      neurons: strongest(this.neurons(pass, { own, rival }), top).map((neuron) => ({
        ...neuron,
        vector: this.valueOf(neuron),
      })),
    };
  }

  /** A circuit's constants in the places of their components. */
  get replacements(): Patch[] {
    if (!this.circuit) return [];
    const { layers, means } = this.circuit;
    const mean = means.values();
    return layers.flatMap((treatments, layer) =>
      circuitParts
        .filter((part) => treatments[part] !== 'keep')
        .map((part) => ({
          at: outputOf(part, layer),
          by: treatments[part] === 'zero' ? ('zero' as const) : mean.next().value!,
        })),
    );
  }

  /** Layers in which the component works, rather than being replaced by a constant. */
  private working(part: CircuitPart): readonly number[] {
    return this.layers.filter((layer) => !this.circuit || this.circuit.layers[layer][part] === 'keep');
  }

  private heads(pass: Pass, effect: (vector: Float32Array) => Effect) {
    const { num_heads: H, d_model: D } = this.config;
    return this.working('cross_attn').flatMap((layer) => {
      const results = pass.read(`decoder.${layer}.cross_attn_result`); // [H, D]
      const pattern = pass.read(`decoder.${layer}.cross_attn_pattern`); // [H, S]
      const S = pass.tokens.length;
      return Array.from({ length: H }, (_, head) => {
        const vector = results.subarray(head * D, (head + 1) * D);
        const attention = Array.from(pattern.subarray(head * S, (head + 1) * S));
        return { layer, head, ...effect(vector), attention, vector };
      });
    });
  }

  private neurons(pass: Pass, { own, rival }: Readout) {
    return this.working('mlp').flatMap((layer) => {
      const values = this.output(layer);
      const [mine, theirs] = [through(values, own), rival && through(values, rival)];
      return Array.from(pass.read(`decoder.${layer}.mlp_post`), (activation, neuron) => {
        const logit = activation * mine[neuron];
        return { layer, neuron, activation, logit, margin: theirs ? logit - activation * theirs[neuron] : logit };
      }).filter(({ activation }) => activation !== 0);
    });
  }

  private output(layer: number): Float32Array {
    const values =
      this.outputs.get(layer) ?? this.weight(`decoder.block.${layer}.layer.2.DenseReluDense.wo.weight`).data;
    this.outputs.set(layer, values);
    return values;
  }

  /** What the neuron adds to the stream, up to its size: float32 [D]. */
  private valueOf({ layer, neuron, activation }: { layer: number; neuron: number; activation: number }): Float32Array {
    const { d_ff: F, d_model: D } = this.config;
    const values = this.output(layer);
    return Float32Array.from({ length: D }, (_, d) => Math.sign(activation) * values[d * F + neuron]);
  }
}

/** vectorᵀ W for W [D, F]: float32 [F]. */
function through(weight: Float32Array, vector: Float32Array): Float32Array {
  const F = weight.length / vector.length;
  const out = new Float32Array(F);
  for (let d = 0; d < vector.length; d++) for (let f = 0; f < F; f++) out[f] += vector[d] * weight[d * F + f];
  return out;
}

function strongest<T extends Effect>(all: readonly T[], count: number): T[] {
  return [...all].sort((a, b) => Math.abs(b.margin) - Math.abs(a.margin)).slice(0, count);
}

/** float32 [M, D] */
export function stack(vectors: readonly Float32Array[]): FloatTensor {
  const D = vectors[0].length;
  const data = new Float32Array(vectors.length * D);
  vectors.forEach((vector, i) => data.set(vector, i * D));
  return tensor(data, [vectors.length, D]);
}
