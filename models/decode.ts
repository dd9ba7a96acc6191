import { circuitOf, storedCircuit } from './circuit-record.ts';
import { circuitDecoderGraph } from './circuit.ts';
import type { ModelFolder } from './folder.ts';
import { atomicGenir, NotAnIndexError } from './genir.ts';
import { deltaInput, docidDecoderGraph, sampleDocids, scoreDocids, type WeightSource } from './graphs.ts';
import { openWith } from './int8.ts';
import type { Graph } from './onnx/graph.ts';
import { FORBIDDEN, mostWanted, readTop, rowFeeds, type LiveRows } from './rows/exact-rows.ts';
import type { IndexedRows } from './rows/indexed-rows.ts';
import type { RowShard } from './rows/shards.ts';
import { Session, tensor, type Feeds, type FloatTensor, type SessionOptions } from './session.ts';
import { inOwnMemory } from './shared-version.ts';
import { isLinear, unembedName } from './t5.ts';
import { loadTokenizer, padBatch, type Tokenizer } from './tokenizer.ts';
import { elementCount } from './weights.ts';

/**
 * A vocabulary entry behind the words, new or replaced: float32 [D] in the scale of the unembedding. Of atomic docids, row
 * i is document i; of others, row i is the folder's i-th code, and new ones come after those.
 */
export interface RowChange {
  readonly row: number;
  readonly values: Float32Array;
}

/** The path of one document, new or replaced, in token ids; tokens that the folder has not can only end it. */
export interface PathChange {
  readonly document: number;
  readonly tokens: Int32Array;
}

/**
 * An edit of one weight, added to the base weight: float32 [in, out] for a linear map (the transpose of HF's), else in
 * the weight's own shape. Rows of the vocabulary are changed by `RowChange` instead.
 */
export interface WeightDelta {
  readonly weight: string;
  readonly delta: Float32Array;
}

/**
 * All that differs from the model folder. A version is complete, so a worker that starts late needs only the newest
 * one; a run sees exactly one.
 */
export interface ModelVersion {
  /** Number of the last edit contained; 0 is the model folder as it is. */
  readonly editSeq: number;
  /** [N], 1 = a live document, 0 = a deleted or unknown one. N may exceed the folder's by those in `rows` or `paths`. */
  readonly live: Uint8Array;
  readonly rows: readonly RowChange[];
  /** Where docids are paths: those of documents that the folder has not, or under another path. */
  readonly paths?: readonly PathChange[];
  readonly deltas: readonly WeightDelta[];
}

export interface RetrieveInput {
  readonly query: string;
  /** How many documents at most. */
  readonly k: number;
  /** [N], 1 = may be retrieved; further limits the live documents of the version. All of them where left out. */
  readonly allowed?: Uint8Array | undefined;
  /** Where docids are paths: prefixes that are followed at each step. Never fewer than `k`. @default 10 */
  readonly beams?: number | undefined;
}

/** Documents of one query, best first. */
export interface Retrieved {
  /** Row of each document in the docid table: its number. */
  readonly rows: Int32Array;
  /**
   * Natural logarithm of the probability: among the allowed documents, or where docids are paths, of the whole path. Where
   * rows are found in graphs, what all documents have together is an estimate, the same for all scores of a query.
   */
  readonly scores: Float32Array;
}

export { NotAnIndexError };

/** A version that does not fit the model folder. */
export class VersionError extends Error {
  override readonly name = 'VersionError';
  readonly editSeq: number;
  constructor(editSeq: number, what: string, expected: string, actual: string, advice = 'was it made for this model?') {
    super(`version ${editSeq}: ${what}: expected ${expected}, got ${actual}; ${advice}`);
    this.editSeq = editSeq;
  }
}

export interface DecoderOptions extends SessionOptions {
  /** Runs the circuit that is stored with the model in place of the whole decoder. @default false */
  readonly circuit?: boolean;
  /** Multiplies with linear maps in eight bits. @default false */
  readonly int8?: boolean;
  /**
   * Weights that versions are going to change: the graph has their deltas from the start, 0 until there are others, and is not
   * opened again for them. While it is, a large model is in memory twice. @default none
   */
  readonly prepared?: readonly string[];
  /** Graphs of the folder's docid rows, which are then searched in place of all rows; of atomic docids. @default none */
  readonly rowShards?: readonly RowShard[] | undefined;
}

/** Queries longer than this are cut, keeping the end token. A run's memory grows with the square of it. */
export const MAX_QUERY_TOKENS = 128;

/** A table of rows that grows is made so many times as long as it has to be: the rows of 100,000 documents take 0.4 GB. */
const ROOM = 1.1;

/** The weights of a folder, with the word embeddings cut to `words` rows (docid rows are never looked up). */
export function wordWeights(folder: ModelFolder, words: number): WeightSource {
  return (name) => {
    const weight = folder.tensor(name);
    if (name !== 'shared.weight') return weight;
    const shape = [words, weight.shape[1]];
    const { place } = weight;
    return {
      shape,
      get data() {
        return folder.rows(name, 0, words);
      },
      ...(place && { place: { ...place, byteLength: 4 * words * shape[1] } }),
    };
  };
}

/**
 * Constrained decoding of atomic docids: queries in, live documents out, in one run of one graph for the whole batch.
 * Owns a session, so it belongs into a worker thread wherever something else must go on.
 */
export class DocidDecoder {
  private readonly folder: ModelFolder;
  private readonly tokenizer: Tokenizer;
  private readonly options: DecoderOptions;
  /** Documents of the folder. */
  private readonly base: number;
  /** float32 [N, D] and room for more: the folder's rows, with those of the version in their places. */
  private table: Float32Array;
  /** The folder's rows that the version replaces. */
  private replaced: readonly RowChange[] = [];
  private session: Session;
  /** Weights that may have deltas where a circuit runs: it does without the others. */
  private readonly editable: ReadonlySet<string> | undefined;
  private edited: readonly string[];
  /** Of the weights that are prepared. */
  private readonly noDeltas: Feeds;
  /** Milliseconds that the last batch took to tokenize. */
  tokenizeMs = 0;
  private current!: { version: ModelVersion; live: LiveRows; deltas: Feeds };
  /** Undefined where every query looks at all rows. */
  private readonly indexed: IndexedRows | undefined;

  private constructor(
    folder: ModelFolder,
    { session, editable }: Opened,
    indexed: IndexedRows | undefined,
    options: DecoderOptions,
  ) {
    this.folder = folder;
    this.session = session;
    this.editable = editable;
    this.indexed = indexed;
    this.options = options;
    this.edited = sorted(options.prepared);
    this.noDeltas = deltaFeeds(
      folder,
      this.edited.map((weight) => ({ weight, delta: new Float32Array(elementCount(folder.tensor(weight).shape)) })),
    );
    this.tokenizer = loadTokenizer(folder, MAX_QUERY_TOKENS);
    const { docids, firstDocidToken } = folder.genir!;
    this.base = docids.length;
    this.table = folder.rows(unembedName(folder.config), firstDocidToken, firstDocidToken + this.base);
    this.use(baseVersion(docids.length), {});
  }

  /**
   * @throws NotAnIndexError  for a folder without docids
   * @throws NotAtomicError   for a folder whose docids are paths: `SequenceDecoder` opens it
   * @throws CircuitError     where a circuit is asked for and none is stored
   * @throws RowGraphError    where a file of `rowShards` is not what it should be
   */
  static async open(folder: ModelFolder, options: DecoderOptions = {}): Promise<DocidDecoder> {
    atomicGenir(folder);
    const indexed = options.rowShards && (await openIndexed(options.rowShards, folder.config.d_model));
    return new DocidDecoder(folder, await openSession(folder, sorted(options.prepared), options), indexed, options);
  }

  get editSeq(): number {
    return this.current.version.editSeq;
  }

  get weightBytes(): number {
    return this.session.constantBytes;
  }

  /**
   * Makes later runs answer from `version`. Where it edits other weights than the one before, the session is opened
   * anew: a graph with the very nodes that the version needs gives the very bytes it gave before. Rows are replaced where
   * they are, so not while a run goes on.
   *
   * @throws VersionError  and goes on with the version before
   */
  async publish(version: ModelVersion): Promise<void> {
    this.check(version);
    const edited = sorted(this.options.prepared, version.deltas.map(({ weight }) => weight)); // prettier-ignore
    if (edited.join() !== this.edited.join()) {
      const { session } = await openSession(this.folder, edited, this.options);
      await this.session.release();
      this.session = session;
      this.edited = edited;
    }
    this.use(version, deltaFeeds(this.folder, version.deltas));
  }

  private check(version: ModelVersion): void {
    const { editSeq, live, rows, paths = [] } = version;
    const { base } = this;
    const d = this.folder.config.d_model;
    const n = live.length;
    const fail = (what: string, expected: string, actual: string): never => {
      throw new VersionError(editSeq, what, expected, actual);
    };
    if (paths.length) fail('paths', 'none, since docids are single tokens', `${paths.length}`);
    if (n < base) fail('live', `a flag for each of the folder's ${base} documents`, `${n}`);
    for (const { row, values } of rows) {
      if (!Number.isInteger(row) || row < 0 || row >= n) fail('rows', `a row below ${n}`, `${row}`);
      if (values.length !== d) fail(`row ${row}`, `${d} values`, `${values.length}`);
    }
    const given = new Set(rows.map(({ row }) => row));
    for (let row = base; row < n; row++)
      if (live[row] && !given.has(row)) fail(`row ${row}`, 'values for a new live document', 'none');
    checkDeltas(this.folder, version, this.editable);
  }

  private use(version: ModelVersion, deltas: Feeds): void {
    const { base } = this;
    const d = this.folder.config.d_model;
    const n = version.live.length;
    for (const { row, values } of this.replaced) this.table.set(values, row * d);
    if (n * d > this.table.length) {
      const larger = new Float32Array(d * Math.ceil(n * ROOM));
      larger.set(this.table.subarray(0, base * d));
      this.table = larger;
    }
    this.replaced = version.rows.flatMap(({ row }) =>
      row < base ? [{ row, values: this.table.slice(row * d, (row + 1) * d) }] : [],
    );
    this.table.fill(0, base * d, n * d);
    for (const { row, values } of version.rows) this.table.set(values, row * d);
    const bias = Float32Array.from(version.live, (live) => (live ? 0 : FORBIDDEN));
    const rows = tensor(this.table.subarray(0, n * d), [n, d]);
    this.current = { version, live: { rows, bias }, deltas: { ...this.noDeltas, ...deltas } };
    this.indexed?.publish(this.current.live, version.rows);
  }

  /** @returns one result per input, in order; fewer than k documents where fewer are allowed */
  async retrieve(inputs: readonly RetrieveInput[]): Promise<Retrieved[]> {
    const { live, deltas } = this.current;
    this.tokenizeMs = 0;
    if (!inputs.length || !mostWanted(inputs, live))
      return inputs.map(() => ({ rows: new Int32Array(0), scores: new Float32Array(0) }));
    const startMs = performance.now();
    const { inputIds, mask, length } = padBatch(inputs.map(({ query }) => this.tokenizer.encode(query)));
    this.tokenizeMs = performance.now() - startMs;
    const query = {
      input_ids: tensor(inputIds, [inputs.length, length]),
      attention_mask: tensor(mask, [inputs.length, length]),
      ...deltas,
    };
    if (this.indexed) {
      const { state, sample_logits } = await this.session.run({ ...query, sample: this.indexed.sample });
      return this.indexed.retrieve(inputs, state as FloatTensor, sample_logits as FloatTensor);
    }
    const out = await this.session.run({ ...query, ...rowFeeds(inputs, live) }, ['scores', 'row_indices']);
    return readTop(out, inputs, live);
  }

  async close(): Promise<void> {
    await this.session.release();
    await this.indexed?.close();
  }
}

/** The folder's own model: every document live, nothing edited. */
export const baseVersion = (documents: number): ModelVersion => ({
  editSeq: 0,
  live: new Uint8Array(documents).fill(1),
  rows: [],
  deltas: [],
});

/**
 * @param editable  the only weights that may have deltas; all but the vocabulary's where left out
 * @throws VersionError
 */
export function checkDeltas(
  folder: ModelFolder,
  { editSeq, deltas }: ModelVersion,
  editable?: ReadonlySet<string>,
): void {
  const fail = (what: string, expected: string, actual: string, advice?: string): never => {
    throw new VersionError(editSeq, what, expected, actual, advice);
  };
  const seen = new Set<string>();
  for (const { weight, delta } of deltas) {
    if (seen.size === seen.add(weight).size) fail('deltas', 'each weight once', `${weight} twice`);
    const size = folder.weights.get(weight)?.shape.reduce((a, b) => a * b, 1);
    if (size === undefined || weight === 'shared.weight' || weight === 'lm_head.weight')
      fail('deltas', 'an editable weight of this model', weight);
    else if (delta.length !== size) fail(weight, `a delta of ${size} values`, `${delta.length}`);
    else if (editable && !editable.has(weight)) {
      const advice = 'serve without --circuit, or analyze the edited model anew';
      fail('deltas', 'a weight that the circuit applies to queries', weight, advice);
    }
  }
}

/** Names of weights, each once. */
const sorted = (...lists: (readonly string[] | undefined)[]): string[] =>
  [...new Set(lists.flatMap((list) => list ?? []))].sort();

/** The inputs that deltas are fed to. */
export function deltaFeeds(folder: ModelFolder, deltas: readonly WeightDelta[]): Feeds {
  return Object.fromEntries(
    deltas.map(({ weight, delta }) => {
      const { shape } = folder.weights.get(weight)!;
      return [deltaInput(weight), tensor(inOwnMemory(delta), isLinear(weight) ? [...shape].reverse() : shape)];
    }),
  );
}

/** Loads hnswlib, which few need. */
async function openIndexed(shards: readonly RowShard[], width: number): Promise<IndexedRows> {
  const { IndexedRows } = await import('./rows/indexed-rows.ts');
  return IndexedRows.open(shards, width);
}

interface Opened {
  readonly session: Session;
  readonly editable: ReadonlySet<string> | undefined;
}

async function openSession(folder: ModelFolder, edited: readonly string[], options: DecoderOptions): Promise<Opened> {
  const words = folder.genir!.firstDocidToken;
  const config = { ...folder.config, vocab_size: words };
  const head = options.rowShards ? sampleDocids : scoreDocids;
  let editable: ReadonlySet<string> | undefined;
  const graphOf = (weights: WeightSource): Graph => {
    if (!options.circuit) return docidDecoderGraph(config, weights, edited, head);
    const circuit = circuitOf(storedCircuit(folder.dir, folder.genir!, config));
    const built = circuitDecoderGraph(config, weights, circuit, edited, head);
    editable = built.editable;
    return built.graph;
  };
  const session = await openWith(wordWeights(folder, words), options, (weights) =>
    Session.open(graphOf(weights), options),
  );
  return { session, editable };
}
