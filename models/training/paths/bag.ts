/**
 * @file The lexical start of two-token docids: BM25 in two parts, clusters and documents, and training as a bag of words.
 */
import { createHash } from 'node:crypto';
import type { LexicalTeacher } from '../../../corpus/bm25.ts';
import { createRng } from '../../../corpus/random.ts';
import { gradientOutput } from '../../graphs.ts';
import { Session, tensor, type Feeds, type Tensor } from '../../session.ts';
import { adamRowsStep, adamStep, cosineSchedule, parameter, type Parameter } from '../adam.ts';
import { fillTargets, type Batch, type Examples } from '../examples.ts';
import { IMPORTANCE_RATE, normal, ROW_RATE, UNIMPORTANT, type BagTrainingOptions } from '../lexical-start.ts';
import { gather, scatterGradients } from '../lookup.ts';
import type { WeightedTokens } from '../text-rows.ts';
import { pathBagGraph } from './graph.ts';
import type { PathLayout } from './layout.ts';

export interface PathBag {
  /** [V, C] what a token says of each cluster */
  readonly topics: Parameter;
  /** [V, K] directions of the tokens within their classes */
  readonly seeds: Parameter;
  /** [V] how much a token counts; only differences matter */
  readonly importance: Parameter;
  /** [N, M·K] documents, mean length 1 */
  readonly rows: Parameter;
  /** [V] class of each token */
  readonly classOf: Int32Array;
  /** [N] cluster of each document */
  readonly clusterOf: Int32Array;
  readonly layout: PathLayout;
  /** K */
  readonly width: number;
}

/** Seeds move more slowly than topics: each dimension of theirs is one of few. */
const SEED_RATE = 0.5;

/** A number of a name: for one seed the same in whatever corpus. */
const numberOf = (name: string, seed: number): number =>
  createHash('sha256').update(`${seed}\n${name}`).digest().readUIntBE(0, 6);

/** Classes and random seeds of the tokens, each a function of the seed and the token's name. */
export function randomSeeds(
  names: readonly string[],
  width: number,
  classes: number,
  seed: number,
): { seeds: Float32Array; classOf: Int32Array } {
  const seeds = new Float32Array(names.length * width);
  const classOf = new Int32Array(names.length);
  names.forEach((name, token) => {
    const rng = createRng(numberOf(name, seed));
    classOf[token] = rng.int(classes);
    const vector = Float32Array.from({ length: width }, () => normal(rng));
    const length = Math.hypot(...vector);
    seeds.set(
      vector.map((x) => x / length),
      token * width,
    );
  });
  return { seeds, classOf };
}

/** Documents as sums of their tokens' seeds, each in its class, mean length 1: float32 [N, M·K]. */
export function seedRows(
  documents: readonly WeightedTokens[],
  { seeds, classOf }: ReturnType<typeof randomSeeds>,
  width: number,
  classes: number,
): Float32Array {
  const d = width * classes;
  const rows = new Float32Array(documents.length * d);
  let length = 0;
  documents.forEach(({ tokens, weights }, row) => {
    tokens.forEach((token, i) => {
      const at = row * d + classOf[token] * width;
      for (let j = 0; j < width; j++) rows[at + j] += weights[i] * seeds[token * width + j];
    });
    length += Math.hypot(...rows.subarray(row * d, (row + 1) * d));
  });
  const scale = documents.length / (length || 1);
  return rows.map((x) => x * scale);
}

/**
 * The bag before training.
 *
 * @param documents  what BM25 gives the tokens of each document
 * @param endToken   stands for no word: has neither topics nor importance
 */
export function startPathBag(
  documents: readonly WeightedTokens[],
  clusterOf: Int32Array,
  random: ReturnType<typeof randomSeeds>,
  rows: Float32Array,
  layout: PathLayout,
  endToken: number,
): PathBag {
  const { clusters: C } = layout;
  const { seeds, classOf } = random;
  const V = classOf.length;
  const topics = new Float32Array(V * C);
  const found = new Float32Array(V);
  documents.forEach(({ tokens, weights }, row) => {
    tokens.forEach((token, i) => {
      topics[token * C + clusterOf[row]] += weights[i];
      found[token]++;
    });
  });
  let length = 0;
  let known = 0;
  for (let token = 0; token < V; token++) {
    if (!found[token]) continue;
    const own = topics.subarray(token * C, (token + 1) * C);
    let mean = 0;
    for (let c = 0; c < C; c++) mean += (own[c] = Math.log1p(own[c])) / C;
    for (let c = 0; c < C; c++) own[c] -= mean;
    length += Math.hypot(...own);
    known++;
  }
  const scale = known / (length || 1);
  for (let i = 0; i < topics.length; i++) topics[i] *= scale;
  const N = documents.length;
  const importance = Float32Array.from(found, (n, token) =>
    n && token !== endToken ? Math.log(Math.max(0.1, Math.log(1 + (N - n + 0.5) / (n + 0.5)))) : UNIMPORTANT,
  );
  return {
    ...{ topics: parameter(topics), seeds: parameter(seeds), importance: parameter(importance) },
    ...{ rows: parameter(rows), classOf, clusterOf, layout, width: seeds.length / V },
  };
}

/** What BM25 gives the tokens of each document: float32 weights by token. */
export function impactsByRow(teacher: LexicalTeacher): ReadonlyMap<string, ReadonlyMap<number, number>> {
  const postings = new Map<string, Map<number, number>>();
  for (const { stem, rows, impacts } of teacher.postings())
    postings.set(stem, new Map(Array.from(rows, (row, i) => [row, impacts[i]])));
  return postings;
}

/** One-hot [N, C]. */
function membersOf({ clusterOf, layout: { clusters: C } }: PathBag): Float32Array {
  const members = new Float32Array(clusterOf.length * C);
  clusterOf.forEach((c, row) => (members[row * C + c] = 1));
  return members;
}

/** A batch without its end tokens, which stand for no word. */
function withoutEnds(batch: Batch, endToken: number): Batch {
  return { ...batch, mask: batch.mask.map((x, i) => (batch.ids[i] === endToken ? 0 : x)) };
}

function feedsOf(bag: PathBag, batch: Batch, members: Float32Array): Feeds {
  const { layout, width: K } = bag;
  const { clusters: C, classes: M } = layout;
  const { ids, size, length } = batch;
  const classes = new Float32Array(ids.length * M);
  ids.forEach((id, i) => (classes[i * M + bag.classOf[id]] = 1));
  const n = bag.clusterOf.length;
  return {
    topics: tensor(gather(bag.topics.data, ids, C), [size, length, C]),
    seeds: tensor(gather(bag.seeds.data, ids, K), [size, length, K]),
    classes: tensor(classes, [size, length, M]),
    importance: tensor(gather(bag.importance.data, ids, 1), [size, length]),
    attention_mask: tensor(batch.mask, [size, length]),
    members: tensor(members, [n, C]),
    rows: tensor(bag.rows.data, [n, M * K]),
  };
}

/** Trains the bag in place, from step `from`. `onStep` may await (checkpoints). */
export async function trainPathBag(
  bag: PathBag,
  examples: Examples,
  endToken: number,
  { steps, batchSize, threads, directionRate }: BagTrainingOptions,
  from: number,
  onStep: (step: number, loss: number) => Promise<void>,
): Promise<void> {
  const { layout, width: K } = bag;
  const { clusters: C, classes: M } = layout;
  const n = bag.clusterOf.length;
  const members = membersOf(bag);
  const session = await Session.open(pathBagGraph(C, K, M, { gradients: true }), { threads });
  const targets = new Float32Array(batchSize * n);
  const rowsGradient = tensor(new Float32Array(n * M * K), [n, M * K]);
  try {
    for (let step = from; step < steps; step++) {
      const batch = withoutEnds(examples.batch(1, step, batchSize), endToken);
      fillTargets(targets, batch, n);
      const clusterTargets = new Float32Array(batch.size * C);
      batch.targets.forEach(({ rows, shares }, b) => {
        for (let i = 0; i < rows.length; i++) clusterTargets[b * C + bag.clusterOf[rows[i]]] += shares[i];
      });
      const shape = [batch.size, batch.length];
      const out = await session.run(
        {
          ...feedsOf(bag, batch, members),
          targets: tensor(targets, [batch.size, n]),
          cluster_targets: tensor(clusterTargets, [batch.size, C]),
          weights: tensor(new Float32Array(batch.size).fill(1 / batch.size), [batch.size]),
        },
        {
          loss: tensor(new Float32Array(1), []),
          [gradientOutput('topics')]: tensor(new Float32Array(batch.ids.length * C), [...shape, C]),
          [gradientOutput('seeds')]: tensor(new Float32Array(batch.ids.length * K), [...shape, K]),
          [gradientOutput('importance')]: tensor(new Float32Array(batch.ids.length), shape),
          [gradientOutput('rows')]: rowsGradient,
        },
      );
      fillTargets(targets, batch, n, true);
      const rate = cosineSchedule(step + 1, { steps, warmup: 20, floor: 0.05 });
      const t = step + 1;
      const update = (of: 'topics' | 'seeds' | 'importance', width: number, lr: number): void => {
        const used = scatterGradients(batch, out[gradientOutput(of)].data as Float32Array, width);
        adamRowsStep(bag[of], used.ids, used.gradients, { width, lr: lr * rate, step: t });
      };
      update('topics', C, (directionRate * ROW_RATE) / Math.sqrt(C));
      update('seeds', K, (SEED_RATE * directionRate * ROW_RATE) / Math.sqrt(K));
      update('importance', 1, IMPORTANCE_RATE);
      adamStep(bag.rows, rowsGradient.data, { lr: (ROW_RATE / Math.sqrt(M * K)) * rate, step: t });
      await onStep(step + 1, (out.loss as Tensor<Float32Array>).data[0]);
    }
  } finally {
    await session.release();
  }
}

/** Logits of bags of one layout. */
export class PathBagEvaluator {
  private readonly endToken: number;
  private readonly session: Session;
  private readonly members: Float32Array;

  private constructor(bag: PathBag, endToken: number, session: Session) {
    this.endToken = endToken;
    this.session = session;
    this.members = membersOf(bag);
  }

  static async open(bag: PathBag, endToken: number, threads: number): Promise<PathBagEvaluator> {
    const { clusters, classes } = bag.layout;
    const graph = pathBagGraph(clusters, bag.width, classes, { gradients: false });
    return new PathBagEvaluator(bag, endToken, await Session.open(graph, { threads }));
  }

  /** float32 [B, N]: log-probabilities of the docids but for a number that all of a query share. */
  async logits(bag: PathBag, batch: Batch): Promise<Float32Array> {
    const out = await this.session.run(feedsOf(bag, withoutEnds(batch, this.endToken), this.members));
    return out.logits.data as Float32Array;
  }

  close(): Promise<void> {
    return this.session.release();
  }
}
