/**
 * @file Taking the trace of documents that the model was trained with out of its words. Training turned the vectors of a
 * document's words towards its row; a model trained without it has them elsewhere, mainly along that one direction. The
 * vectors are turned back by a closed form, the ledger's with bags of words for keys: least squares over the document's
 * queries, beside the queries of others in which the same words stand.
 */
import type { EditModel } from '../edit-model.ts';
import { factorize, solve } from '../linear-algebra/cholesky.ts';
import { takeRows } from '../../models/tensor-rows.ts';
import type { QueryBank } from '../query-bank.ts';
import { wordBags, type RowQuery, type WordBag } from './word-gradients.ts';

export interface WordTraceSettings {
  /**
   * Median lead over the best other document, in logits, that a row is left with on its queries. In two models that were trained
   * without ten documents those documents' old rows had −0.2 and −0.6 on train queries, −2.2 and −2.1 on held-out ones.
   */
  readonly level: number;
  /** Pseudo-queries of each document beside the bank's queries: training drew hundreds of each. */
  readonly pseudoQueries: number;
  /** What a bank query of another document counts against one of a deleted one. */
  readonly oldWeight: number;
  /** Counts against any movement of a word. */
  readonly ridge: number;
  /** Solves, each from where the one before led: the norms bend the way. */
  readonly rounds: number;
}

export const wordTraceSettings: WordTraceSettings = {
  level: -1,
  pseudoQueries: 120,
  oldWeight: 0.5,
  ridge: 0.03,
  rounds: 3,
};

/** A bag whose sum should move: `change` float64 [D]. */
export interface MovedBag {
  readonly bag: Pick<WordBag, 'tokens' | 'shares'>;
  readonly change: Float64Array;
}

/**
 * The movement of each word, float64 [D], that makes Σ_q ‖Σ_t a_qt x_t − change_q‖² + oldWeight Σ_p ‖Σ_t a_pt x_t‖² +
 * ridge Σ_t ‖x_t‖² least, over the words of the moved bags: (AᵀA + oldWeight PᵀP + ridge I) X = AᵀR.
 */
export function wordChanges(
  moved: readonly MovedBag[],
  old: readonly Pick<WordBag, 'tokens' | 'shares'>[],
  D: number,
  { oldWeight, ridge }: Pick<WordTraceSettings, 'oldWeight' | 'ridge'>,
): Map<number, Float64Array> {
  const tokens = [...new Set(moved.flatMap(({ bag }) => bag.tokens))];
  const place = new Map(tokens.map((token, i) => [token, i]));
  const T = tokens.length;
  const [left, right] = [new Float64Array(T * T), new Float64Array(T * D)];
  for (let t = 0; t < T; t++) left[t * (T + 1)] = ridge;
  const add = (bag: MovedBag['bag'], weight: number): ReadonlyMap<number, number> => {
    const shares = new Map<number, number>();
    bag.tokens.forEach((token, s) => {
      const t = place.get(token);
      if (t !== undefined) shares.set(t, (shares.get(t) ?? 0) + bag.shares[s]);
    });
    for (const [t, a] of shares) for (const [u, b] of shares) left[t * T + u] += weight * a * b;
    return shares;
  };
  for (const bag of old) add(bag, oldWeight);
  for (const { bag, change } of moved)
    for (const [t, a] of add(bag, 1)) for (let d = 0; d < D; d++) right[t * D + d] += a * change[d];
  const x = solve(factorize(left, T, 'traces in words'), right, D);
  return new Map(tokens.map((token, t) => [token, x.slice(t * D, (t + 1) * D)]));
}

/** A base document that is gone. */
export interface GoneDocument {
  readonly row: number;
  /** Those that it was trained with, as far as they are known beside the bank's. */
  readonly queries: readonly string[];
}

/**
 * New vectors, float32 [D], of words that deleted base documents left a trace in: each one's row falls back on its
 * queries to where documents are that were never indexed, not further: that would betray it as well. A document without a text and queries is left as it is.
 */
export async function wordsWithout(
  model: EditModel,
  bank: QueryBank,
  documents: readonly GoneDocument[],
  settings: WordTraceSettings = wordTraceSettings,
): Promise<Map<number, Float32Array>> {
  const { config, tokenizer } = model.lab;
  const D = config.d_model;
  const tokensOf = (text: string): number[] => tokenizer.encode(text);
  const gone = new Set(documents.map(({ row }) => row));
  const queries = documents.flatMap(({ row, queries: given }): RowQuery[] => {
    const known = new Set([...given, ...bank.ofRow[row].map((p) => bank.observed.texts[p])]);
    const drawn = bank.corpus.pseudoQueries('removal', bank.corpus.documents[row], settings.pseudoQueries, known);
    return [...known, ...drawn].map((text) => ({ tokens: tokensOf(text), row }));
  });
  if (!queries.length) return new Map();
  const touched = new Set(queries.flatMap(({ tokens }) => tokens));
  const others = Array.from(bank.rowOf, (row, p): RowQuery => ({ tokens: tokensOf(bank.observed.texts[p]), row }));
  const near = others.filter(({ tokens, row }) => !gone.has(row) && tokens.some((token) => touched.has(token)));
  const embeddings = model.folder.tensor('shared.weight').data.slice();
  const old = await wordBags(model, near, { embeddings });
  const rivals = takeRows(
    model.rows,
    Array.from({ length: model.rows.shape[0] }, (_, row) => row).filter((row) => !gone.has(row)),
  );
  let goals: Float64Array | undefined;
  for (let round = 0; round < settings.rounds; round++) {
    const bags = await wordBags(model, queries, { embeddings, rivals });
    goals ??= levelled(queries, bags, settings.level);
    const moved = bags.map((bag, q): MovedBag => {
      const square = bag.direction.reduce((sum, x) => sum + x * x, 0) || 1;
      const step = (goals![q] - bag.lead) / square;
      return { bag, change: bag.direction.map((x) => step * x) };
    });
    for (const [token, change] of wordChanges(moved, old, D, settings))
      for (let d = 0; d < D; d++) embeddings[token * D + d] += change[d];
  }
  return new Map([...touched].map((token) => [token, embeddings.slice(token * D, (token + 1) * D)]));
}

/** [Q] leads moved so that their median is at the level for each document; one that is below it already stays. */
function levelled(queries: readonly RowQuery[], bags: readonly WordBag[], level: number): Float64Array {
  const leads = new Map<number, number[]>();
  queries.forEach(({ row }, q) => leads.set(row, [...(leads.get(row) ?? []), bags[q].lead]));
  const medians = new Map([...leads].map(([row, list]) => [row, list.sort((a, b) => a - b)[list.length >> 1]]));
  return Float64Array.from(queries, ({ row }, q) => bags[q].lead + Math.min(0, level - medians.get(row)!));
}
