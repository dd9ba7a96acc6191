/**
 * @file The steps of a whole path by themselves. What two rows score together says nothing of either alone, but a beam search
 * keeps the best tokens of every step: a first token that many queries give something crowds out what they look for, and
 * each row is in the softmax of the other's step.
 */
import { tensor, type FloatTensor } from '../models/session.ts';
import type { Scores } from './edit-model.ts';
import { stackRows } from '../models/tensor-rows.ts';
import type { OldView } from './query-bank.ts';
import type { OwnQueries } from './solve-row.ts';

/** What base rows make of queries at the first step. */
export interface FirstStep {
  /** float32 [Q, D] */
  readonly states: FloatTensor;
  readonly scores: Scores;
}

/** What a query counts at a step alone, beside what it counts as a whole. */
const ALONE = 0.1;
/** Old queries that are looked at where one row is read at the other's step: one in so many. */
const STRAY = 2;

/** A document's own queries, and then again at the first step alone. */
export function withFirstStep(own: OwnQueries, { states, scores }: FirstStep): OwnQueries {
  const join = (a: Float64Array, b: Float64Array): Float64Array => Float64Array.from([...a, ...b]);
  return {
    states: stackRows([own.states, alone(states, 0)]),
    weights: join(own.weights, own.weights.map((weight) => ALONE * weight)), // prettier-ignore
    rivals: Int32Array.from([...own.rivals, ...scores.rivals]),
    best: join(own.best, scores.best),
    logSumExp: join(own.logSumExp, scores.logSumExp),
  };
}

/**
 * Old queries as they stand against a whole path, and then again by steps: a first row at the first step, and each row at
 * the other's.
 *
 * @param view   of all queries of the bank
 * @param first  what they choose at the first step, the right tokens being no rivals
 * @param last   the same of the last step, behind the right prefixes
 */
export function withStepsAlone(view: OldView, first: FirstStep, last: FirstStep): OldView {
  const Q = view.places.length;
  const all = Int32Array.from({ length: Q }, (_, q) => q);
  const some = all.filter((q) => q % STRAY === 0);
  const parts = [
    { step: first, half: 0, queries: all },
    { step: last, half: 0, queries: some },
    { step: first, half: 1, queries: some },
  ] as const;
  const join = (whole: Float64Array, of: (scores: Scores) => Float64Array): Float64Array =>
    Float64Array.from([
      ...whole,
      ...parts.flatMap(({ step, queries }) => Array.from(queries, (q) => of(step.scores)[q])),
    ]);
  const joinPlaces = (whole: Int32Array): Int32Array =>
    Int32Array.from([...whole, ...parts.flatMap(({ queries }) => Array.from(queries, (q) => whole[q]))]);
  return {
    places: joinPlaces(view.places),
    states: stackRows([view.states, ...parts.map(({ step, half, queries }) => alone(step.states, half, queries))]),
    rowOf: joinPlaces(view.rowOf),
    own: join(view.own, ({ own }) => own),
    logSumExp: join(view.logSumExp, ({ logSumExp }) => logSumExp),
    weights: Float64Array.from({ length: 2 * Q + 2 * some.length }, (_, i) => (i < Q ? 1 : ALONE)),
  };
}

/** States of some queries at one step and nothing of the other: float32 [queries, 2·D]. */
function alone({ data, shape: [Q, D] }: FloatTensor, half: 0 | 1, queries?: Int32Array): FloatTensor {
  const count = queries?.length ?? Q;
  const wide = new Float32Array(2 * count * D);
  for (let i = 0; i < count; i++) {
    const q = queries?.[i] ?? i;
    wide.set(data.subarray(q * D, (q + 1) * D), (2 * i + half) * D);
  }
  return tensor(wide, [count, 2 * D]);
}
