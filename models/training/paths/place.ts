/**
 * @file The bag of words of two-token docids, written into a T5 whose first forward pass is its own (`layout.ts` says what
 * is where). Of a cluster's embedding the decoder reads three marks: that a path has begun, what lifts docids above words
 * at step 1, and the cluster's axis. The MLPs of the last layers carry what was read over to the docids' own space
 * (`docid-space.ts`), at both steps.
 */
import { createRng } from '../../../corpus/random.ts';
import type { T5Config } from '../../config.ts';
import { docidPlaces, placePassages, RESERVED } from '../docid-space.ts';
import type { Batch } from '../examples.ts';
import { IMPORTANCE_RANGE, initialWeight, MARKER, SCALE, standardize, type Placed } from '../lexical-start.ts';
import type { PathBag } from './bag.ts';

/** Reserved dimensions. In the decoder's stream the sink's place holds what the start token is short of. */
const [IMPORTANCE, START, SINK, BEGUN] = [0, 1, 2, 3];
const BALANCE = SINK;
/** Shares of a word's squared length, at most: importance, topics, seeds, flag. */
const SHARES = { importance: 0.12, topics: 0.45, seeds: 0.3, flag: 0.05 } as const;
/** Squared share of the sink's mark in the embedding of `</s>`. */
const SINK_SHARE = 0.9;
/** What a cluster has in the start marker's dimension, and a document as much less than nothing. */
const CLUSTER_PRIOR = 0.6;
/**
 * What a cluster has for having begun: so much that the axis of the cluster is little of what is read at step 2. All
 * documents but its own ones would take that for something said of them.
 */
const BEGUN_MARK = 3;
/** What a document has for having begun, as a multiple of what a cluster has: clusters cannot follow one another. */
const DOCUMENT_PRIOR = 2.5;
/** Attention scores of what should be read and should not are so far apart. */
const GAP = 12;
/** The sink in seed layers: so much above a word of mean importance, that heads add words up in place of choosing. */
const SINK_ABOVE = 1;
/** Length of what step 1 reads, beside the start marker, and of what step 2 reads, beside the rest of the state. */
const TOPICS_LENGTH = 6 * MARKER;
const SEEDS_LENGTH = 0.8;

/** What a slot of a query reads at step 1 and 2, as the factor of what keys have there. */
type Wanted = readonly [first: number, second: number];

/**
 * @param shapes  of the trained weights, linear maps [in, out]
 * @param sample  batches to measure on how long what is read is, which sets the scales
 */
export function placePathBag(
  bag: PathBag,
  config: T5Config,
  shapes: ReadonlyMap<string, readonly number[]>,
  sample: readonly Batch[],
  seed: number,
): Placed {
  const { d_model: D, num_heads: H, d_kv: K, num_decoder_layers: L } = config;
  const { layout } = bag;
  const { clusters: C, sketch, topicLayers, seedLayers } = layout;
  const inner = H * K;
  const root = Math.sqrt(D);
  const rng = createRng(seed + 2);
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of shapes) weights.set(name, initialWeight(name, shape, rng));
  const table = embeddingsOf(bag, config);
  const lengths = readLengths(bag, table, config, sample);
  const gains = { topics: TOPICS_LENGTH / lengths.topics, seeds: Math.sqrt(gainedAtSecond(D)) / lengths.seeds };

  // Squared lengths of the stream at both steps, equal in the end, so that the MLPs carry both over alike.
  let second = D * begunLength ** 2;
  const balance = Math.max(0, second + gainedAtSecond(D) - MARKER ** 2 - TOPICS_LENGTH ** 2);
  let first = MARKER ** 2 + balance;
  // The marks under the norm, as seen by the cross-attention of each layer at each step.
  for (let i = 0; i < L; i++) {
    const marks = {
      start: [(MARKER * root) / Math.sqrt(first), (CLUSTER_PRIOR * D) / Math.sqrt(second)],
      begun: (BEGUN_MARK * D) / Math.sqrt(second),
    };
    const prefix = `decoder.block.${i}.layer.1.EncDecAttention`;
    const [q, key, v, o] = ['q', 'k', 'v', 'o'].map((letter) => weights.get(`${prefix}.${letter}.weight`)!);
    const isTopics = i < topicLayers;
    const layerOfSeeds = i - (L - seedLayers);
    if (!isTopics && layerOfSeeds < 0) continue;
    for (const map of [q, key, v, o]) map.fill(0);
    for (let h = 0; h < H; h++) {
      const slot = (n: number, dimension: number, [one, two]: Wanted): void => {
        const to = h * K + n;
        key[dimension * inner + to] = 1;
        q[START * inner + to] = one / marks.start[0];
        q[BEGUN * inner + to] = (two - (one / marks.start[0]) * marks.start[1]) / marks.begun;
      };
      const importance = table.deviation / table.scales.importance;
      const sink = GAP / table.scales.sink;
      if (isTopics) {
        slot(0, IMPORTANCE, [importance, 0]);
        slot(1, SINK, [0, sink]);
        for (let j = 0; j < K && (i * H + h) * K + j < C + sketch; j++) {
          const c = (i * H + h) * K + j;
          v[(layout.topics + c) * inner + h * K + j] = 1;
          o[(h * K + j) * D + layout.axes + c] = gains.topics;
        }
      } else {
        const m = layerOfSeeds * H + h;
        slot(0, IMPORTANCE, [0, importance]);
        slot(1, layout.flags + m, [0, GAP / table.scales.flag]);
        slot(2, SINK, [sink, (GAP + SINK_ABOVE) / table.scales.sink]);
        for (let j = 0; j < K && RESERVED + m * K + j < D; j++) {
          v[(layout.seeds + j) * inner + h * K + j] = 1;
          o[(h * K + j) * D + RESERVED + m * K + j] = gains.seeds;
        }
      }
    }
    if (isTopics) first += TOPICS_LENGTH ** 2 / topicLayers;
    else second += gainedAtSecond(D) / seedLayers;
  }
  const firstShare = TOPICS_LENGTH / Math.sqrt(first);
  const secondShare = Math.sqrt(gainedAtSecond(D) / second);
  const finalNorm = weights.get('decoder.final_layer_norm.weight')!.fill(SCALE / root / firstShare);
  finalNorm[BALANCE] = 0; // or the start token, as one of the words, would answer
  placePassages(config, weights, Math.sqrt(second / D));

  const N = bag.clusterOf.length;
  const width = bag.rows.data.length / N;
  const places = docidPlaces(config);
  const rows = new Float32Array((C + N + 1) * D);
  for (let c = 0; c < C; c++) {
    rows[c * D + START] = CLUSTER_PRIOR;
    rows[c * D + BEGUN] = BEGUN_MARK;
    rows[c * D + places[layout.axes + c]] = 1;
  }
  // Of no cluster, for documents that come later.
  rows[(C + N) * D + START] = CLUSTER_PRIOR;
  rows[(C + N) * D + BEGUN] = BEGUN_MARK;
  for (let n = 0; n < N; n++) {
    const at = (C + n) * D;
    const scale = firstShare / secondShare;
    for (let j = 0; j < width && RESERVED + j < D; j++)
      rows[at + places[RESERVED + j]] = scale * bag.rows.data[n * width + j];
    rows[at + START] = -CLUSTER_PRIOR;
    rows[at + BEGUN] = DOCUMENT_PRIOR * BEGUN_MARK;
    // The cluster that is read, and carried over like all else, says nothing about its documents.
    rows[at + places[places[layout.axes + bag.clusterOf[n]]]] = 0;
  }
  const start = new Float32Array(D);
  start[START] = MARKER;
  start[BALANCE] = Math.sqrt(balance);
  return { embeddings: table.embeddings, start, rows, weights };
}

/** Length of a cluster's embedding over √D. */
const begunLength = Math.hypot(CLUSTER_PRIOR, BEGUN_MARK, 1);

/** What the seed layers add to the squared length of the stream at step 2. */
const gainedAtSecond = (D: number): number => D * (SEEDS_LENGTH * begunLength) ** 2;

interface Table {
  /** [V, D], each of length √D */
  readonly embeddings: Float32Array;
  /** Of the importances. */
  readonly deviation: number;
  /** What a unit of each is in an embedding. */
  readonly scales: {
    readonly importance: number;
    readonly topics: number;
    readonly flag: number;
    readonly sink: number;
  };
}

function embeddingsOf(bag: PathBag, config: T5Config): Table {
  const { d_model: D, eos_token_id: end } = config;
  const { topics, seeds, flags, clusters, sketch } = bag.layout;
  const T = clusters + sketch; // a word's topics, and its code
  const K = bag.width;
  const V = bag.classOf.length;
  const { standardized, deviation } = standardize(bag.importance.data);
  const scales = {
    importance: Math.min(1, Math.sqrt(SHARES.importance * D) / Math.max(...IMPORTANCE_RANGE.map(Math.abs))),
    topics: Math.sqrt(SHARES.topics * D) / longest(bag.topics.data, T),
    seeds: Math.sqrt(SHARES.seeds * D) / longest(bag.seeds.data, K),
    flag: Math.sqrt(SHARES.flag * D),
    sink: Math.sqrt(SINK_SHARE * D),
  };
  const embeddings = new Float32Array(V * D);
  for (let token = 0; token < V; token++) {
    const own = embeddings.subarray(token * D, (token + 1) * D);
    if (token === end) own[SINK] = scales.sink;
    else {
      own[IMPORTANCE] = scales.importance * standardized[token];
      for (let c = 0; c < T; c++) own[topics + c] = scales.topics * bag.topics.data[token * T + c];
      for (let j = 0; j < K; j++) own[seeds + j] = scales.seeds * bag.seeds.data[token * K + j];
      own[flags + bag.classOf[token]] = scales.flag;
    }
    own[D - 1] = Math.sqrt(Math.max(0, D - own.reduce((sum, x) => sum + x * x, 0)));
  }
  return { embeddings, deviation, scales };
}

function longest(data: Float32Array, width: number): number {
  let most = 0;
  for (let at = 0; at < data.length; at += width) {
    let square = 0;
    for (let j = at; j < at + width; j++) square += data[j] ** 2;
    most = Math.max(most, square);
  }
  return Math.sqrt(most) || 1;
}

/** Mean lengths of what the topic layers and the seed layers read in the sampled queries, before any gain. */
function readLengths(
  { layout, classOf, width: K, importance }: PathBag,
  { embeddings }: Table,
  { d_model: D, eos_token_id: end }: T5Config,
  sample: readonly Batch[],
): { topics: number; seeds: number } {
  const { clusters, sketch, classes: M } = layout;
  const T = clusters + sketch;
  const mean = importance.data.reduce((a, b) => a + b, 0) / importance.data.length;
  const sums = { topics: 0, seeds: 0 };
  let queries = 0;
  for (const { size, length, ids, mask } of sample)
    for (let b = 0; b < size; b++) {
      const read = new Float64Array(T);
      const perClass = Array.from({ length: M }, () => ({ weight: Math.exp(SINK_ABOVE), sum: new Float64Array(K) }));
      let weight = 0;
      for (let s = b * length; s < (b + 1) * length; s++) {
        const token = ids[s];
        if (!mask[s] || token === end) continue;
        const share = Math.exp(importance.data[token] - mean);
        const at = token * D;
        weight += share;
        for (let c = 0; c < T; c++) read[c] += share * embeddings[at + layout.topics + c];
        const own = perClass[classOf[token]];
        own.weight += share;
        for (let j = 0; j < K; j++) own.sum[j] += share * embeddings[at + layout.seeds + j];
      }
      if (!weight) continue;
      queries++;
      sums.topics += Math.hypot(...read) / weight;
      sums.seeds += Math.hypot(...perClass.map((own) => Math.hypot(...own.sum) / own.weight));
    }
  return { topics: sums.topics / queries || 1, seeds: sums.seeds / queries || 1 };
}
