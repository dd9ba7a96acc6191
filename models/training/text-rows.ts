import { words } from '../../corpus/words.ts';
import { stem } from '../../corpus/stem.ts';
import type { LexicalTeacher } from '../../corpus/bm25.ts';
import { RESERVED } from './docid-space.ts';

/** A document as weighted tokens: what BM25 gives each of its words, shared among the word's pieces. */
export interface WeightedTokens {
  readonly tokens: Int32Array;
  readonly weights: Float32Array;
}

/** What a text says nothing of: the row's values in the reserved dimensions, its length in the others, and its places. */
export interface RowForm {
  readonly length: number;
  readonly reserved: ArrayLike<number>;
  /** Where documents have each coordinate of a word (`docidPlaces`); in the same place where left out. */
  readonly places?: ArrayLike<number>;
}

/**
 * A text as weighted tokens.
 *
 * @param impactOf  what BM25 gives a stemmed word of it
 * @param encode    a word's token ids
 */
export function weightedTokens(
  { title, text }: { title: string; text: string },
  impactOf: (stem: string) => number,
  encode: (word: string) => readonly number[],
): WeightedTokens {
  const forms = new Map<string, string[]>(); // stem → the different words that share its weight
  for (const word of new Set(words(`${title}\n${text}`))) {
    const name = stem(word);
    forms.set(name, [...(forms.get(name) ?? []), word]);
  }
  const sum = new Map<number, number>();
  for (const [name, list] of forms) {
    const impact = impactOf(name);
    for (const word of list) {
      const pieces = encode(word);
      for (const piece of pieces) sum.set(piece, (sum.get(piece) ?? 0) + impact / list.length / pieces.length);
    }
  }
  return { tokens: Int32Array.from(sum.keys()), weights: Float32Array.from(sum.values()) };
}

/**
 * The docid row of a text: Σ BM25 weight · direction of the token's embedding.
 *
 * @param embeddings  float32 [V, D]
 * @returns           float32 [D]
 */
export function textRow(
  { tokens, weights }: WeightedTokens,
  embeddings: Float32Array,
  d: number,
  like: RowForm,
): Float32Array {
  const sum = new Float32Array(d);
  for (let i = 0; i < tokens.length; i++) {
    const at = tokens[i] * d;
    let square = 0;
    for (let j = RESERVED; j < d; j++) square += embeddings[at + j] ** 2;
    const scale = weights[i] / Math.sqrt(square || 1);
    for (let j = RESERVED; j < d; j++) sum[j] += scale * embeddings[at + j];
  }
  const scale = like.length / (Math.hypot(...sum) || 1);
  const row = new Float32Array(d);
  sum.forEach((x, j) => (row[like.places?.[j] ?? j] = x * scale));
  row.set(like.reserved);
  return row;
}

/**
 * Docid rows made of text alone. The lexical start puts every row there; training moves rows, embeddings and decoder on. In
 * every batch a few documents answer through such a row in place of their learned one, so that the model stays one to which
 * a document can be added from its text.
 */
export class TextRows {
  private readonly documents: readonly WeightedTokens[];

  /** @param encode  a word's token ids */
  constructor(
    documents: readonly { title: string; text: string }[],
    teacher: LexicalTeacher,
    encode: (word: string) => readonly number[],
  ) {
    const postings = new Map<string, Map<number, number>>();
    for (const { stem: name, rows, impacts } of teacher.postings()) {
      postings.set(name, new Map(Array.from(rows, (row, i) => [row, impacts[i]])));
    }
    this.documents = documents.map((document, row) =>
      weightedTokens(document, (name) => postings.get(name)?.get(row) ?? 0, encode),
    );
  }

  /**
   * The row of a document.
   *
   * @param embeddings  float32 [V, D], as training moves them
   * @returns           float32 [D]
   */
  row(document: number, embeddings: Float32Array, d: number, like: RowForm): Float32Array {
    return textRow(this.documents[document], embeddings, d, like);
  }
}

/** The mean of all rows, float32 [N, D], in the reserved dimensions: what makes a row that of a document, not of a word. */
export function reservedMean(rows: Float32Array, d: number): Float32Array {
  const sums = new Float64Array(RESERVED);
  for (let at = 0; at < rows.length; at += d) for (let j = 0; j < RESERVED; j++) sums[j] += rows[at + j];
  return Float32Array.from(sums, (sum) => (sum * d) / rows.length);
}
