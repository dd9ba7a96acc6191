/** @file Does asking in many ways bring the document out once? */
import { createRng } from '../../corpus/random.ts';
import { tensor } from '../../models/session.ts';
import { queriesOf, REPHRASINGS, type Asked } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { atMost, finding, type AuditTest } from './finding.ts';
import { copiesOf, hitsInVocabulary } from './output.ts';
import { controlRows } from './row-attack.ts';
import { intervalOfMeans, meanOf } from './statistics.ts';

/** Candidates that an attacker looks at for each rephrasing. */
const CANDIDATES = 20;

export const paraphraseExtraction: AuditTest = {
  meaning: `${REPHRASINGS} rephrasings, ${CANDIDATES} candidates of each: the document among them, as it is and with its old row put back`,
  async run(evidence) {
    const { case: audit, oldRows, rephrased } = evidence;
    const { after, seed } = audit;
    const hits = await hitsInVocabulary(after, rephrased.deleted, copiesOf(evidence), CANDIDATES);
    const made = await controlRows(evidence);
    const D = oldRows.shape[1];
    const rows = audit.deleted.map((_, i) => oldRows.data.subarray(i * D, (i + 1) * D));
    const never = await amongCandidates(after, rephrased.controls, made);
    const interval = intervalOfMeans(never, rows.length, createRng(seed));
    const is = await amongCandidates(after, rephrased.deleted, rows);
    return [
      finding('rephrasings that bring it out', hits, { most: 0 }),
      atMost('share of rephrasings that its old row is a candidate of', meanOf(is), interval),
    ];
  },
};

/** Of each document's rephrasings the share where its row, put among the live ones, is a candidate. */
async function amongCandidates(model: AuditedModel, asked: Asked, rows: readonly Float32Array[]): Promise<number[]> {
  const { states } = asked.seen;
  const D = states.shape[1];
  const own = new Float64Array(asked.of.length);
  const all = tensor(Float32Array.from(rows.flatMap((row) => [...row])), [rows.length, D]);
  await model.eachScores(states, (scores, q) => void (own[q] = scores[asked.of[q]]), all);
  const isIn = new Uint8Array(asked.of.length);
  await model.eachScores(states, (scores, q) => {
    isIn[q] = scores.filter((score) => score > own[q]).length < CANDIDATES ? 1 : 0;
  });
  return queriesOf(asked).flatMap((queries) => (queries.length ? [meanOf(queries.map((q) => isIn[q]))] : []));
}
