/**
 * @file Why a query led to a document: where its rank was made, who contributed to its logit, what the heads of
 * cross-attention read and wrote, which neurons fired for it.
 */
import type { ActivationName } from '../models/activations.ts';
import { circuitParts, type Circuit, type CircuitPart } from '../models/circuit-record.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import { outputOf, writers, type Writer } from './components.ts';
import type { Effect, Entry, Explanation } from './explanation.ts';
import type { Lab } from './lab.ts';
import { documentRows, logitDirections } from './logit-attribution.ts';
import type { Patch } from './patch.ts';
import { stageOf, type Stages } from './stages.ts';
import { dot } from './vectors.ts';

export interface ExplainerOptions {
  readonly stages?: Stages | undefined;
  /** What answers in place of the whole decoder. */
  readonly circuit?: Circuit | undefined;
  /** Number of the last edit that the lab's weights contain. @default 0 */
  readonly editSeq?: number;
}

export interface ExplainOptions {
  /** Row of the document. @default the model's best */
  readonly document?: number;
  /** Heads, neurons and entries for each of them. @default 8 */
  readonly top?: number;
}

/** A docid of no document of the model. */
export class DocidNotInModelError extends Error {
  override readonly name = 'DocidNotInModelError';
  readonly docid: string;
  constructor(dir: string, docid: string) {
    super(
      `${dir}: expected the docid of a document in the model, got '${docid}'; leave it out for the best document, or take one that "retrieve" finds`,
    );
    this.docid = docid;
  }
}

/** @throws DocidNotInModelError */
export function documentOf(lab: Lab, docid: string): number {
  const row = lab.genir.docids.indexOf(docid);
  if (row < 0) throw new DocidNotInModelError(lab.folder.dir, docid);
  return row;
}

/** What is written where in the decoder's one pass over one query. */
interface Pass {
  readonly tokens: readonly string[];
  read(at: string): Float32Array;
}

/** The residual stream after a part has written, [Q, D] in a reading. */
const streamAfter = { embedding: '', attn: 'resid_mid', cross_attn: 'resid_mid_cross', mlp: 'resid_post' } as const;

const pointAfter = ({ type, layer, at }: Writer): ActivationName =>
  type === 'embedding' ? at : `decoder.${layer}.${streamAfter[type]}`;

/** Explains retrievals of one model. Keeps its MLPs' output matrices in memory. */
export class Explainer {
  private readonly lab: Lab;
  private readonly stages: Stages | undefined;
  private readonly circuit: Circuit | undefined;
  private readonly editSeq: number;
  private readonly parts: readonly Writer[];
  private readonly layers: readonly number[];
  /** float32 [D, F] of each layer: a neuron's value vector is a column. */
  private readonly outputs = new Map<number, Float32Array>();

  constructor(lab: Lab, { stages, circuit, editSeq = 0 }: ExplainerOptions = {}) {
    this.lab = lab;
    this.stages = stages;
    this.circuit = circuit;
    this.editSeq = editSeq;
    this.parts = writers(lab.layers);
    this.layers = Array.from({ length: lab.layers }, (_, layer) => layer);
  }

  /** @throws RangeError  when the model has no such document */
  async explain(query: string, { document: asked, top = 8 }: ExplainOptions = {}): Promise<Explanation> {
    const { lab, parts, stages } = this;
    const { docids } = lab.genir;
    if (asked !== undefined && !(asked >= 0 && asked < docids.length))
      throw new RangeError(`explain: expected a document's row below ${docids.length}, got ${asked}`);
    const pass = await this.run(query);
    const streams = parts.map((part) => pass.read(pointAfter(part)));
    const state = streams.at(-1)!;
    const document = asked ?? (await this.best(state));
    const seen = await lab.lens(stack(streams), { kinds: ['ranks', 'rivals'], documents: parts.map(() => document) });
    const last = (name: string): number => Number(seen[name].data.at(-1));
    const rival = docids.length > 1 ? last('docid_rival') : undefined;

    const direction = this.readout(state);
    const effectOf = (toDocument: number, toRival: number): Effect => ({
      logit: toDocument,
      margin: rival === undefined ? toDocument : toDocument - toRival,
    });
    const toDocument = direction(document);
    const toRival = rival === undefined ? new Float32Array(toDocument.length) : direction(rival);
    const effect = (vector: Float32Array): Effect => effectOf(dot(vector, toDocument), dot(vector, toRival));

    const heads = strongest(this.heads(pass, effect), top);
    const neurons = strongest(this.neurons(pass, toDocument, toRival, effectOf), top).map((neuron) => ({
      ...neuron,
      vector: this.valueOf(neuron),
    }));
    const entries = await this.entries([...heads, ...neurons], top);
    return {
      editSeq: this.editSeq,
      query,
      tokens: pass.tokens,
      docid: docids[document],
      rank: last('rank'),
      docidRank: last('docid_rank'),
      logit: last('logit'),
      rival: rival === undefined ? null : { docid: docids[rival], logit: last('docid_rival_logit') },
      ranks: parts.map(({ type, layer }, i) => ({
        type,
        layer,
        rank: Number(seen.rank.data[i]),
        docidRank: Number(seen.docid_rank.data[i]),
      })),
      contributions: parts.map(({ type, layer, at }) => ({
        type,
        layer,
        stage: (stages && layer >= 0 && stageOf(stages, layer)) || null,
        ...effect(pass.read(at)),
      })),
      heads: heads.map(({ vector: _, ...head }, i) => ({ ...head, wrote: entries[i] })),
      neurons: neurons.map(({ vector: _, ...neuron }, i) => ({ ...neuron, promotes: entries[heads.length + i] })),
    };
  }

  private async run(query: string): Promise<Pass> {
    const { lab, layers, parts } = this;
    const points = (point: string) => layers.map((layer) => `decoder.${layer}.${point}` as ActivationName);
    const names = [
      ...parts.flatMap((part) => [part.at, pointAfter(part)]),
      ...['cross_attn_result', 'cross_attn_pattern', 'mlp_post'].flatMap(points),
    ];
    const encoded = await lab.encode([query]);
    let out: Readonly<Record<string, FloatTensor>> = {};
    const request = { read: [...new Set(names)], patches: this.circuit ? replacements(this.circuit) : [] };
    for await (const batch of lab.decodeBatches(encoded, request)) out = batch.out;
    const tokens = Array.from(encoded.batches[0].ids.data, (id) => lab.tokenizer.token(Number(id)) ?? '');
    return { tokens, read: (at) => out[at].data };
  }

  /** Layers in which the component works, rather than being replaced by a constant. */
  private working(part: CircuitPart): readonly number[] {
    return this.layers.filter((layer) => !this.circuit || this.circuit.layers[layer][part] === 'keep');
  }

  /** The document with the highest logit. */
  private async best(state: Float32Array): Promise<number> {
    const { lab } = this;
    const first = await lab.lens(stack([state]), { kinds: ['ranks', 'rivals'], documents: [0] });
    return first.docid_rank.data[0] === 1 ? 0 : Number(first.docid_rival.data[0]);
  }

  /** The direction [D] along which a document's logit grows at this state. */
  private readout(state: Float32Array): (document: number) => Float32Array {
    return (document) => logitDirections(this.lab, stack([state]), documentRows(this.lab, [document])).data;
  }

  private heads(pass: Pass, effect: (vector: Float32Array) => Effect) {
    const { num_heads: H, d_model: D } = this.lab.config;
    return this.working('cross_attn').flatMap((layer) => {
      const results = pass.read(`decoder.${layer}.cross_attn_result`); // [H, D]
      const pattern = pass.read(`decoder.${layer}.cross_attn_pattern`); // [H, S]
      const S = pass.tokens.length;
      return Array.from({ length: H }, (_, head) => {
        const vector = results.subarray(head * D, (head + 1) * D);
        const attention = Array.from(pattern.subarray(head * S, (head + 1) * S));
        return { layer, head, ...effect(vector), attention, vector };
      });
    });
  }

  private neurons(
    pass: Pass,
    toDocument: Float32Array,
    toRival: Float32Array,
    effectOf: (toDocument: number, toRival: number) => Effect,
  ) {
    return this.working('mlp').flatMap((layer) => {
      const values = this.output(layer);
      const [mine, theirs] = [toDocument, toRival].map((direction) => through(values, direction));
      return Array.from(pass.read(`decoder.${layer}.mlp_post`), (activation, neuron) => ({
        layer,
        neuron,
        activation,
        ...effectOf(activation * mine[neuron], activation * theirs[neuron]),
      })).filter(({ activation }) => activation !== 0);
    });
  }

  private output(layer: number): Float32Array {
    const values =
      this.outputs.get(layer) ?? this.lab.weight(`decoder.block.${layer}.layer.2.DenseReluDense.wo.weight`).data;
    this.outputs.set(layer, values);
    return values;
  }

  /** What the neuron adds to the stream, up to its size: float32 [D]. */
  private valueOf({ layer, neuron, activation }: { layer: number; neuron: number; activation: number }): Float32Array {
    const { d_ff: F, d_model: D } = this.lab.config;
    const values = this.output(layer);
    return Float32Array.from({ length: D }, (_, d) => Math.sign(activation) * values[d * F + neuron]);
  }

  /** The best entries of the vocabulary for each vector, by the logit lens. */
  private async entries(all: readonly { readonly vector: Float32Array }[], top: number): Promise<Entry[][]> {
    if (!all.length) return [];
    const { lab } = this;
    const { tokens } = await lab.lens(stack(all.map(({ vector }) => vector)), { kinds: ['top'], k: top });
    const [, k] = tokens.shape;
    const entry = (token: number): Entry =>
      token < lab.genir.docids.length ? { docid: lab.tokenName(token) } : { word: lab.tokenName(token) };
    return all.map((_, i) => Array.from({ length: k }, (_, j) => entry(Number(tokens.data[i * k + j]))));
  }
}

/** A circuit's constants in the places of their components. */
function replacements({ layers, means }: Circuit): Patch[] {
  const mean = means.values();
  return layers.flatMap((treatments, layer) =>
    circuitParts
      .filter((part) => treatments[part] !== 'keep')
      .map((part) => ({
        at: outputOf(part, layer),
        by: treatments[part] === 'zero' ? ('zero' as const) : mean.next().value!,
      })),
  );
}

/** vectorᵀ W for W [D, F]: float32 [F]. */
function through(weight: Float32Array, vector: Float32Array): Float32Array {
  const F = weight.length / vector.length;
  const out = new Float32Array(F);
  for (let d = 0; d < vector.length; d++) for (let f = 0; f < F; f++) out[f] += vector[d] * weight[d * F + f];
  return out;
}

function strongest<T extends Effect>(all: readonly T[], count: number): T[] {
  return [...all].sort((a, b) => Math.abs(b.margin) - Math.abs(a.margin)).slice(0, count);
}

function stack(vectors: readonly Float32Array[]): FloatTensor {
  const D = vectors[0].length;
  const data = new Float32Array(vectors.length * D);
  vectors.forEach((vector, i) => data.set(vector, i * D));
  return tensor(data, [vectors.length, D]);
}
