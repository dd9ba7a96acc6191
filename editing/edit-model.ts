/**
 * @file A base model opened for editing: what its weights make of queries, read once and for all. Nothing here knows of
 * edits that are in force; they come in as deltas and rows.
 */
import { Lab } from '../analysis/lab.ts';
import { storedStages } from '../analysis/stages.ts';
import type { ActivationName } from '../models/activations.ts';
import { wordWeights, type WeightDelta } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { atomicGenir } from '../models/genir.ts';
import { deltaInput, docidDecoderGraph } from '../models/graphs.ts';
import { int64, tensor, type Feeds, type FloatTensor, type SessionOptions } from '../models/session.ts';
import { padBatch } from '../models/tokenizer.ts';
import { outputWeight, restateGraph, scoresGraph } from './edit-graphs.ts';

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

/** What the base weights make of Q queries. */
export interface Observed {
  readonly texts: readonly string[];
  /** float32 [Q, D] ready for the unembedding: after the final norm, times D^-½ where embeddings are tied. */
  readonly states: FloatTensor;
  /** float32 [Q, D] the stream before the last decoder layer's MLP output is added (`resid_mid_cross`). */
  readonly residual: FloatTensor;
  /** `mlp_post`, float32 [Q, F], of each edited layer and of the last one. */
  readonly keys: ReadonlyMap<number, FloatTensor>;
}

/** What rows make of Q queries. */
export interface Scores {
  /** [Q] the best row other than the own one; −1 where there is none. */
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
const RUN_SCORES = 8_000_000;

/** Queries that run through the decoder together. */
const BATCH = 64;

export class EditModel {
  readonly lab: Lab;
  readonly folder: ModelFolder;
  /** float32 [N, D], the base documents' rows. */
  readonly rows: FloatTensor;
  /** Decoder layers whose MLP output matrix is edited, ascending. */
  readonly layers: readonly number[];
  private readonly noBias: FloatTensor;

  private constructor(lab: Lab, layers: readonly number[]) {
    this.lab = lab;
    this.folder = lab.folder;
    this.rows = lab.rows;
    this.layers = layers;
    this.noBias = tensor(new Float32Array(lab.rows.shape[0]), [1, lab.rows.shape[0]]);
  }

  /**
   * @throws NotAnIndexError          for a folder without docids
   * @throws NotAtomicError           for one whose docids are paths
   * @throws NoInteractionStageError  where the analysis found none, or never ran
   */
  static async open(folder: ModelFolder, options: EditModelOptions = {}): Promise<EditModel> {
    const genir = atomicGenir(folder);
    const { threads = 1, layers = 'last' } = options;
    const stages = storedStages(folder.dir, genir, folder.config.num_decoder_layers);
    if (!stages?.interaction)
      throw new NoInteractionStageError(folder.dir, stages ? 'none of interaction' : 'no stages');
    const { from, to } = stages.interaction;
    const first = layers === 'last' ? to - 1 : from;
    const lab = new Lab(folder, { threads, batchSize: BATCH });
    return new EditModel(
      lab,
      Array.from({ length: to - first }, (_, i) => first + i),
    );
  }

  get lastLayer(): number {
    return this.lab.layers - 1;
  }

  /** The bytes depend on these texts alone, together: they share batches. */
  async observe(texts: readonly string[]): Promise<Observed> {
    const { d_model: D, d_ff: F, scale_decoder_outputs } = this.lab.config;
    const layers = [...new Set([...this.layers, this.lastLayer])];
    const empty = (width: number): FloatTensor => tensor(new Float32Array(0), [0, width]);
    if (!texts.length)
      return {
        texts: [],
        states: empty(D),
        residual: empty(D),
        keys: new Map(layers.map((layer) => [layer, empty(F)])),
      };
    const keyOf = (layer: number): ActivationName => `decoder.${layer}.mlp_post`;
    const residual: ActivationName = `decoder.${this.lastLayer}.resid_mid_cross`;
    const read: ActivationName[] = ['decoder.final_norm', residual, ...layers.map(keyOf)];
    const out = await this.lab.decode(await this.lab.encode(texts), { read });
    const states = out['decoder.final_norm'];
    if (scale_decoder_outputs) for (let i = 0; i < states.data.length; i++) states.data[i] *= D ** -0.5;
    return {
      texts: [...texts],
      states,
      residual: out[residual],
      keys: new Map(layers.map((layer) => [layer, out[keyOf(layer)]])),
    };
  }

  /**
   * Scores states against the base rows, in a graph.
   *
   * @param states  float32 [Q, D]
   * @param own     [Q] the row that is no rival to each query, −1: none. None has one where left out.
   * @param aside   base rows that count for nothing
   */
  async scores(states: FloatTensor, own?: Int32Array, aside: Iterable<number> = []): Promise<Scores> {
    const set = [...aside];
    if (!set.length) return this.scoresOf(states, this.rows, own, this.noBias);
    const bias = new Float32Array(this.rows.shape[0]);
    for (const row of set) bias[row] = ASIDE;
    return this.scoresOf(states, this.rows, own, tensor(bias, [1, bias.length]));
  }

  /**
   * The same for any rows.
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

  /**
   * The states under an edit, float32 [Q, D]: in closed form where only the last decoder layer is edited, else through
   * the decoder. Without deltas the very states that were observed.
   */
  async restate(observed: Observed, deltas: readonly WeightDelta[]): Promise<FloatTensor> {
    if (!deltas.length || !observed.texts.length) return observed.states;
    const { d_model: D, d_ff: F } = this.lab.config;
    if (deltas.length > 1 || deltas[0].weight !== outputWeight(this.lastLayer))
      return this.rerun(observed.texts, deltas);
    const session = await this.lab.session('edit restate', () => restateGraph(this.lab.config, this.lab.weight));
    const feeds = {
      residual: observed.residual,
      keys: observed.keys.get(this.lastLayer)!,
      delta: tensor(deltas[0].delta, [F, D]),
    };
    return (await session.run(feeds)).states as FloatTensor;
  }

  /** The states of a served decoder with these deltas. */
  private async rerun(texts: readonly string[], deltas: readonly WeightDelta[]): Promise<FloatTensor> {
    const words = this.lab.genir.firstDocidToken;
    const config = { ...this.lab.config, vocab_size: words };
    const { d_model: D, d_ff: F } = config;
    const edited = deltas.map(({ weight }) => weight).sort();
    const session = await this.lab.session(JSON.stringify(['edit decoder', edited]), () =>
      docidDecoderGraph(config, wordWeights(this.folder, words), edited),
    );
    const fixed: Feeds = {
      rows: tensor(new Float32Array(D), [1, D]),
      bias: tensor(new Float32Array(1), [1, 1]),
      k: int64([1]),
      ...Object.fromEntries(deltas.map(({ weight, delta }) => [deltaInput(weight), tensor(delta, [F, D])])),
    };
    const states = new Float32Array(texts.length * D);
    for (let from = 0; from < texts.length; from += BATCH) {
      const tokens = texts.slice(from, from + BATCH).map((text) => this.lab.tokenizer.encode(text));
      const { inputIds, mask, length } = padBatch(tokens);
      const shape = [tokens.length, length];
      const feeds = { ...fixed, input_ids: tensor(inputIds, shape), attention_mask: tensor(mask, shape) };
      const { state } = await session.run(feeds, ['state']);
      states.set(state.data as Float32Array, from * D);
    }
    return tensor(states, [texts.length, D]);
  }

  async close(): Promise<void> {
    await this.lab.close();
  }
}
