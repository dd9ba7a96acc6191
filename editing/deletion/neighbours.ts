/** @file What does the deletion cost the documents that remain? */
import type { Asked } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { finding, WITHOUT, type AuditTest, type Finding } from './finding.ts';
import { meanOf } from './statistics.ts';

const MOST = 0.002;
/** Neighbours of each deleted document. */
const NEAR = 10;

export const neighbours: AuditTest = {
  meaning:
    'Success@1 of the documents that remain, and of neighbours, on held-out queries: against before; where edits added the documents, against a model without them',
  async run({ case: { before, after, without, base, deleted: documents }, deleted, others }) {
    const gone = new Set(documents.map(({ docid }) => docid));
    const near = await nearest(before, deleted.before, gone);
    const [was, is] = [await hits(before, others.before, gone), await hits(after, others.after, gone)];
    const isNear = Array.from(others.after.of, (of) => near.has(others.after.documents[of].docid));
    const never = base && without && others.without && (await hits(without, others.without, gone));
    const change = (from: readonly number[], values: (q: number) => boolean): number => {
      const list = is.flatMap((hit, q) => (values(q) ? [hit - from[q]] : []));
      return list.length ? meanOf(list) : 0;
    };
    const both = (from: readonly number[], bounds: Parameters<typeof finding>[2]): Finding[] => [
      finding(
        `change of Success@1, ${is.length} queries`,
        change(from, () => true),
        bounds,
      ),
      finding(
        `change of Success@1 of ${near.size} neighbours`,
        change(from, (q) => isNear[q]),
        bounds,
      ),
    ];
    const unchanged = { least: -MOST, most: MOST };
    return [
      ...(never ? both(never, { against: WITHOUT, ...unchanged }) : []),
      ...both(was, never ? { against: 'before' } : unchanged),
      finding('Success@1 before', meanOf(was)),
      finding('Success@1 after', meanOf(is)),
    ];
  },
};

/** 1 where a query's own document is the best of those that remain. */
async function hits(model: AuditedModel, asked: Asked, gone: ReadonlySet<string>): Promise<number[]> {
  const remains = Uint8Array.from(model.docids, (docid) => (gone.has(docid) ? 0 : 1));
  const found: number[] = [];
  await model.eachScores(asked.seen.states, (scores, q) => {
    const own = model.rowOf.get(asked.documents[asked.of[q]].docid);
    const isFirst =
      own !== undefined && scores.every((score, row) => row === own || !remains[row] || score < scores[own]);
    found.push(isFirst ? 1 : 0);
  });
  return found;
}

/** The documents with most of the probability on each deleted one's queries. */
async function nearest(model: AuditedModel, asked: Asked, gone: ReadonlySet<string>): Promise<Set<string>> {
  const sums = asked.documents.map(() => new Float64Array(model.docids.length));
  await model.eachScores(asked.seen.states, (scores, q) => {
    const most = scores.reduce((a, x, row) => (gone.has(model.docids[row]) ? a : Math.max(a, x)), -Infinity);
    const weights = scores.map((x, row) => (gone.has(model.docids[row]) ? 0 : Math.exp(x - most)));
    const all = weights.reduce((a, x) => a + x, 0);
    weights.forEach((x, row) => (sums[asked.of[q]][row] += x / all));
  });
  return new Set(
    sums.flatMap((sum) => {
      const order = Int32Array.from(sum.keys()).sort((a, b) => sum[b] - sum[a]);
      return Array.from(order.subarray(0, NEAR), (row) => model.docids[row]);
    }),
  );
}
