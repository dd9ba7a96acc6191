/**
 * @file The steps of a whole path by themselves. What two rows score together says nothing of either alone: a first row that is right
 * by itself is right more often for queries that it has not seen, and each row is in the softmax of the other's step.
 */
import type { DocidScheme } from '../corpus/docids/scheme.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import type { Scores } from './edit-model.ts';
import { stackRows } from '../models/tensor-rows.ts';
import type { OldView } from './query-bank.ts';
import type { OwnQueries } from './solve-row.ts';

/** What base rows make of queries at a step. */
interface Step {
  /** float32 [Q, D] */
  readonly states: FloatTensor;
  readonly scores: Scores;
}

export interface FirstStep extends Step {
  /** What a query counts at this step alone, beside what it counts as a whole. */
  readonly weight: number;
}

/** Clusters of like documents say something of a query by themselves; those that documents are dealt to say less. */
export const firstWeight = (scheme: DocidScheme): number => (scheme === 'semantic' ? 1 : 0.1);

/** What an old query counts where one row is read at the other's step, and how many of them are looked at: one in so many. */
const STRAY = { weight: 0.1, every: 2 } as const;

/** A document's own queries, and then again at the first step alone. */
export function withFirstStep(own: OwnQueries, { states, scores, weight: share }: FirstStep): OwnQueries {
  const join = (a: Float64Array, b: Float64Array): Float64Array => Float64Array.from([...a, ...b]);
  return {
    states: stackRows([own.states, alone(states, 0)]),
    weights: join(own.weights, own.weights.map((weight) => share * weight)), // prettier-ignore
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
export function withStepsAlone(view: OldView, first: FirstStep, last: Step): OldView {
  const Q = view.places.length;
  const all = Int32Array.from({ length: Q }, (_, q) => q);
  const some = all.filter((q) => q % STRAY.every === 0);
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
    weights: Float64Array.from({ length: 2 * Q + 2 * some.length }, (_, i) =>
      i < Q ? 1 : i < 2 * Q ? first.weight : STRAY.weight,
    ),
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
