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
import type { ExperimentName } from './names.ts';
import { neuronSources } from './neuron-sources.ts';
import { rankDevelopment } from './rank-development.ts';
import { stagePatching } from './stage-patching.ts';

export { experimentNames, experimentsNamed, type ExperimentName } from './names.ts';

/** Every experiment by its name. */
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
} as const satisfies Record<ExperimentName, Experiment<any>>;

/** What each experiment finds. */
export type Results = {
  readonly [N in ExperimentName]: (typeof EXPERIMENTS)[N] extends Experiment<infer R> ? R : never;
};
