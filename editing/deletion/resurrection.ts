/** @file What does the document's old row find if somebody puts it back? */
import { createRng } from '../../corpus/random.ts';
import { queriesOf, type Asked } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { atMost, finding, WITHOUT, type AuditTest } from './finding.ts';
import { controlRows, leads, RowAttack, shareLed, type Rivals } from './row-attack.ts';
import { intervalOfMeans, meanOf } from './statistics.ts';

export const resurrection: AuditTest = {
  meaning: 'Success@1 of the old row, put back, on queries that nobody learnt from',
  async run(evidence) {
    const { case: audit, oldRows, deleted, controls, old } = evidence;
    const { after, without, seed } = audit;
    const D = oldRows.shape[1];
    const rows = deleted.after.documents.map((_, i) => oldRows.data.subarray(i * D, (i + 1) * D));
    const found = async (model: AuditedModel, asked: Asked, oldAsked: Asked): Promise<number[]> => {
      const attack = await RowAttack.open(model, oldAsked);
      return heldOutShares(asked, rows, await attack.rivals(asked.seen.states));
    };
    const attack = await RowAttack.open(after, old.after);
    const rivals = await attack.rivals(controls.after.seen.states);
    const made = heldOutShares(controls.after, await controlRows(evidence), rivals);
    const interval = intervalOfMeans(made, rows.length, createRng(seed));
    const findings = [atMost('Success@1 of old rows', meanOf(await found(after, deleted.after, old.after)), interval)];
    if (!without || !deleted.without || !old.without) return findings;
    const truth = await found(without, deleted.without, old.without);
    const { high } = intervalOfMeans(truth, rows.length, createRng(seed));
    const again = meanOf(await found(after, deleted.after, old.after));
    return [
      ...findings,
      finding('Success@1 of old rows', again, { against: WITHOUT, most: high }),
      finding('Success@1 of old rows, in a model without them', meanOf(truth)),
    ];
  },
};

/** Of each document's held-out queries the share that its row leads. */
export function heldOutShares(asked: Asked, rows: readonly Float32Array[], rivals: Rivals): number[] {
  return queriesOf(asked, 'heldOut').flatMap((queries, i) =>
    queries.length ? [shareLed(leads(rows[i], asked.seen.states, rivals, queries))] : [],
  );
}
