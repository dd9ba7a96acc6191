/**
 * @file Contributions to a component, gathered from many queries and grouped by what made them: type of writer and,
 * where stages are known, the stage of its layer.
 */
import { componentTypes, type Writer } from './components.ts';
import type { FloatTensor } from '../models/session.ts';
import { formatValue } from './report/format.ts';
import type { StackedFigure } from './report/section.ts';
import { stageNames, stageOf, type Stages } from './stages.ts';

/** A writer as results name it: −1 is the layer of the embedding. */
export type Source = Pick<Writer, 'type' | 'layer'>;

/** Sums over queries of shares by writer, [C] of each query. */
export class ShareSum {
  private readonly sums: number[] = [];

  /** @param shares  float32 [B, C, …]: each query's shares sum to 1, or are 0 where it has none */
  add({ data, shape: [, C, H = 1] }: FloatTensor, head = 0): void {
    for (let i = head; i < data.length; i += H) {
      const c = Math.floor(i / H) % C;
      this.sums[c] = (this.sums[c] ?? 0) + data[i];
    }
  }

  /** [C] mean over the queries that have shares; zeros where none has. */
  mean(): number[] {
    const total = this.sums.reduce((a, b) => a + b, 0);
    return this.sums.map((sum) => (total > 0 ? sum / total : 0));
  }
}

const groupOf = ({ type, layer }: Source, stages: Stages | undefined): string =>
  type === 'embedding' || !stages ? type : `${type}, ${stageOf(stages, layer) ?? 'other layers'}`;

/**
 * Rows of numbers by writer as series by group, the groups in the order embedding, self-attention, cross-attention, MLP.
 *
 * @param rows  each [C] for the first C of `sources`
 */
export function bySourceGroup(
  sources: readonly Source[],
  rows: readonly (readonly number[])[],
  stages: Stages | undefined,
): StackedFigure['series'] {
  const places = stages ? [...stageNames.map((name) => `, ${name}`), ', other layers'] : [''];
  const names = ['embedding', ...componentTypes.flatMap((type) => places.map((place) => type + place))];
  const present = new Set(sources.map((source) => groupOf(source, stages)));
  return names
    .filter((name) => present.has(name))
    .map((name) => ({ name, values: rows.map((row) => sumOf(sources, row, (s) => groupOf(s, stages) === name)) }));
}

/** What the writers that are wanted contribute together. */
export const sumOf = (
  sources: readonly Source[],
  row: readonly number[],
  wanted: (source: Source) => boolean,
): number => row.reduce((sum, value, i) => sum + (wanted(sources[i]) ? value : 0), 0);

/** For sentences. */
export const percent = (share: number): string => formatValue(share, 'percent');
