/** @file Shares by writer at each decoding step, as one figure. */
import type { StackedFigure } from '../report/section.ts';
import { bySourceGroup, percent, sumOf, type Source } from '../source-groups.ts';
import type { OfStep } from './step-position.ts';

export const writerTypes = ['embedding', 'attn', 'cross_attn', 'mlp'] as const;

/** For sentences. */
const names = {
  embedding: 'the token read last',
  attn: 'self-attention',
  cross_attn: 'cross-attention',
  mlp: 'MLPs',
} as const satisfies Record<Source['type'], string>;

/** What the writers of a type contribute together. @param row  by writer */
export const ofType = (sources: readonly Source[], row: readonly number[], type: Source['type']): number =>
  sumOf(sources, row, (source) => source.type === type);

/** Shares by type of writer, for sentences. */
export const sharesTold = (sources: readonly Source[], row: readonly number[]): string =>
  writerTypes.map((type) => `${names[type]} ${percent(ofType(sources, row, type))}`).join(', ');

/** How a writer is called at a step: the embedding there is that of the token read last. */
export const stepWriters =
  'The embedding is that of the token read last: at step 1 the start token, then the token given.';

/**
 * One column for each step and layer, in that order.
 *
 * @param rowsOf  of a step, by layer: shares by writer, [C] for the first C of its sources
 */
export function sharesByStep<R extends { readonly sources: readonly Source[] }>(
  steps: readonly OfStep<R>[],
  rowsOf: (step: OfStep<R>) => readonly (readonly number[])[],
): Pick<StackedFigure, 'kind' | 'xs' | 'series'> {
  const rows = steps.flatMap((one) => rowsOf(one).map((row, layer) => ({ name: `${one.step}: ${layer}`, row })));
  const series = bySourceGroup(
    steps[0]?.sources ?? [],
    rows.map(({ row }) => row),
    undefined,
  );
  return { kind: 'stacked', xs: rows.map(({ name }) => name), series };
}
