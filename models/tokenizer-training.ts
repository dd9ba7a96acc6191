/**
 * Trains a tokenizer from texts: frequent words whole, the rest in pieces, nothing unknown.
 *
 * Retrieval is lexical before it is anything else: which document answers a query hangs on a few rare words that both
 * contain. A word that is one token is one row of the embedding, which training can tie to the documents it stands in; a
 * word of four pieces must be put together by the encoder first. So the vocabulary is filled with words in the order
 * of their frequency (years and other numbers too), and only what remains of it with sub-word pieces for all others.
 *
 * Text is folded before that: compatibility forms (NFKC), case, accents ("Beyoncé" is asked for as "beyonce"), and the
 * forms of a word to its stem, so that what training learns of one holds for all, and fewer words are left to pieces.
 * Punctuation is dropped: it says nothing of which document is meant and makes sequences longer.
 *
 * The result is a BPE model with `ignore_merges` (a word that is in the vocabulary is taken whole, whatever the merges
 * say) and `byte_fallback` (a character never seen becomes its UTF-8 bytes). It opens in Python and in JavaScript.
 */
import { stemming } from './stemming.ts';
import { wordSplitter } from './tokenizer.ts';

export interface TokenizerTraining {
  /** How many ids the tokenizer may use at most. */
  readonly vocabSize: number;
  /** Words seen less often are left to sub-word pieces. */
  readonly minWordCount?: number;
  /** For tokenizer_config.json: how long an input Python lets through unwarned. */
  readonly modelMaxLength?: number;
}

export interface TrainedTokenizer {
  readonly tokenizerJson: object;
  readonly tokenizerConfig: object;
}

/** Texts or options no tokenizer can be trained with. */
export class TokenizerTrainingError extends Error {
  readonly expected: string;
  readonly actual: string;

  constructor(expected: string, actual: string, advice: string) {
    super(`training a tokenizer: expected ${expected}, got ${actual}; ${advice}`);
    this.name = 'TokenizerTrainingError';
    this.expected = expected;
    this.actual = actual;
  }
}

/** Ids 0, 1 and 2, as in T5. */
const specialTokens = ['<pad>', '</s>', '<unk>'];
const byteTokens = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
/** Stands before each word, so that "art" the word and "art" in "bartered" are two tokens. */
const wordStart = '▁';
/** Characters that get their own token: at most this share of the vocabulary (a Chinese corpus has thousands). */
const characterShare = 1 / 4;
/** Kept free for sub-word pieces when there are more words than room. */
const pieceShare = 1 / 10;
/** Longer words (addresses, formulas) are not kept whole, and not learned from. */
const maxWordLength = 40;
/** A pair of symbols in fewer different words than this is no piece. */
const minPairWords = 3;

const letter = '\\p{L}\\p{N}';
/** Between words: marks without a letter, space, control and format characters (joiners, soft hyphens), punctuation. */
const dropped = `\\p{M}\\p{Z}\\p{Cc}\\p{Cf}\\s.,;:!?"'()\\[\\]{}«»‹›“”„‟‘’‚‛\`´…·•‥・、。「」『』【】〈〉《》¿¡/⁄|_~*\\\\‐‑‒–—―\\-`;
/** A word is letters and digits, as in SQLite's FTS5; any other character (signs, emoji) is a word of its own. */
const wordPattern = `[${letter}][${letter}\\p{M}]*|[^${letter}${dropped}]`;

const metaspace = { type: 'Metaspace', replacement: wordStart, prepend_scheme: 'always', split: false };
const regex = (source: string) => ({ Regex: source });
const pipeline = {
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'NFKD' },
      { type: 'Replace', pattern: regex('[\\x{300}-\\x{36F}]'), content: '' },
      { type: 'NFKC' },
      { type: 'Lowercase' },
      // JavaScript lower-cases a final Σ to ς, Rust to σ.
      { type: 'Replace', pattern: { String: 'ς' }, content: 'σ' },
      ...stemming,
    ],
  },
  pre_tokenizer: {
    type: 'Sequence',
    // Inverted and removed: all that does not match is dropped.
    pretokenizers: [{ type: 'Split', pattern: regex(wordPattern), behavior: 'Removed', invert: true }, metaspace],
  },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
    pair: [
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: '</s>', type_id: 0 } },
      { Sequence: { id: 'B', type_id: 0 } },
      { SpecialToken: { id: '</s>', type_id: 0 } },
    ],
    special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
  },
  decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, metaspace] },
};

/** The same texts in any order and the same options give the same tokenizer. */
export function trainTokenizer(texts: Iterable<string>, options: TokenizerTraining): TrainedTokenizer {
  const { vocabSize, minWordCount = 2, modelMaxLength = 512 } = options;
  const fixed = [...specialTokens, ...byteTokens, wordStart];
  const smallest = fixed.length + 64;
  if (!Number.isInteger(vocabSize) || vocabSize < smallest) {
    throw new TokenizerTrainingError(`a vocabSize of ${smallest} or more`, `${vocabSize}`, 'choose a larger one');
  }
  const words = countWords(texts);
  if (words.size === 0) throw new TokenizerTrainingError('texts with words', 'none', 'is the corpus empty?');

  const vocab = new Map<string, number>();
  const add = (token: string): void => void (vocab.has(token) || vocab.set(token, vocab.size));
  fixed.forEach(add);
  frequentFirst(countCharacters(words))
    .slice(0, Math.floor(vocabSize * characterShare))
    .forEach(([character]) => add(character));
  const room = vocabSize - Math.ceil((vocabSize - vocab.size) * pieceShare);
  for (const [word, count] of frequentFirst(words)) {
    if (vocab.size >= room || count < minWordCount) break;
    add(word);
  }
  const merges = learnMerges([...words.keys()], vocab, vocabSize);
  return {
    tokenizerJson: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: specialTokens.map((content, id) => ({
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      ...pipeline,
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: true,
        ignore_merges: true,
        vocab: Object.fromEntries(vocab),
        merges,
      },
    },
    tokenizerConfig: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      eos_token: '</s>',
      pad_token: '<pad>',
      unk_token: '<unk>',
      model_max_length: modelMaxLength,
      clean_up_tokenization_spaces: false,
    },
  };
}

/** How often each word (with its ▁) stands in the texts; over-long ones left out. */
function countWords(texts: Iterable<string>): Map<string, number> {
  const split = wordSplitter({ ...pipeline, added_tokens: [], model: { type: 'BPE', vocab: {}, merges: [] } });
  const words = new Map<string, number>();
  for (const text of texts) {
    for (const word of split(text)) {
      if (word.length <= maxWordLength) words.set(word, (words.get(word) ?? 0) + 1);
    }
  }
  return words;
}

function countCharacters(words: ReadonlyMap<string, number>): Map<string, number> {
  const characters = new Map<string, number>();
  for (const [word, count] of words) {
    for (const character of word) characters.set(character, (characters.get(character) ?? 0) + count);
  }
  return characters;
}

/** By count, then by code units, so that the order of the texts does not show. */
function frequentFirst(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

/**
 * Byte-pair encoding over the different words, each counted once: pieces are for words that are rare or not seen
 * yet, and what many different words share is the best guess at what these are made of. New pieces go into `vocab` until it
 * is full. A merge whose result is there already (a whole word, found as a part of longer ones) costs nothing.
 *
 * @returns merges in order of rank, each "left right"
 */
function learnMerges(words: readonly string[], vocab: Map<string, number>, vocabSize: number): string[] {
  const texts: string[] = [];
  const ids = new Map<string, number>();
  const symbol = (text: string): number => {
    let id = ids.get(text);
    if (id === undefined) {
      id = texts.length;
      texts.push(text);
      ids.set(text, id);
    }
    return id;
  };
  /** Characters without a token become bytes, which no merge joins. */
  const isByte = (id: number): boolean => !vocab.has(texts[id]);
  const sequences = [...words].sort().map((word) => Array.from(word, symbol));
  const pairs = new PairCounts();
  sequences.forEach((sequence, word) => {
    for (let i = 1; i < sequence.length; i++) {
      if (!isByte(sequence[i - 1]) && !isByte(sequence[i])) pairs.add(sequence[i - 1], sequence[i], word, 1);
    }
  });
  const order = new PairHeap((a, b) => {
    const [leftA, leftB] = [texts[pairs.left(a)], texts[pairs.left(b)]];
    if (leftA !== leftB) return leftA < leftB;
    return texts[pairs.right(a)] < texts[pairs.right(b)];
  });
  for (const pair of pairs.all()) order.push(pair, pairs.count(pair));

  const merges: string[] = [];
  for (let top = order.pop(); top !== undefined && vocab.size < vocabSize; top = order.pop()) {
    const { pair, count } = top;
    const now = pairs.count(pair);
    if (now < minPairWords) continue;
    if (now < count) {
      order.push(pair, now);
      continue;
    }
    const [left, right] = [pairs.left(pair), pairs.right(pair)];
    const merged = symbol(texts[left] + texts[right]);
    merges.push(`${texts[left]} ${texts[right]}`);
    if (!vocab.has(texts[merged])) vocab.set(texts[merged], vocab.size);
    const changed = new Set<number>();
    for (const word of pairs.take(pair)) {
      const before = sequences[word];
      const after = mergeIn(before, left, right, merged);
      sequences[word] = after;
      for (let i = 1; i < before.length; i++) pairs.add(before[i - 1], before[i], word, -1);
      for (let i = 1; i < after.length; i++) {
        if (isByte(after[i - 1]) || isByte(after[i])) continue;
        const neighbour = pairs.add(after[i - 1], after[i], word, 1);
        if (after[i - 1] === merged || after[i] === merged) changed.add(neighbour);
      }
    }
    for (const neighbour of changed) order.push(neighbour, pairs.count(neighbour));
  }
  return merges;
}

function mergeIn(sequence: readonly number[], left: number, right: number, merged: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < sequence.length; i++) {
    if (sequence[i] === left && sequence[i + 1] === right) {
      out.push(merged);
      i++;
    } else {
      out.push(sequence[i]);
    }
  }
  return out;
}

/** How often each pair of neighbouring symbols stands in the words, and in which. A pair is one number. */
class PairCounts {
  private readonly counts = new Map<number, number>();
  private readonly words = new Map<number, Set<number>>();

  /** More symbols than any vocabulary has; the product stays an exact integer. */
  private static readonly base = 2 ** 24;

  left(pair: number): number {
    return Math.floor(pair / PairCounts.base);
  }

  right(pair: number): number {
    return pair % PairCounts.base;
  }

  add(left: number, right: number, word: number, by: 1 | -1): number {
    const pair = left * PairCounts.base + right;
    const before = this.counts.get(pair);
    if (by === 1) {
      this.counts.set(pair, (before ?? 0) + 1);
      const words = this.words.get(pair);
      if (words) words.add(word);
      else this.words.set(pair, new Set([word]));
    } else if (before !== undefined) {
      if (before > 1) this.counts.set(pair, before - 1);
      else this.counts.delete(pair);
    }
    return pair;
  }

  count(pair: number): number {
    return this.counts.get(pair) ?? 0;
  }

  all(): IterableIterator<number> {
    return this.counts.keys();
  }

  /** The words the pair may stand in (it may have left some by other merges); they are forgotten here. */
  take(pair: number): ReadonlySet<number> {
    const words = this.words.get(pair) ?? new Set();
    this.words.delete(pair);
    return words;
  }
}

interface Counted {
  readonly pair: number;
  readonly count: number;
}

/** Greatest count first, ties by `before`. Counts go stale; who pops an entry compares. */
class PairHeap {
  private readonly heap: Counted[] = [];
  private readonly before: (a: number, b: number) => boolean;

  constructor(before: (a: number, b: number) => boolean) {
    this.before = before;
  }

  push(pair: number, count: number): void {
    const { heap } = this;
    heap.push({ pair, count });
    let i = heap.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.isFirst(heap[i], heap[parent])) break;
      [heap[i], heap[parent]] = [heap[parent], heap[i]];
      i = parent;
    }
  }

  pop(): Counted | undefined {
    const { heap } = this;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length > 0 && last) {
      heap[0] = last;
      for (let i = 0; ;) {
        let first = i;
        for (const child of [2 * i + 1, 2 * i + 2]) {
          if (child < heap.length && this.isFirst(heap[child], heap[first])) first = child;
        }
        if (first === i) break;
        [heap[i], heap[first]] = [heap[first], heap[i]];
        i = first;
      }
    }
    return top;
  }

  private isFirst(a: Counted, b: Counted): boolean {
    return a.count !== b.count ? a.count > b.count : a.pair !== b.pair && this.before(a.pair, b.pair);
  }
}
