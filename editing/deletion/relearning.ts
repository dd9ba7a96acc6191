/** @file How many queries does it take to bring the document back? */
import { createRng, shuffle } from '../../corpus/random.ts';
import { queriesOf, type Asked } from './audit-case.ts';
import { within, type AuditTest } from './finding.ts';
import { leads, RowAttack, shareLed } from './row-attack.ts';
import { intervalOfMeans, meanOf } from './statistics.ts';

/** Queries that a row is solved from. */
const LEARNT = [1, 2, 5, 10] as const;

export const relearning: AuditTest = {
  meaning: `Success@1 on held-out queries of a row made of ${LEARNT.join(', ')} others: as with a document that never was there`,
  async run({ case: { after, seed }, deleted, controls, old }) {
    const attack = await RowAttack.open(after, old.after);
    const [is, never] = [await curves(attack, deleted.after, seed), await curves(attack, controls.after, seed)];
    return LEARNT.map((k, i) => {
      const interval = intervalOfMeans(never[i], deleted.after.documents.length, createRng(seed));
      return within(`Success@1 from ${k} ${k === 1 ? 'query' : 'queries'}`, meanOf(is[i]), interval);
    });
  },
};

/** For each number of queries the share of held-out ones that each document's row leads. */
async function curves(attack: RowAttack, asked: Asked, seed: number): Promise<number[][]> {
  const { states } = asked.seen;
  const rivals = await attack.rivals(states);
  const known = queriesOf(asked, 'known', 'drawn');
  const heldOut = queriesOf(asked, 'heldOut');
  const rng = createRng(seed);
  const order = known.map((list) => shuffle([...list], rng));
  return LEARNT.map((k) =>
    order.flatMap((list, i) => {
      if (!list.length || !heldOut[i].length) return [];
      return [shareLed(leads(attack.solve(states, rivals, list.slice(0, k)), states, rivals, heldOut[i]))];
    }),
  );
}
