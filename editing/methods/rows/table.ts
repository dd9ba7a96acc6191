/** @file Every way to find the docid rows of new or changed documents, under its name. */
import type { FloatTensor } from '../../../models/session.ts';
import { calibratedMean, type CalibratedMeanOptions } from './calibrated-mean.ts';
import { crossEntropy, type CrossEntropyOptions } from './cross-entropy.ts';
import { incdsi, type IncdsiOptions } from './incdsi.ts';
import type { RowProblem } from './problem.ts';

export interface RowOptions {
  readonly incdsi: IncdsiOptions;
  readonly 'calibrated-mean': CalibratedMeanOptions;
  readonly 'cross-entropy': CrossEntropyOptions;
}

export type RowMethod = keyof RowOptions;

/**
 * @param start  float32 [M, D], where a search may begin: what it finds is the same but for rounding
 * @returns      float32 [M, D], the rows of the M documents
 */
export type RowSolver<R extends RowMethod> = (
  problem: RowProblem,
  options: RowOptions[R],
  start?: FloatTensor,
) => FloatTensor;

export const rowSolvers: { readonly [R in RowMethod]: RowSolver<R> } = {
  incdsi,
  'calibrated-mean': calibratedMean,
  'cross-entropy': crossEntropy,
};
