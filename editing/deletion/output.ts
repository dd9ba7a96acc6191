/** @file Does the document still come out? */
import { cosine } from '../../analysis/vectors.ts';
import { queriesOf, type Asked, type Evidence } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { finding, type AuditTest } from './finding.ts';

const DEPTH = 100;
/** A row this near to the old one is a copy of it, whatever its name. */
const COPY = 0.99;

export const output: AuditTest = {
  meaning: 'the document among the best 100, of live docids and of the whole vocabulary, under its name or another',
  async run(evidence) {
    const { after } = evidence.case;
    const asked = [evidence.deleted.after, evidence.rephrased.deleted];
    const count = async (hits: (model: AuditedModel, one: Asked) => Promise<number>): Promise<number> => {
      let sum = 0;
      for (const one of asked) sum += await hits(after, one);
      return sum;
    };
    const queries = asked.reduce((sum, { of }) => sum + of.length, 0);
    const copies = copiesOf(evidence);
    const constrained = await count((model, one) => hitsAmongDocids(model, one, copies));
    const free = await count((model, one) => hitsInVocabulary(model, one, copies, DEPTH));
    return [
      finding(`Hits@${DEPTH} of ${queries} queries, constrained`, constrained, { most: 0 }),
      finding(`Hits@${DEPTH} of ${queries} queries, whole vocabulary`, free, { most: 0 }),
    ];
  },
};

/** Of each deleted document the docids under which it may come out: its own, and those of rows that copy its old one. */
export function copiesOf({ case: { after, deleted }, oldRows }: Evidence): ReadonlySet<string>[] {
  const D = oldRows.shape[1];
  const rowAt = (data: Float32Array, row: number): Float32Array => data.subarray(row * D, (row + 1) * D);
  const { rows, genir } = after.lab;
  return deleted.map(({ docid }, i) => {
    const old = rowAt(oldRows.data, i);
    const like = genir.docids.filter((_, row) => cosine(old, rowAt(rows.data, row)) > COPY);
    return new Set([docid, ...like]);
  });
}

async function hitsAmongDocids(model: AuditedModel, asked: Asked, copies: readonly ReadonlySet<string>[]) {
  let hits = 0;
  await model.eachScores(asked.seen.states, (scores, q) => {
    const mine = [...copies[asked.of[q]]].flatMap((docid) => model.rowOf.get(docid) ?? []);
    if (mine.some((row) => scores.filter((score) => score > scores[row]).length < DEPTH)) hits++;
  });
  return hits;
}

/** Queries that have the document, or a copy, among the best `depth` entries of the vocabulary. */
export async function hitsInVocabulary(
  model: AuditedModel,
  asked: Asked,
  copies: readonly ReadonlySet<string>[],
  depth: number,
): Promise<number> {
  const { lab } = model;
  const residual = await lab.decode(await lab.encode(asked.seen.texts));
  const { tokens } = await lab.lens(residual.state, { kinds: ['top'], k: depth });
  const k = tokens.shape[1];
  const N = lab.genir.docids.length;
  return queriesOf(asked)
    .flatMap((queries, document) => queries.map((q) => ({ q, document })))
    .filter(({ q, document }) =>
      Array.from({ length: k }, (_, i) => Number(tokens.data[q * k + i])).some(
        (token) => token < N && copies[document].has(lab.genir.docids[token]),
      ),
    ).length;
}
