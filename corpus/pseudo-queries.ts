import { shuffle, type Rng } from './random.ts';
import { WordStatistics } from './word-statistics.ts';
import { sentences, words } from './words.ts';

/**
 * Queries that a document's text suggests, drawn anew at every training step: no list of them is kept. The kinds and
 * their shares follow the prototype of the design brief; the question form is for corpora that come without queries.
 */
export type PseudoQueryKind = 'span' | 'salient' | 'title' | 'question' | 'keyword' | 'skeleton';

/** How often each kind is drawn, in any unit; a kind left out is not drawn. */
export type PseudoQueryMix = { [K in PseudoQueryKind]?: number };

export const defaultMix: Required<PseudoQueryMix> = {
  span: 0.3,
  salient: 0.4,
  title: 0.1,
  question: 0.12,
  keyword: 0.08,
  skeleton: 0,
};

/**
 * The mix where real questions are at hand. Measured on squad_wiki beside its train queries (DESIGN.md, decisions).
 */
export const skeletonMix: Required<PseudoQueryMix> = {
  span: 0.2,
  salient: 0.2,
  title: 0.05,
  question: 0,
  keyword: 0,
  skeleton: 0.55,
};

export interface PseudoQueryOptions {
  /** Shares of the kinds. Without it `skeletonMix` where skeletons are given, `defaultMix` otherwise. */
  mix?: PseudoQueryMix;
  /** Real questions, of any documents, whose function words the kind `skeleton` keeps in place. */
  skeletons?: readonly string[];
}

/** What of a document the generators read. */
export interface QueryableText {
  title: string;
  text: string;
}

/** A document as word numbers. */
export interface PreparedDocument {
  title: Int32Array;
  /** The words of the text; the title's where the text has none. */
  words: Int32Array;
  /** Sentence s is words[sentenceStarts[s] … sentenceStarts[s + 1]); one more entry than sentences. */
  sentenceStarts: Int32Array;
}

/** A mix that gives nothing to draw from. */
export class InvalidMixError extends Error {
  override readonly name = 'InvalidMixError';
  readonly mix: PseudoQueryMix;
  constructor(mix: PseudoQueryMix) {
    super(`pseudo-query mix: expected shares of at least 0 and one above it, got ${JSON.stringify(mix)}`);
    this.mix = mix;
  }
}

/** One word in seven is dropped from 30 % of the queries, so that no single word is relied on. */
const noisyShare = 0.3;
const dropOneIn = 7;

export class PseudoQueries {
  readonly #statistics = new WordStatistics();
  readonly #documents: PreparedDocument[];
  readonly #kinds: PseudoQueryKind[];
  readonly #shares: number[];
  readonly #skeletons: Skeletons;

  /** @throws InvalidMixError */
  constructor(documents: Iterable<QueryableText>, options: PseudoQueryOptions = {}) {
    const { skeletons = [], mix = skeletons.length > 0 ? skeletonMix : defaultMix } = options;
    this.#kinds = (Object.keys(generators) as PseudoQueryKind[]).filter((kind) => (mix[kind] ?? 0) !== 0);
    this.#shares = this.#kinds.map((kind) => mix[kind]!);
    if (this.#kinds.length === 0 || !this.#shares.every((share) => share > 0 && share < Infinity))
      throw new InvalidMixError(mix);
    this.#documents = Array.from(documents, (document) => this.prepare(document));
    for (const { title, words } of this.#documents) this.#statistics.countDocument(title, words);
    this.#skeletons = new Skeletons(skeletons, this.#statistics, this.#documents.length);
  }

  /** Number of documents given. */
  get size(): number {
    return this.#documents.length;
  }

  /** A pseudo-query of the i-th document: words in lower case with single blanks; empty only for a document without words. */
  draw(documentIndex: number, rng: Rng): string {
    return this.drawFrom(this.#documents[documentIndex], rng);
  }

  /** A pseudo-query of a document that need not be one of those given, as when one is added by an edit. */
  drawFrom(document: PreparedDocument, rng: Rng): string {
    return this.#render(this.#generate(this.#drawKind(rng), document, rng), rng);
  }

  /** A pseudo-query of one kind. */
  drawKind(kind: PseudoQueryKind, document: PreparedDocument, rng: Rng): string {
    return this.#render(this.#generate(kind, document, rng), rng);
  }

  /** Splits a document into words once, for any number of draws. */
  prepare({ title, text }: QueryableText): PreparedDocument {
    const number = (list: string[]): number[] => list.map((word) => this.#statistics.idOf(word));
    const titleWords = number(words(title));
    const starts = [0];
    const textWords: number[] = [];
    for (const sentence of sentences(text)) {
      for (const id of number(words(sentence))) textWords.push(id);
      starts.push(textWords.length);
    }
    if (textWords.length === 0) starts.splice(0, starts.length, 0, titleWords.length);
    return {
      title: Int32Array.from(titleWords),
      words: Int32Array.from(textWords.length > 0 ? textWords : titleWords),
      sentenceStarts: Int32Array.from(starts),
    };
  }

  #drawKind(rng: Rng): PseudoQueryKind {
    return this.#kinds[drawWeighted(this.#shares, rng)];
  }

  #generate(kind: PseudoQueryKind, document: PreparedDocument, rng: Rng): DrawnWord[] {
    if (document.words.length === 0) return [];
    return generators[kind](document, this.#statistics, rng, this.#skeletons);
  }

  #render(drawn: DrawnWord[], rng: Rng): string {
    const noisy = rng.next() < noisyShare;
    let kept = drawn;
    if (noisy && drawn.length > 1) {
      kept = drawn.filter(() => rng.int(dropOneIn) !== 0);
      if (kept.length === 0) kept = [drawn[rng.int(drawn.length)]];
    }
    return kept.map((word) => (typeof word === 'string' ? word : this.#statistics.wordOf(word))).join(' ');
  }
}

/** A word of the corpus by number, or one that the generator brings along. */
type DrawnWord = number | string;

type Generator = (
  document: PreparedDocument,
  statistics: WordStatistics,
  rng: Rng,
  skeletons: Skeletons,
) => DrawnWord[];

const generators: { [K in PseudoQueryKind]: Generator } = {
  /** 6–20 words of the text as they stand. */
  span(document, _statistics, rng) {
    return [...window(document.words, between(6, 20, rng), rng)];
  },

  /** 3–8 salient words from a window of 20–60, in the order of the text; two in five with the title in front. */
  salient(document, statistics, rng) {
    const picked = drawSalient(window(document.words, between(20, 60, rng), rng), between(3, 8, rng), statistics, rng);
    return rng.next() < 0.4 ? withTitle(document.title, picked) : picked;
  },

  /** The title; of a document without one, a few salient words. */
  title(document, statistics, rng) {
    if (document.title.length > 0) return [...document.title];
    return drawSalient(document.words, between(2, 4, rng), statistics, rng);
  },

  /**
   * A sentence asked about: one salient word is taken for the answer and left out, a wh-word that suits it stands in
   * front, and at most 12 words around the gap are kept. Every fourth one names the title, as people do.
   */
  question(document, statistics, rng, skeletons) {
    const { words, sentenceStarts } = document;
    const s = rng.int(sentenceStarts.length - 1);
    const sentence = words.subarray(sentenceStarts[s], sentenceStarts[s + 1]);
    if (sentence.length < 4) return generators.salient(document, statistics, rng, skeletons);
    const answer = drawWeighted(
      Array.from(sentence, (id) => statistics.idf(id) ** 2),
      rng,
    );
    const from = Math.max(0, Math.min(answer - rng.int(8), sentence.length - 12));
    const around = sentence.subarray(from, Math.max(from + 12, answer + 1));
    const rest = [...around].filter((_, i) => from + i !== answer);
    const asked = [whWord(statistics.wordOf(sentence[answer]), rng), ...rest];
    return rng.next() < 0.25 ? [...asked, ...without(document.title, rest)] : asked;
  },

  /** 1–4 of the most telling words of the whole document, in any order. */
  keyword(document, statistics, rng) {
    const count = between(1, 4, rng);
    const candidates = mostSalient(document.words, 12, statistics);
    const picked = drawSalient(candidates, count, statistics, rng);
    return rng.next() < 0.3 ? withTitle(document.title, picked) : picked;
  },

  /**
   * The function words of a real question about some other document, with this document's words in its gaps: salient
   * words of one sentence, about every third time the title's among them. Most read as people's questions do.
   */
  skeleton(document, statistics, rng, skeletons) {
    const skeleton = skeletons.draw(rng);
    if (!skeleton) return generators.question(document, statistics, rng, skeletons);
    const content = skeletons.contentOf(sentenceOf(document, rng));
    if (rng.next() < 0.35) content.push(...skeletons.contentOf(document.title).filter((id) => !content.includes(id)));
    if (rng.next() < 0.15) content.push(document.words[rng.int(document.words.length)]);
    const gaps = skeleton.filter((word) => word === GAP).length;
    const fill = drawSalient(Int32Array.from(content), gaps, statistics, rng);
    if (rng.next() < 0.2) shuffle(fill, rng);
    return skeleton.flatMap((word) => (word === GAP ? (fill.shift() ?? []) : word));
  },
};

/** A sentence of some length, drawn by the root of it; a short one with the next. */
function sentenceOf({ words, sentenceStarts }: PreparedDocument, rng: Rng): Int32Array {
  const count = sentenceStarts.length - 1;
  const s = drawWeighted(
    Array.from({ length: count }, (_, i) => Math.sqrt(sentenceStarts[i + 1] - sentenceStarts[i])),
    rng,
  );
  const end = sentenceStarts[s + 1] - sentenceStarts[s] < 8 ? Math.min(count, s + 2) : s + 1;
  return words.subarray(sentenceStarts[s], sentenceStarts[end]);
}

/** Stands where a skeleton takes a word of the document. */
const GAP = -1;
/** Function words: among the most frequent of the questions, and in more than one document of fifty. */
const FUNCTION_WORDS = 400;
const FUNCTION_WORD_SHARE = 0.02;

/** Real questions with their content words taken out. */
class Skeletons {
  readonly #skeletons: number[][];
  readonly #functionWords: Set<number>;

  constructor(questions: readonly string[], statistics: WordStatistics, documents: number) {
    const asked = questions.map((question) => words(question).map((word) => statistics.idOf(word)));
    const counts = new Map<number, number>();
    for (const id of asked.flat()) counts.set(id, (counts.get(id) ?? 0) + 1);
    const common = Math.log((documents + 1) / (FUNCTION_WORD_SHARE * documents + 0.5));
    const frequent = [...counts].sort((a, b) => b[1] - a[1]).slice(0, FUNCTION_WORDS);
    this.#functionWords = new Set(frequent.map(([id]) => id).filter((id) => statistics.idf(id) < common));
    this.#skeletons = asked
      .filter(({ length }) => length >= 4 && length <= 24)
      .map((ids) => ids.map((id) => (this.#functionWords.has(id) ? id : GAP)))
      .filter((ids) => ids.includes(GAP));
  }

  draw(rng: Rng): number[] | undefined {
    return this.#skeletons[rng.int(this.#skeletons.length)];
  }

  /** The different words that are no function words; all of them where nothing else is there. */
  contentOf(list: Int32Array): number[] {
    const different = [...new Set(list)];
    const content = different.filter((id) => !this.#functionWords.has(id));
    return content.length > 0 ? content : different;
  }
}

function whWord(answer: string, rng: Rng): string {
  if (/^[12]\d\d\d$/.test(answer)) return rng.next() < 0.7 ? 'when' : 'what year';
  if (/^\d/.test(answer)) return rng.next() < 0.6 ? 'how many' : 'how much';
  const draw = rng.next();
  if (draw < 0.55) return 'what';
  if (draw < 0.75) return 'who';
  return draw < 0.9 ? 'which' : 'where';
}

/** `length` words in a row from a random place, or all there are. */
function window(words: Int32Array, length: number, rng: Rng): Int32Array {
  if (words.length <= length) return words;
  const from = rng.int(words.length - length + 1);
  return words.subarray(from, from + length);
}

/**
 * `count` different words drawn without replacement, each with a chance by its idf, in the order they stand in. Drawing
 * without replacement by weights w is taking the largest of u^(1/w), u uniform (Efraimidis and Spirakis 2006).
 */
function drawSalient(words: Int32Array, count: number, statistics: WordStatistics, rng: Rng): number[] {
  // Squared, so that function words, with idf below 1 even in a small corpus, seldom come.
  return largest(words, count, (id) => Math.log(1 - rng.next()) / statistics.idf(id) ** 2);
}

/** The words with the largest idf times frequency in the document. */
function mostSalient(words: Int32Array, count: number, statistics: WordStatistics): Int32Array {
  const frequency = new Map<number, number>();
  for (const id of words) frequency.set(id, (frequency.get(id) ?? 0) + 1);
  return Int32Array.from(largest(words, count, (id) => frequency.get(id)! * statistics.idf(id)));
}

/** The `count` different words with the largest keys, in the order of their first places. */
function largest(words: Int32Array, count: number, keyOf: (id: number) => number): number[] {
  const places: number[] = [];
  const keys: number[] = [];
  const seen = new Set<number>();
  for (let place = 0; place < words.length; place++) {
    const id = words[place];
    if (seen.has(id)) continue;
    seen.add(id);
    const key = keyOf(id);
    if (keys.length === count && key <= keys[count - 1]) continue;
    let at = Math.min(keys.length, count - 1);
    for (; at > 0 && keys[at - 1] < key; at--) {
      keys[at] = keys[at - 1];
      places[at] = places[at - 1];
    }
    keys[at] = key;
    places[at] = place;
  }
  return places.sort((a, b) => a - b).map((place) => words[place]);
}

function withTitle(title: Int32Array, picked: number[]): number[] {
  return [...title, ...picked.filter((id) => !title.includes(id))];
}

function without(title: Int32Array, said: number[]): number[] {
  return [...title].filter((id) => !said.includes(id));
}

function between(least: number, most: number, rng: Rng): number {
  return least + rng.int(most - least + 1);
}

/** An index with a chance by its weight. */
function drawWeighted(weights: readonly number[], rng: Rng): number {
  let left = rng.next() * weights.reduce((sum, weight) => sum + weight, 0);
  const drawn = weights.findIndex((weight) => (left -= weight) < 0);
  return drawn < 0 ? weights.length - 1 : drawn;
}
