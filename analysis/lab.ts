/**
 * @file A model opened for analysis: queries go in, activations are read and replaced, vectors are looked at through
 * the logit lens. Everything is computed in batches by onnxruntime; JavaScript sees activations, never a vocabulary.
 */
import type { ActivationName, Stack } from '../models/activations.ts';
import type { T5Config } from '../models/config.ts';
import { MAX_QUERY_TOKENS } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { atomicGenir, type AtomicGenir } from '../models/genir.ts';
import { encoderGraph, startDecoderGraph, type Instruments, type WeightSource } from '../models/graphs.ts';
import type { Graph } from '../models/onnx/graph.ts';
import { isAboutDocuments, LENS_OUTPUTS, lensGraph, type LensKind } from '../models/lens.ts';
import { int64, tensor, type Session, type Feeds, type FloatTensor, type Tensor } from '../models/session.ts';
import { unembedName } from '../models/t5.ts';
import { loadTokenizer, padBatch, type Tokenizer } from '../models/tokenizer.ts';
import type { WeightTensor } from '../models/weights.ts';
import { patchFeeds, type Patch } from './patch.ts';
import { SessionCache } from './session-cache.ts';

/** Queries that run together: their tokens, padded on the right and masked, and what the encoder makes of them. */
export interface Batch {
  /** [B] positions of the batch's queries in the list that was encoded. */
  readonly queries: Int32Array;
  /** int64 [B, S] */
  readonly ids: Tensor<BigInt64Array>;
  /** float32 [B, S], 1 = a token */
  readonly mask: FloatTensor;
  /** float32 [B, S, D] after the encoder's final norm */
  readonly encoderOut: FloatTensor;
  /** Activations of the encoder that were asked for, each [B, S, …]. */
  readonly read: Readonly<Record<string, FloatTensor>>;
}

export interface Encoded {
  /** Number of queries, Q. */
  readonly count: number;
  readonly batches: readonly Batch[];
}

/** What to read and what to replace in one run of a stack. */
export interface Request {
  readonly read?: readonly ActivationName[];
  readonly patches?: readonly Patch[];
}

/** Decoder activations of all queries, in their order: float32 [Q, …] without the axis of the one decoder position. */
export interface Reading {
  readonly [name: string]: FloatTensor;
  /** Residual stream after the last block, before the final norm: float32 [Q, D]. */
  readonly state: FloatTensor;
}

export interface LabOptions {
  /** Cores that one run may use. @default 1 */
  readonly threads?: number;
  /** Queries run together at most. @default 64 */
  readonly batchSize?: number;
}

/** Numbers in the logits of one run of the lens, at most: a bound on its memory. */
const LENS_LOGITS = 12_000_000;

export class Lab {
  readonly folder: ModelFolder;
  readonly config: T5Config;
  readonly genir: AtomicGenir;
  readonly tokenizer: Tokenizer;
  /** float32 [N, D], the docids' rows of the unembedding. */
  readonly rows: FloatTensor;
  /** Vocabulary entries that are no docid, in the order in which the lens counts them. */
  readonly wordTokens: Int32Array;
  /** float32 [W, D], the other rows of the unembedding. */
  private readonly words: WeightTensor;
  private readonly start: Float32Array;
  private readonly options: Required<LabOptions>;
  private readonly sessions: SessionCache;

  /**
   * @throws NotAnIndexError  for a model without docids
   * @throws NotAtomicError   for one whose docids are paths
   */
  constructor(folder: ModelFolder, options: LabOptions = {}) {
    this.folder = folder;
    this.config = folder.config;
    this.genir = atomicGenir(folder);
    this.options = { threads: 1, batchSize: 64, ...options };
    this.sessions = new SessionCache(this.options.threads);
    this.tokenizer = loadTokenizer(folder, MAX_QUERY_TOKENS);
    const { d_model: D, vocab_size: V, decoder_start_token_id: startToken } = this.config;
    const [first, N] = [this.genir.firstDocidToken, this.genir.docids.length];
    this.rows = tensor(folder.rows(unembedName(this.config), first, first + N), [N, D]);
    this.words = rowsWithout(folder, unembedName(this.config), first, first + N);
    this.wordTokens = Int32Array.from({ length: V - N }, (_, i) => (i < first ? i : i + N));
    this.start = folder.rows('shared.weight', startToken, startToken + 1);
  }

  get layers(): number {
    return this.config.num_decoder_layers;
  }

  /** A weight by HF's name, float32 in HF's orientation. */
  readonly weight: WeightSource = (name) => this.folder.tensor(name);

  /** What a lens token is called: the docid, or the vocabulary's piece. */
  tokenName(token: number): string {
    const docids = this.genir.docids;
    return token < docids.length ? docids[token] : (this.tokenizer.token(this.wordTokens[token - docids.length]) ?? '');
  }

  // ---------------------------------------------------------------------------------------------- sessions

  /**
   * The session of a graph, opened once and kept while there is room for its weights. Use it before asking for another
   * one: the one unused for longest is released.
   *
   * @param key  says which graph it is, and all that it was built from
   */
  session(key: string, build: () => Graph): Promise<Session> {
    return this.sessions.session(key, build);
  }

  private instrumented(stack: Stack, { read = [], patched = [] }: Instruments): Promise<Session> {
    const instruments = { read: [...read].sort(), patched: [...new Set(patched)].sort() };
    return this.session(JSON.stringify([stack, instruments]), () =>
      stack === 'encoder'
        ? encoderGraph(this.config, this.weight, instruments)
        : startDecoderGraph(this.config, this.weight, instruments),
    );
  }

  async close(): Promise<void> {
    await this.sessions.close();
  }

  // ---------------------------------------------------------------------------------------------- runs

  /**
   * Runs the encoder. Queries of like length share a batch; a batch's make-up depends on the texts alone, so that
   * two models of one tokenizer have the same batches.
   *
   * @throws UnknownActivationError
   */
  async encode(texts: readonly string[], request: Request = {}): Promise<Encoded> {
    const batches: Batch[] = [];
    for await (const batch of this.encodeBatches(texts, request)) batches.push(batch);
    return { count: texts.length, batches };
  }

  /** The same batch by batch. @throws UnknownActivationError */
  async *encodeBatches(
    texts: readonly string[],
    { read = [], patches = [] }: Request = {},
  ): AsyncGenerator<Batch, void, undefined> {
    const session = await this.instrumented('encoder', { read, patched: patches.map(({ at }) => at) });
    const tokens = texts.map((text) => this.tokenizer.encode(text));
    const order = Int32Array.from(tokens.keys()).sort((a, b) => tokens[a].length - tokens[b].length || a - b);
    for (let i = 0; i < order.length; i += this.options.batchSize) {
      const queries = order.slice(i, i + this.options.batchSize);
      const { inputIds, mask, length } = padBatch(Array.from(queries, (q) => tokens[q]));
      const input = {
        queries,
        ids: tensor(inputIds, [queries.length, length]),
        mask: tensor(mask, [queries.length, length]),
      };
      const out = (await session.run({
        input_ids: input.ids,
        attention_mask: input.mask,
        ...patchFeeds(this.config, patches, input, length),
      })) as Record<string, FloatTensor>;
      yield { ...input, encoderOut: out.encoder_out, read: Object.fromEntries(read.map((n) => [n, out[n]])) };
    }
  }

  /**
   * Runs the decoder at its start token, batch by batch: for activations whose shape depends on the query's length.
   *
   * @throws UnknownActivationError
   */
  async *decodeBatches(
    encoded: Encoded,
    { read = [], patches = [] }: Request = {},
  ): AsyncGenerator<{ batch: Batch; out: Readonly<Record<string, FloatTensor>> }> {
    const session = await this.instrumented('decoder', {
      read: [...new Set([...read, this.lastResidual])],
      patched: patches.map(({ at }) => at),
    });
    for (const batch of encoded.batches) {
      const feeds = { ...this.startFeeds(batch), ...patchFeeds(this.config, patches, batch, 1) };
      yield { batch, out: (await session.run(feeds)) as Record<string, FloatTensor> };
    }
  }

  /** Inputs of a graph of the decoder at its start token: encoder_out, attention_mask, start [B, 1, D]. */
  startFeeds({ queries, encoderOut, mask }: Batch): Feeds {
    const [B, D] = [queries.length, this.start.length];
    const start = new Float32Array(B * D);
    for (let b = 0; b < B; b++) start.set(this.start, b * D);
    return { encoder_out: encoderOut, attention_mask: mask, start: tensor(start, [B, 1, D]) };
  }

  private get lastResidual(): ActivationName {
    return `decoder.${this.layers - 1}.resid_post`;
  }

  /** Runs the decoder at its start token for all queries. Not for patterns and scores: use `decodeBatches`. */
  async decode(encoded: Encoded, request: Request = {}): Promise<Reading> {
    const all: Record<string, FloatTensor> = {};
    for await (const { batch, out } of this.decodeBatches(encoded, request)) {
      for (const [name, { data, shape }] of Object.entries(out)) {
        const width = data.length / shape[0];
        all[name] ??= tensor(new Float32Array(encoded.count * width), [encoded.count, ...shape.slice(2)]);
        batch.queries.forEach((q, b) => all[name].data.set(data.subarray(b * width, (b + 1) * width), q * width));
      }
    }
    const D = this.config.d_model;
    return { ...all, state: all[this.lastResidual] ?? tensor(new Float32Array(0), [0, D]) };
  }

  /**
   * Looks at vectors of the residual stream's space through the lens.
   *
   * @param states     float32 [M, D] (leading axes may be more)
   * @param documents  [M] the row of the document each vector is about, for 'ranks' and 'rivals'
   * @param k          how many best tokens, for 'top'
   * @returns          `LENS_OUTPUTS` of the kinds asked for
   */
  async lens(
    { data }: FloatTensor,
    { kinds, documents, k = 10 }: { kinds: readonly LensKind[]; documents?: ArrayLike<number>; k?: number },
  ): Promise<Record<string, Tensor>> {
    const [N, D] = this.rows.shape;
    const M = data.length / D;
    if (!M) throw new RangeError('lens: expected at least one vector, got none; leave the call out');
    const session = await this.session(JSON.stringify(['lens', [...kinds].sort()]), () =>
      lensGraph(this.config, this.weight, this.words, { kinds, documents: N }),
    );
    const step = Math.max(1, Math.floor(LENS_LOGITS / this.config.vocab_size));
    const parts: Record<string, Tensor>[] = [];
    for (let i = 0; i < M; i += step) {
      const size = Math.min(step, M - i);
      const about = kinds.some(isAboutDocuments) ? Array.from({ length: size }, (_, j) => documents![i + j]) : [];
      parts.push(
        await session.run({
          states: tensor(data.subarray(i * D, (i + size) * D), [size, D]),
          rows: this.rows,
          documents: int64(about, [about.length, 1]),
          k: int64([Math.min(k, this.config.vocab_size)]),
        }),
      );
    }
    return Object.fromEntries(kinds.flatMap((kind) => LENS_OUTPUTS[kind].map((name) => [name, join(parts, name)])));
  }

  /** Rank over the vocabulary, rank among docids, and logit of each vector's document. Ranks count from 1. */
  async ranks(states: FloatTensor, documents: ArrayLike<number>): Promise<Ranks> {
    const out = await this.lens(states, { kinds: ['ranks'], documents });
    const read = (name: string): Float32Array => out[name].data as Float32Array;
    return { rank: read('rank'), docidRank: read('docid_rank'), logit: read('logit') };
  }

  /** Which tokens vectors of the residual stream's space favour. @param states  float32 [M, D] */
  async favourites(states: FloatTensor, k: number): Promise<Favourites> {
    const { tokens, docid_share } = await this.lens(states, { kinds: ['top'], k });
    const [M, width] = tokens.shape;
    const of = (m: number): Favourites['tokens'][number] =>
      Array.from(tokens.data.subarray(m * width, (m + 1) * width), Number).map((token) => ({
        text: this.tokenName(token),
        docid: token < this.genir.docids.length,
      }));
    return { tokens: Array.from({ length: M }, (_, m) => of(m)), docidShare: docid_share.data as Float32Array };
  }
}

/** Which tokens vectors favour, the best first. */
export interface Favourites {
  /** [M][k] docids by their names; empty for a vocabulary entry that the tokenizer does not use. */
  readonly tokens: readonly (readonly { readonly text: string; readonly docid: boolean }[])[];
  /** float32 [M · 3] share of docids among the best 10, 100 and 1000. */
  readonly docidShare: Float32Array;
}

export interface Ranks {
  /** float32 [M] over the whole vocabulary. */
  readonly rank: Float32Array;
  /** float32 [M] among docids: what constrained decoding sees. */
  readonly docidRank: Float32Array;
  /** float32 [M] */
  readonly logit: Float32Array;
}

/** A table without its rows [from, to): left in its file where those are the last ones, and the file is. */
function rowsWithout(folder: ModelFolder, name: string, from: number, to: number): WeightTensor {
  const { vocab_size: V, d_model: D } = folder.config;
  const { place } = folder.tensor(name);
  return {
    shape: [V - to + from, D],
    get data() {
      if (to === V) return folder.rows(name, 0, from);
      const data = new Float32Array((V - to + from) * D);
      data.set(folder.rows(name, 0, from));
      data.set(folder.rows(name, to, V), from * D);
      return data;
    },
    ...(place && to === V && { place: { ...place, byteLength: 4 * from * D } }),
  };
}

function join(parts: readonly Record<string, Tensor>[], name: string): Tensor {
  if (parts.length === 1) return parts[0][name];
  const tensors = parts.map((part) => part[name]);
  const [, ...rest] = tensors[0].shape;
  const length = tensors.reduce((sum, { data }) => sum + data.length, 0);
  const rows = tensors.reduce((sum, { shape }) => sum + shape[0], 0);
  const data = tensors[0].data instanceof BigInt64Array ? new BigInt64Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of tensors) {
    (data as Float32Array).set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return tensor(data, [rows, ...rest]);
}
