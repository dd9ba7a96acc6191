/**
 * @file Docid rows by cross-entropy over all documents, as training would find them if everything else stood still:
 *
 *   F(X) = Σ_q w_q·−log p(document of q | q) + w Σ_h w_h·−log p(document of h | h) + μ‖X − X0‖²
 *
 * over the queries q of M new documents and old queries h, each with its weight. The rows that stay enter by one number per query, log Σ exp of
 * their scores. F is convex in all new rows at once; its gradient is exact.
 */
import { tensor, type FloatTensor } from '../../../models/session.ts';
import { lbfgs, type Objective } from './lbfgs.ts';
import { checkOption, checkProblem, dotAt, logSumExpOf, type RowProblem } from './problem.ts';

export interface CrossEntropyOptions {
  /** w, what an old query weighs against a new one; at least 0. */
  readonly oldWeight: number;
  /** μ > 0, the pull to the prior. */
  readonly pull: number;
  /** Old queries that give no new row this probability are left out until one does; 0: none. */
  readonly screen: number;
}

/** Of the gradient's length at the start: rows are float32 in the end. */
const TOLERANCE = 1e-6;

/**
 * @param start  float32 [M, D], where the search begins; the prior where left out
 * @returns      float32 [M, D]
 */
export function crossEntropy(
  problem: RowProblem,
  options: CrossEntropyOptions,
  start: FloatTensor = problem.prior,
): FloatTensor {
  checkProblem(problem);
  const { oldWeight, pull, screen } = options;
  checkOption('oldWeight', oldWeight, 'at least 0', oldWeight >= 0 && oldWeight < Infinity);
  checkOption('pull', pull, 'above 0', pull > 0 && pull < Infinity);
  checkOption('screen', screen, 'from 0 to below 1', screen >= 0 && screen < 1);
  const working = new Set<number>();
  let x: Float64Array = Float64Array.from(start.data);
  for (let grown = true; grown;) {
    const before = working.size;
    if (oldWeight > 0) addTouched(working, problem, x, screen);
    grown = working.size > before;
    if (grown || before === 0)
      x = lbfgs(crossEntropyObjective(problem, options, Int32Array.from(working)), x, { tolerance: TOLERANCE });
  }
  return tensor(Float32Array.from(x), problem.prior.shape);
}

/** Adds the old queries that give one of the new rows x at least the probability `screen`. */
function addTouched(
  working: Set<number>,
  { old, prior: { shape } }: RowProblem,
  x: Float64Array,
  screen: number,
): void {
  const [M, D] = shape;
  const bar = Math.log(screen);
  for (let p = 0; p < old.own.length; p++) {
    if (working.has(p)) continue;
    for (let m = 0; m < M; m++) {
      if (dotAt(x, m, old.states.data, p, D) - old.logSumExp[p] < bar) continue;
      working.add(p);
      break;
    }
  }
}

/**
 * F and its gradient as a function of the new rows, float64 [M·D].
 *
 * @param working  the old queries that count
 */
export function crossEntropyObjective(
  { fresh, old, prior }: RowProblem,
  { oldWeight, pull }: Pick<CrossEntropyOptions, 'oldWeight' | 'pull'>,
  working: Int32Array,
): Objective {
  const [M, D] = prior.shape;
  const scores = new Float64Array(M + 1);
  return (x, gradient) => {
    let value = 0;
    for (let i = 0; i < x.length; i++) {
      const away = x[i] - prior.data[i];
      value += pull * away * away;
      gradient[i] = 2 * pull * away;
    }
    /** −log p of new row `own`, or of the old row with the score `ownScore`, and its gradient. */
    const add = (
      states: Float32Array,
      q: number,
      others: number,
      own: number,
      ownScore: number,
      weight: number,
    ): void => {
      for (let m = 0; m < M; m++) scores[m] = dotAt(x, m, states, q, D);
      scores[M] = others;
      const all = logSumExpOf(scores);
      value += weight * (all - (own < 0 ? ownScore : scores[own]));
      for (let m = 0; m < M; m++) {
        const slope = weight * (Math.exp(scores[m] - all) - (m === own ? 1 : 0));
        if (slope === 0) continue;
        for (let d = 0; d < D; d++) gradient[m * D + d] += slope * states[q * D + d];
      }
    };
    fresh.documents.forEach((m, q) => add(fresh.states.data, q, fresh.logSumExp[q], m, 0, fresh.weights?.[q] ?? 1));
    for (const p of working)
      add(old.states.data, p, old.logSumExp[p], -1, old.own[p], oldWeight * (old.weights?.[p] ?? 1));
    return value;
  };
}
