/**
 * @file What edited MLPs should give: the question that a way to find targets answers. An MLP edit knows pairs of a key k
 * (`mlp_post`) and a value v*, here as the residual r = v* − k W₀ against the base weights W₀.
 *
 * Every query has a residual of its own, and nothing but the base model, the row and the query decides about it: not the
 * other edits in force, so that an entry can come and go without touching the others.
 */
import type { FloatTensor } from '../../models/session.ts';
import type { EditModel, Observed } from '../edit-model.ts';

/** Q queries and the rows they should lead to. */
export interface TargetProblem {
  readonly observed: Observed;
  /** float32 [Q, D] the row that should win each query over the base rows. */
  readonly own: FloatTensor;
  /** For each query the base rows that are no rivals; none where left out. */
  readonly aside?: readonly (readonly number[])[];
}

/** Edited layer → float32 [Q, D], the wanted change of its MLP's output. */
export type Residuals = ReadonlyMap<number, FloatTensor>;

export interface TargetMethod<Options> {
  readonly meaning: string;
  /** Where the formula comes from. */
  readonly source: string;
  readonly defaults: Options;
  /**
   * Residuals for the layers that the model is opened with.
   *
   * @throws InvalidEditError  for options out of range
   */
  find(model: EditModel, problem: TargetProblem, options: Options): Promise<Residuals>;
}
