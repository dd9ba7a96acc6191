/**
 * @file Docid rows by cross-entropy over all documents, as training would find them if everything else stood still:
 *
 *   F(X) = Σ_q w_q·−log p(document of q | q) + w Σ_h w_h·−log p(document of h | h) + μ‖X − X0‖²
 *
 * over the queries q of M new documents and old queries h, each with its weight. The rows that stay enter by one number per query, log Σ exp of
 * their scores. F is convex in all new rows at once; its gradient is exact.
 */
import { norm } from '../../../analysis/vectors.ts';
import { tensor, type FloatTensor } from '../../../models/session.ts';
import { takeRows } from '../../../models/tensor-rows.ts';
import { lbfgs, type Objective } from './lbfgs.ts';
import { RowMatrix } from './row-matrix.ts';
import { checkOption, checkProblem, dotAt, type RowProblem } from './problem.ts';

export interface CrossEntropyOptions {
  /** w, what an old query weighs against a new one; at least 0. */
  readonly oldWeight: number;
  /** μ > 0, the pull to the prior. */
  readonly pull: number;
  /** Old queries that give no new row this probability are left out until one does; 0: none. */
  readonly screen: number;
  /** The search ends where the gradient is this share of what it is at the prior. @default 1e-6, as rows are float32 */
  readonly tolerance?: number;
}

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
  const { oldWeight, pull, screen, tolerance = 1e-6 } = options;
  checkOption('oldWeight', oldWeight, 'at least 0', oldWeight >= 0 && oldWeight < Infinity);
  checkOption('pull', pull, 'above 0', pull > 0 && pull < Infinity);
  checkOption('screen', screen, 'from 0 to below 1', screen >= 0 && screen < 1);
  const working = new Set<number>();
  let x: Float64Array = Float64Array.from(start.data);
  for (let grown = true; grown;) {
    const before = working.size;
    if (oldWeight > 0) addTouched(working, problem, x, screen);
    grown = working.size > before;
    if (!grown && before) break;
    const f = crossEntropyObjective(problem, options, Int32Array.from(working));
    const atPrior = new Float64Array(x.length);
    f(Float64Array.from(problem.prior.data), atPrior);
    x = lbfgs(f, x, { tolerance: 0, enough: tolerance * norm(atPrior) });
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
  const bar = Math.log(screen); // −∞: all of them
  for (let p = 0; p < old.own.length; p++) {
    if (working.has(p)) continue;
    for (let m = 0; m < M; m++) {
      if (screen && dotAt(x, m, old.states.data, p, D) - old.logSumExp[p] < bar) continue;
      working.add(p);
      break;
    }
  }
}

/** The rows of the objective that was asked last: memories of WebAssembly are few and slow to go. */
const matrix = new RowMatrix();
let loaded: readonly Float32Array[] | undefined;

function matrixOf(states: readonly Float32Array[], D: number): RowMatrix {
  if (loaded !== states) matrix.load((loaded = states), D);
  return matrix;
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
  // All queries as one list: the new ones, then the working set.
  const Q = fresh.documents.length;
  const count = Q + working.length;
  const isAll = working.length === old.own.length && working.every((p, i) => p === i);
  const states = [fresh.states.data, isAll ? old.states.data : takeRows(old.states, working).data];
  const scores = Array.from({ length: M }, () => new Float64Array(count));
  // What each query counts, and what the rows that stay make of it. The score of an old one's row does not change.
  const weights = new Float64Array(count);
  const rests = new Float64Array(count);
  const owns = new Float64Array(count);
  for (let q = 0; q < Q; q++) {
    weights[q] = fresh.weights?.[q] ?? 1;
    rests[q] = fresh.logSumExp[q];
  }
  working.forEach((p, i) => {
    weights[Q + i] = oldWeight * (old.weights?.[p] ?? 1);
    rests[Q + i] = old.logSumExp[p];
    owns[Q + i] = old.own[p];
  });
  return (x, gradient) => {
    let value = 0;
    for (let i = 0; i < x.length; i++) {
      const away = x[i] - prior.data[i];
      value += pull * away * away;
      gradient[i] = 2 * pull * away;
    }
    const all = matrixOf(states, D);
    scores.forEach((list, m) => all.products(x.subarray(m * D, (m + 1) * D), list));
    for (let q = 0; q < count; q++) {
      const own = q < Q ? fresh.documents[q] : -1;
      let most = rests[q];
      for (let m = 0; m < M; m++) most = Math.max(most, scores[m][q]);
      let total = Math.exp(rests[q] - most);
      for (let m = 0; m < M; m++) total += Math.exp(scores[m][q] - most);
      const sum = most + Math.log(total);
      value += weights[q] * (sum - (own < 0 ? owns[q] : scores[own][q]));
      // From here on the score's place holds the slope of the value by it.
      for (let m = 0; m < M; m++) scores[m][q] = weights[q] * (Math.exp(scores[m][q] - sum) - (m === own ? 1 : 0));
    }
    scores.forEach((slopes, m) => all.addRows(gradient.subarray(m * D, (m + 1) * D), slopes));
    return value;
  };
}
