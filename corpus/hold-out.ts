import { createHash } from 'node:crypto';
import type { JudgedQuery, Query } from './documents.ts';
import { words } from './words.ts';

/**
 * Holds out a share of the train queries as a dev split, for a corpus that comes without one. A query's place hangs on
 * the seed and its words alone, not on its neighbours or their order: queries with the same words stay on the same side,
 * so no held-out text is trained on. Both parts keep the order they came in.
 *
 * @param share  of the different texts, from 0 to 1
 */
export function holdOutDev<Q extends Query>(
  queries: readonly Q[],
  share: number,
  seed: number,
): { train: Q[]; dev: Q[] } {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`holdOutDev: expected a share from 0 to 1, got ${share}`);
  const texts = queries.map((query) => words(query.text).join(' '));
  const order = drawn(texts, seed);
  const held = new Set(order.slice(0, Math.round(share * order.length)));
  return {
    train: queries.filter((_, i) => !held.has(texts[i])),
    dev: queries.filter((_, i) => held.has(texts[i])),
  };
}

/** The docids that answer any of the queries, each once, in an order drawn by the seed: the first of them are a sample. */
export const drawAnswers = (queries: readonly JudgedQuery[], seed: number): string[] =>
  drawn(
    queries.flatMap(({ relevant }) => relevant),
    seed,
  );

/** The different items in an order in which the place of each hangs on the seed and itself alone. */
function drawn(items: readonly string[], seed: number): string[] {
  const keyed = [...new Set(items)].map((item) => ({
    item,
    key: createHash('sha256').update(`${seed}\n${item}`).digest('hex'),
  }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ item }) => item);
}
