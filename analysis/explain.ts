/**
 * @file Why a query led to a document: where its rank was made, who contributed to its logit, what the heads of
 * cross-attention read and wrote, which neurons fired for it.
 */
import type { Circuit } from '../models/circuit-record.ts';
import type { FloatTensor } from '../models/session.ts';
import { ExplainedParts, stack, type Pass, type Written } from './explain-parts.ts';
import type { Entry, Explanation } from './explanation.ts';
import type { Lab } from './lab.ts';
import { documentRows, logitDirections } from './logit-attribution.ts';
import { stageOf, type Stages } from './stages.ts';

export interface ExplainerOptions {
  readonly stages?: Stages | undefined;
  /** What answers in place of the whole decoder. */
  readonly circuit?: Circuit | undefined;
  /** Number of the last edit that the lab's weights contain. @default 0 */
  readonly editSeq?: number;
}

export interface ExplainOptions {
  /** Row of the document. @default the model's best */
  readonly document?: number | undefined;
  /** Heads, neurons and entries for each of them. @default 8 */
  readonly top?: number;
}

/** Explains retrievals of one model. Keeps its MLPs' output matrices in memory. */
export class Explainer {
  private readonly lab: Lab;
  private readonly stages: Stages | undefined;
  private readonly editSeq: number;
  private readonly parts: ExplainedParts;

  constructor(lab: Lab, { stages, circuit, editSeq = 0 }: ExplainerOptions = {}) {
    this.lab = lab;
    this.stages = stages;
    this.editSeq = editSeq;
    this.parts = new ExplainedParts(lab, circuit);
  }

  /** @throws RangeError  when the model has no such document */
  async explain(query: string, { document: asked, top = 8 }: ExplainOptions = {}): Promise<Explanation> {
    const { lab, parts, stages } = this;
    const { docids } = lab.genir;
    if (asked !== undefined && !(asked >= 0 && asked < docids.length))
      throw new RangeError(`explain: expected a document's row below ${docids.length}, got ${asked}`);
    const pass = await this.run(query);
    const streams = parts.streams(pass);
    const state = streams.at(-1)!;
    const document = asked ?? (await this.best(state));
    const seen = await lab.lens(stack(streams), { kinds: ['ranks', 'rivals'], documents: streams.map(() => document) });
    const last = (name: string): number => Number(seen[name].data.at(-1));
    const rival = docids.length > 1 ? last('docid_rival') : undefined;

    const direction = this.readout(state);
    const readout = { own: direction(document), rival: rival === undefined ? undefined : direction(rival) };
    const { contributions, heads, neurons } = parts.shares(pass, readout, top);
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
      ranks: parts.writers.map(({ type, layer }, i) => ({
        type,
        layer,
        rank: Number(seen.rank.data[i]),
        docidRank: Number(seen.docid_rank.data[i]),
      })),
      contributions: contributions.map(({ type, layer, ...effect }) => ({
        type,
        layer,
        stage: (stages && layer >= 0 && stageOf(stages, layer)) || null,
        ...effect,
      })),
      heads: heads.map(({ vector: _, ...head }, i) => ({ ...head, wrote: entries[i] })),
      neurons: neurons.map(({ vector: _, ...neuron }, i) => ({ ...neuron, promotes: entries[heads.length + i] })),
    };
  }

  private async run(query: string): Promise<Pass> {
    const { lab, parts } = this;
    const encoded = await lab.encode([query]);
    let out: Readonly<Record<string, FloatTensor>> = {};
    const request = { read: parts.activations, patches: parts.replacements };
    for await (const batch of lab.decodeBatches(encoded, request)) out = batch.out;
    const tokens = Array.from(encoded.batches[0].ids.data, (id) => lab.tokenizer.token(Number(id)) ?? '');
    return { tokens, read: (at) => out[at].data };
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

  /** The best entries of the vocabulary for each vector, by the logit lens. */
  private async entries(all: readonly Written[], top: number): Promise<Entry[][]> {
    if (!all.length) return [];
    const { lab } = this;
    const { tokens } = await lab.lens(stack(all.map(({ vector }) => vector)), { kinds: ['top'], k: top });
    const [, k] = tokens.shape;
    const entry = (token: number): Entry =>
      token < lab.genir.docids.length ? { docid: lab.tokenName(token) } : { word: lab.tokenName(token) };
    return all.map((_, i) => Array.from({ length: k }, (_, j) => entry(Number(tokens.data[i * k + j]))));
  }
}
