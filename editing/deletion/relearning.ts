/** @file How many queries does it take to bring the document back? */
import { createRng, shuffle } from '../../corpus/random.ts';
import { queriesOf, type Asked } from './audit-case.ts';
import { inOneWithout, within, type AuditTest } from './finding.ts';
import { leads, RowAttack, shareLed } from './row-attack.ts';
import { intervalOfMeans, meanOf } from './statistics.ts';

/** Queries that a row is solved from. */
const LEARNT = [1, 2, 5, 10] as const;

export const relearning: AuditTest = {
  meaning: `Success@1 on held-out queries of a row made of ${LEARNT.join(', ')} others: as with a document that never was there`,
  async run({ case: { after, without, seed }, deleted, controls, old }) {
    const attack = await RowAttack.open(after, old.after);
    const [mine, theirs] = [deleted.after, controls.after];
    const real = Math.min(...[mine, theirs].flatMap((asked) => queriesOf(asked, 'known').map(({ length }) => length)));
    const [is, never] = [await curves(attack, mine, real, seed), await curves(attack, theirs, real, seed)];
    const there =
      without && deleted.without && old.without
        ? await curves(await RowAttack.open(without, old.without), deleted.without, real, seed)
        : undefined;
    const n = mine.documents.length;
    return LEARNT.flatMap((k, i) => {
      const interval = intervalOfMeans(never[i], n, createRng(seed));
      const truth = there && { value: meanOf(there[i]), interval: intervalOfMeans(there[i], n, createRng(seed)) };
      const what = `Success@1 from ${k} ${k === 1 ? 'query' : 'queries'}`;
      return [within(what, meanOf(is[i]), interval, truth), ...inOneWithout(what, truth)];
    });
  },
};

/**
 * For each number of queries the share of held-out ones that each document's row leads.
 *
 * @param real  known queries that are learnt from first, the same number for all documents; then pseudo-queries
 */
async function curves(attack: RowAttack, asked: Asked, real: number, seed: number): Promise<number[][]> {
  const { states } = asked.seen;
  const rivals = await attack.rivals(states);
  const rng = createRng(seed);
  const drawn = queriesOf(asked, 'drawn');
  const order = queriesOf(asked, 'known').map((known, i) => [...shuffle(known, rng).slice(0, real), ...drawn[i]]);
  const heldOut = queriesOf(asked, 'heldOut');
  return LEARNT.map((k) =>
    order.flatMap((list, i) => {
      if (!list.length || !heldOut[i].length) return [];
      return [shareLed(leads(attack.solve(states, rivals, list.slice(0, k)), states, rivals, heldOut[i]))];
    }),
  );
}
