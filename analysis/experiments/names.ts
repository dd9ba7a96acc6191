/**
 * @file Which experiments there are. Apart from `table.ts`, so that whoever only checks names does not load them and
 * onnxruntime.
 */

/** Every experiment with its label, in the order of the report. E11 will stand here with docids of several tokens. */
export const experimentLabels = {
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

export type ExperimentName = keyof typeof experimentLabels;
export const experimentNames = Object.keys(experimentLabels) as ExperimentName[];

/** "E3 by layer" is asked for as "E3". */
const numberOf = (name: ExperimentName): string => experimentLabels[name].split(' ')[0];

/** All that an experiment can be asked for by. */
export const experimentWords = [...experimentNames, ...new Set(experimentNames.map(numberOf))];

/** The names that a word stands for: a name itself, or the paper's number ("E3" is two experiments). */
export function experimentsNamed(word: string): ExperimentName[] {
  const wanted = word.toLowerCase();
  return experimentNames.filter((name) => name === wanted || numberOf(name).toLowerCase() === wanted);
}
