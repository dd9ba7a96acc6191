import { attributionPatching } from './attribution-patching.ts';
import { componentLogits } from './component-logits.ts';
import { contributions } from './contributions.ts';
import { decoderLens } from './decoder-lens.ts';
import { directAttribution } from './direct-attribution.ts';
import { encoderSwap } from './encoder-swap.ts';
import type { Experiment } from './experiment.ts';
import { headSources } from './head-sources.ts';
import { headWords } from './head-words.ts';
import { layerSweeps } from './layer-sweeps.ts';
import { linearSelfAttention } from './linear-self-attention.ts';
import { minimalCircuit } from './minimal-circuit.ts';
import type { AtomicExperimentName, PathExperimentName } from './names.ts';
import { neuronSources } from './neuron-sources.ts';
import type { PathExperiment } from './path-experiment.ts';
import { rankDevelopment } from './rank-development.ts';
import { selfAttentionPatching } from './self-attention-patching.ts';
import { stagePatching } from './stage-patching.ts';
import { stepComponentLogits } from './step-component-logits.ts';
import { stepContributions } from './step-contributions.ts';
import { stepHeadSources } from './step-head-sources.ts';
import { stepHeadWords } from './step-head-words.ts';
import { stepLinearSelfAttention } from './step-linear-self-attention.ts';
import { stepMinimalCircuits } from './step-minimal-circuits.ts';
import { stepNeuronSources } from './step-neuron-sources.ts';
import { stepLens } from './step-lens.ts';
import { stepSweeps } from './step-sweeps.ts';

/** Every experiment on atomic docids by its name. */
export const EXPERIMENTS = {
  contributions,
  'rank-development': rankDevelopment,
  'layer-sweeps': layerSweeps,
  'stage-patching': stagePatching,
  'minimal-circuit': minimalCircuit,
  'component-logits': componentLogits,
  'direct-attribution': directAttribution,
  'attribution-patching': attributionPatching,
  'neuron-sources': neuronSources,
  'head-sources': headSources,
  'head-words': headWords,
  'linear-self-attention': linearSelfAttention,
  'encoder-swap': encoderSwap,
  'decoder-lens': decoderLens,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
} as const satisfies Record<AtomicExperimentName, Experiment<any>>;

/** Every experiment on docids that are paths. */
export const PATH_EXPERIMENTS = {
  'self-attention-patching': selfAttentionPatching,
  'step-lens': stepLens,
  'step-contributions': stepContributions,
  'step-sweeps': stepSweeps,
  'step-minimal-circuits': stepMinimalCircuits,
  'step-component-logits': stepComponentLogits,
  'step-neuron-sources': stepNeuronSources,
  'step-head-sources': stepHeadSources,
  'step-head-words': stepHeadWords,
  'step-linear-self-attention': stepLinearSelfAttention,
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
} as const satisfies Record<PathExperimentName, PathExperiment<any>>;

/** What each experiment finds. */
export type Results = {
  readonly [N in AtomicExperimentName]: (typeof EXPERIMENTS)[N] extends Experiment<infer R> ? R : never;
} & {
  readonly [N in PathExperimentName]: (typeof PATH_EXPERIMENTS)[N] extends PathExperiment<infer R> ? R : never;
};
