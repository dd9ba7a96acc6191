/**
 * @file A base model opened for editing: what its weights make of queries, read once and for all. Nothing here knows of
 * edits that are in force; they come in as deltas and rows.
 */
import type { Lab } from '../analysis/lab.ts';
import type { ActivationName } from '../models/activations.ts';
import type { WeightDelta } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { atomicGenir, NotAnIndexError } from '../models/genir.ts';
import { int64, tensor, type FloatTensor, type SessionOptions } from '../models/session.ts';
import { AtomicReading, rerun } from './atomic-reading.ts';
import { outputWeight, restateGraph, scoresGraph, streamGraph } from './edit-graphs.ts';
import { takeRows } from '../models/tensor-rows.ts';
import { PathReading } from './path-reading.ts';
import { giveWay } from './right-of-way.ts';
import { noPrefix, type EditLab, type Prefix, type Reading } from './reading.ts';

/** A model whose weights cannot be edited before it was analysed. */
export class NoInteractionStageError extends Error {
  override readonly name = 'NoInteractionStageError';
  readonly dir: string;
  constructor(dir: string, actual: string) {
    super(
      `${dir}: expected stages in genir.json, with an interaction stage to edit, got ${actual}; run "analyze --model ${dir}"`,
    );
    this.dir = dir;
  }
}

/** The last layer of the interaction stage, or all of them. */
export type EditedLayers = 'last' | 'window';

export interface EditModelOptions extends SessionOptions {
  /** @default 'last' */
  readonly layers?: EditedLayers;
}

/** What the base weights make of Q queries, each where it is about to get the last token of a docid. */
export interface Observed {
  readonly texts: readonly string[];
  /** [Q] what the decoder has read before. */
  readonly prefixes: readonly Prefix[];
  /** float32 [Q, D] ready for the unembedding: after the final norm, times D^-½ where embeddings are tied. */
  readonly states: FloatTensor;
  /** float32 [Q, D] the stream before the last decoder layer's MLP output is added (`resid_mid_cross`). */
  readonly residual: FloatTensor;
  /** `mlp_post`, float32 [Q, F], of each edited layer and of the last one. */
  readonly keys: ReadonlyMap<number, FloatTensor>;
  /** The same at the positions before, float32 [P, F] of all queries together; none where docids are single tokens. */
  readonly keysBefore: ReadonlyMap<number, FloatTensor>;
}

/** What rows make of Q queries. */
export interface Scores {
  /** [Q] the best row other than the own one; −1 where there is none. Its document: `EditModel.documentOf`. */
  readonly rivals: Int32Array;
  /** [Q] its score; −∞ where there is none. */
  readonly best: Float64Array;
  /** [Q] log Σ exp of the scores of all rows, the own one included. */
  readonly logSumExp: Float64Array;
  /** [Q] score of the own row; −∞ where there is none. */
  readonly own: Float64Array;
}

/** Rows that stand aside get this score. */
export const ASIDE = -1e9;

/** Numbers in the scores of one run, at most: a bound on its memory. */
export const RUN_SCORES = 8_000_000;

export class EditModel {
  readonly lab: EditLab;
  readonly folder: ModelFolder;
  /** float32 [R, D], what states are scored against: the base documents' rows, or all of a vocabulary that paths are made of. */
  readonly rows: FloatTensor;
  /** float32 [N, D], the rows of the base documents' last tokens. */
  readonly documentRows: FloatTensor;
  /** Decoder layers whose MLP output matrix is edited, ascending. */
  readonly layers: readonly number[];
  /** What takes more than the one step that edits look at; undefined where docids are single tokens. */
  readonly paths: Reading['paths'];
  private readonly reading: AtomicReading | PathReading;
  /** [R] the document that a row stands for and nobody else's; −1 for none. */
  private readonly documentOfRow: Int32Array;
  private readonly noBias: FloatTensor;

  private constructor(reading: AtomicReading | PathReading, layers: readonly number[]) {
    const { lab, rows, rowOf, paths }: Reading = reading;
    this.reading = reading;
    this.lab = lab;
    this.folder = lab.folder;
    this.rows = rows;
    const isEach = rowOf.length === rows.shape[0] && rowOf.every((row, document) => row === document);
    this.documentRows = isEach ? rows : takeRows(rows, rowOf);
    this.layers = layers;
    this.paths = paths;
    this.noBias = tensor(new Float32Array(rows.shape[0]), [1, rows.shape[0]]);
    this.documentOfRow = new Int32Array(rows.shape[0]).fill(-1);
    const shared = new Set<number>();
    rowOf.forEach((row, document) => {
      if (this.documentOfRow[row] >= 0) shared.add(row);
      this.documentOfRow[row] = document;
    });
    for (const row of shared) this.documentOfRow[row] = -1;
  }

  /**
   * Where docids are paths and the analysis found no MLPs that turn queries into them, there are no layers to edit: an edit is its
   * rows alone.
   *
   * @throws NotAnIndexError          for a folder without docids
   * @throws NoInteractionStageError  where the analysis never ran, or found none of a model with docids of one token
   */
  static async open(folder: ModelFolder, options: EditModelOptions = {}): Promise<EditModel> {
    const { threads = 1, layers = 'last' } = options;
    if (!folder.genir) throw new NotAnIndexError(folder.dir);
    const reading =
      folder.genir.scheme === 'atomic' ? new AtomicReading(folder, threads) : new PathReading(folder, threads);
    const { interaction } = reading;
    if (interaction === null && reading instanceof PathReading) return new EditModel(reading, []);
    if (!interaction) {
      await reading.close();
      throw new NoInteractionStageError(folder.dir, interaction === null ? 'none of interaction' : 'no stages');
    }
    const { from, to } = interaction;
    const first = layers === 'last' ? to - 1 : from;
    return new EditModel(
      reading,
      Array.from({ length: to - first }, (_, i) => first + i),
    );
  }

  /** The row of the code that stands for documents that come later; undefined where the model has none. */
  get later(): number | undefined {
    const { genir } = this.lab;
    if (genir.scheme === 'atomic' || genir.later === undefined) return undefined;
    return genir.firstDocidToken + genir.codes.indexOf(genir.later);
  }

  get lastLayer(): number {
    return this.lab.layers - 1;
  }

  /** N, base documents. */
  get documents(): number {
    return this.reading.rowOf.length;
  }

  /** Whether rows can be made of texts, as `TextRowMaker` does. */
  get hasTextRows(): boolean {
    return this.reading.hasTextRows;
  }

  /** The lab of a model whose docids are single tokens. @throws NotAtomicError */
  get atomicLab(): Lab {
    if (this.reading instanceof AtomicReading) return this.reading.lab;
    atomicGenir(this.folder);
    throw new TypeError('a reading of paths for atomic docids');
  }

  /** The tokens before the last one of a base document's docid. */
  prefixOf(document: number): Prefix {
    return this.reading.prefixOf(document);
  }

  /** The document that a row stands for alone; −1 where there is none. */
  documentOf(row: number): number {
    return row < 0 ? -1 : this.documentOfRow[row];
  }

  /** Rows that stand for these documents and for no others. */
  ownRows(documents: Iterable<number>): number[] {
    return Array.from(documents, (document) => this.reading.rowOf[document]).filter((row) => this.documentOf(row) >= 0);
  }

  /**
   * The bytes depend on these texts and prefixes alone, together: they share batches.
   *
   * @param prefixes  [Q] what the decoder has read before
   */
  async observe(texts: readonly string[], prefixes: readonly Prefix[] = texts.map(() => noPrefix)): Promise<Observed> {
    const { d_model: D, d_ff: F, scale_decoder_outputs } = this.lab.config;
    const layers = [...new Set([...this.layers, this.lastLayer])];
    const empty = (width: number): FloatTensor => tensor(new Float32Array(0), [0, width]);
    if (!texts.length) {
      const keys = new Map(layers.map((layer) => [layer, empty(F)]));
      return { texts: [], prefixes: [], states: empty(D), residual: empty(D), keys, keysBefore: keys };
    }
    const keyOf = (layer: number): ActivationName => `decoder.${layer}.mlp_post`;
    const residual: ActivationName = `decoder.${this.lastLayer}.resid_mid_cross`;
    const read: ActivationName[] = ['decoder.final_norm', residual, ...layers.map(keyOf)];
    const { last, before } = await this.reading.decode(texts, prefixes, read);
    const states = last['decoder.final_norm'];
    if (scale_decoder_outputs) for (let i = 0; i < states.data.length; i++) states.data[i] *= D ** -0.5;
    return {
      texts: [...texts],
      prefixes: [...prefixes],
      states,
      residual: last[residual],
      keys: new Map(layers.map((layer) => [layer, last[keyOf(layer)]])),
      keysBefore: new Map(layers.map((layer) => [layer, before[keyOf(layer)]])),
    };
  }

  /**
   * Scores states against the base rows, in a graph.
   *
   * @param states  float32 [Q, D]
   * @param own     [Q] the document whose row is no rival to each query, −1: none. None has one where left out.
   * @param aside   base documents whose rows count for nothing
   */
  async scores(states: FloatTensor, own?: Int32Array, aside: Iterable<number> = []): Promise<Scores> {
    const { rowOf } = this.reading;
    const ownRows = own?.map((document) => (document < 0 ? -1 : rowOf[document]));
    return this.scoresOf(states, this.rows, ownRows, this.without(aside));
  }

  /** What is added to the scores of rows where base documents count for nothing: float32 [1, R], `ASIDE` for theirs. */
  without(aside: Iterable<number>): FloatTensor {
    const rows = this.ownRows(aside);
    if (!rows.length) return this.noBias;
    const bias = new Float32Array(this.rows.shape[0]);
    for (const row of rows) bias[row] = ASIDE;
    return tensor(bias, [1, bias.length]);
  }

  /**
   * The same for any rows, which are what `own` means.
   *
   * @param rows  float32 [N, D]
   * @param bias  float32 [1, N] that is added to their scores
   */
  async scoresOf(states: FloatTensor, rows: FloatTensor, own?: Int32Array, bias?: FloatTensor): Promise<Scores> {
    const [Q, D] = states.shape;
    const N = rows.shape[0];
    const result: Scores = {
      rivals: new Int32Array(Q).fill(-1),
      best: new Float64Array(Q).fill(-Infinity),
      logSumExp: new Float64Array(Q).fill(-Infinity),
      own: new Float64Array(Q).fill(-Infinity),
    };
    if (!N || !Q) return result;
    const session = await this.lab.session('edit scores', () => scoresGraph(this.lab.config));
    const k = Math.min(2, N);
    const step = Math.max(1, Math.floor(RUN_SCORES / N));
    for (let from = 0; from < Q; from += step) {
      const size = Math.min(step, Q - from);
      const owns = own?.subarray(from, from + size);
      const feeds = {
        states: tensor(states.data.subarray(from * D, (from + size) * D), [size, D]),
        rows,
        bias: bias ?? tensor(new Float32Array(N), [1, N]),
        k: int64([k]),
        own: int64(owns ? Array.from(owns, (row) => Math.max(0, row)) : new Array<number>(size).fill(0), [size, 1]),
      };
      giveWay();
      const out = await session.run(feeds);
      const [best, logP, ownScore] = ['best', 'log_p', 'own_score'].map((name) => out[name].data as Float32Array);
      const rivals = out.rivals.data as BigInt64Array;
      for (let q = 0; q < size; q++) {
        const at = from + q;
        result.logSumExp[at] = best[q * k] - logP[q];
        const row = own?.[at] ?? -1;
        if (row >= 0) result.own[at] = ownScore[q];
        const place = Number(rivals[q * k]) === row ? 1 : 0;
        if (place >= k || best[q * k + place] <= ASIDE / 2) continue;
        result.rivals[at] = Number(rivals[q * k + place]);
        result.best[at] = best[q * k + place];
      }
    }
    return result;
  }

  private readonly streams = new WeakMap<Pick<Observed, 'residual' | 'keys'>, FloatTensor>();

  /** The stream after the last decoder layer, float32 [Q, D]. Computed once. */
  async streamOf(observed: Pick<Observed, 'residual' | 'keys'>): Promise<FloatTensor> {
    let stream = this.streams.get(observed);
    if (!stream) {
      const session = await this.lab.session('edit stream', () => streamGraph(this.lab.config, this.lab.weight));
      const { residual, keys } = observed;
      stream = (await session.run({ residual, keys: keys.get(this.lastLayer)! })).stream as FloatTensor;
      this.streams.set(observed, stream);
    }
    return stream;
  }

  /**
   * The states under an edit, float32 [Q, D]: in closed form where only the last decoder layer is edited, else through
   * the decoder. Without deltas the very states that were observed.
   *
   * @throws NotAtomicError  for an earlier layer where docids are paths
   */
  async restate(observed: Observed, deltas: readonly WeightDelta[]): Promise<FloatTensor> {
    if (!deltas.length || !observed.texts.length) return observed.states;
    const { d_model: D, d_ff: F } = this.lab.config;
    if (deltas.length > 1 || deltas[0].weight !== outputWeight(this.lastLayer))
      return rerun(this.atomicLab, observed.texts, deltas);
    const stream = await this.streamOf(observed);
    const session = await this.lab.session('edit restate', () => restateGraph(this.lab.config, this.lab.weight));
    const feeds = {
      stream,
      keys: observed.keys.get(this.lastLayer)!,
      delta: tensor(deltas[0].delta, [F, D]),
    };
    giveWay();
    return (await session.run(feeds)).states as FloatTensor;
  }

  async close(): Promise<void> {
    await this.reading.close();
  }
}
