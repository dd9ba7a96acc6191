import { WordStatistics } from '../word-statistics.ts';
import { words } from '../words.ts';
import { AskedCounts, type AskedWords, type CountedDocument } from './asked-words.ts';
import { PathDocids } from './paths.ts';
import { DuplicateDocidError } from './scheme.ts';
import { privateLeaf } from './semantic.ts';

/** What a lexical docid is made from. */
export interface LexicalDocument {
  readonly title: string;
  readonly text: string;
  /** What the document is asked for, where that is known: its train queries. */
  readonly queries?: readonly string[];
}

export interface LexicalOptions {
  /** The token that is a word as a whole; undefined where the tokenizer cuts it up. Forms of a word may share one. */
  readonly tokenOf: (word: string) => string | undefined;
  /** Tokens of a docid. */
  readonly length: number;
  /** How many of them may come from the title. */
  readonly titleWords: number;
}

/** A word in more than this share of the documents says nothing about one. */
const COMMON_SHARE = 0.2;
/** So many words are tried to make a docid unique before it gets a token of its own. */
const ALTERNATIVES = 32;

/**
 * Lexical docids: words of the document, as whole tokens. First those of its title in their order, then the most
 * salient ones, by idf times the chance that a query for the document has the word (docids made of a document's own words:
 * arXiv 2504.17519; what a query says is then already what is to be generated).
 *
 * All docids have the same length, so that none ends inside another. What is taken gets another salient word at its end,
 * and in the last resort the document's own token; a document with too few words ends with that, too.
 */
export class LexicalPaths {
  readonly #options: LexicalOptions;
  readonly #statistics = new WordStatistics();
  readonly #asked: AskedWords;
  readonly #tokens = new Map<string, string | undefined>();
  /** The least idf of a word that is not common. */
  readonly #leastIdf: number;

  /** @param documents  the corpus, whose words and train queries tell what is salient */
  constructor(documents: Iterable<LexicalDocument>, options: LexicalOptions) {
    this.#options = options;
    const counts = new AskedCounts();
    let N = 0;
    for (const document of documents) {
      const counted = this.#count(document);
      this.#statistics.countDocument(counted.frequencies.keys());
      counts.add(counted);
      N++;
    }
    this.#leastIdf = Math.log((N + 1) / (Math.max(1, COMMON_SHARE * N) + 0.5));
    this.#asked = counts.finish((id) => this.#isTelling(id));
  }

  /** The words of a document that may stand in its docid, in the order in which they would. */
  wordsFor(document: LexicalDocument): string[] {
    const counted = this.#count(document);
    const telling = [...counted.frequencies.keys()].filter((id) => this.#isTelling(id));
    const salience = new Map(telling.map((id) => [id, this.#statistics.idf(id) * this.#asked.chance(id, counted)]));
    const bySalience = telling.sort((a, b) => salience.get(b)! - salience.get(a)!); // stable: ties as they were met
    const inTitle = new Set(this.#ids(document.title));
    const chosen = new Set(bySalience.filter((id) => inTitle.has(id)).slice(0, this.#options.titleWords));
    const first = [...inTitle].filter((id) => chosen.has(id));
    return [...first, ...bySalience.filter((id) => !chosen.has(id))].map((id) => this.#statistics.wordOf(id));
  }

  /** A path for document number `row` that is free. */
  path(document: LexicalDocument, row: number, isFree: (path: readonly string[]) => boolean): string[] {
    const { length } = this.#options;
    const list = this.wordsFor(document);
    const first = list.slice(0, length - 1);
    for (const last of list.slice(length - 1, length - 1 + ALTERNATIVES)) {
      const path = [...first, last];
      if (isFree(path)) return path;
    }
    return [...first, privateLeaf(row)];
  }

  /** A path for a document that is added or changed, its own where that still fits: nobody else's changes. */
  pathIn(table: PathDocids, docid: string, document: LexicalDocument): string[] {
    return this.path(document, table.nextRow(docid), (path) => table.isFree(path, docid));
  }

  #isTelling(id: number): boolean {
    return this.#statistics.idf(id) >= this.#leastIdf;
  }

  #count({ title, text, queries = [] }: LexicalDocument): CountedDocument {
    const frequencies = new Map<number, number>();
    for (const part of [title, text])
      for (const id of this.#ids(part)) frequencies.set(id, (frequencies.get(id) ?? 0) + 1);
    const asked = new Map<number, number>();
    for (const query of queries)
      for (const id of new Set(this.#ids(query))) {
        asked.set(id, (asked.get(id) ?? 0) + 1);
        if (!frequencies.has(id)) frequencies.set(id, 0);
      }
    return { frequencies, asked, queries: queries.length };
  }

  /** Each word of a text that is a whole token, by its number. */
  #ids(text: string): number[] {
    return words(text).flatMap((word) => {
      let token = this.#tokens.get(word);
      if (token === undefined && !this.#tokens.has(word)) this.#tokens.set(word, (token = this.#options.tokenOf(word)));
      return token === undefined ? [] : this.#statistics.idOf(token);
    });
  }
}

/** The lexical docids of a corpus, numbered in its order. @throws DuplicateDocidError */
export function lexicalDocids(
  documents: readonly (LexicalDocument & { readonly docid: string })[],
  options: LexicalOptions,
): PathDocids {
  const paths = new LexicalPaths(documents, options);
  const taken = new Set<string>();
  const table = new Map<string, readonly string[]>();
  documents.forEach((document, row) => {
    if (table.has(document.docid)) throw new DuplicateDocidError('docids', document.docid);
    const path = paths.path(document, row, (one) => !taken.has(one.join(' ')));
    taken.add(path.join(' '));
    table.set(document.docid, path);
  });
  return PathDocids.of('lexical', table);
}
