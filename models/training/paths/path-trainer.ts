/**
 * @file Training of all weights on docids that are paths: each step learns to choose behind the right tokens before it.
 */
import { createRng, type Rng } from '../../../corpus/random.ts';
import type { T5Config } from '../../config.ts';
import { gradientOutput } from '../../graphs.ts';
import { Session, tensor, type Feeds, type FloatTensor } from '../../session.ts';
import { adamRowsStep, adamStep, cosineSchedule } from '../adam.ts';
import type { Batch, Examples } from '../examples.ts';
import type { HeldOutBatch, Measured } from '../held-out.ts';
import { addRow, distinctIds, gather, TokenGradients } from '../lookup.ts';
import { dropEntries, dropoutSeed, FLOOR, weightsStep, type TrainerOptions, type TrainingState } from '../trainer.ts';
import { pathTrainingGraph, type PathTrainingGraph } from './training-graph.ts';
import type { TrainedPaths } from './trained-paths.ts';

/** Share of the queries whose last step is learned behind another document's tokens, where documents have tokens of their own. */
const ASTRAY = 0.5;

export type PathTrainerOptions = Omit<TrainerOptions, 'textRowShare'>;

/** What the decoder reads in a batch, and what it should answer. */
interface Steps {
  /** T */
  readonly length: number;
  /** [B·T] token ids; `START` the start token, and 0 with weight 0 behind a path's end */
  readonly ids: Int32Array;
}

/** In place of a token id: no token, but a vector of its own. */
const START = -1;

/** What a step of the optimiser is about. */
interface Asked {
  readonly batch: Batch;
  readonly read: Steps;
  /** [B·T] 0 where nothing is asked for */
  readonly weights: Float32Array;
  /** Words that competed beside the tokens of paths. */
  readonly others: Int32Array;
}

export class PathTrainer {
  private readonly config: T5Config;
  private readonly options: PathTrainerOptions;
  private readonly state: TrainingState;
  private readonly paths: TrainedPaths;
  private readonly shapes: PathTrainingGraph['parameters'];
  private readonly session: Session;
  private readonly forward: Session;
  private readonly gradients: ReadonlyMap<string, FloatTensor>;

  private constructor(
    config: T5Config,
    state: TrainingState,
    paths: TrainedPaths,
    options: PathTrainerOptions,
    shapes: PathTrainingGraph['parameters'],
    sessions: readonly [Session, Session],
  ) {
    this.config = config;
    this.options = options;
    this.state = state;
    this.paths = paths;
    this.shapes = shapes;
    [this.session, this.forward] = sessions;
    const buffer = (shape: readonly number[]): FloatTensor =>
      tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
    this.gradients = new Map([...shapes].map(([name, shape]) => [name, buffer(shape)] as const));
  }

  /**
   * @param config  of the model; logits are not scaled here, `rows` and `state` are as they are multiplied
   * @param state   rows: of the codes, float32 [E, D]
   */
  static async open(
    config: T5Config,
    state: TrainingState,
    paths: TrainedPaths,
    options: PathTrainerOptions,
  ): Promise<PathTrainer> {
    const { threads } = options;
    const { graph, parameters } = pathTrainingGraph(config, { gradients: true });
    const session = await Session.open(graph, { threads });
    try {
      const forward = await Session.open(pathTrainingGraph(config, { gradients: false }).graph, { threads });
      return new PathTrainer(config, state, paths, options, parameters, [session, forward]);
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

  /** One optimiser step, number `step` from 0. @returns the loss before it, a sum over the steps of a path */
  async step(examples: Pick<Examples, 'batch'>, step: number): Promise<number> {
    const { batchSize, dropout, seed, wordScale } = this.options;
    const { d_model: d } = this.config;
    const { paths } = this;
    const batch = examples.batch(2, step, batchSize);
    const own = new Set(paths.wordIds);
    const others = wordScale > 0 ? distinctIds(batch).filter((id) => !own.has(id)) : new Int32Array(0);
    const A = paths.tokens + others.length;
    const { read, weights, targets } = this.question(batch, A, createRng(seed * 1_000_003 + step * 101 + 7));
    const T = read.length;
    const embedded = gather(this.state.embeddings.data, batch.ids, d);
    const kept =
      dropout > 0
        ? dropEntries(embedded, new Float32Array(embedded.length), dropout, dropoutSeed(seed, step))
        : undefined;
    const outputs: Record<string, FloatTensor> = {
      loss: tensor(new Float32Array(1), []),
      [gradientOutput('embedded')]: tensor(new Float32Array(embedded.length), [batch.size, batch.length, d]),
      [gradientOutput('decoder_embedded')]: tensor(new Float32Array(batch.size * T * d), [batch.size, T, d]),
      [gradientOutput('rows')]: tensor(new Float32Array(A * d), [A, d]),
    };
    for (const [name, gradient] of this.gradients) outputs[gradientOutput(name)] = gradient;
    await this.session.run(
      {
        ...this.feeds(batch, embedded, read, others),
        targets: tensor(targets, [batch.size * T, A]),
        weights: tensor(weights, [batch.size * T]),
      },
      outputs,
    );
    const back = outputs[gradientOutput('embedded')].data;
    if (kept) for (let i = 0; i < back.length; i++) back[i] *= kept[i];
    this.learn({ batch, read, weights, others }, (name) => outputs[gradientOutput(name)].data, step);
    return outputs.loss.data[0];
  }

  /**
   * What is read and should be answered at each step.
   *
   * @param A  tokens that compete
   * @returns  weights float32 [B·T], targets float32 [B·T, A]
   */
  private question(
    batch: Batch,
    A: number,
    rng: Rng,
  ): { readonly read: Steps; readonly weights: Float32Array; readonly targets: Float32Array } {
    const { paths } = this;
    const right = batch.targets.map(({ rows }) => rows[0]);
    const astray = batch.targets.map(({ rows }) => (rng.next() < ASTRAY ? this.otherPath(rows, rng) : rows[0]));
    const read = this.steps(astray);
    const T = read.length;
    const targets = new Float32Array(batch.size * T * A);
    const weights = new Float32Array(batch.size * T);
    batch.targets.forEach((target, b) =>
      paths.targets(target).forEach((shares, t) => {
        if (t > 0 && astray[b] !== right[b] && !paths.isOwn(right[b], t)) return;
        weights[b * T + t] = 1 / batch.size;
        for (const [place, share] of shares) targets[(b * T + t) * A + place] = share;
      }),
    );
    return { read, weights, targets };
  }

  /** Moves all that was asked for by its gradients. */
  private learn({ batch, read, weights, others }: Asked, gradient: (name: string) => Float32Array, step: number): void {
    const { steps, warmup, rates, wordScale } = this.options;
    const { d_model: d } = this.config;
    const { state, paths } = this;
    const t = step + 1;
    const rate = cosineSchedule(t, { steps, warmup, floor: FLOOR });
    weightsStep(state.weights, gradient, this.shapes, { lr: rate * rates.weights, step: t });
    const ofRows = gradient('rows');
    const ofRead = gradient('decoder_embedded');
    const ofWords = new TokenGradients(d);
    read.ids.forEach((id, i) => {
      if (id !== START && weights[i] === 0) return;
      if (id < paths.words) ofWords.add(id, ofRead, i);
      else addRow(ofRows, id - paths.words, ofRead, i, d, 1 / this.rowScale); // a code's embedding is its row over the scale
    });
    adamStep(state.start, ofWords.take(START), { lr: rate * rates.weights * 3, step: t });
    if (paths.codes) adamStep(state.rows, ofRows.subarray(0, paths.codes * d), { lr: rate * rates.rows, step: t });
    ofWords.addBatch(batch, gradient('embedded'));
    if (wordScale > 0)
      [...paths.wordIds, ...others].forEach((id, i) => ofWords.add(id, ofRows, paths.codes + i, wordScale));
    const { ids, gradients } = ofWords;
    adamRowsStep(state.embeddings, ids, gradients, { width: d, lr: rate * rates.embeddings, step: t });
  }

  /** Another document that may answer, with as many tokens and one of its own: a beam may go its way and be wrong. */
  private otherPath(rows: ArrayLike<number>, rng: Rng): number {
    const { paths } = this.paths;
    const last = paths[rows[0]].length - 1;
    if (!this.paths.isOwn(rows[0], last)) return rows[0];
    const others = Array.from(rows).filter((row) => paths[row].length - 1 === last);
    return others[rng.int(others.length)];
  }

  /**
   * Success@1 of greedy decoding on held-out queries: at each step of a relevant document's path its token is the best one
   * that may follow. Undefined without queries.
   */
  async success(batches: readonly HeldOutBatch[]): Promise<Measured | undefined> {
    let [right, all] = [0, 0];
    for (const { batch, relevant } of batches) {
      all += batch.size;
      const found = new Uint8Array(batch.size);
      const most = Math.max(...relevant.map((rows) => rows.length));
      for (let turn = 0; turn < most; turn++) {
        const documents = relevant.map((rows) => rows[Math.min(turn, rows.length - 1)]);
        const logits = await this.logits(batch, documents);
        const T = logits.length / batch.size / this.paths.tokens;
        documents.forEach((document, b) => {
          if (this.isGreedy(document, (t) => logits.subarray((b * T + t) * this.paths.tokens))) found[b] = 1;
        });
      }
      right += found.reduce((sum, x) => sum + x, 0);
    }
    return all ? { success: right / all } : undefined;
  }

  private isGreedy(document: number, logitsAt: (t: number) => Float32Array): boolean {
    return this.paths.paths[document].every((id, t) => {
      const logits = logitsAt(t);
      const own = logits[this.paths.place(id)];
      for (const place of this.paths.following(document, t)) if (logits[place] > own) return false;
      return true;
    });
  }

  /** Logits of the steps of a document's path for each query, float32 [B, T, A]. */
  private async logits(batch: Batch, documents: readonly number[]): Promise<Float32Array> {
    const embedded = gather(this.state.embeddings.data, batch.ids, this.config.d_model);
    const out = await this.forward.run(this.feeds(batch, embedded, this.steps(documents), new Int32Array(0)));
    return out.logits.data as Float32Array;
  }

  /** The decoder's tokens before each step of the documents' paths. */
  private steps(documents: readonly number[]): Steps {
    const own = documents.map((document) => this.paths.paths[document]);
    const length = Math.max(...own.map((path) => path.length));
    const ids = new Int32Array(own.length * length);
    own.forEach((path, b) => {
      ids[b * length] = START;
      ids.set(path.subarray(0, -1), b * length + 1);
    });
    return { length, ids };
  }

  /** A tied model's row is its embedding times this. */
  private get rowScale(): number {
    return this.options.wordScale || 1;
  }

  /** @param others  words that compete beside the tokens of paths */
  private feeds(batch: Batch, embedded: Float32Array, read: Steps, others: Int32Array): Feeds {
    const { d_model: d } = this.config;
    const { embeddings, start, rows: codes, weights } = this.state;
    const { words } = this.paths;
    const shape = [batch.size, batch.length];
    const x = new Float32Array(read.ids.length * d);
    read.ids.forEach((id, i) => {
      const at = (id - words) * d;
      if (id === START) x.set(start.data, i * d);
      else if (id < words) x.set(embeddings.data.subarray(id * d, (id + 1) * d), i * d);
      else for (let j = 0; j < d; j++) x[i * d + j] = codes.data[at + j] / this.rowScale;
    });
    const competing = [...this.paths.wordIds, ...others];
    const rows = new Float32Array((this.paths.codes + competing.length) * d);
    rows.set(codes.data);
    const behind = gather(embeddings.data, competing, d, rows.subarray(codes.data.length));
    for (let i = 0; i < behind.length; i++) behind[i] *= this.rowScale;
    const fed = Object.fromEntries(
      [...weights].map(([name, { data }]) => [name, tensor(data, this.shapes.get(name)!)]),
    );
    return {
      ...fed,
      embedded: tensor(embedded, [...shape, d]),
      attention_mask: tensor(batch.mask, shape),
      decoder_embedded: tensor(x, [batch.size, read.length, d]),
      rows: tensor(rows, [rows.length / d, d]),
    };
  }
}
