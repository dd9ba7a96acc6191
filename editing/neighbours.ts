import { products } from './methods/rows/passes.ts';
import { dotAt } from './methods/rows/problem.ts';
import type { DocumentEntry } from './entry.ts';
import type { QueryBank } from './query-bank.ts';
import { prefixKey, type Prefix } from './reading.ts';
import type { FurtherQueries, OwnQueries } from './solve-row.ts';

/** Another added document, and how strongly the two compete. */
export interface Neighbour {
  readonly id: string;
  readonly strength: number;
}

/**
 * How strongly two added documents compete: the share of its queries, by probability, that each one's provisional row would
 * take from the other's, the greater of the two, by some of them. Symmetric, and from these two entries alone. Only those
 * under one prefix are compared: what is under another was observed elsewhere.
 */
export const strengthOf = (a: DocumentEntry, b: DocumentEntry): number =>
  isSamePrefix(a.prefix, b.prefix) ? Math.max(taken(a, b), taken(b, a)) : 0;

const isSamePrefix = (a: Prefix, b: Prefix): boolean => a === b || prefixKey(a) === prefixKey(b);

/** Queries that tell of the others: pseudo-queries are drawn alike, and given ones stand before them. */
export const SAMPLE = 16;

/** The share of a's queries that go to b where only the base rows and these two are. */
function taken({ own, provisional }: DocumentEntry, b: DocumentEntry): number {
  const mine = ownScores(provisional, own);
  const count = Math.min(SAMPLE, mine.length);
  const theirs = scoresOf(b.provisional, own.states.data, count);
  let [sum, weight] = [0, 0];
  for (let q = 0; q < count; q++) {
    weight += own.weights[q];
    const rest = own.logSumExp[q] - theirs[q];
    if (rest < FAR) sum += own.weights[q] / (1 + Math.exp(rest) + Math.exp(mine[q] - theirs[q]));
  }
  return sum / weight;
}

/** What `taken` looks at of a document's queries. */
export interface Sample {
  /** float32 [n, D], `SAMPLE` of them at most */
  readonly states: Float32Array;
  /** [n] log Σ exp of the scores of the base rows and the document's own one. */
  readonly offset: Float64Array;
  /** [n] they sum to 1. */
  readonly weights: Float64Array;
}

export function sampleOf({ own, provisional }: DocumentEntry): Sample {
  const mine = ownScores(provisional, own).subarray(0, SAMPLE);
  const weights = own.weights.subarray(0, SAMPLE);
  const sum = weights.reduce((total, x) => total + x, 0);
  return {
    states: own.states.data.subarray(0, mine.length * provisional.length),
    offset: mine.map((score, q) => logAddExp(score, own.logSumExp[q])),
    weights: weights.map((x) => x / sum),
  };
}

const known = new WeakMap<Float32Array, Float64Array>();

/** Of an entry's provisional row for its own queries. */
function ownScores(provisional: Float32Array, { states, weights }: OwnQueries): Float64Array {
  let scores = known.get(provisional);
  if (!scores) known.set(provisional, (scores = scoresOf(provisional, states.data, weights.length)));
  return scores;
}

/** Of a row for so many queries. */
function scoresOf(row: Float32Array, states: Float32Array, count: number): Float64Array {
  const scores = new Float64Array(count);
  products(new Float64Array(row), 0, row.length, states, scores);
  return scores;
}

/** e⁻¹⁰ of a query is nothing beside the least strength that makes neighbours. */
const FAR = 10;

/** Strongest first; of equal ones by id. Few of many: they are not sorted all. */
export function strongest(neighbours: readonly Neighbour[], most: number): Neighbour[] {
  const best: Neighbour[] = [];
  for (const neighbour of neighbours) {
    let at = best.length;
    while (at > 0 && isStronger(neighbour, best[at - 1])) at--;
    if (at === most) continue;
    best.splice(at, 0, neighbour);
    if (best.length > most) best.pop();
  }
  return best;
}

const isStronger = (a: Neighbour, b: Neighbour): boolean =>
  a.strength > b.strength || (a.strength === b.strength && a.id < b.id);

/** A base document whose query would go to an added one with at least this probability is near it. */
const NEAR = 0.02;

/** Base documents that the provisional row of an added one would take a share of some query from. */
export function takenBy({ provisional, prefix, touched }: DocumentEntry, bank: QueryBank): Set<number> {
  const { places, states, logSumExp, rowOf } = bank.view(prefix);
  const bar = Math.log(NEAR / (1 - NEAR));
  const looked = new Set(touched);
  const found = new Set<number>();
  for (let i = 0; i < places.length; i++) {
    if (!looked.has(places[i]) || found.has(rowOf[i])) continue;
    if (dotAt(states.data, i, provisional, 0, provisional.length) - logSumExp[i] >= bar) found.add(rowOf[i]);
  }
  return found;
}

/** What the base rows without some, and the neighbours' provisional rows make of an entry's queries. */
export function ownAmong(
  entry: DocumentEntry,
  neighbours: readonly DocumentEntry[],
  baseRows: Float32Array,
  gone: readonly number[],
): OwnQueries {
  const { own, provisional } = entry;
  const D = provisional.length;
  const best = own.best.slice();
  const logSumExp = own.logSumExp.map((x, q) => {
    let sum = 1;
    for (const row of gone) sum -= Math.exp(dotAt(own.states.data, q, baseRows, row, D) - x);
    sum = Math.max(sum, LEFT);
    for (const { provisional: rival } of neighbours) {
      const score = dotAt(own.states.data, q, rival, 0, D);
      best[q] = Math.max(best[q], score);
      sum += Math.exp(score - x);
    }
    return x + Math.log(sum);
  });
  return { ...own, best, logSumExp };
}

/** What is left at least of a sum of probabilities that others are taken from: rounding must not make it negative. */
const LEFT = 1e-6;

/** Neighbours' queries as old ones of an entry: each answered by its provisional row, in a model without the entry. */
export function furtherOf(entry: DocumentEntry, neighbours: readonly DocumentEntry[]): FurtherQueries | undefined {
  const lists = neighbours.map(({ own, provisional }) => {
    const mine = ownScores(provisional, own);
    return {
      states: own.states,
      own: mine,
      logSumExp: mine.map((score, q) => logAddExp(score, own.logSumExp[q])),
      weights: own.weights,
    };
  });
  const all = entry.obsolete.own.length ? [...lists, entry.obsolete] : lists;
  if (!all.length) return undefined;
  const join = (of: (part: FurtherQueries) => Float64Array): Float64Array =>
    Float64Array.from(all.flatMap((part) => [...of(part)]));
  const count = all.reduce((sum, { own }) => sum + own.length, 0);
  const D = entry.provisional.length;
  const states = new Float32Array(count * D);
  let at = 0;
  for (const part of all) {
    states.set(part.states.data, at);
    at += part.states.data.length;
  }
  return {
    states: { data: states, shape: [count, D] },
    own: join(({ own }) => own),
    logSumExp: join(({ logSumExp }) => logSumExp),
    weights: join(({ weights }) => weights),
  };
}

const logAddExp = (a: number, b: number): number => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
