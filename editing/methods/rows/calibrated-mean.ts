/**
 * @file The row of a new document from the mean state of its queries, by the map that takes old documents' mean states to
 * the rows that training gave them: M = argmin Σ_d ‖(row_d − r̄) − M(mean_d − m̄)‖² + ρ‖M‖², row = r̄ + g·M(mean − m̄).
 * A mean as it stands is too near to the mean of all and steals from neighbours; M whitens as a linear discriminant does,
 * learnt from rows that are known to work. The gain g gives back the length that the ridge takes.
 */
import { dot } from '../../../analysis/vectors.ts';
import { tensor, type FloatTensor } from '../../../models/session.ts';
import { factorize, solve } from '../../linear-algebra/cholesky.ts';
import { addOuter } from '../../linear-algebra/outer.ts';
import { addRow, checkOption, checkProblem, dotAt, queriesOf, RowProblemError } from './problem.ts';
import type { NewQueries, OldQueries, RowProblem } from './problem.ts';

export interface CalibratedMeanOptions {
  /** ρ > 0 as a share of the mean states' mean variance per dimension, times the number of old documents. */
  readonly ridge: number;
}

/** What old documents teach about means and rows. It changes only with them: worth keeping from edit to edit. */
export interface Calibration {
  /** m̄, float64 [D] */
  readonly inputMean: Float64Array;
  /** r̄, float64 [D] */
  readonly outputMean: Float64Array;
  /** g·M, float64 [D, D] */
  readonly map: Float64Array;
}

/** @returns float32 [M, D] */
export function calibratedMean(problem: RowProblem, { ridge }: CalibratedMeanOptions): FloatTensor {
  checkProblem(problem);
  const { rows, fresh, old, prior } = problem;
  return calibratedRows(calibrate(rows, old, ridge), fresh, prior.shape[0]);
}

/**
 * Fits the map, from documents that have stored queries.
 *
 * @param ridge  ρ, see `CalibratedMeanOptions`
 */
export function calibrate(rows: FloatTensor, old: OldQueries, ridge: number): Calibration {
  checkOption('ridge', ridge, 'above 0', ridge > 0 && ridge < Infinity);
  const [N, D] = rows.shape;
  const lists = queriesOf(old.documents, N);
  const known = lists.flatMap((list, row) => (list.length ? [row] : []));
  if (known.length < 2) throw new RowProblemError('old.documents', 'two documents with queries', `${known.length}`);
  const inputs = known.map((row) => meanOf(old.states, lists[row]));
  const outputs = known.map((row) => Float64Array.from(rows.data.subarray(row * D, (row + 1) * D)));
  const [inputMean, outputMean] = [center(inputs), center(outputs)];
  const map = ridgeMap(inputs, outputs, ridge);
  const gain = Math.sqrt(total(outputs) / total(inputs.map((input) => apply(map, input))));
  return { inputMean, outputMean, map: map.map((v) => gain * v) };
}

/**
 * The rows of new documents by a map that was fitted before.
 *
 * @param count  M
 * @returns      float32 [M, D]
 */
export function calibratedRows(
  { inputMean, outputMean, map }: Calibration,
  { states, documents, weights }: NewQueries,
  count: number,
): FloatTensor {
  const D = inputMean.length;
  const rows = new Float32Array(count * D);
  queriesOf(documents, count).forEach((list, m) => {
    const mapped = apply(
      map,
      meanOf(states, list, weights).map((v, d) => v - inputMean[d]),
    );
    for (let d = 0; d < D; d++) rows[m * D + d] = outputMean[d] + mapped[d];
  });
  return tensor(rows, [count, D]);
}

/** Mean of the rows of a matrix that are listed: float64 [D]. */
function meanOf({ data, shape: [, D] }: FloatTensor, list: readonly number[], weights?: Float64Array): Float64Array {
  const weight = (q: number): number => weights?.[q] ?? 1;
  const all = list.reduce((sum, q) => sum + weight(q), 0);
  const mean = new Float64Array(D);
  for (const q of list) addRow(mean, weight(q) / all, data, q);
  return mean;
}

/** Takes their mean from all vectors, in place, and returns it. */
function center(vectors: readonly Float64Array[]): Float64Array {
  const mean = new Float64Array(vectors[0].length);
  for (const vector of vectors) addRow(mean, 1 / vectors.length, vector, 0);
  for (const vector of vectors) addRow(vector, -1, mean, 0);
  return mean;
}

const total = (vectors: readonly Float64Array[]): number => vectors.reduce((sum, v) => sum + dot(v, v), 0);

/** M = Yᵀ X (XᵀX + ρI)⁻¹ for vectors as rows of X and Y, row by row: float64 [D, D]. */
function ridgeMap(inputs: readonly Float64Array[], outputs: readonly Float64Array[], ridge: number): Float64Array {
  const D = inputs[0].length;
  const gram = new Float64Array(D * D);
  for (const input of inputs) addOuter(gram, D, 1, input);
  const rho = (ridge * total(inputs)) / D;
  for (let d = 0; d < D; d++) gram[d * D + d] += rho;
  const right = new Float64Array(D * D); // XᵀY
  inputs.forEach((input, i) => {
    for (let a = 0; a < D; a++) for (let b = 0; b < D; b++) right[a * D + b] += input[a] * outputs[i][b];
  });
  solve(factorize(gram, D, 'calibrated mean'), right, D);
  const map = new Float64Array(D * D);
  for (let a = 0; a < D; a++) for (let b = 0; b < D; b++) map[b * D + a] = right[a * D + b];
  return map;
}

const apply = (map: Float64Array, x: Float64Array): Float64Array => x.map((_, d) => dotAt(map, d, x, 0, x.length));
