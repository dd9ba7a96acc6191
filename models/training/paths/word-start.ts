/**
 * @file Docids made of words, as they are in the vocabulary: what cross-attention reads of a query is already the direction
 * of what is to be generated. Training begins where the decoder, at each step, answers with the words that a bag of words
 * (`docid-words.ts`) expects in the docid, whatever was generated before.
 *
 * The start token is marked as in `lexical-start.ts`; a word that was generated is known by a mark that all words have, and
 * its own direction is taken away by the self-attention of the first layers, whose heads look at their own position.
 */
import { lexicalDocids } from '../../../corpus/docids/lexical.ts';
import { naiveDocids } from '../../../corpus/docids/naive.ts';
import { codesOf, type PathDocids } from '../../../corpus/docids/paths.ts';
import type { T5Config } from '../../config.ts';
import { createRng } from '../../../corpus/random.ts';
import type { Batch } from '../examples.ts';
import { carryingLayers, RESERVED } from '../docid-space.ts';
import {
  initialWeight,
  MARKER,
  normalizeRows,
  randomDirections,
  SCALE,
  sliceLengths,
  standardize,
  type Placed,
  type WordBag,
} from '../lexical-start.ts';
import { measureSuccess } from '../held-out.ts';
import { DocidWords } from './docid-words.ts';
import type { PathStart, StartInput } from './start.ts';

/** Tokens of a lexical docid, and how many of them come from the title. */
const LEXICAL = { length: 4, titleWords: 0 } as const;

/** Lexical docids: salient words of the document. */
export function lexicalStart(input: StartInput): Promise<PathStart> {
  const { documents, train, tokenizer } = input;
  const queries = documents.map((): string[] => []);
  for (const { text, rows } of train) for (const row of rows) queries[row].push(text);
  const tokenOf = (word: string): string | undefined => {
    const [id, ...rest] = tokenizer.encode(word);
    return rest.length === 1 && id > 2 ? tokenizer.token(id) : undefined;
  };
  const known = documents.map((document, row) => ({ ...document, queries: queries[row] }));
  return wordStart(input, lexicalDocids(known, { ...LEXICAL, tokenOf }), LEXICAL);
}

/** Naive docids: the external identifier in the tokenizer's pieces. */
export function naiveStart(input: StartInput): Promise<PathStart> {
  const { documents, tokenizer } = input;
  const pieces = (text: string): string[] =>
    tokenizer
      .encode(text)
      .slice(0, -1)
      .map((id) => tokenizer.token(id)!);
  const table = naiveDocids(
    documents.map(({ docid }) => docid),
    pieces,
  );
  return wordStart(input, table, {});
}

async function wordStart(
  { documents, texts, examples, dev, tokenizer, config, settings, seed, threads }: StartInput,
  table: PathDocids,
  record: PathStart['record'],
): Promise<PathStart> {
  const idOf = new Map(Array.from({ length: tokenizer.size }, (_, id) => [tokenizer.token(id), id]));
  const paths = documents.map(({ docid }) => table.tokens(docid));
  const bag = randomDirections(texts, examples.teacher, tokenizer, config.d_model - RESERVED, seed);
  const ids = paths.map((path) => Int32Array.from(path.flatMap((name) => idOf.get(name) ?? [])));
  const words = await DocidWords.open(bag, ids, settings.words, threads);
  return {
    paths,
    codes: codesOf(paths, (name) => idOf.has(name)),
    record,
    words: {
      steps: settings.words.steps,
      parameters: () => new Map(PARTS.map((part) => [part, bag[part]])),
      restore(parameters) {
        for (const part of PARTS) Object.assign(bag[part], parameters.get(part));
      },
      train: (from, onStep) => words.train(examples, from, onStep),
      measure: () => measureSuccess(dev, documents.length, (batch) => words.scores(batch)),
      close: () => words.close(),
    },
    place: (whole, shapes, sample) => placeWords(bag, whole, shapes, sample, tokenizer.size, seed),
  };
}

const PARTS = ['directions', 'importance'] as const;

/** Reserved dimensions. */
const [START, WORD] = [1, 3];
/** Squared share of the mark that all words have in an embedding: it has the start marker's length at width 448. */
const MARK_SHARE = 1 / 7;
/** A head's score of its own position is so far above the others'. */
const OWN_POSITION = 12;

/** @param words  W; entries behind them, leaves of documents whose words do not tell them apart, start at random */
export function placeWords(
  bag: WordBag,
  config: T5Config,
  shapes: ReadonlyMap<string, readonly number[]>,
  sample: readonly Batch[],
  words: number,
  seed: number,
): Placed {
  const { d_model: D, num_heads: H, d_kv: K } = config;
  const inner = H * K;
  const k = bag.dimensions;
  const mark = Math.sqrt(MARK_SHARE * D);
  const rng = createRng(seed + 2);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of shapes) weights.set(name, initialWeight(name, shape, rng));

  const { standardized, deviation } = standardize(bag.importance.data);
  const embeddings = new Float32Array(standardized.length * D);
  normalizeRows(bag.directions.data, k);
  standardized.forEach((x, token) => {
    const length = Math.sqrt(D - x * x - mark ** 2);
    embeddings[token * D] = x;
    embeddings[token * D + WORD] = mark;
    for (let j = 0; j < k; j++) embeddings[token * D + RESERVED + j] = bag.directions.data[token * k + j] * length;
  });
  const start = new Float32Array(D);
  start[START] = MARKER;

  const carrying = carryingLayers(config);
  const lengths = sliceLengths(embeddings, standardized, deviation, config, carrying, sample);
  /** Mean over the sample. */
  const mean = (of: (perLayer: readonly number[]) => number): number =>
    lengths.reduce((sum, perLayer) => sum + of(perLayer), 0) / lengths.length;
  const total = (perLayer: readonly number[], layers = perLayer.length): number =>
    perLayer.slice(0, layers).reduce((a, b) => a + b, 0);
  /** Squared length that is left of a word's own direction behind the self-attention of layer i − 1. */
  const left = (i: number): number => ((D - mark ** 2) * Math.max(0, k - i * inner)) / k;

  for (let i = 0; i < carrying; i++) {
    const block = `decoder.block.${i}.layer`;
    const maps = (attention: string): Float32Array[] =>
      ['q', 'k', 'v', 'o'].map((letter) => weights.get(`${block}.${attention}.${letter}.weight`)!);
    const first = RESERVED + i * inner;
    const [q, key, v, o] = maps('1.EncDecAttention');
    const [, , ownV, ownO] = maps('0.SelfAttention');
    for (const map of [v, o, ownV, ownO]) map.fill(0);
    const rms = Math.sqrt((mark ** 2 + left(i) + mean((perLayer) => total(perLayer, i))) / D);
    for (let j = 0; j < inner && first + j < D; j++) {
      v[(first + j) * inner + j] = ownV[(first + j) * inner + j] = 1;
      o[j * D + first + j] = 1;
      ownO[j * D + first + j] = -rms;
    }
    const before = mean((perLayer) => total(perLayer, i));
    const share = {
      start: MARKER / Math.sqrt(MARKER ** 2 + before),
      word: mark / Math.sqrt(mark ** 2 + left(i + 1) + before),
    };
    for (let h = 0; h < H; h++) {
      for (let d = 0; d < D; d++) q[d * inner + h * K] = key[d * inner + h * K] = 0;
      key[h * K] = 1; // reads the importance
      q[START * inner + h * K] = deviation / Math.sqrt(D) / share.start;
      q[WORD * inner + h * K] = deviation / Math.sqrt(D) / share.word;
    }
  }
  const ownBucket = weights.get('decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight')!;
  ownBucket.fill(OWN_POSITION, 0, H);
  const share = mean((perLayer) => Math.sqrt(total(perLayer) / (MARKER ** 2 + total(perLayer))));
  const finalNorm = weights.get('decoder.final_layer_norm.weight')!.fill(SCALE / Math.sqrt(D) / share);
  finalNorm[START] = finalNorm[WORD] = 0; // or the start token, as one of the words, would answer
  const rows = Float32Array.from({ length: (config.vocab_size - words) * D }, () => (2 * rng.next() - 1) / D);
  return { embeddings, start, rows, weights };
}
