/**
 * @file The parts that write to the decoder's residual stream, in order: the start token's embedding, then self-attention,
 * cross-attention and MLP of every layer. Their outputs sum to the stream.
 */
import type { ActivationName } from '../models/activations.ts';

export const componentTypes = ['attn', 'cross_attn', 'mlp'] as const;
export type ComponentType = (typeof componentTypes)[number];

/** What prose calls them. */
export const componentNames = {
  attn: 'self-attention',
  cross_attn: 'cross-attention',
  mlp: 'MLP',
} as const satisfies Record<ComponentType, string>;

/** The activation that a component adds to the residual stream, [Q, D] in a reading. */
export const outputOf = (type: ComponentType, layer: number): ActivationName => `decoder.${layer}.${type}_out`;

/** A writer to the residual stream: the embedding, or a component of a layer. */
export interface Writer {
  readonly type: 'embedding' | ComponentType;
  /** −1 for the embedding. */
  readonly layer: number;
  /** Where its output can be read: the embedding is the first block's `resid_pre`. */
  readonly at: ActivationName;
}

/** All writers of a decoder, in the order in which they write: 1 + 3 L. */
export function writers(layers: number): Writer[] {
  const all: Writer[] = [{ type: 'embedding', layer: -1, at: 'decoder.0.resid_pre' }];
  for (let layer = 0; layer < layers; layer++)
    for (const type of componentTypes) all.push({ type, layer, at: outputOf(type, layer) });
  return all;
}

/** The writers that a component reads: those before it. */
export function writersBefore(layers: number, type: ComponentType, layer: number): Writer[] {
  const all = writers(layers);
  return all.slice(
    0,
    all.findIndex((one) => one.type === type && one.layer === layer),
  );
}
