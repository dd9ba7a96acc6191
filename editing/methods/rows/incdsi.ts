/**
 * @file IncDSI's docid row (Kishore et al., ICML 2023, arXiv 2307.10323): the new document wins its queries by a margin and
 * stays below the owners of the old ones by another, both as squared hinges,
 *
 *   L(x) = λ Σ_i w_i [best_i + m1 − q_i·x]₊² + (1−λ) Σ_j w_j [h_j·x − own_j + m2]₊² + μ‖x − x0‖²,  ‖x‖ ≤ cap.
 *
 * The paper uses L-BFGS. L is piecewise quadratic, so Newton's method with the active hinges is exact after a few steps
 * (Qi and Sun 1993), and its system has as many unknowns as hinges are active (Woodbury).
 */
import { dot, norm } from '../../../analysis/vectors.ts';
import { tensor, type FloatTensor } from '../../../models/session.ts';
import { takeRows } from '../../../models/tensor-rows.ts';
import { factorize, solve } from '../../linear-algebra/cholesky.ts';
import { addOuter } from '../../linear-algebra/outer.ts';
import { addRow, checkOption, checkProblem, dotAt, queriesOf, type RowProblem } from './problem.ts';

export interface IncdsiOptions {
  /** λ, what the new document's queries weigh against old ones; between 0 and 1. */
  readonly newWeight: number;
  /** m1, by which the new row wins. */
  readonly newMargin: number;
  /** m2, by which it stays below an old query's own row. */
  readonly oldMargin: number;
  /** μ > 0, the pull to the prior. */
  readonly pull: number;
  /** The longest a row may be; Infinity: any length. */
  readonly cap: number;
  /** Old queries that start this far below their hinge are left out until one is found to touch it; Infinity: none. */
  readonly screen: number;
}

/** One row and what held it. */
export interface IncdsiRow {
  /** float64 [D] */
  readonly row: Float64Array;
  readonly loss: number;
  /** Old queries whose hinge is active at the optimum, ascending. */
  readonly active: readonly number[];
  /** ν ≥ 0 of ν‖x‖², 0 where the cap does not hold the row. */
  readonly multiplier: number;
}

/** A hinge [side · (bound − a·x)]₊² · weight, where side is 1 for a·x ≥ bound and −1 for a·x ≤ bound. */
interface Hinge {
  readonly data: Float32Array;
  readonly at: number;
  readonly bound: number;
  readonly side: 1 | -1;
  readonly weight: number;
}

/** The rest of the function: μ‖x − x0‖² + ν‖x‖². */
interface Pull {
  readonly prior: Float64Array;
  readonly mu: number;
  readonly nu: number;
}

/**
 * Rows of M documents, one after the other: each solved row is a rival of the later ones, and its queries are old ones
 * to them, as in the paper.
 *
 * @returns float32 [M, D]
 */
export function incdsi(problem: RowProblem, options: IncdsiOptions): FloatTensor {
  checkProblem(problem);
  const { fresh, prior } = problem;
  const [M, D] = prior.shape;
  const solved = new Float32Array(M * D);
  const lists = queriesOf(fresh.documents, M);
  const best = Float64Array.from(fresh.best);
  const settled: Hinge[] = [];
  for (let m = 0; m < M; m++) {
    const { row } = solveIncdsi(problem, m, options, { best, settled });
    solved.set(row, m * D);
    const result = solved.subarray(m * D, (m + 1) * D);
    for (let q = 0; q < best.length; q++) best[q] = Math.max(best[q], dotAt(fresh.states.data, q, result, 0, D));
    for (const q of lists[m]) {
      const own = dotAt(fresh.states.data, q, result, 0, D);
      settled.push(oldHinge(fresh.states.data, q, own, options, fresh.weights?.[q]));
    }
  }
  return tensor(solved, [M, D]);
}

const oldHinge = (
  data: Float32Array,
  at: number,
  own: number,
  { newWeight, oldMargin }: IncdsiOptions,
  weight = 1,
): Hinge => ({ data, at, bound: own - oldMargin, side: -1, weight: weight * (1 - newWeight) });

/**
 * The row of document m alone.
 *
 * @param among  what earlier rows of the same edit changed: the best scores of all new queries, and hinges of theirs
 */
export function solveIncdsi(
  { fresh, old, prior }: RowProblem,
  m: number,
  options: IncdsiOptions,
  among: { readonly best: Float64Array; readonly settled: readonly Hinge[] } = { best: fresh.best, settled: [] },
): IncdsiRow {
  checkOptions(options);
  const { newWeight, newMargin, pull, cap, screen } = options;
  const D = prior.shape[1];
  const own: Hinge[] = [];
  fresh.documents.forEach((document, q) => {
    if (document !== m) return;
    const bound = among.best[q] + newMargin;
    own.push({ data: fresh.states.data, at: q, bound, side: 1, weight: newWeight * (fresh.weights?.[q] ?? 1) });
  });
  const x0: Float64Array = Float64Array.from(takeRows(prior, [m]).data);
  const working = new Set<number>();
  const touch = (x: Float64Array, slack: number): number => {
    const before = working.size;
    for (let p = 0; p < old.own.length; p++)
      if (dotAt(old.states.data, p, x, 0, D) > old.own[p] - options.oldMargin - slack) working.add(p);
    return working.size - before;
  };
  touch(x0, screen);
  for (let x = x0; ;) {
    const kept = [...working];
    const hingeOf = (p: number): Hinge => oldHinge(old.states.data, p, old.own[p], options, old.weights?.[p]);
    const hinges = [...own, ...among.settled, ...kept.map(hingeOf)];
    const { row, multiplier } = capped(hinges, { prior: x0, mu: pull, nu: 0 }, x, cap);
    if (touch(row, 0) > 0) {
      x = row; // hinges that nobody looked at hold here: once more with them
      continue;
    }
    const active = kept.filter((p) => violation(hingeOf(p), row) > 0);
    const loss = lossOf(hinges, { prior: x0, mu: pull, nu: 0 }, row);
    return { row, loss, active: active.sort((a, b) => a - b), multiplier };
  }
}

function checkOptions({ newWeight, newMargin, oldMargin, pull, cap, screen }: IncdsiOptions): void {
  checkOption('newWeight', newWeight, 'between 0 and 1', newWeight > 0 && newWeight < 1);
  checkOption('newMargin', newMargin, 'at least 0', newMargin >= 0 && newMargin < Infinity);
  checkOption('oldMargin', oldMargin, 'at least 0', oldMargin >= 0 && oldMargin < Infinity);
  checkOption('pull', pull, 'above 0', pull > 0 && pull < Infinity);
  checkOption('cap', cap, 'above 0', cap > 0);
  checkOption('screen', screen, 'at least 0', screen >= 0);
}

/**
 * The minimum inside the ball ‖x‖ ≤ cap. On its surface ν‖x‖² with the right ν > 0 has the same minimum (KKT); 1/‖x(ν)‖
 * grows almost linearly with ν, as in trust region methods, so that secants with a bracket find it.
 */
function capped(
  hinges: readonly Hinge[],
  pull: Pull,
  start: Float64Array,
  cap: number,
): { row: Float64Array; multiplier: number } {
  let row = newton(hinges, pull, start);
  if (norm(row) <= cap) return { row, multiplier: 0 };
  const excess = (): number => 1 / cap - 1 / norm(row);
  let [low, high] = [0, Infinity];
  let [lowExcess, highExcess] = [excess(), 0];
  let nu = pull.mu;
  for (let i = 0; i < 200; i++) {
    row = newton(hinges, { ...pull, nu }, row);
    const over = excess();
    if (Math.abs(over) * cap < 1e-10) break;
    if (over > 0) [low, lowExcess] = [nu, over];
    else [high, highExcess] = [nu, over];
    if (high === Infinity) nu *= 4;
    else {
      const secant = low + ((high - low) * lowExcess) / (lowExcess - highExcess);
      nu = i % 3 === 2 ? (low + high) / 2 : secant;
    }
  }
  return { row, multiplier: nu };
}

const violation = ({ data, at, bound, side }: Hinge, x: Float64Array): number =>
  side * (bound - dotAt(data, at, x, 0, x.length));

function lossOf(hinges: readonly Hinge[], { prior, mu, nu }: Pull, x: Float64Array): number {
  let loss = nu * dot(x, x);
  for (let d = 0; d < x.length; d++) loss += mu * (x[d] - prior[d]) ** 2;
  for (const hinge of hinges) loss += hinge.weight * Math.max(0, violation(hinge, x)) ** 2;
  return loss;
}

/** Semismooth Newton from `start`: exact where a full step leaves the active hinges as they were. */
function newton(hinges: readonly Hinge[], pull: Pull, start: Float64Array): Float64Array {
  const { prior, mu, nu } = pull;
  const x = Float64Array.from(start);
  const D = x.length;
  for (let i = 0; i < 200; i++) {
    const violations = hinges.map((hinge) => violation(hinge, x));
    const active = hinges.filter((_, k) => violations[k] > 0);
    const gradient = x.map((v, d) => 2 * mu * (v - prior[d]) + 2 * nu * v);
    hinges.forEach(({ data, at, side, weight }, k) => {
      if (violations[k] > 0) addRow(gradient, -2 * weight * side * violations[k], data, at);
    });
    const step = solveActive(
      active,
      2 * (mu + nu),
      gradient.map((v) => -v),
    );
    const slopes = hinges.map(({ data, at, side }) => -side * dotAt(data, at, step, 0, D));
    const t = alongLine(hinges, violations, slopes, quadratic(pull, x, step));
    for (let d = 0; d < D; d++) x[d] += t * step[d];
    const same = hinges.every((_, k) => violations[k] > 0 === violations[k] + t * slopes[k] > 0);
    if ((t === 1 && same) || t * norm(step) <= 1e-12 * (1 + norm(x))) break;
  }
  return x;
}

const WHAT = 'IncDSI, Newton system';
const ADVICE = 'raise the pull';

/** (ridge · I + 2 Σ weight · a aᵀ) y = b, over the smaller of hinges and dimensions. */
function solveActive(active: readonly Hinge[], ridge: number, b: Float64Array): Float64Array {
  const [m, D] = [active.length, b.length];
  if (m >= D) {
    const a = new Float64Array(D * D);
    for (let d = 0; d < D; d++) a[d * D + d] = ridge;
    for (const { data, at, weight } of active) addOuter(a, D, 2 * weight, data, at);
    return solve(factorize(a, D, WHAT, ADVICE), b, 1);
  }
  // With rows a_k√(2w_k) as A: y = (b − Aᵀ(ridge · I + A Aᵀ)⁻¹ A b) / ridge.
  const scaled = new Float64Array(m * D);
  active.forEach(({ data, at, weight }, k) => {
    const root = Math.sqrt(2 * weight);
    for (let d = 0; d < D; d++) scaled[k * D + d] = root * data[at * D + d];
  });
  const gram = new Float64Array(m * m);
  for (let k = 0; k < m; k++) for (let l = k; l < m; l++) gram[k * m + l] = dotAt(scaled, k, scaled, l, D);
  for (let k = 0; k < m; k++) gram[k * m + k] += ridge;
  const inner = Float64Array.from({ length: m }, (_, k) => dotAt(scaled, k, b, 0, D));
  solve(factorize(gram, m, WHAT, ADVICE), inner, 1);
  const y = Float64Array.from(b);
  for (let k = 0; k < m; k++) addRow(y, -inner[k], scaled, k);
  return y.map((v) => v / ridge);
}

/** The pull along x + t·step as a parabola: its slope at 0 and its curvature. */
function quadratic({ prior, mu, nu }: Pull, x: Float64Array, step: Float64Array): { slope: number; bend: number } {
  let slope = 0;
  for (let d = 0; d < x.length; d++) slope += 2 * step[d] * (mu * (x[d] - prior[d]) + nu * x[d]);
  return { slope, bend: 2 * (mu + nu) * dot(step, step) };
}

/**
 * The t in [0, 1] where the function is least along the step: its derivative is piecewise linear and grows, so its zero
 * is found by going through the places where a hinge opens or closes.
 */
function alongLine(
  hinges: readonly Hinge[],
  violations: readonly number[],
  slopes: readonly number[],
  { slope, bend }: { slope: number; bend: number },
): number {
  const derivative = (t: number): number => {
    let sum = slope + bend * t;
    for (let k = 0; k < hinges.length; k++)
      sum += 2 * hinges[k].weight * Math.max(0, violations[k] + t * slopes[k]) * slopes[k];
    return sum;
  };
  const still = (value: number): boolean => value <= 1e-12 * Math.abs(derivative(0));
  if (still(derivative(1))) return 1;
  const turns = slopes
    .map((s, k) => -violations[k] / s)
    .filter((t) => t > 0 && t < 1)
    .sort((a, b) => a - b);
  let [low, high] = [0, turns.length]; // the first turn past the zero
  while (low < high) {
    const middle = (low + high) >> 1;
    if (derivative(turns[middle]) > 0) high = middle;
    else low = middle + 1;
  }
  const [from, to] = [turns[low - 1] ?? 0, turns[low] ?? 1];
  const [a, b] = [derivative(from), derivative(to)];
  return b > a ? from - (a * (to - from)) / (b - a) : to;
}
