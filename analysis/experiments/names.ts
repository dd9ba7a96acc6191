/**
 * @file Which experiments there are. Apart from `table.ts`, so that whoever only checks names does not load them and
 * onnxruntime.
 */
import type { DocidScheme } from '../../corpus/docids/scheme.ts';

/** Those of models with atomic docids, with their labels, in the order of the report. */
const atomicLabels = {
  contributions: 'E2',
  'rank-development': 'E5',
  'layer-sweeps': 'E3 by layer',
  'stage-patching': 'E3',
  'minimal-circuit': 'E4',
  'component-logits': 'E6',
  'direct-attribution': 'DLA',
  'attribution-patching': 'AtP',
  'neuron-sources': 'E7',
  'head-sources': 'E8',
  'head-words': 'E9',
  'linear-self-attention': 'E10',
  'encoder-swap': 'E1',
  'decoder-lens': 'DecoderLens',
} as const;

/** Those of models whose docids are paths of several tokens. */
const pathLabels = {
  'self-attention-patching': 'E11',
  'step-lens': 'E11 lens',
  'step-contributions': 'E2 by step',
  'step-sweeps': 'E3 by step',
  'step-minimal-circuits': 'E4 by step',
  'step-component-logits': 'E6 by step',
  'step-neuron-sources': 'E7 by step',
  'step-head-sources': 'E8 by step',
  'step-head-words': 'E9 by step',
  'step-linear-self-attention': 'E10 by step',
} as const;

/** Every experiment with its label. */
export const experimentLabels = { ...atomicLabels, ...pathLabels };

export type AtomicExperimentName = keyof typeof atomicLabels;
export type PathExperimentName = keyof typeof pathLabels;
export type ExperimentName = AtomicExperimentName | PathExperimentName;
export const atomicExperimentNames = Object.keys(atomicLabels) as AtomicExperimentName[];
export const pathExperimentNames = Object.keys(pathLabels) as PathExperimentName[];
export const experimentNames: ExperimentName[] = [...atomicExperimentNames, ...pathExperimentNames];

/** The experiments that can be made on a model. */
export const experimentsFor = (scheme: DocidScheme): readonly ExperimentName[] =>
  scheme === 'atomic' ? atomicExperimentNames : pathExperimentNames;

/** "E3 by layer" is asked for as "E3". */
const numberOf = (name: ExperimentName): string => experimentLabels[name].split(' ')[0];

/** All that an experiment can be asked for by. */
export const experimentWords = [...experimentNames, ...new Set(experimentNames.map(numberOf))];

/** The names that a word stands for: a name itself, or the paper's number ("E3" is several experiments). */
export function experimentsNamed(word: string): ExperimentName[] {
  const wanted = word.toLowerCase();
  return experimentNames.filter((name) => name === wanted || numberOf(name).toLowerCase() === wanted);
}

/** None of the experiments asked for can be made on a model of this kind of docids. */
export class NoExperimentError extends Error {
  override readonly name = 'NoExperimentError';
  readonly scheme: DocidScheme;
  readonly asked: readonly ExperimentName[];
  constructor(dir: string, scheme: DocidScheme, asked: readonly ExperimentName[]) {
    const known = experimentsFor(scheme).map((name) => `${name} (${experimentLabels[name]})`);
    super(
      `${dir}: expected experiments for ${scheme} docids, got ${asked.join(', ') || 'none'}; there are ${known.join(', ')}`,
    );
    this.scheme = scheme;
    this.asked = asked;
  }
}

/** Those of the experiments asked for that need docids of the other kind. @throws NoExperimentError if all do */
export function notMade(dir: string, scheme: DocidScheme, asked: readonly ExperimentName[]): ExperimentName[] {
  const possible = experimentsFor(scheme);
  const left = asked.filter((name) => !possible.includes(name));
  if (left.length === asked.length) throw new NoExperimentError(dir, scheme, asked);
  return left;
}
