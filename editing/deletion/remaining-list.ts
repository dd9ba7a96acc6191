/** @file Is what remains ranked as it would be had the document never been there? */
import { createRng } from '../../corpus/random.ts';
import { queriesOf, type Asked } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { finding, WITHOUT, type AuditTest } from './finding.ts';
import { intervalOfMeans, meanOf, rankCorrelation } from './statistics.ts';

const LEAST = 0.95;
const RENORMALISED = 'the softmax of before, renormalised';

export const remainingList: AuditTest = {
  meaning: 'the ranking of the remaining documents on its queries, and whether the next best one takes its place',
  async run({ case: { before, after, without, seed }, deleted, controls }) {
    const common = after.docids.filter((docid) => before.rowOf.has(docid) && (!without || without.rowOf.has(docid)));
    const lists = (model: AuditedModel, asked: Asked): Promise<Float32Array[]> => scoresOf(model, asked, common);
    const [was, is] = [await lists(before, deleted.before), await lists(after, deleted.after)];
    const change = agreement(is, was);
    if (!without || !deleted.without || !controls.without) {
      return [
        finding('rank correlation', meanOf(change.correlations), { against: RENORMALISED, least: LEAST }),
        finding('next best one first', meanOf(change.sameFirst), { against: RENORMALISED }),
      ];
    }
    const truth = await lists(without, deleted.without);
    const trained = agreement(is, truth);
    // Two trainings never agree wholly: on queries of documents that neither knows, as much as they can.
    const elsewhere = agreement(await lists(after, controls.after), await lists(without, controls.without));
    const n = deleted.after.documents.length;
    const bar = (values: readonly number[]): number =>
      Math.min(LEAST, intervalOfMeans(byDocument(controls.after, values), n, createRng(seed)).low);
    const earlier = agreement(was, truth);
    return [
      finding('rank correlation', meanOf(trained.correlations), {
        ...{ against: WITHOUT, least: bar(elsewhere.correlations) },
      }),
      finding('next best one first', meanOf(trained.sameFirst), { against: WITHOUT, least: bar(elsewhere.sameFirst) }),
      finding('rank correlation, before', meanOf(earlier.correlations), { against: WITHOUT }),
      finding('next best one first, before', meanOf(earlier.sameFirst), { against: WITHOUT }),
      finding('rank correlation', meanOf(change.correlations), { against: RENORMALISED }),
      finding('next best one first', meanOf(change.sameFirst), { against: RENORMALISED }),
    ];
  },
};

interface Agreement {
  /** [Q] */
  readonly correlations: readonly number[];
  /** [Q] 1 where both have the same document first. */
  readonly sameFirst: readonly number[];
}

const agreement = (a: readonly Float32Array[], b: readonly Float32Array[]): Agreement => ({
  correlations: a.map((scores, q) => rankCorrelation(scores, b[q])),
  sameFirst: a.map((scores, q) => (first(scores) === first(b[q]) ? 1 : 0)),
});

const byDocument = (asked: Asked, values: readonly number[]): number[] =>
  queriesOf(asked).flatMap((queries) => (queries.length ? [meanOf(queries.map((q) => values[q]))] : []));

async function scoresOf(model: AuditedModel, asked: Asked, docids: readonly string[]): Promise<Float32Array[]> {
  const rows = docids.map((docid) => model.rowOf.get(docid)!);
  const lists: Float32Array[] = [];
  await model.eachScores(asked.seen.states, (scores) => {
    lists.push(Float32Array.from(rows, (row) => scores[row]));
  });
  return lists;
}

const first = (scores: Float32Array): number => scores.reduce((best, x, i) => (x > scores[best] ? i : best), 0);
