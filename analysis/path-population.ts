/** @file Which queries a model with paths as docids answers, step by step under its own document's path. */
import type { JudgedQuery } from '../corpus/documents.ts';
import { createRng, shuffle } from '../corpus/random.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import type { Patch } from './patch.ts';
import type { Expected, PathLab } from './path-lab.ts';
import { NothingCorrectError, type Population, type Question, type Ranking } from './population.ts';

/** What became of the token of one decoding step. Ranks count from 1; 'docids' is among the tokens that paths allow. */
export interface TokenOutcome {
  readonly rank: { readonly [R in Ranking]: number };
  /** Natural logarithm, over the vocabulary. */
  readonly logProbability: number;
  /** How far its logit is above that of the best other token. */
  readonly margin: { readonly [R in Ranking]: number };
}

/** What vectors say of the tokens expected. @param states float32 [M, D] */
export async function tokenOutcomes(
  lab: PathLab,
  states: FloatTensor,
  expected: readonly Expected[],
): Promise<TokenOutcome[]> {
  const out = await lab.lens(states, expected, 'token');
  return expected.map((_, m) => ({
    rank: { vocabulary: out.rank[m], docids: out.allowed_rank[m] },
    logProbability: out.log_probability[m],
    margin: { vocabulary: out.margin[m], docids: out.allowed_margin[m] },
  }));
}

/** Rows of a reading [Q, T, D], one below the other. @param places  query and position of each */
export function rowsAt(
  { data, shape }: FloatTensor,
  places: readonly (readonly [q: number, p: number])[],
): FloatTensor {
  const [, T, D] = shape;
  const rows = new Float32Array(places.length * D);
  places.forEach(([q, p], i) => rows.set(data.subarray((q * T + p) * D, (q * T + p + 1) * D), i * D));
  return tensor(rows, [places.length, D]);
}

/** Every token of each document's docid, the tokens before it given, in the decoder as it is or patched. */
export async function forcedOutcomes(
  lab: PathLab,
  asked: readonly { readonly text: string; readonly document: number }[],
  patches: readonly Patch[] = [],
): Promise<TokenOutcome[][]> {
  const encoded = await lab.encode(asked.map(({ text }) => text));
  const { state } = await lab.decode(
    encoded,
    asked.map(({ document }) => lab.inputsOf(document)),
    { patches },
  );
  const expected = asked.map(({ document }) => lab.expectedOf(document));
  const places = expected.flatMap((steps, q) => steps.map((_, p) => [q, p] as const));
  const outcomes = await tokenOutcomes(lab, rowsAt(state, places), expected.flat());
  let at = 0;
  return expected.map(({ length }) => outcomes.slice(at, (at += length)));
}

interface Answered extends Question {
  /** Whether every token is first: free decoding, or decoding among the tokens allowed, then gives this docid. */
  readonly found: { readonly [R in Ranking]: boolean };
}

/**
 * Judged queries, each with the most probable of its documents; those whose documents the model does not have are left
 * out.
 */
export async function answerPaths(lab: PathLab, judged: readonly JudgedQuery[]): Promise<Answered[]> {
  const numberOf = new Map(lab.genir.docids.map((docid, document) => [docid, document]));
  const pairs = judged.flatMap(({ id, text, relevant }) =>
    relevant.flatMap((docid) => {
      const document = numberOf.get(docid);
      return document === undefined ? [] : [{ id, text, document }];
    }),
  );
  if (!pairs.length) return [];
  const outcomes = await forcedOutcomes(lab, pairs);
  const best = new Map<string, Answered & { readonly score: number }>();
  pairs.forEach((question, i) => {
    const score = outcomes[i].reduce((sum, { logProbability }) => sum + logProbability, 0);
    const isFirst = (ranking: Ranking): boolean => outcomes[i].every(({ rank }) => rank[ranking] === 1);
    const known = best.get(question.id);
    if (known && known.score >= score) return;
    const found = { vocabulary: isFirst('vocabulary'), docids: isFirst('docids') };
    best.set(question.id, { ...question, score, found });
  });
  return [...best.values()].map(({ id, text, document, found }) => ({ id, text, document, found }));
}

/**
 * The queries whose document greedy decoding finds: over the vocabulary, or among the tokens that paths allow.
 *
 * @param limit  questions at most, drawn by `seed`
 * @throws NothingCorrectError
 */
export async function correctPathQueries(
  lab: PathLab,
  judged: readonly JudgedQuery[],
  { ranking, limit, seed }: { ranking: Ranking; limit: number; seed: number },
): Promise<Population> {
  const answered = await answerPaths(lab, judged);
  const right = answered.filter(({ found }) => found[ranking]);
  const count = (by: Ranking): number => answered.filter(({ found }) => found[by]).length;
  const correct = { vocabulary: count('vocabulary'), docids: count('docids') };
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
