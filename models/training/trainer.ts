/**
 * @file The training loop: batches through the training graph, Adam over every weight, docid rows and embeddings.
 */
import { createRng } from '../../corpus/random.ts';
import type { T5Config } from '../config.ts';
import { gradientOutput, trainingGraph } from '../graphs.ts';
import { Session, tensor, type Feeds, type FloatTensor } from '../session.ts';
import { docidPlaces } from './docid-space.ts';
import { adamRowsStep, adamStep, cosineSchedule, globalNorm, parameter, type Parameter } from './adam.ts';
import { fillTargets, type Batch, type Examples } from './examples.ts';
import { distinctIds, gather, scatterGradients } from './lookup.ts';
import { reservedMean } from './text-rows.ts';

export interface TrainerOptions {
  readonly steps: number;
  readonly batchSize: number;
  readonly threads: number;
  readonly seed: number;
  /** Peak learning rates. Norms take three times that of the linear maps. */
  readonly rates: { readonly weights: number; readonly embeddings: number; readonly rows: number };
  readonly warmup: number;
  /** Share of embedding entries set to zero in training. */
  readonly dropout: number;
  /** Share of a batch's documents that answer through the row of their text (see `text-rows.ts`). */
  readonly textRowShare: number;
  /**
   * The words of a batch compete with the documents: their logits are embedding · state times this, as where nothing
   * constrains the answer to docids. Without competition a state, which is made of the words of its query, lies nearer
   * to those very words than to any document. 0: no word competes.
   */
  readonly wordScale: number;
}

/** Up to here the seeds derived from a run's are whole numbers below 2^53: none is rounded to another's. */
export const MAX_SEED = 1_000_000_000;
export const MAX_STEPS = 10_000_000;

export const dropoutSeed = (seed: number, step: number): number => seed * 7_368_787 + step;

/** Steps in which the rate rises, of so many. */
export const warmupOf = (steps: number): number => Math.min(WARMUP, Math.ceil(steps / 5));
export const WARMUP = 100;

/** Gradients of linear maps are scaled down to this global norm at most. */
const CLIP = 1;
export const FLOOR = 0.03;

/** All that a model learns, and what the optimiser remembers of it. */
export interface TrainingState {
  readonly embeddings: Parameter;
  readonly start: Parameter;
  readonly rows: Parameter;
  /** By HF's name; linear maps [in, out]. */
  readonly weights: ReadonlyMap<string, Parameter>;
}

/** Weights of the training graph with their shapes, linear maps [in, out]. */
export const trainedShapes = (config: T5Config): ReadonlyMap<string, readonly number[]> =>
  trainingGraph(config, { gradients: false }).parameters;

/** A state with a fresh optimiser. */
export const trainingState = (values: {
  embeddings: Float32Array;
  start: Float32Array;
  rows: Float32Array;
  weights: ReadonlyMap<string, Float32Array>;
}): TrainingState => ({
  embeddings: parameter(values.embeddings),
  start: parameter(values.start),
  rows: parameter(values.rows),
  weights: new Map([...values.weights].map(([name, data]) => [name, parameter(data)])),
});

export class Trainer {
  private readonly config: T5Config;
  private readonly options: TrainerOptions;
  private readonly state: TrainingState;
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly session: Session;
  private readonly forward: Session;
  private readonly gradients: ReadonlyMap<string, FloatTensor>;
  private readonly documents: number;

  private constructor(
    config: T5Config,
    state: TrainingState,
    options: TrainerOptions,
    session: Session,
    forward: Session,
  ) {
    this.config = config;
    this.options = options;
    this.state = state;
    this.session = session;
    this.forward = forward;
    this.shapes = trainedShapes(config);
    this.documents = state.rows.data.length / config.d_model;
    const buffer = (shape: readonly number[]): FloatTensor =>
      tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
    this.gradients = new Map([
      ...[...this.shapes].map(([name, shape]) => [name, buffer(shape)] as const),
      ['start', buffer([1, config.d_model])],
    ]);
  }

  /** @param config  of the model; logits are not scaled here, `rows` and `state` are as they are multiplied */
  static async open(config: T5Config, state: TrainingState, options: TrainerOptions): Promise<Trainer> {
    const { threads } = options;
    const session = await Session.open(trainingGraph(config, { gradients: true }).graph, { threads });
    try {
      const forward = await Session.open(trainingGraph(config, { gradients: false }).graph, { threads });
      return new Trainer(config, state, options, session, forward);
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  async close(): Promise<void> {
    try {
      await this.session.release();
    } finally {
      await this.forward.release();
    }
  }

  private feeds(batch: Batch, embedded: Float32Array, rows: Float32Array): Feeds {
    const { d_model: d } = this.config;
    const shape = [batch.size, batch.length];
    return {
      embedded: tensor(embedded, [...shape, d]),
      attention_mask: tensor(batch.mask, shape),
      start: tensor(this.state.start.data, [1, d]),
      rows: tensor(rows, [rows.length / d, d]),
      ...Object.fromEntries(
        [...this.state.weights].map(([name, { data }]) => [name, tensor(data, this.shapes.get(name)!)]),
      ),
    };
  }

  private readonly scratch = new Map<string, Float32Array>();

  /** Memory of one step, kept for the next: fresh pages of it cost more than what is computed in them. */
  private reused(name: string, size: number): Float32Array {
    let memory = this.scratch.get(name);
    if (!memory || memory.length < size) this.scratch.set(name, (memory = new Float32Array(size)));
    return memory.subarray(0, size);
  }

  /** One optimiser step, number `step` from 0. @returns the loss before it */
  async step(examples: Examples, step: number): Promise<number> {
    const { batchSize, steps, warmup, rates, dropout, seed } = this.options;
    const { d_model: d } = this.config;
    const batch = examples.batch(2, step, batchSize);
    const size = batch.ids.length * d;
    const embedded = gather(this.state.embeddings.data, batch.ids, d, this.reused('embedded', size));
    const kept =
      dropout > 0 ? dropEntries(embedded, this.reused('kept', size), dropout, dropoutSeed(seed, step)) : undefined;
    const { wordScale } = this.options;
    const words = wordScale > 0 ? distinctIds(batch) : new Int32Array(0);
    const { rows, substituted } = this.competitors(examples, batch, words);
    const n = this.documents + words.length;
    const targets = this.reused('targets', batch.size * n).fill(0);
    fillTargets(targets, batch, n);
    const feeds = {
      ...this.feeds(batch, embedded, rows),
      targets: tensor(targets, [batch.size, n]),
      weights: tensor(new Float32Array(batch.size).fill(1 / batch.size), [batch.size]),
    };
    const outputs: Record<string, FloatTensor> = {
      loss: tensor(new Float32Array(1), []),
      [gradientOutput('embedded')]: tensor(this.reused('gradient', size), [batch.size, batch.length, d]),
      [gradientOutput('rows')]: tensor(this.reused('rows gradient', n * d), [n, d]),
    };
    for (const [name, buffer] of this.gradients) outputs[gradientOutput(name)] = buffer;
    await this.session.run(feeds, outputs);
    const rowsGradient = outputs[gradientOutput('rows')].data;
    for (const row of substituted) rowsGradient.fill(0, row * d, (row + 1) * d);

    const t = step + 1;
    const rate = cosineSchedule(t, { steps, warmup, floor: FLOOR });
    const gradient = (name: string): Float32Array => this.gradients.get(name)!.data;
    weightsStep(this.state.weights, gradient, this.shapes, { lr: rate * rates.weights, step: t });
    adamStep(this.state.start, gradient('start'), { lr: rate * rates.weights * 3, step: t });
    adamStep(this.state.rows, rowsGradient.subarray(0, this.documents * d), { lr: rate * rates.rows, step: t });
    const back = outputs[gradientOutput('embedded')].data;
    if (kept) for (let i = 0; i < back.length; i++) back[i] *= kept[i];
    const used = scatterGradients(batch, back, d);
    const asCompetitors = rowsGradient.subarray(this.documents * d);
    for (let i = 0; i < asCompetitors.length; i++) used.gradients[i] += wordScale * asCompetitors[i];
    adamRowsStep(this.state.embeddings, used.ids, used.gradients, { width: d, lr: rate * rates.embeddings, step: t });
    return outputs.loss.data[0];
  }

  /**
   * The rows that compete in a batch, float32 [N + words.length, D]: all documents, and behind them `words`. Some
   * documents of the batch, which is sorted by length, answer through the row of their text; their own row, which then
   * stands aside, learns nothing.
   */
  private competitors(
    examples: Examples,
    batch: Batch,
    words: Int32Array,
  ): { rows: Float32Array; substituted: readonly number[] } {
    const { d_model: d } = this.config;
    const { textRowShare, wordScale } = this.options;
    const learned = this.state.rows.data;
    const rows = this.reused('rows', learned.length + words.length * d);
    rows.set(learned);
    const count = Math.round(batch.size * textRowShare);
    const substituted = [...new Set(evenly(batch.targets, count).map(({ rows }) => rows[0]))];
    const reserved = reservedMean(learned, d);
    const places = docidPlaces(this.config);
    for (const row of substituted) {
      const length = Math.hypot(...learned.subarray(row * d + reserved.length, (row + 1) * d));
      rows.set(examples.textRows.row(row, this.state.embeddings.data, d, { length, reserved, places }), row * d);
    }
    const behind = gather(this.state.embeddings.data, words, d, rows.subarray(learned.length));
    for (let i = 0; i < behind.length; i++) behind[i] *= wordScale;
    return { rows, substituted };
  }

  /** Logits over all documents, float32 [B, N], or over other `rows`, float32 [N, D]. */
  async logits(batch: Batch, rows: Float32Array = this.state.rows.data): Promise<Float32Array> {
    const embedded = gather(this.state.embeddings.data, batch.ids, this.config.d_model);
    return (await this.forward.run(this.feeds(batch, embedded, rows))).logits.data as Float32Array;
  }
}

/** Adam over linear maps, whose gradients are clipped together, and over norms at three times the rate. */
export function weightsStep(
  weights: TrainingState['weights'],
  gradient: (name: string) => Float32Array,
  shapes: ReadonlyMap<string, readonly number[]>,
  { lr, step }: { readonly lr: number; readonly step: number },
): void {
  const isMap = (name: string): boolean => shapes.get(name)!.length === 2;
  const maps = [...weights.keys()].filter(isMap);
  const scale = Math.min(1, CLIP / (globalNorm(maps.map(gradient)) + 1e-6));
  for (const [name, p] of weights)
    adamStep(p, gradient(name), { lr: lr * (isMap(name) ? 1 : 3), step, scale: isMap(name) ? scale : 1 });
}

/** So many items, equally far apart. */
const evenly = <T>(items: readonly T[], count: number): T[] =>
  Array.from({ length: count }, (_, i) => items[Math.floor(((i + 0.5) * items.length) / count)]);

/** Zeroes a share of the entries and scales the others up; returns `factors`, the factor of each. */
export function dropEntries(data: Float32Array, factors: Float32Array, share: number, seed: number): Float32Array {
  const rng = createRng(seed);
  // Four decisions from each random number: 8 bits decide one. The table spares a branch that no one can predict.
  const bar = Math.round(share * 256);
  const factorOf = Float32Array.from({ length: 256 }, (_, bits) => (bits < bar ? 0 : 1 / (1 - share)));
  for (let i = 0; i < data.length; i += 4) {
    const bits = rng.int(0x1_0000_0000);
    factors[i] = factorOf[bits & 255];
    factors[i + 1] = factorOf[(bits >>> 8) & 255]; // writes behind the end are ignored
    factors[i + 2] = factorOf[(bits >>> 16) & 255];
    factors[i + 3] = factorOf[bits >>> 24];
  }
  for (let i = 0; i < data.length; i++) data[i] *= factors[i];
  return factors;
}
