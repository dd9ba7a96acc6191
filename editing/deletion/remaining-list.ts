/** @file Is what remains ranked as it would be had the document never been there? */
import type { Asked } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { finding, RETRAIN, type AuditTest } from './finding.ts';
import { meanOf, rankCorrelation } from './statistics.ts';

const LEAST = 0.95;
const RENORMALISED = 'the softmax of before, renormalised';

export const remainingList: AuditTest = {
  meaning: 'the ranking of the remaining documents on its queries, and whether the next best one takes its place',
  async run({ case: { before, after, retrain }, deleted, others }) {
    const common = after.docids.filter((docid) => before.rowOf.has(docid) && (!retrain || retrain.rowOf.has(docid)));
    const lists = (model: AuditedModel, asked: Asked): Promise<Float32Array[]> => scoresOf(model, asked, common);
    const [was, is] = [await lists(before, deleted.before), await lists(after, deleted.after)];
    const findings = [
      finding('rank correlation', correlation(is, was), { against: RENORMALISED, least: LEAST }),
      finding('next best one first', sameFirst(is, was), { against: RENORMALISED, least: LEAST }),
    ];
    if (!retrain || !deleted.retrain || !others.retrain) return findings;
    const truth = await lists(retrain, deleted.retrain);
    const [now, elsewhere] = [await lists(after, others.after), await lists(retrain, others.retrain)];
    return [
      ...findings,
      finding('rank correlation', correlation(is, truth), { against: RETRAIN, least: LEAST }),
      finding('rank correlation of before', correlation(was, truth), { against: RETRAIN }),
      finding('rank correlation on queries of other documents', correlation(now, elsewhere), { against: RETRAIN }),
      finding('first as there', sameFirst(is, truth), { against: RETRAIN }),
      finding('first as there, before', sameFirst(was, truth), { against: RETRAIN }),
    ];
  },
};

async function scoresOf(model: AuditedModel, asked: Asked, docids: readonly string[]): Promise<Float32Array[]> {
  const rows = docids.map((docid) => model.rowOf.get(docid)!);
  const lists: Float32Array[] = [];
  await model.eachScores(asked.seen.states, (scores) => {
    lists.push(Float32Array.from(rows, (row) => scores[row]));
  });
  return lists;
}

const correlation = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  meanOf(a.map((scores, q) => rankCorrelation(scores, b[q])));

const first = (scores: Float32Array): number => scores.reduce((best, x, i) => (x > scores[best] ? i : best), 0);

const sameFirst = (a: readonly Float32Array[], b: readonly Float32Array[]): number =>
  meanOf(a.map((scores, q) => (first(scores) === first(b[q]) ? 1 : 0)));
