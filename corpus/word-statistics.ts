/**
 * Words as numbers, with the number of documents each occurs in. Words met later (a document added by an edit) get
 * numbers too; they count as occurring in no document, and so as most salient.
 */
export class WordStatistics {
  readonly #ids = new Map<string, number>();
  readonly #words: string[] = [];
  readonly #documentFrequency: number[] = [];
  readonly #lastDocument: number[] = [];
  #documents = 0;

  /** The word's number, a new one if it has none. */
  idOf(word: string): number {
    let id = this.#ids.get(word);
    if (id === undefined) {
      id = this.#words.length;
      this.#ids.set(word, id);
      this.#words.push(word);
      this.#documentFrequency.push(0);
      this.#lastDocument.push(-1);
    }
    return id;
  }

  wordOf(id: number): string {
    return this.#words[id];
  }

  /** Counts one more document, given the numbers of its words in any order and number. */
  countDocument(...parts: Iterable<number>[]): void {
    for (const part of parts)
      for (const id of part) {
        if (this.#lastDocument[id] === this.#documents) continue;
        this.#lastDocument[id] = this.#documents;
        this.#documentFrequency[id]++;
      }
    this.#documents++;
  }

  /** ln((N + 1) / (df + ½)), N documents, df of them with the word: always above 0. */
  idf(id: number): number {
    return Math.log((this.#documents + 1) / (this.#documentFrequency[id] + 0.5));
  }
}
