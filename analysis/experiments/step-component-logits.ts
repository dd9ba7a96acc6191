/** @file E6 by decoding step (arXiv 2503.19715 §5.2): what one type of component says by itself of the token of a step. */
import { componentTypes } from '../components.ts';
import type { Section } from '../report/section.ts';
import { percent } from '../source-groups.ts';
import { componentLogitsAt, DEPTHS, nameOf, type ComponentLogits } from './component-logits.ts';
import type { PathExperiment, PathSubject } from './path-experiment.ts';
import { atEachStep, type OfStep } from './step-position.ts';
import { stepWriters } from './step-shares.ts';

export interface StepComponentLogits {
  readonly steps: readonly OfStep<ComponentLogits>[];
}

const run = async (subject: PathSubject): Promise<StepComponentLogits> => ({
  steps: await atEachStep(subject, componentLogitsAt),
});

function section({ steps }: StepComponentLogits): Section {
  const parts = steps.flatMap(({ step, parts: all }) => all.map((one) => ({ step, ...one })));
  return {
    id: 'step-component-logits',
    title: 'Logits of one component type, step by step',
    about:
      'The model runs as it is, the right tokens before each step given; then the final residual stream at the position of the step is replaced by the sum of the outputs of one type of component over all layers, and read like the true one. ' +
      'Where the right token stays in front, that type alone holds it in a form that the last step can read; it may still have needed the others to get there. ' +
      `${stepWriters} ` +
      'Where paths allow one token only, it is first among those allowed whatever is summed.',
    findings: steps.map(finding),
    figures: [
      {
        kind: 'bars',
        title: 'Right tokens that leave rank 1 among those allowed',
        caption: 'Share of queries; `all` is the model itself.',
        xLabel: 'share of queries',
        yLabel: 'step, outputs summed',
        bars: parts.map((one) => ({
          name: `${one.step}, ${nameOf(one)}`,
          value: one.ranks.docids.beyond[0],
          group: one.part,
        })),
        format: 'percent',
      },
    ],
    tables: [
      {
        title: 'The right token by the sum of some outputs',
        columns: [
          { name: 'step', format: 'integer' },
          { name: 'outputs' },
          { name: 'median rank', format: 'number' },
          ...DEPTHS.map((depth) => ({ name: `> ${depth}`, format: 'percent' as const })),
          { name: 'among those allowed: median', format: 'number' },
          { name: '> 1', format: 'percent' },
          { name: 'logit, rms of the final state', format: 'number' },
          { name: 'queries with a sum of zero', format: 'integer' },
        ],
        rows: parts.map((one) => [
          ...[one.step, nameOf(one), one.ranks.vocabulary.median, ...one.ranks.vocabulary.beyond],
          ...[one.ranks.docids.median, one.ranks.docids.beyond[0], one.logit.trueRms, one.silent],
        ]),
      },
    ],
  };
}

function finding({ step, parts, queries }: OfStep<ComponentLogits>): string {
  const told = componentTypes.map((type) => {
    const { ranks, silent } = parts.find(({ part, withEmbedding }) => part === type && !withEmbedding)!;
    if (silent === queries) return `\`${type}\` writes nothing`;
    return `by \`${type}\` ${percent(ranks.vocabulary.beyond[0])} leave rank 1, ${percent(ranks.docids.beyond[0])} among the tokens that paths allow`;
  });
  return `Step ${step}, right tokens by the outputs of one type alone: ${told.join('; ')}.`;
}

/** What one type of component says by itself at each decoding step. */
export const stepComponentLogits: PathExperiment<StepComponentLogits> = {
  label: 'E6 by step',
  version: 1,
  run,
  section,
};
