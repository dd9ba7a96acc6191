import type { ModelFolder } from '../folder.ts';
import type { FloatTensor } from '../session.ts';

/** Embeddings of the tokens that a decoder reads, which are few: those that paths go on after, and the start token. */
export class TokenEmbeddings {
  private readonly folder: ModelFolder;
  private readonly words: number;
  /** float32 [D] each */
  private readonly known = new Map<number, Float32Array>();

  /** @param words  number of words, W: what is beyond may change with versions */
  constructor(folder: ModelFolder, words: number) {
    this.folder = folder;
    this.words = words;
  }

  /** Makes tokens readable; reads from disk where one is new. */
  read(tokens: Iterable<number>): void {
    const isRow = (token: number): boolean => this.folder.config.tie_word_embeddings && token >= this.words;
    const missing = [...new Set(tokens)].filter((token) => !this.known.has(token) && !isRow(token));
    for (const token of missing) this.known.set(token, this.folder.rows('shared.weight', token, token + 1));
  }

  /** Puts the embedding of a token into `x` from `at` on. @param rows  float32 [E, D] of the version, behind the words */
  put(token: number, rows: FloatTensor, x: Float32Array, at: number): void {
    const known = this.known.get(token);
    if (known) return x.set(known, at);
    const D = rows.shape[1];
    x.set(rows.data.subarray((token - this.words) * D, (token - this.words + 1) * D), at);
  }
}
