import { stem } from './stem.ts';
import { words } from './words.ts';

/** The BM25 constants of Robertson and Zaragoza's recommendation, and of FTS5. */
const k1 = 1.2;
const b = 0.75;

/** Rows best first, with their scores; both as long as rows were found. */
export interface ScoredRows {
  rows: Int32Array;
  scores: Float32Array;
}

/**
 * BM25 in memory over title and text, for the many queries of a training run: a lexical teacher. Row i is the i-th
 * document. Words are lightly stemmed. `top` answers thousands of queries a second, since each posting holds what its
 * word adds to its document's score, ready to be summed up.
 *
 * Postings, as three flat arrays: words w own entries offsets[w] … offsets[w + 1] of rows and impacts.
 */
export class LexicalTeacher {
  /** Number of documents. */
  readonly size: number;
  readonly #terms: Map<string, number>;
  readonly #offsets: Int32Array;
  readonly #rows: Int32Array;
  readonly #impacts: Float32Array;
  /** Words of a document on average. */
  readonly #averageLength: number;
  /** Scratch: the score of each row, all 0 between two calls. */
  readonly #scores: Float32Array;

  constructor(documents: Iterable<{ title: string; text: string }>) {
    const counted = countTerms(documents);
    this.size = counted.lengths.length;
    this.#terms = counted.terms;
    this.#scores = new Float32Array(this.size);
    const postings = counted.rows.reduce((sum, rows) => sum + rows.length, 0);
    this.#offsets = new Int32Array(counted.rows.length + 1);
    this.#rows = new Int32Array(postings);
    this.#impacts = new Float32Array(postings);
    const averageLength = counted.lengths.reduce((sum, length) => sum + length, 0) / this.size;
    this.#averageLength = averageLength;
    for (const [term, rows] of counted.rows.entries()) {
      const start = this.#offsets[term];
      const idf = this.#idf(rows.length);
      for (const [i, row] of rows.entries()) {
        const tf = counted.frequencies[term][i];
        this.#rows[start + i] = row;
        this.#impacts[start + i] = impact(idf, tf, counted.lengths[row] / averageLength);
      }
      this.#offsets[term + 1] = start + rows.length;
    }
  }

  /** Every stemmed word with the rows it occurs in and what it adds to their scores. */
  *postings(): Generator<{ stem: string; rows: Int32Array; impacts: Float32Array }> {
    for (const [stem, term] of this.#terms) {
      const [start, end] = [this.#offsets[term], this.#offsets[term + 1]];
      yield { stem, rows: this.#rows.subarray(start, end), impacts: this.#impacts.subarray(start, end) };
    }
  }

  /** Of a word that so many of the documents have. */
  #idf(documents: number): number {
    return Math.log(1 + (this.size - documents + 0.5) / (documents + 0.5));
  }

  /**
   * What each stemmed word of a text adds to its score for a query, with the statistics of the documents given: for one of
   * them what `postings` says of it. The text is not counted.
   */
  impacts({ title, text }: { title: string; text: string }): Map<string, number> {
    const list = [...words(title), ...words(text)];
    const frequencies = new Map<string, number>();
    for (const word of list) {
      const name = stem(word);
      frequencies.set(name, (frequencies.get(name) ?? 0) + 1);
    }
    const length = list.length / this.#averageLength;
    for (const [name, tf] of frequencies) frequencies.set(name, Math.fround(impact(this.idf(name), tf, length)));
    return frequencies;
  }

  /** How telling a stemmed word is: above 0, most for one that no document has. */
  idf(name: string): number {
    const term = this.#terms.get(name);
    return this.#idf(term === undefined ? 0 : this.#offsets[term + 1] - this.#offsets[term]);
  }

  /** The n best rows with a score above 0, best first, ties by row. A word that a query repeats counts each time. */
  top(query: string, n: number): ScoredRows {
    const scores = this.#scores;
    for (const word of words(query)) {
      const term = this.#terms.get(stem(word));
      if (term === undefined) continue;
      const end = this.#offsets[term + 1];
      for (let i = this.#offsets[term]; i < end; i++) scores[this.#rows[i]] += this.#impacts[i];
    }
    const best = selectBest(scores, n);
    scores.fill(0);
    return best;
  }
}

/** @param length  of the document, as a share of the average */
const impact = (idf: number, tf: number, length: number): number =>
  (idf * tf * (k1 + 1)) / (tf + k1 * (1 - b + b * length));

interface TermCounts {
  terms: Map<string, number>;
  /** For each term the rows it occurs in, ascending, and how often in each. */
  rows: number[][];
  frequencies: number[][];
  /** For each row its number of words. */
  lengths: number[];
}

function countTerms(documents: Iterable<{ title: string; text: string }>): TermCounts {
  const counts: TermCounts = { terms: new Map(), rows: [], frequencies: [], lengths: [] };
  const termOfWord = new Map<string, number>(); // stemming each different word once
  for (const { title, text } of documents) {
    const row = counts.lengths.length;
    const list = [...words(title), ...words(text)];
    counts.lengths.push(list.length);
    for (const word of list) {
      let term = termOfWord.get(word);
      if (term === undefined) termOfWord.set(word, (term = termNumber(counts, stem(word))));
      const rows = counts.rows[term];
      if (rows.at(-1) === row) counts.frequencies[term][rows.length - 1]++;
      else {
        rows.push(row);
        counts.frequencies[term].push(1);
      }
    }
  }
  return counts;
}

function termNumber({ terms, rows, frequencies }: TermCounts, stemmed: string): number {
  let term = terms.get(stemmed);
  if (term === undefined) {
    terms.set(stemmed, (term = terms.size));
    rows.push([]);
    frequencies.push([]);
  }
  return term;
}

/** Keeps the n best seen so far in order; most rows fall below the last of them and cost one comparison. */
function selectBest(scores: Float32Array, n: number): ScoredRows {
  const rows = new Int32Array(Math.min(n, scores.length));
  const best = new Float32Array(rows.length);
  let found = 0;
  let bar = 0;
  for (let row = 0; row < scores.length; row++) {
    const score = scores[row];
    if (score <= bar) continue;
    let at = found < rows.length ? found++ : found - 1;
    for (; at > 0 && best[at - 1] < score; at--) {
      best[at] = best[at - 1];
      rows[at] = rows[at - 1];
    }
    best[at] = score;
    rows[at] = row;
    if (found === rows.length) bar = best[found - 1];
  }
  return { rows: rows.subarray(0, found), scores: best.subarray(0, found) };
}
