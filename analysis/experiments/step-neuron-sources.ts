/**
 * @file E7 by decoding step (arXiv 2503.19715 §5.3): which writers activate the MLP neurons at the position of each step.
 */
import type { Section } from '../report/section.ts';
import { neuronSourcesAt, type NeuronSources } from './neuron-sources.ts';
import type { PathExperiment, PathSubject } from './path-experiment.ts';
import { atEachStep, type OfStep } from './step-position.ts';
import { ofType, sharesByStep, sharesTold, stepWriters, writerTypes } from './step-shares.ts';

export interface StepNeuronSources {
  readonly steps: readonly OfStep<NeuronSources>[];
}

const run = async (subject: PathSubject): Promise<StepNeuronSources> => ({
  steps: await atEachStep(subject, neuronSourcesAt),
});

function section({ steps }: StepNeuronSources): Section {
  return {
    id: 'step-neuron-sources',
    title: 'What activates MLP neurons, step by step',
    about:
      'At the position of each decoding step, the right tokens before it given: which earlier parts of the decoder switch on the neurons of each MLP. A neuron is active where its input is above 0; ' +
      `that input is a sum over all that was written to the residual stream of this position before. ${stepWriters} ` +
      'What earlier steps left comes in through self-attention alone.\n\n' +
      'As with atomic docids there are two ways to measure: as published, by plain products of weights and outputs, and exactly, with the norm before the MLP. Negative contributions are left out, and each neuron’s are scaled to sum to 1.',
    findings: steps.map(finding),
    figures: [
      {
        ...sharesByStep(steps, ({ mlps }) => mlps.map(({ exact }) => exact)),
        title: 'Positive input by step and layer, exact',
        caption: 'With the weights of the norm.',
        xLabel: 'step: layer of the MLP',
        yLabel: 'share of the input',
        format: 'percent',
      },
    ],
    tables: [
      {
        title: 'Positive input by step and layer',
        columns: [
          { name: 'step', format: 'integer' },
          { name: 'layer', format: 'integer' },
          { name: 'active neurons', format: 'number' },
          ...writerTypes.map((type) => ({ name: `${type}, exact`, format: 'percent' as const })),
          ...writerTypes.map((type) => ({ name: `${type}, published`, format: 'percent' as const })),
        ],
        rows: steps.flatMap(({ step, mlps, sources }) =>
          mlps.map(({ layer, active, exact, published }) => [
            ...[step, layer, active],
            ...writerTypes.map((type) => ofType(sources, exact, type)),
            ...writerTypes.map((type) => ofType(sources, published, type)),
          ]),
        ),
      },
    ],
  };
}

function finding({ step, mlps, sources }: OfStep<NeuronSources>): string {
  const last = mlps.findLast(({ active }) => active > 0);
  if (!last) return `Step ${step}: no neuron is ever active.`;
  return `Step ${step}: the positive input of ${last.layer === mlps.length - 1 ? 'the last MLP' : `the last MLP with active neurons`} (layer ${last.layer}) comes from ${sharesTold(sources, last.exact)}; as published from ${sharesTold(sources, last.published)}.`;
}

/** Which writers activate MLP neurons at each decoding step. */
export const stepNeuronSources: PathExperiment<StepNeuronSources> = { label: 'E7 by step', version: 1, run, section };
