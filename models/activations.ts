/**
 * @file Every observable point of the model: name, shape, meaning. Names are TransformerLens' without `hook_`;
 * in an instrumented graph they are also the ONNX output names. Shapes use the alphabet of `t5.ts`.
 */
import type { T5Config } from './config.ts';
import type { Shape, Value } from './onnx/graph.ts';

export type Stack = 'encoder' | 'decoder';

/** The points of one block, in order of computation. `cross` ones exist in the decoder only. */
export const BLOCK_ACTIVATIONS = {
  resid_pre: { cross: false, shape: 'BTD', meaning: 'residual stream before the block' },
  attn_q: { cross: false, shape: 'BHTK', meaning: 'self-attention queries' },
  attn_k: { cross: false, shape: 'BHTK', meaning: 'self-attention keys' },
  attn_v: { cross: false, shape: 'BHTK', meaning: 'self-attention values' },
  attn_scores: { cross: false, shape: 'BHTT', meaning: 'self-attention scores with position bias and mask' },
  attn_pattern: { cross: false, shape: 'BHTT', meaning: 'self-attention weights after the softmax' },
  attn_z: { cross: false, shape: 'BTI', meaning: 'self-attention heads before the output matrix' },
  attn_result: { cross: false, shape: 'BTHD', meaning: 'what each head of self-attention adds' },
  attn_out: { cross: false, shape: 'BTD', meaning: 'what self-attention adds to the residual stream' },
  resid_mid: { cross: false, shape: 'BTD', meaning: 'residual stream after self-attention' },
  cross_attn_scores: { cross: true, shape: 'BHTS', meaning: 'cross-attention scores; very low at padding' },
  cross_attn_pattern: { cross: true, shape: 'BHTS', meaning: 'cross-attention weights after the softmax' },
  cross_attn_z: { cross: true, shape: 'BTI', meaning: 'cross-attention heads before the output matrix' },
  cross_attn_result: { cross: true, shape: 'BTHD', meaning: 'what each head of cross-attention adds' },
  cross_attn_out: { cross: true, shape: 'BTD', meaning: 'what cross-attention adds to the residual stream' },
  resid_mid_cross: { cross: true, shape: 'BTD', meaning: 'residual stream after cross-attention' },
  mlp_pre: {
    cross: false,
    shape: 'BTF',
    meaning: 'MLP neurons before the non-linearity (the gate branch where gated)',
  },
  mlp_post: { cross: false, shape: 'BTF', meaning: 'input of wo: the key of ROME' },
  mlp_out: { cross: false, shape: 'BTD', meaning: 'what the MLP adds to the residual stream: the value of ROME' },
  resid_post: { cross: false, shape: 'BTD', meaning: 'residual stream after the block' },
} as const satisfies Record<string, { cross: boolean; shape: string; meaning: string }>;

export type BlockActivation = keyof typeof BLOCK_ACTIVATIONS;
export type ActivationName = `${Stack}.${number}.${BlockActivation}` | `${Stack}.final_norm`;

/**
 * Called at every observable point while a graph is built; what it returns takes the value's place.
 * The plain graphs return the value itself, the instrumented one reads and replaces it.
 */
export type Tap = (name: ActivationName, value: Value) => Value;

export class UnknownActivationError extends Error {
  override readonly name = 'UnknownActivationError';
  readonly activation: string;
  readonly nearest: readonly string[];
  constructor(activation: string, nearest: readonly string[]) {
    super(`activation "${activation}" does not exist here; did you mean ${nearest.slice(0, 3).join(', ')}?`);
    this.activation = activation;
    this.nearest = nearest;
  }
}

/** All activation names of a model, in order of computation. */
export function activationNames(config: T5Config): ActivationName[] {
  const names: ActivationName[] = [];
  const block = (stack: Stack, layer: number): void => {
    for (const [point, { cross }] of Object.entries(BLOCK_ACTIVATIONS))
      if (stack === 'decoder' || !cross) names.push(`${stack}.${layer}.${point as BlockActivation}`);
  };
  for (let i = 0; i < config.num_layers; i++) block('encoder', i);
  names.push('encoder.final_norm');
  for (let i = 0; i < config.num_decoder_layers; i++) block('decoder', i);
  names.push('decoder.final_norm');
  return names;
}

/**
 * Throws `UnknownActivationError` with the names nearest in spelling.
 *
 * @param stack  the graph has the activations of this stack alone; both where left out
 */
export function checkActivation(config: T5Config, name: string, stack?: Stack): asserts name is ActivationName {
  const known = activationNames(config).filter((one) => !stack || one.startsWith(`${stack}.`));
  if ((known as string[]).includes(name)) return;
  const words = new Set(name.split(/[._]/));
  const likeness = (one: string): number =>
    one.split(/[._]/).filter((word) => words.has(word)).length + letterPairsShared(one, name);
  throw new UnknownActivationError(
    name,
    [...known].sort((a, b) => likeness(b) - likeness(a)),
  );
}

/** Dice's coefficient of the pairs of neighbouring letters in two names, 0 to 1. */
function letterPairsShared(a: string, b: string): number {
  const pairs = (text: string): Set<string> => new Set(Array.from(text.slice(1), (letter, i) => text[i] + letter));
  const [ofA, ofB] = [pairs(a), pairs(b)];
  return (2 * [...ofA].filter((pair) => ofB.has(pair)).length) / (ofA.size + ofB.size || 1);
}

/** The run-time shape of an activation in the letters of `t5.ts`. */
export function activationShape(config: T5Config, name: ActivationName): Shape {
  const [stack, , point] = name.split('.') as [Stack, string, BlockActivation | undefined];
  const positions = stack === 'encoder' ? 'S' : 'T';
  const letters = point ? BLOCK_ACTIVATIONS[point].shape : 'BTD';
  const inner = config.num_heads * config.d_kv;
  const sizes: Record<string, number | string> = {
    B: 'B',
    T: positions,
    S: 'S',
    D: config.d_model,
    F: config.d_ff,
    H: config.num_heads,
    K: config.d_kv,
    I: inner,
  };
  return [...letters].map((letter) => sizes[letter]);
}
