import type { JudgedQuery } from '../corpus/documents.ts';
import { createRng, shuffle } from '../corpus/random.ts';
import type { FloatTensor } from '../models/session.ts';
import type { Lab } from './lab.ts';

/**
 * Where a document's rank is looked up: in the whole vocabulary, where words compete (arXiv 2503.19715), or among docids
 * alone, as constrained decoding does.
 */
export type Ranking = 'vocabulary' | 'docids';
export const rankings: readonly Ranking[] = ['vocabulary', 'docids'];

/** A query and the document it is about, by its row. */
export interface Question {
  readonly id: string;
  readonly text: string;
  /** Of several relevant documents the one that the model ranks first. */
  readonly document: number;
}

/** The queries that experiments are made on. */
export interface Population {
  readonly ranking: Ranking;
  /** Queries asked: those with a relevant document in the model. */
  readonly asked: number;
  /** How many of them have their document at rank 1. */
  readonly correct: { readonly [R in Ranking]: number };
  /** The correct queries by `ranking`, or as many of them as were wanted. */
  readonly questions: readonly Question[];
}

/** No query has its document at rank 1, so there is nothing to explain. */
export class NothingCorrectError extends Error {
  override readonly name = 'NothingCorrectError';
  readonly ranking: Ranking;
  readonly asked: number;
  readonly correct: Population['correct'];
  constructor(dir: string, ranking: Ranking, asked: number, correct: Population['correct']) {
    const advice =
      asked === 0
        ? 'give the corpus that the model was trained on, with judged queries'
        : correct.docids > 0
          ? 'rank among docids: --ranking docids, or "ranking": "docids" in POST /analysis'
          : 'train the model further, or give queries it can answer';
    super(
      `${dir}: expected queries whose document has rank 1 (${ranking}), got ${correct.vocabulary} of ${asked} over the vocabulary and ${correct.docids} of ${asked} among docids; ${advice}`,
    );
    this.ranking = ranking;
    this.asked = asked;
    this.correct = correct;
  }
}

/** Judged queries as questions to this model; those whose documents it does not have are left out. */
export function questionsFor(
  lab: Lab,
  judged: readonly JudgedQuery[],
): { id: string; text: string; documents: number[] }[] {
  const rowOf = new Map(lab.genir.docids.map((docid, row) => [docid, row]));
  return judged
    .map(({ id, text, relevant }) => ({ id, text, documents: relevant.flatMap((docid) => rowOf.get(docid) ?? []) }))
    .filter(({ documents }) => documents.length > 0);
}

/** Of several relevant documents the best one. */
interface Best {
  readonly document: number;
  /** Counted from 1. */
  readonly rank: { readonly [R in Ranking]: number };
}

/**
 * The best ranked of each query's documents. Both rankings are by the same logits, and agree on which it is.
 *
 * @param state  float32 [Q, D], the decoder's last state of each query
 */
export async function bestDocuments(
  lab: Lab,
  { data }: FloatTensor,
  asked: readonly { readonly documents: readonly number[] }[],
): Promise<Best[]> {
  const D = lab.config.d_model;
  const pairs = asked.flatMap(({ documents }, q) => documents.map((document) => ({ q, document })));
  const states = new Float32Array(pairs.length * D);
  pairs.forEach(({ q }, i) => states.set(data.subarray(q * D, (q + 1) * D), i * D));
  const ranks = await lab.ranks(
    { data: states, shape: [pairs.length, D] },
    pairs.map(({ document }) => document),
  );
  let at = 0;
  return asked.map(({ documents }) => {
    let best = at;
    for (let i = at; i < at + documents.length; i++) if (ranks.rank[i] < ranks.rank[best]) best = i;
    at += documents.length;
    const rank = { vocabulary: ranks.rank[best], docids: ranks.docidRank[best] };
    return { document: pairs[best].document, rank };
  });
}

/** Each question with its best ranked document and that document's ranks. */
export async function answer(
  lab: Lab,
  asked: readonly { readonly id: string; readonly text: string; readonly documents: readonly number[] }[],
): Promise<(Question & Best)[]> {
  if (!asked.length) return [];
  const { state } = await lab.decode(await lab.encode(asked.map(({ text }) => text)));
  const best = await bestDocuments(lab, state, asked);
  return asked.map(({ id, text }, q) => ({ id, text, ...best[q] }));
}

/**
 * The queries that the model answers correctly.
 *
 * @param limit  questions at most, drawn by `seed`
 * @throws NothingCorrectError
 */
export async function correctQueries(
  lab: Lab,
  judged: readonly JudgedQuery[],
  { ranking, limit, seed }: { ranking: Ranking; limit: number; seed: number },
): Promise<Population> {
  const answered = await answer(lab, questionsFor(lab, judged));
  const correctBy = (by: Ranking) => answered.filter(({ rank }) => rank[by] === 1);
  const correct = { vocabulary: correctBy('vocabulary').length, docids: correctBy('docids').length };
  const right = correctBy(ranking);
  if (!right.length) throw new NothingCorrectError(lab.folder.dir, ranking, answered.length, correct);
  const drawn = shuffle(
    Int32Array.from(right, (_, i) => i),
    createRng(seed),
  )
    .slice(0, limit)
    .sort();
  const questions = Array.from(drawn, (i) => ({ id: right[i].id, text: right[i].text, document: right[i].document }));
  return { ranking, asked: answered.length, correct, questions };
}
