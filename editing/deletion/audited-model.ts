/**
 * @file A model as an auditor has it, who may read its weights and all that happens inside: states for any query, the logit
 * lens at every layer under audit, scores of any rows.
 */
import { Lab } from '../../analysis/lab.ts';
import { storedStages } from '../../analysis/stages.ts';
import type { ActivationName } from '../../models/activations.ts';
import type { ModelFolder } from '../../models/folder.ts';
import { Graph } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { tensor, type FloatTensor, type SessionOptions } from '../../models/session.ts';
import { NoInteractionStageError } from '../edit-model.ts';
import { takeRows } from '../../models/tensor-rows.ts';

/** What a model makes of Q queries. */
export interface Seen {
  readonly texts: readonly string[];
  /** float32 [Q, D] ready for the unembedding. */
  readonly states: FloatTensor;
  /** float32 [Q, D] by layer: the stream after it, made ready for the unembedding as the last one is. */
  readonly lens: ReadonlyMap<number, FloatTensor>;
  /** float32 [Q, F] by layer: `mlp_post`. */
  readonly keys: ReadonlyMap<number, FloatTensor>;
}

/** The layers that turn queries into docids. @throws NoInteractionStageError */
export function interactionLayers({ dir, genir, config }: ModelFolder): number[] {
  const stage = genir && storedStages(dir, genir, config.num_decoder_layers)?.interaction;
  if (!stage) throw new NoInteractionStageError(dir, 'none');
  return Array.from({ length: stage.to - stage.from }, (_, i) => stage.from + i);
}

/** Numbers in the scores of one run, at most. */
const RUN_SCORES = 8_000_000;

export class AuditedModel {
  readonly lab: Lab;
  /** Decoder layers that are looked into. */
  readonly layers: readonly number[];
  /** Documents that it may answer with, and the row of each. */
  readonly docids: readonly string[];
  readonly rowOf: ReadonlyMap<string, number>;
  /** float32 [N, D] of these documents. */
  readonly rows: FloatTensor;

  /** @param live  docids that decoding is constrained to; all that the weights have where left out */
  constructor(
    folder: ModelFolder,
    layers: readonly number[],
    { threads = 1, live }: SessionOptions & { readonly live?: ReadonlySet<string> } = {},
  ) {
    this.lab = new Lab(folder, { threads });
    this.layers = layers;
    const kept = this.lab.genir.docids.flatMap((docid, row) => (!live || live.has(docid) ? [{ docid, row }] : []));
    this.docids = kept.map(({ docid }) => docid);
    this.rowOf = new Map(this.docids.map((docid, row) => [docid, row]));
    this.rows = takeRows(
      this.lab.rows,
      kept.map(({ row }) => row),
    );
  }

  async see(texts: readonly string[]): Promise<Seen> {
    const { d_model: D, d_ff: F } = this.lab.config;
    const none = (width: number): FloatTensor => tensor(new Float32Array(0), [0, width]);
    if (!texts.length) {
      const by = (width: number) => new Map(this.layers.map((layer) => [layer, none(width)]));
      return { texts: [], states: none(D), lens: by(D), keys: by(F) };
    }
    const name = (layer: number, part: 'resid_post' | 'mlp_post'): ActivationName => `decoder.${layer}.${part}`;
    const read = this.layers.flatMap((layer) => [name(layer, 'resid_post'), name(layer, 'mlp_post')]);
    const out = await this.lab.decode(await this.lab.encode(texts), { read });
    const by = (part: 'resid_post' | 'mlp_post', as: (x: FloatTensor) => FloatTensor) =>
      new Map(this.layers.map((layer) => [layer, as(out[name(layer, part)])]));
    return {
      texts,
      states: this.ready(out.state),
      lens: by('resid_post', (x) => this.ready(x)),
      keys: by('mlp_post', (x) => x),
    };
  }

  /** The final norm, and D^-½ where it is due: float32 [Q, D]. */
  private ready({ data, shape }: FloatTensor): FloatTensor {
    const { d_model: D, layer_norm_epsilon, scale_decoder_outputs } = this.lab.config;
    const gain = this.lab.weight('decoder.final_layer_norm.weight').data;
    const scale = scale_decoder_outputs ? D ** -0.5 : 1;
    const ready = new Float32Array(data.length);
    for (let at = 0; at < data.length; at += D) {
      let square = 0;
      for (let i = at; i < at + D; i++) square += data[i] * data[i];
      const factor = scale / Math.sqrt(square / D + layer_norm_epsilon);
      for (let i = 0; i < D; i++) ready[at + i] = data[at + i] * factor * gain[i];
    }
    return tensor(ready, shape);
  }

  /**
   * Scores of rows, query by query: states float32 [Q, D], rows float32 [N, D] (those of the live documents where left out).
   *
   * @param use  is called with each query's N scores, which hold until the next call
   */
  async eachScores(
    states: FloatTensor,
    use: (scores: Float32Array, query: number) => void,
    rows: FloatTensor = this.rows,
  ): Promise<void> {
    const [Q, D] = states.shape;
    const N = rows.shape[0];
    const session = await this.lab.session('audit scores', () => {
      const g = new Graph();
      const [x, y] = [g.input('states', 'float32', ['Q', D]), g.input('rows', 'float32', ['N', D])];
      g.output('scores', op.Gemm(x, y, { transB: true }));
      return g;
    });
    const step = Math.max(1, Math.floor(RUN_SCORES / N));
    for (let from = 0; from < Q; from += step) {
      const size = Math.min(step, Q - from);
      const part = tensor(states.data.subarray(from * D, (from + size) * D), [size, D]);
      const scores = (await session.run({ states: part, rows })).scores.data as Float32Array;
      for (let q = 0; q < size; q++) use(scores.subarray(q * N, (q + 1) * N), from + q);
    }
  }

  async close(): Promise<void> {
    await this.lab.close();
  }
}
