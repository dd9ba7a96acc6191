/** A document as the numbers of its words. */
export interface CountedDocument {
  /** How often each word stands in title and text; 0 for one that only its queries have. */
  readonly frequencies: ReadonlyMap<number, number>;
  /** How many of its queries have each word. */
  readonly asked: ReadonlyMap<number, number>;
  readonly queries: number;
}

/** Words that a document has more often count as if it had them so often. */
const MOST = 5;
/** Where no queries are known: the share of queries that have a word which their document has once; of one that it has twice, the double. */
const RATE = 0.07;
/** That counts as so many queries. */
const RATE_QUERIES = 100;
/** A word is asked as others are until it was seen, or should have been, more often than so. */
const WORD_QUERIES = 2;
/** What words say in general counts as so many queries of the document. */
const DOCUMENT_QUERIES = 15;
/** No word is in more of a document's queries in general. */
const MOST_CHANCE = 0.5;

/** Counts, over documents with queries, which of their words are asked for. */
export class AskedCounts {
  /** For each word, by how often a document has it: queries of such documents, and those of them that have the word. */
  readonly #queries: Float64Array[] = [];
  readonly #asked: Float64Array[] = [];

  add({ frequencies, asked, queries }: CountedDocument): void {
    if (queries === 0) return;
    for (const [id, frequency] of frequencies) {
      const often = Math.min(MOST, frequency);
      (this.#queries[id] ??= new Float64Array(MOST + 1))[often] += queries;
      (this.#asked[id] ??= new Float64Array(MOST + 1))[often] += asked.get(id) ?? 0;
    }
  }

  /** @param counts  whether a word counts for how often words are asked for in general */
  finish(counts: (id: number) => boolean): AskedWords {
    const rates = Float64Array.from({ length: MOST + 1 }, (_, often) => {
      if (often === 0) return 0;
      let [asked, queries] = [RATE_QUERIES * RATE * often, RATE_QUERIES];
      for (const [id, all] of this.#queries.entries())
        if ((all as Float64Array | undefined) && counts(id)) {
          queries += all[often];
          asked += this.#asked[id][often];
        }
      return asked / queries;
    });
    const factors = this.#queries.map((all, id) => {
      const expected = all.reduce((sum, queries, often) => sum + queries * rates[often], 0);
      const asked = this.#asked[id].reduce((sum, n, often) => (often > 0 ? sum + n : sum), 0);
      return (asked + WORD_QUERIES) / (expected + WORD_QUERIES);
    });
    return new AskedWords(rates, factors);
  }
}

/**
 * How likely a query has a word of its document: by how often the document has it, by how often the word is asked for
 * elsewhere, and by the queries the document is known to have.
 */
export class AskedWords {
  readonly #rates: Float64Array;
  readonly #factors: readonly (number | undefined)[];

  constructor(rates: Float64Array, factors: readonly (number | undefined)[]) {
    this.#rates = rates;
    this.#factors = factors;
  }

  /** The chance that a query for the document has the word. */
  chance(id: number, { frequencies, asked, queries }: CountedDocument): number {
    const rate = this.#rates[Math.min(MOST, frequencies.get(id) ?? 0)];
    const general = Math.min(MOST_CHANCE, rate * (this.#factors[id] ?? 1));
    return ((asked.get(id) ?? 0) + DOCUMENT_QUERIES * general) / (queries + DOCUMENT_QUERIES);
  }
}
