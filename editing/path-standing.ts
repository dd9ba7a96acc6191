/**
 * @file Paths compete as wholes: where a document is to come under a prefix, the others stand against it with all that their
 * paths have, and it has what the prefix has already. Seen from the step where its last token is made, this is a shift of the
 * others' scores; nothing but that tells the problem from one of atomic docids.
 */
import type { FloatTensor } from '../models/session.ts';
import type { EditModel, Observed, Scores } from './edit-model.ts';
import { trialVersion } from './edited-version.ts';
import { noPrefix, prefixKey, type Prefix, type PrefixLogs } from './reading.ts';
import type { FirstStep } from './steps-alone.ts';
import { isWhole, rowStates } from './whole-path.ts';

/** The best documents of a query that are counted: the others have next to nothing, and each more is a beam to follow. */
export const DEPTH = 4;
/** Queries of a document that say where it should stand, at most. */
const SAMPLE = 16;
/** The share of them that must be able to lead to a document under a prefix. */
const REACHED = 0.75;

/** Where a search of the base model takes a query. */
export interface Standing {
  /** Log-probabilities of the documents found, by number. */
  readonly documents: ReadonlyMap<number, number>;
  /** Log-probability of the best. */
  readonly best: number;
  /** log Σ of all that were found. */
  readonly total: number;
  /** None in a model with a code for later documents, which stand under no other prefix. */
  readonly prefixes: PrefixLogs;
}

/** @param aside  base documents that are not there */
export async function standings(
  model: EditModel,
  texts: readonly string[],
  aside: Iterable<number> = [],
): Promise<Standing[]> {
  const base = { rows: new Map<string, never>(), prefixes: new Map<string, never>(), deltas: [], dead: new Set(aside) };
  const found = await model.paths!.documents(trialVersion(model, base), texts, DEPTH);
  const prefixes = model.later === undefined ? await model.paths!.prefixes(texts) : [];
  return found.map(({ rows, scores }, q) => {
    const best = scores.length ? scores[0] : -Infinity;
    const total = best + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - best), 0));
    const documents = new Map(Array.from(rows, (document, i) => [document, scores[i]]));
    return { documents, best, total, prefixes: prefixes[q] ?? new Map<string, number>() };
  });
}

/**
 * The prefix for a document that answers these queries: the code of later documents, in models that have one. In others
 * where the base model looks for most of them: the prefix with the greatest
 * mean log-probability, of equal ones the one found first. What a query does not lead to counts as the last of what it
 * leads to. Where the prefix alone has less than the best document for too many of them, no row under it could bring them
 * there: the document's own token is then all of its path.
 *
 * @param aside  base documents that are not there
 */
export async function placeFor(
  model: EditModel,
  texts: readonly string[],
  aside: Iterable<number> = [],
): Promise<Prefix> {
  if (!model.paths) return noPrefix;
  if (model.later !== undefined) return Int32Array.of(model.later);
  const all = await standings(model, texts.slice(0, SAMPLE), aside);
  const sums = new Map<string, number>();
  for (const { prefixes } of all) {
    const least = Math.min(...prefixes.values());
    for (const [key, log] of prefixes) sums.set(key, (sums.get(key) ?? 0) + log - least);
  }
  const [[key]] = [...sums].sort(([, a], [, b]) => b - a);
  if (key === '') return noPrefix;
  const prefix = Int32Array.from(key.split(','), Number);
  const reached = all.filter((one) => logOf(one, prefix) > one.best).length;
  return reached >= REACHED * all.length ? prefix : noPrefix;
}

/** Scores of others for queries of a document under a prefix, and which queries can lead there at all. */
export interface Rivalry {
  /** float32 [Q, W] what a row is multiplied with for a score, [Q, 2·D] of later documents. */
  readonly states: FloatTensor;
  readonly scores: Scores;
  /** [Q] */
  readonly reachable: readonly boolean[];
  /** Where a later document's first row counts. */
  readonly first?: FirstStep | undefined;
}

/**
 * What stands against a document that comes under the prefix which queries were observed at.
 *
 * @param aside  base documents that are not there
 */
export async function rivalry(
  model: EditModel,
  observed: Observed,
  prefix: Prefix,
  aside: ReadonlySet<number>,
): Promise<Rivalry> {
  const { states, texts } = observed;
  const scores = await model.scores(states, undefined, aside);
  if (!model.paths) return { states, scores, reachable: texts.map(() => true) };
  const standing = await standings(model, texts, aside);
  const known = await rowStates(model, observed, scores, prefix, { aside });
  const logs = standing.map((one) => (isWhole(model, prefix) ? 0 : logOf(one, prefix)));
  const shift = (of: (one: Standing) => number): Float64Array =>
    known.logSumExp.map((x, q) => x + of(standing[q]) - logs[q]);
  return {
    ...{ states: known.states, first: known.first },
    scores: { ...scores, best: shift(({ best }) => best), logSumExp: shift(({ total }) => total) },
    reachable: standing.map(({ best }, q) => logs[q] > best || isWhole(model, prefix)),
  };
}

/** What the prefix has of a query: at most as much as the last of those that it leads to. No prefix has all. */
export const logOf = ({ prefixes }: Standing, prefix: Prefix): number =>
  prefix.length ? (prefixes.get(prefixKey(prefix)) ?? Math.min(...prefixes.values())) : 0;
