/**
 * @file A model whose docids are paths, opened for analysis: the path of a document is given token by token (teacher
 * forcing), activations at its positions are read and replaced, and what a state says of the next token is looked at.
 * Position p of the decoder has read p tokens of the path and makes token p + 1: it is decoding step p + 1.
 */
import { ChildList, DocidTrie, type TrieView } from '../corpus/docids/trie.ts';
import { activationShape, type ActivationName } from '../models/activations.ts';
import type { T5Config } from '../models/config.ts';
import { MAX_QUERY_TOKENS } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { inputToken, NotAnIndexError, pathIds, type PathGenir } from '../models/genir.ts';
import { cacheName, crossCacheGraph, pathDecoderGraph, type WeightSource } from '../models/graphs.ts';
import type { Graph } from '../models/onnx/graph.ts';
import { SHARE_DEPTHS } from '../models/lens.ts';
import { int64, tensor, type Feeds, type FloatTensor, type Session } from '../models/session.ts';
import { loadTokenizer, padBatch, type Tokenizer } from '../models/tokenizer.ts';
import { TOKEN_LENS_OUTPUTS, tokenLensGraph, type TokenLensKind } from '../models/token-lens.ts';
import { favouritesGraph } from './graphs/best-tokens.ts';
import type { Favourites, LabOptions } from './lab.ts';
import { patchFeeds, type Patch, type Run } from './patch.ts';
import { SessionCache } from './session-cache.ts';

/** Queries that run together, padded on the right and masked. */
export interface PathBatch extends Run {
  /** Their cross-attention keys and values, `cross.{layer}.{k,v}` float32 [B, H, S, K]. */
  readonly cross: Feeds;
}

export interface PathEncoded {
  /** Number of queries, Q. */
  readonly count: number;
  readonly batches: readonly PathBatch[];
}

export interface PathRequest {
  readonly read?: readonly ActivationName[];
  readonly patches?: readonly Patch[];
  /** Points that can be patched, for one session to serve several runs. @default those of `patches` */
  readonly patchable?: readonly ActivationName[];
  /**
   * Keys and values of earlier positions, `past.{layer}.{k,v}` float32 [B, H, P, K]: the tokens given stand behind them.
   * None: a path begins.
   */
  readonly past?: (batch: PathBatch) => Feeds;
}

/** Decoder activations of all queries, in their order: float32 [Q, …]. */
export interface PathReading {
  readonly [name: string]: FloatTensor;
  /** Residual stream after the last block, before the final norm: float32 [Q, T, D]. */
  readonly state: FloatTensor;
}

/** What a vector is looked at for: a token, among those that may stand there. */
export interface Expected {
  readonly token: number;
  readonly allowed: Int32Array;
}

/** Numbers in the logits of one run of the lens, at most: a bound on its memory. */
const LENS_LOGITS = 6_000_000;

/** A model with atomic docids, where paths are needed. */
export class NotPathsError extends Error {
  override readonly name = 'NotPathsError';
  readonly dir: string;
  constructor(dir: string) {
    super(`${dir}: expected a model whose docids are paths, got atomic ones; make one with "index --docids semantic"`);
    this.dir = dir;
  }
}

/** The docid table of a model whose docids are paths. @throws NotAnIndexError, NotPathsError */
function pathGenir({ dir, genir }: ModelFolder): PathGenir {
  if (!genir) throw new NotAnIndexError(dir);
  if (genir.scheme === 'atomic') throw new NotPathsError(dir);
  return genir;
}

export class PathLab {
  readonly folder: ModelFolder;
  readonly config: T5Config;
  readonly genir: PathGenir;
  readonly tokenizer: Tokenizer;
  /** Tokens of the longest path. */
  readonly depth: number;
  /** [V], 1 = a token that occurs in docids. */
  readonly isDocidToken: Float32Array;
  private readonly trie: DocidTrie;
  private readonly view: TrieView;
  private readonly known = new Map<number, Int32Array>();
  private readonly options: Required<LabOptions>;
  private readonly sessions: SessionCache;

  /** @throws NotAnIndexError, NotPathsError */
  constructor(folder: ModelFolder, options: LabOptions = {}) {
    this.folder = folder;
    this.config = folder.config;
    this.genir = pathGenir(folder);
    this.options = { threads: 1, batchSize: 64, ...options };
    this.sessions = new SessionCache(this.options.threads);
    this.tokenizer = loadTokenizer(folder, MAX_QUERY_TOKENS);
    const paths = pathIds(this.genir, folder.tokenizerJson);
    this.trie = DocidTrie.build(paths);
    this.view = this.trie.restrict();
    this.depth = this.trie.depth;
    this.isDocidToken = new Float32Array(this.config.vocab_size);
    for (const token of paths.tokens) this.isDocidToken[token] = 1;
  }

  get layers(): number {
    return this.config.num_decoder_layers;
  }

  /** A weight by HF's name, float32 in HF's orientation. */
  readonly weight: WeightSource = (name) => this.folder.tensor(name);

  /** As `Lab.session`. */
  session(key: string, build: () => Graph): Promise<Session> {
    return this.sessions.session(key, build);
  }

  async close(): Promise<void> {
    await this.sessions.close();
  }

  // ---------------------------------------------------------------------------------------------- paths

  /** The tokens of a document's docid. */
  pathOf(document: number): Int32Array {
    return this.trie.pathOf(document);
  }

  /** What a token is called: the vocabulary's piece, or the code. */
  tokenName(token: number): string {
    const { firstDocidToken, codes } = this.genir;
    return (token < firstDocidToken ? this.tokenizer.token(token) : codes[token - firstDocidToken]) ?? '';
  }

  /**
   * What the decoder reads to make a document's docid: the start token and all of the path but its last token, each as the
   * model reads it.
   */
  inputsOf(document: number): number[] {
    const read = Array.from(this.pathOf(document).subarray(0, -1), inputToken(this.genir));
    return [this.config.decoder_start_token_id, ...read];
  }

  /** The tokens that may follow a prefix of a path, ascending. */
  allowedAfter(prefix: ArrayLike<number>): Int32Array {
    const node = this.trie.nodeOf(prefix);
    let tokens = this.known.get(node);
    if (!tokens) {
      const list = new ChildList();
      if (node >= 0) this.view.children(node, list);
      this.known.set(node, (tokens = list.tokens.slice(0, list.length)));
    }
    return tokens;
  }

  /** What each decoding step of a document's docid should give. */
  expectedOf(document: number): Expected[] {
    const path = this.pathOf(document);
    return Array.from(path, (token, p) => ({ token, allowed: this.allowedAfter(path.subarray(0, p)) }));
  }

  // ---------------------------------------------------------------------------------------------- runs

  /** Reads the queries. Those of like length share a batch. */
  async encode(texts: readonly string[]): Promise<PathEncoded> {
    const session = await this.sessions.session('encoder', () => crossCacheGraph(this.config, this.weight));
    const tokens = texts.map((text) => this.tokenizer.encode(text));
    const order = Int32Array.from(tokens.keys()).sort((a, b) => tokens[a].length - tokens[b].length || a - b);
    const batches: PathBatch[] = [];
    for (let i = 0; i < order.length; i += this.options.batchSize) {
      const queries = order.slice(i, i + this.options.batchSize);
      const { inputIds, mask, length } = padBatch(Array.from(queries, (q) => tokens[q]));
      const shape = [queries.length, length];
      const given = { input_ids: tensor(inputIds, shape), attention_mask: tensor(mask, shape) };
      batches.push({ queries, mask: given.attention_mask, cross: await session.run(given) });
    }
    return { count: texts.length, batches };
  }

  /** As `decode`, batch by batch: each activation [B, T, …]. @throws UnknownActivationError */
  async *decodeBatches(
    encoded: PathEncoded,
    tokens: readonly ArrayLike<number>[],
    request: PathRequest = {},
  ): AsyncGenerator<{ batch: PathBatch; out: Readonly<Record<string, FloatTensor>> }> {
    const { patches = [], past = (batch) => this.noPast(batch) } = request;
    const read = [...new Set([...(request.read ?? []), this.lastResidual])].sort();
    const wide = read.find((name) => activationShape(this.config, name).includes('S'));
    if (wide !== undefined)
      throw new TypeError(`${wide}: expected an activation of the path, got one as wide as the query`);
    const patchable = [...new Set([...(request.patchable ?? []), ...patches.map(({ at }) => at)])].sort();
    const none = new Uint8Array(encoded.count);
    const untouched = patchable.filter((point) => !patches.some(({ at }) => at === point));
    const all = [...patches, ...untouched.map((at): Patch => ({ at, by: 'zero', queries: none }))];
    const session = await this.sessions.session(JSON.stringify(['decoder', read, patchable]), () =>
      pathDecoderGraph(this.config, this.weight, { read, patched: patchable }),
    );
    const T = Math.max(...tokens.map(({ length }) => length));
    for (const batch of encoded.batches) {
      const feeds = { ...this.feeds(batch, tokens, past(batch)), ...patchFeeds(this.config, all, batch, T) };
      yield { batch, out: (await session.run(feeds)) as Record<string, FloatTensor> };
    }
  }

  private get lastResidual(): ActivationName {
    return `decoder.${this.layers - 1}.resid_post`;
  }

  /**
   * Runs the decoder over given tokens, for all queries. Shorter ones are filled up behind, which no earlier position
   * sees. Not for cross-attention's scores and patterns, which are as wide as the padded query.
   *
   * @param tokens  [Q] what the decoder reads for each query, `inputsOf` for instance
   * @throws UnknownActivationError
   */
  async decode(
    encoded: PathEncoded,
    tokens: readonly ArrayLike<number>[],
    request: PathRequest = {},
  ): Promise<PathReading> {
    const reading: Record<string, FloatTensor> = {};
    for await (const { batch, out } of this.decodeBatches(encoded, tokens, request))
      for (const [name, { data, shape }] of Object.entries(out)) {
        const width = data.length / shape[0];
        reading[name] ??= tensor(new Float32Array(encoded.count * width), [encoded.count, ...shape.slice(1)]);
        batch.queries.forEach((q, b) => reading[name].data.set(data.subarray(b * width, (b + 1) * width), q * width));
      }
    return { ...reading, state: reading[this.lastResidual] };
  }

  /**
   * Inputs of a graph of the decoder behind caches: decoder_input_ids [B, T], attention_mask, cross.*, past.*.
   *
   * @param tokens  [Q] what the decoder reads for each query; shorter ones are filled up behind
   */
  feeds({ queries, mask, cross }: PathBatch, tokens: readonly ArrayLike<number>[], past: Feeds): Feeds {
    const T = Math.max(...tokens.map(({ length }) => length));
    const ids = new BigInt64Array(queries.length * T).fill(BigInt(this.config.pad_token_id));
    queries.forEach((q, b) => Array.from(tokens[q]).forEach((token, p) => (ids[b * T + p] = BigInt(token))));
    const decoder_input_ids = tensor(ids, [queries.length, T]);
    return { decoder_input_ids, attention_mask: mask, ...cross, ...past };
  }

  private noPast({ queries }: PathBatch): Feeds {
    const { num_heads: H, d_kv: K } = this.config;
    const empty = tensor(new Float32Array(0), [queries.length, H, 0, K]);
    const names = Array.from({ length: this.layers }, (_, i) => [cacheName('past', i, 'k'), cacheName('past', i, 'v')]);
    return Object.fromEntries(names.flat().map((name) => [name, empty]));
  }

  /**
   * Looks at vectors of the residual stream's space as the model reads its last state.
   *
   * @param states    float32 [M, D] (leading axes may be more)
   * @param expected  [M]
   * @returns         `TOKEN_LENS_OUTPUTS` of the kinds asked for, float32 [M] each
   */
  async lens<K extends TokenLensKind>(
    { data }: FloatTensor,
    expected: readonly Expected[],
    ...kinds: readonly K[]
  ): Promise<Record<(typeof TOKEN_LENS_OUTPUTS)[K][number], Float32Array>> {
    const { d_model: D, vocab_size: V } = this.config;
    const names = kinds.flatMap((kind) => TOKEN_LENS_OUTPUTS[kind] as readonly string[]);
    const result = Object.fromEntries(names.map((name) => [name, new Float32Array(expected.length)]));
    const session = await this.sessions.session(JSON.stringify(['lens', kinds]), () =>
      tokenLensGraph(this.config, this.weight, this.isDocidToken, kinds),
    );
    const step = Math.max(1, Math.floor(LENS_LOGITS / V));
    for (let i = 0; i < expected.length; i += step) {
      const some = expected.slice(i, i + step);
      const width = Math.max(2, ...some.map(({ allowed }) => allowed.length));
      const allowed = new BigInt64Array(some.length * width);
      some.forEach((one, m) => one.allowed.forEach((token, c) => (allowed[m * width + c] = BigInt(token))));
      const out = await session.run({
        states: tensor(data.subarray(i * D, (i + some.length) * D), [some.length, D]),
        tokens: int64(
          some.map(({ token }) => token),
          [some.length, 1],
        ),
        allowed: tensor(allowed, [some.length, width]),
        allowed_counts: int64(
          some.map((one) => one.allowed.length),
          [some.length, 1],
        ),
      });
      for (const name of names) result[name].set(out[name].data as Float32Array, i);
    }
    return result as Record<(typeof TOKEN_LENS_OUTPUTS)[K][number], Float32Array>;
  }

  /**
   * Which tokens vectors of the residual stream's space favour.
   *
   * @param states  float32 [M, D]
   * @param k       how many best tokens
   */
  async favourites({ data }: FloatTensor, k: number): Promise<Favourites> {
    const { d_model: D, vocab_size: V } = this.config;
    const M = data.length / D;
    const depths = SHARE_DEPTHS.length;
    const tokens: Favourites['tokens'][number][] = [];
    const docidShare = new Float32Array(M * depths);
    const session = await this.sessions.session('favourites', () =>
      favouritesGraph(this.config, this.weight, this.isDocidToken),
    );
    const step = Math.max(1, Math.floor(LENS_LOGITS / V));
    for (let i = 0; i < M; i += step) {
      const size = Math.min(step, M - i);
      const states = tensor(data.subarray(i * D, (i + size) * D), [size, D]);
      const { best, docid_share } = await session.run({ states, k: int64([Math.min(k, V)]) });
      docidShare.set(docid_share.data as Float32Array, i * depths);
      const [, width] = best.shape;
      for (let m = 0; m < size; m++)
        tokens.push(
          Array.from(best.data.subarray(m * width, (m + 1) * width), Number).map((token) => ({
            text: this.tokenName(token),
            docid: this.isDocidToken[token] === 1,
          })),
        );
    }
    return { tokens, docidShare };
  }
}
