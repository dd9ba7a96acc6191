/**
 * @file A start in which the decoder already carries words: a T5 whose first forward pass is that of a trained bag of words.
 *
 * A docid row scored by one dot product has rank D, and learning from nothing which words point to which of thousands
 * of documents takes a transformer thousands of steps. A weighted mean of word directions learns it in hundreds, each a
 * tenth of the cost; a T5 can represent it, and training goes on from there.
 *
 *   1. directions   every stem gets a random unit vector of D−4 dimensions, every document the BM25-weighted sum of its
 *                   stems' vectors (random indexing; Johnson & Lindenstrauss), every word the logarithm of its idf
 *   2. bag of words ĥ = Σ softmax(importance)·ê, logits = scale·ĥ·row, trained by cross-entropy
 *   3. placement    dimension 0 of an embedding carries the importance, dimension 1 of the start token marks it, the rest
 *                   is the direction; cross-attention keys read dimension 0, and value·output of the first layers are
 *                   projections on complementary slices of the directions; the MLPs of the last layers carry the sum
 *                   over to the docids' own space (`docid-space.ts`); all else writes nothing yet
 */
import { createHash } from 'node:crypto';
import type { LexicalTeacher } from '../../corpus/bm25.ts';
import { createRng, type Rng } from '../../corpus/random.ts';
import { stem } from '../../corpus/stem.ts';
import { words } from '../../corpus/words.ts';
import type { T5Config } from '../config.ts';
import { bagOfWordsGraph, gradientOutput } from '../graphs.ts';
import { Session, tensor, type Tensor } from '../session.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { carryingLayers, docidPlaces, placePassages, RESERVED } from './docid-space.ts';
import { adamRowsStep, adamStep, cosineSchedule, parameter, type Parameter } from './adam.ts';
import { fillTargets, type Batch, type Examples } from './examples.ts';
import { gather, scatterGradients } from './lookup.ts';

/** Size of the start token's marker; directions have length √D. */
export const MARKER = 8;
/** What a docid row has in the marker's dimension, where words have nothing: it lifts documents above the words. */
const DOCID_PRIOR = 0.6;
/** That entry is at least this often MARKER·D^-½, what the start token has there as one of the words: more in small models. */
const ABOVE_START = 1.25;
/** Logits are this often the cosine: sharp enough for a softmax over thousands of documents. */
export const SCALE = 25;

/** The bag of words: K = D − 4 dimensions. */
export interface WordBag {
  /** [V, K] directions of the tokens, length about 1 */
  readonly directions: Parameter;
  /** [V] how much a token counts; only differences matter */
  readonly importance: Parameter;
  /** [N, K] documents, mean length 1 */
  readonly rows: Parameter;
  readonly dimensions: number;
}

/** A standard normal number (Box–Muller). */
export function normal(rng: Rng): number {
  return Math.sqrt(-2 * Math.log(1 - rng.next())) * Math.cos(2 * Math.PI * rng.next());
}

function addScaled(target: Float32Array, at: number, source: Float32Array, scale: number): void {
  for (let j = 0; j < source.length; j++) target[at + j] += scale * source[j];
}

export function normalizeRows(data: Float32Array, width: number): void {
  for (let at = 0; at < data.length; at += width) {
    let sum = 0;
    for (let j = 0; j < width; j++) sum += data[at + j] * data[at + j];
    const scale = 1 / Math.sqrt(sum || 1);
    for (let j = 0; j < width; j++) data[at + j] *= scale;
  }
}

/**
 * The random unit vector of a name: for one seed the same in whatever corpus, so that models of corpora which differ by
 * some documents start in the same basis. float32 [dimensions]
 */
function directionOf(name: string, dimensions: number, seed: number): Float32Array {
  const rng = createRng(createHash('sha256').update(`${seed}\n${name}`).digest().readUIntBE(0, 6));
  const vector = Float32Array.from({ length: dimensions }, () => normal(rng));
  normalizeRows(vector, dimensions);
  return vector;
}

/** Importance of tokens that stand for no word of the corpus: hardly any. */
export const UNIMPORTANT = Math.log(0.1);

/**
 * Step 1. Retrieval by these directions alone approximates BM25 with the noise of D dimensions.
 *
 * @param texts  all texts whose words the tokenizer should know by direction: documents and train queries
 */
export function randomDirections(
  texts: Iterable<string>,
  teacher: LexicalTeacher,
  tokenizer: Tokenizer,
  dimensions: number,
  seed: number,
): WordBag {
  const stems = new Map<string, { vector: Float32Array; idf: number }>();
  const vectorOf = (name: string): Float32Array => directionOf(name, dimensions, seed);
  const rows = new Float32Array(teacher.size * dimensions);
  for (const { stem: name, rows: where, impacts } of teacher.postings()) {
    const idf = Math.log(1 + (teacher.size - where.length + 0.5) / (where.length + 0.5));
    const entry = { vector: vectorOf(name), idf };
    stems.set(name, entry);
    where.forEach((row, i) => addScaled(rows, row * dimensions, entry.vector, impacts[i]));
  }
  let length = 0;
  for (let n = 0; n < teacher.size; n++) length += Math.hypot(...rows.subarray(n * dimensions, (n + 1) * dimensions));
  const scale = teacher.size / (length || 1);
  for (let i = 0; i < rows.length; i++) rows[i] *= scale;

  const size = tokenizer.size;
  const directions = new Float32Array(size * dimensions);
  const idf = new Float32Array(size);
  const shares = new Float32Array(size);
  const whole = new Uint8Array(size);
  const seen = new Set<string>();
  for (const text of texts) {
    for (const word of words(text)) {
      if (seen.has(word)) continue;
      seen.add(word);
      const name = stem(word);
      let entry = stems.get(name);
      if (!entry) stems.set(name, (entry = { vector: vectorOf(name), idf: Math.log(1 + (teacher.size + 0.5) / 0.5) }));
      const pieces = tokenizer.encode(word).slice(0, -1);
      for (const piece of pieces) {
        // A piece that is a word of its own keeps that word's direction; others average the words they occur in.
        if (pieces.length === 1 && !whole[piece]) {
          whole[piece] = 1;
          directions.fill(0, piece * dimensions, (piece + 1) * dimensions);
          idf[piece] = shares[piece] = 0;
        } else if (whole[piece]) continue;
        addScaled(directions, piece * dimensions, entry.vector, 1 / pieces.length);
        idf[piece] += entry.idf;
        shares[piece] += 1;
      }
    }
  }
  for (let token = 0; token < size; token++) {
    if (!shares[token]) directions.set(vectorOf(`token ${token}`), token * dimensions); // no stem has a blank
  }
  normalizeRows(directions, dimensions);
  const importance = Float32Array.from(idf, (sum, token) =>
    shares[token] ? Math.log(Math.max(0.1, sum / shares[token])) : UNIMPORTANT,
  );
  return { directions: parameter(directions), importance: parameter(importance), rows: parameter(rows), dimensions };
}

/** Steps of the optimiser are relative to the size of the entries of a unit vector. */
export const ROW_RATE = 6e-3;
export const IMPORTANCE_RATE = 1e-2;

export interface BagTrainingOptions {
  readonly steps: number;
  readonly batchSize: number;
  readonly threads: number;
  /** Learning rate of the words' directions, as a factor of the rows'. */
  readonly directionRate: number;
}

/** Step 2: trains the bag in place, from step `from`. `onStep` may await (checkpoints). */
export async function trainWordBag(
  bag: WordBag,
  examples: Examples,
  { steps, batchSize, threads, directionRate }: BagTrainingOptions,
  from: number,
  onStep: (step: number, loss: number) => Promise<void>,
): Promise<void> {
  const { directions, importance, rows, dimensions: k } = bag;
  const n = examples.documents;
  const session = await Session.open(bagOfWordsGraph(k, SCALE, { gradients: true }), { threads });
  const targets = new Float32Array(batchSize * n);
  const rowsGradient = tensor(new Float32Array(n * k), [n, k]);
  try {
    for (let step = from; step < steps; step++) {
      const batch = examples.batch(1, step, batchSize);
      fillTargets(targets, batch, n);
      const shape = [batch.size, batch.length];
      const feeds = {
        embedded: tensor(gather(directions.data, batch.ids, k), [...shape, k]),
        importance: tensor(gather(importance.data, batch.ids, 1), shape),
        attention_mask: tensor(batch.mask, shape),
        rows: tensor(rows.data, [n, k]),
        targets: tensor(targets, [batch.size, n]),
        weights: tensor(new Float32Array(batch.size).fill(1 / batch.size), [batch.size]),
      };
      const out = await session.run(feeds, {
        loss: tensor(new Float32Array(1), []),
        [gradientOutput('embedded')]: tensor(new Float32Array(batch.ids.length * k), [...shape, k]),
        [gradientOutput('importance')]: tensor(new Float32Array(batch.ids.length), shape),
        [gradientOutput('rows')]: rowsGradient,
      });
      fillTargets(targets, batch, n, true);
      const rate = cosineSchedule(step + 1, { steps, warmup: 20, floor: 0.05 });
      const t = step + 1;
      const gradient = (name: string): Float32Array => out[gradientOutput(name)].data as Float32Array;
      const words = scatterGradients(batch, gradient('embedded'), k);
      adamRowsStep(directions, words.ids, words.gradients, {
        width: k,
        lr: ((directionRate * ROW_RATE) / Math.sqrt(k)) * rate,
        step: t,
      });
      const counts = scatterGradients(batch, gradient('importance'), 1);
      adamRowsStep(importance, counts.ids, counts.gradients, { width: 1, lr: IMPORTANCE_RATE * rate, step: t });
      adamStep(rows, gradient('rows'), { lr: (ROW_RATE / Math.sqrt(k)) * rate, step: t });
      await onStep(step + 1, (out.loss as Tensor<Float32Array>).data[0]);
    }
  } finally {
    await session.release();
  }
}

/** Importances beyond this many standard deviations are cut, so that an embedding keeps most of its length for words. */
export const IMPORTANCE_RANGE = [-4, 6] as const;

export interface Placed {
  /** [V, D] token embeddings, root mean square 1 */
  readonly embeddings: Float32Array;
  /** [1, D] the start token */
  readonly start: Float32Array;
  /** [N, D] docid rows in the scale of logits */
  readonly rows: Float32Array;
  /** Weights of the graph by HF's name, linear maps [in, out]. */
  readonly weights: Map<string, Float32Array>;
}

/**
 * Step 3.
 *
 * @param sample  batches to measure on how long a mean of directions is, which sets the scales of the norms
 */
export function placeWordBag(
  bag: WordBag,
  config: T5Config,
  shapes: ReadonlyMap<string, readonly number[]>,
  sample: readonly Batch[],
  seed: number,
): Placed {
  const { d_model: D, num_heads: H, d_kv: K } = config;
  const inner = H * K;
  const k = bag.dimensions;
  const rng = createRng(seed + 2);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of shapes) weights.set(name, initialWeight(name, shape, rng));

  const { standardized, deviation } = standardize(bag.importance.data);
  const embeddings = new Float32Array(standardized.length * D);
  normalizeRows(bag.directions.data, k);
  standardized.forEach((x, token) => {
    const length = Math.sqrt(D - x * x);
    embeddings[token * D] = x;
    for (let j = 0; j < k; j++) embeddings[token * D + RESERVED + j] = bag.directions.data[token * k + j] * length;
  });
  const start = new Float32Array(D);
  start[1] = MARKER;

  const carrying = carryingLayers(config);
  const lengths = sliceLengths(embeddings, standardized, deviation, config, carrying, sample);
  let finalShare = 0;
  for (const perLayer of lengths) {
    const words = perLayer.reduce((a, b) => a + b, 0);
    finalShare += Math.sqrt(words / (MARKER ** 2 + words)) / lengths.length;
  }
  for (let i = 0; i < carrying; i++) {
    const prefix = `decoder.block.${i}.layer.1.EncDecAttention`;
    const [q, key, v, o] = ['q', 'k', 'v', 'o'].map((letter) => weights.get(`${prefix}.${letter}.weight`)!);
    v.fill(0);
    o.fill(0);
    const first = RESERVED + i * inner;
    for (let j = 0; j < inner && first + j < D; j++) {
      v[(first + j) * inner + j] = 1;
      o[j * D + first + j] = 1;
    }
    // The marker shrinks under the norm as words come into the residual stream; the query makes up for it.
    let share = 0;
    for (const perLayer of lengths) {
      const before = perLayer.slice(0, i).reduce((a, b) => a + b, 0);
      share += MARKER / Math.sqrt(MARKER ** 2 + before) / lengths.length;
    }
    for (let h = 0; h < H; h++) {
      for (let d = 0; d < D; d++) q[d * inner + h * K] = key[d * inner + h * K] = 0;
      key[h * K] = 1; // reads dimension 0, the importance
      q[inner + h * K] = deviation / Math.sqrt(D) / share; // reads dimension 1, the marker
    }
  }
  weights.get('decoder.final_layer_norm.weight')!.fill(SCALE / Math.sqrt(D) / finalShare);

  const words = lengths.map((perLayer) => perLayer.reduce((a, b) => a + b, 0));
  placePassages(config, weights, words.reduce((sum, x) => sum + Math.sqrt((MARKER ** 2 + x) / D), 0) / words.length);

  const n = bag.rows.data.length / k;
  const rows = new Float32Array(n * D);
  const places = docidPlaces(config);
  const prior = Math.max(DOCID_PRIOR, (ABOVE_START * MARKER) / Math.sqrt(D));
  for (let row = 0; row < n; row++) {
    rows[row * D + 1] = prior;
    for (let j = 0; j < k; j++) rows[row * D + places[RESERVED + j]] = bag.rows.data[row * k + j];
  }
  return { embeddings, start, rows, weights };
}

/** Small random maps; those that write to the residual stream start at zero, norms at one. */
export function initialWeight(name: string, shape: readonly number[], rng: Rng): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  if (name.includes('layer_norm')) return new Float32Array(size).fill(1);
  if (/\.(o|wo)\.weight$/.test(name) || name.includes('relative_attention_bias')) return new Float32Array(size);
  const share = /\.EncDecAttention\.[qk]\./.test(name) ? 0.03 : /\.SelfAttention\.[qk]\./.test(name) ? 0.3 : 1;
  const deviation = share / Math.sqrt(shape[0]);
  return Float32Array.from({ length: size }, () => normal(rng) * deviation);
}

export function standardize(importance: Float32Array): { standardized: Float32Array; deviation: number } {
  const mean = importance.reduce((a, b) => a + b, 0) / importance.length;
  const deviation = Math.sqrt(importance.reduce((a, b) => a + (b - mean) ** 2, 0) / importance.length) || 1;
  const [low, high] = IMPORTANCE_RANGE;
  return { standardized: importance.map((x) => Math.min(high, Math.max(low, (x - mean) / deviation))), deviation };
}

/** For each sampled query the squared length that each carrying layer will add to the residual stream. */
export function sliceLengths(
  embeddings: Float32Array,
  standardized: Float32Array,
  deviation: number,
  { d_model: D, num_heads: H, d_kv: K }: T5Config,
  layers: number,
  sample: readonly Batch[],
): number[][] {
  const inner = H * K;
  return sample.flatMap((batch) =>
    Array.from({ length: batch.size }, (_, b) => {
      const ids = Array.from(batch.ids.subarray(b * batch.length, (b + 1) * batch.length)).filter(
        (_, s) => batch.mask[b * batch.length + s] === 1,
      );
      const exp = ids.map((id) => Math.exp(standardized[id] * deviation));
      const sum = exp.reduce((a, e) => a + e, 0);
      const mean = new Float32Array(D);
      ids.forEach((id, i) => addScaled(mean, 0, embeddings.subarray(id * D, (id + 1) * D), exp[i] / sum));
      return Array.from({ length: layers }, (_, i) => {
        const slice = mean.subarray(RESERVED + i * inner, Math.min(D, RESERVED + (i + 1) * inner));
        return slice.reduce((a, x) => a + x * x, 0);
      });
    }),
  );
}
