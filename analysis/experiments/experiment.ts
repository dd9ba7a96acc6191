/**
 * @file What an experiment is: from a model and the queries it answers to numbers, and from numbers to a section.
 */
import type { JudgedQuery } from '../../corpus/documents.ts';
import type { ModelFolder } from '../../models/folder.ts';
import type { Encoded, Lab } from '../lab.ts';
import type { Population } from '../population.ts';
import type { Section } from '../report/section.ts';
import type { Stages } from '../stages.ts';

/** What every experiment is given. */
export interface Subject {
  readonly lab: Lab;
  /** The correct queries. */
  readonly population: Population;
  /** Their texts through the encoder, once for all experiments: query q of it is question q of the population. */
  readonly encoded: Encoded;
  /** The judged queries among which the correct ones were sought, in any number. */
  readonly dev: readonly JudgedQuery[];
  /** Judged queries of the test split (E4), in any number. */
  readonly test: readonly JudgedQuery[];
  /** Models whose encoders or components take the place of this one's (E1, E3). */
  readonly donors: readonly ModelFolder[];
  /** Found before by the localization; absent before it ran. */
  readonly stages?: Stages;
  readonly seed: number;
  /** Ends the experiment early by its reason. */
  readonly signal?: AbortSignal;
  /** Called after each step of the experiment's own work. */
  onProgress(done: number, total: number): void;
}

/**
 * An experiment on one model. `R` is plain JSON: it is stored, cached and printed.
 */
export interface Experiment<R> {
  /** The paper's number where there is one, for people: "E2". */
  readonly label: string;
  /** Raised when the meaning of the numbers changes: results cached under an older one are computed anew. */
  readonly version: number;
  /** Whether it looks at stages, and so runs after the localization. */
  readonly needsStages: boolean;
  run(subject: Subject): Promise<R>;
  /** @param stages  to mark in figures */
  section(result: R, stages: Stages | undefined): Section;
}
