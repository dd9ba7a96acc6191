/** @file What an experiment on a model is whose docids are paths. */
import type { JudgedQuery } from '../../corpus/documents.ts';
import type { PathEncoded, PathLab } from '../path-lab.ts';
import type { Population } from '../population.ts';
import type { Section } from '../report/section.ts';
import type { StepStages } from '../stages.ts';

/** What every one of them is given. */
export interface PathSubject {
  readonly lab: PathLab;
  /** The queries whose document greedy decoding finds. */
  readonly population: Population;
  /** Their texts: query q of it is question q of the population. */
  readonly encoded: PathEncoded;
  /** Judged queries of the test split (E4), in any number. */
  readonly test: readonly JudgedQuery[];
  /** Of each step, where they were sought. */
  readonly stages?: readonly StepStages[];
  readonly seed: number;
  /** Ends the experiment early by its reason. */
  readonly signal?: AbortSignal;
  /** Called after each step of the experiment's own work. */
  onProgress(done: number, total: number): void;
}

/** `R` is plain JSON: it is stored, cached and printed. */
export interface PathExperiment<R> {
  readonly label: string;
  /** Raised when the meaning of the numbers changes: results cached under an older one are computed anew. */
  readonly version: number;
  /** Whether it looks at the stages of each step, and so runs after what finds them. */
  readonly needsStages?: true;
  run(subject: PathSubject): Promise<R>;
  section(result: R): Section;
}

/** Decoding steps that are looked at, at most: paths of naive docids can be long. */
export const MAX_STEPS = 6;

/** Queries that have a step, by step from 1 on: [step − 1] lists positions in the population. */
export function queriesByStep({ lab, population }: Pick<PathSubject, 'lab' | 'population'>): number[][] {
  const lengths = population.questions.map(({ document }) => lab.pathOf(document).length);
  return Array.from({ length: Math.min(MAX_STEPS, Math.max(...lengths)) }, (_, p) =>
    lengths.flatMap((length, q) => (length > p ? [q] : [])),
  );
}

/** At most `count` of a list, from its beginning to its end: neighbours are often about one document. */
export const spread = <T>(all: readonly T[], count: number): T[] =>
  Array.from(
    { length: Math.min(count, all.length) },
    (_, i) => all[Math.floor((i * all.length) / Math.min(count, all.length))],
  );
