/** @file Limited-memory BFGS in float64 (Nocedal and Wright 2006, algorithms 7.4 and 7.5) for smooth convex functions. */
import { dot, norm } from '../../../analysis/vectors.ts';

/** Writes the gradient at x into `gradient` and returns the value. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface LbfgsOptions {
  /** Stop where ‖gradient‖ is at most this share of what it was at the start. @default 1e-8 */
  readonly tolerance?: number;
  /** Stop where ‖gradient‖ is at most this, whatever it was at the start. @default 0 */
  readonly enough?: number;
  /** @default 500 */
  readonly iterations?: number;
}

/** Pairs of steps and changes of the gradient that are kept. */
const MEMORY = 12;
/** Armijo's and Wolfe's constants. */
const DECREASE = 1e-4;
const CURVATURE = 0.9;

/** The point where the function is least, found from `start`, which is not changed. */
export function lbfgs(f: Objective, start: Float64Array, options: LbfgsOptions = {}): Float64Array {
  const { tolerance = 1e-8, enough: floor = 0, iterations = 500 } = options;
  let x: Float64Array = Float64Array.from(start);
  let g: Float64Array = new Float64Array(x.length);
  let value = f(x, g);
  const enough = Math.max(floor, tolerance * norm(g));
  const pairs: { s: Float64Array; y: Float64Array; rho: number }[] = [];
  for (let i = 0; i < iterations && norm(g) > enough; i++) {
    const d = direction(g, pairs);
    const found = lineSearch(f, x, value, g, d, pairs.length ? 1 : Math.min(1, 1 / norm(g)));
    if (!found) break; // as low as float64 can tell
    const s = sum(found.x, -1, x);
    const y = sum(found.g, -1, g);
    const sy = dot(s, y);
    if (sy > 1e-14 * norm(s) * norm(y)) pairs.push({ s, y, rho: 1 / sy });
    if (pairs.length > MEMORY) pairs.shift();
    ({ x, g, value } = found);
  }
  return x;
}

/** a + factor·b, in a loop: a call for each number takes five times as long. */
function sum(a: Float64Array, factor: number, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length);
  for (let j = 0; j < out.length; j++) out[j] = a[j] + factor * b[j];
  return out;
}

/** −H g by the two loops. */
function direction(g: Float64Array, pairs: readonly { s: Float64Array; y: Float64Array; rho: number }[]): Float64Array {
  const d = new Float64Array(g.length);
  for (let j = 0; j < d.length; j++) d[j] = -g[j];
  const alphas = pairs.map(() => 0);
  const add = (factor: number, v: Float64Array): void => {
    for (let j = 0; j < d.length; j++) d[j] += factor * v[j];
  };
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { s, y, rho } = pairs[i];
    alphas[i] = rho * dot(s, d);
    add(-alphas[i], y);
  }
  const last = pairs.at(-1);
  if (last) {
    const scale = 1 / (last.rho * dot(last.y, last.y));
    for (let j = 0; j < d.length; j++) d[j] *= scale;
  }
  pairs.forEach(({ s, y, rho }, i) => add(alphas[i] - rho * dot(y, d), s));
  return d;
}

/** A step that meets the Wolfe conditions, by halving and doubling. */
function lineSearch(
  f: Objective,
  x: Float64Array,
  value: number,
  g: Float64Array,
  d: Float64Array,
  first: number,
): { x: Float64Array; g: Float64Array; value: number } | undefined {
  const slope = dot(g, d);
  if (!(slope < 0)) return undefined;
  let [low, high, step] = [0, Infinity, first];
  for (let i = 0; i < 50; i++) {
    const next = sum(x, step, d);
    const gradient = new Float64Array(x.length);
    const reached = f(next, gradient);
    if (!(reached <= value + DECREASE * step * slope)) high = step;
    else if (dot(gradient, d) < CURVATURE * slope) low = step;
    else return { x: next, g: gradient, value: reached };
    step = high < Infinity ? (low + high) / 2 : 2 * step;
  }
  return undefined;
}
