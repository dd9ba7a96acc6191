/** @file E8 by decoding step (arXiv 2503.19715 §5.3): which writers drive the heads of cross-attention at the position of each step. */
import type { Section } from '../report/section.ts';
import { headSourcesAt, isIdle, meanOfHeads, type HeadSources } from './head-sources.ts';
import type { PathExperiment, PathSubject } from './path-experiment.ts';
import { atEachStep, type OfStep } from './step-position.ts';
import { ofType, sharesByStep, sharesTold, stepWriters, writerTypes } from './step-shares.ts';

export interface StepHeadSources {
  readonly steps: readonly OfStep<HeadSources>[];
}

const run = async (subject: PathSubject): Promise<StepHeadSources> => ({
  steps: await atEachStep(subject, headSourcesAt),
});

function section({ steps }: StepHeadSources): Section {
  return {
    id: 'step-head-sources',
    title: 'What drives cross-attention, step by step',
    about:
      'At the position of each decoding step, the right tokens before it given: which earlier parts of the decoder decide what cross-attention looks at. Each head looks most at the token of the question with the greatest score; ' +
      `that score is a sum over all that was written to the residual stream of this position before. ${stepWriters} ` +
      'What earlier steps left comes in through self-attention alone.\n\n' +
      'As with atomic docids there are two ways to measure: as published, by plain products, and exactly, with the norm before cross-attention. Negative contributions are left out, and the rest is scaled to sum to 1 for each query and head.',
    findings: steps.map(finding),
    figures: [
      {
        ...sharesByStep(steps, ({ layers }) => layers.map((heads) => meanOfHeads(heads, 'exact'))),
        title: 'Positive score by step and layer, exact',
        caption: 'With the weights of the norm; mean over heads.',
        xLabel: 'step: layer of the cross-attention',
        yLabel: 'share of the score',
        format: 'percent',
      },
    ],
    tables: [
      {
        title: 'Positive score by step and layer',
        columns: [
          { name: 'step', format: 'integer' },
          { name: 'layer', format: 'integer' },
          { name: 'heads with scores', format: 'integer' },
          { name: 'mean score', format: 'number' },
          ...writerTypes.map((type) => ({ name: `${type}, exact`, format: 'percent' as const })),
          ...writerTypes.map((type) => ({ name: `${type}, published`, format: 'percent' as const })),
        ],
        rows: steps.flatMap(({ step, layers, sources }) =>
          layers.map((heads, layer) => {
            const [exact, published] = [meanOfHeads(heads, 'exact'), meanOfHeads(heads, 'published')];
            return [
              ...[step, layer, heads.filter((head) => !isIdle(head)).length],
              heads.reduce((sum, { score }) => sum + score, 0) / heads.length,
              ...writerTypes.map((type) => ofType(sources, exact, type)),
              ...writerTypes.map((type) => ofType(sources, published, type)),
            ];
          }),
        ),
      },
    ],
  };
}

function finding({ step, layers, sources }: OfStep<HeadSources>): string {
  const used = layers.map((heads) => heads.filter((head) => !isIdle(head))).filter((heads) => heads.length > 0);
  if (!used.length) return `Step ${step}: all heads have scores of zero.`;
  const mean = (mode: 'exact' | 'published'): number[] => {
    const rows = used.map((heads) => meanOfHeads(heads, mode));
    return sources.map((_, c) => rows.reduce((sum, row) => sum + (row[c] ?? 0), 0) / rows.length);
  };
  return `Step ${step}: the positive score of cross-attention, mean over layers, comes from ${sharesTold(sources, mean('exact'))}; as published from ${sharesTold(sources, mean('published'))}.`;
}

/** Which writers drive the heads of cross-attention at each decoding step. */
export const stepHeadSources: PathExperiment<StepHeadSources> = { label: 'E8 by step', version: 1, run, section };
