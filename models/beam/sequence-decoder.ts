import { PathConflictError } from '../../corpus/docids/scheme.ts';
import { DocidTrie, type PathIds, type TrieView } from '../../corpus/docids/trie.ts';
import {
  baseVersion,
  checkDeltas,
  deltaFeeds,
  MAX_QUERY_TOKENS,
  VersionError,
  type DecoderOptions,
  type ModelVersion,
  type Retrieved,
  type RetrieveInput,
} from '../decode.ts';
import type { ModelFolder } from '../folder.ts';
import { atomicGenir, inputToken, NotAnIndexError, pathIds, type PathGenir } from '../genir.ts';
import { tensor, type Feeds, type FloatTensor } from '../session.ts';
import { unembedName } from '../t5.ts';
import { loadTokenizer, padBatch, type Tokenizer } from '../tokenizer.ts';
import { BeamModel } from './beam-model.ts';
import { beamsFor } from './beams.ts';
import { beamSearch, type Found, type Searched, type SearchedModel } from './search.ts';
import { TokenEmbeddings } from './token-embeddings.ts';
import { Trace, type TracedStep } from './trace.ts';

/** Beams of all queries of one run: a bound on its memory, which holds a vocabulary for each. */
const ROWS_PER_RUN = 512;

/** A model whose docids are paths. */
type PathFolder = ModelFolder & { readonly genir: PathGenir };

/** A query that has something to find. */
interface Asked {
  readonly query: string;
  readonly place: number;
  readonly view: TrieView;
  readonly beams: number;
}

/**
 * Constrained decoding of docids that are paths of tokens: queries in, live documents out, by beam search. The faces are
 * those of `DocidDecoder`, a document's row is its number; scores are log-probabilities over the whole vocabulary. With
 * as many beams as documents the result is exact.
 */
export class SequenceDecoder {
  private readonly folder: PathFolder;
  private readonly tokenizer: Tokenizer;
  private readonly options: DecoderOptions;
  private readonly embeddings: TokenEmbeddings;
  private readonly inputToken: (token: number) => number;
  /** float32 [E, D]: the unembedding behind the words. */
  private readonly baseRows: FloatTensor;
  private readonly baseTrie: DocidTrie;
  private model: BeamModel;
  private edited: readonly string[] = [];
  /** Milliseconds that the last batch took to tokenize, and those of the encoder. */
  tokenizeMs = 0;
  encodeMs = 0;
  private current!: { version: ModelVersion; rows: FloatTensor; deltas: Feeds; trie: DocidTrie };

  private constructor(folder: PathFolder, model: BeamModel, options: DecoderOptions) {
    this.folder = folder;
    this.model = model;
    this.options = options;
    this.tokenizer = loadTokenizer(folder, MAX_QUERY_TOKENS);
    const { docids, codes, firstDocidToken: words } = folder.genir;
    const { d_model: D, vocab_size: V } = folder.config;
    this.baseRows = tensor(folder.rows(unembedName(folder.config), words, V), [codes.length, D]);
    const paths = pathIds(folder.genir, folder.tokenizerJson);
    this.baseTrie = DocidTrie.build(paths);
    this.embeddings = new TokenEmbeddings(folder, words);
    this.inputToken = inputToken(folder.genir);
    this.read([folder.config.decoder_start_token_id, ...innerTokens(paths)]);
    this.use(baseVersion(docids.length), this.baseTrie);
  }

  /**
   * @throws NotAnIndexError  for a folder without docids
   * @throws NotAtomicError   where a circuit is asked for
   */
  static async open(folder: ModelFolder, options: DecoderOptions = {}): Promise<SequenceDecoder> {
    if (!isPathFolder(folder)) throw new NotAnIndexError(folder.dir);
    if (options.circuit) atomicGenir(folder);
    return new SequenceDecoder(folder, await BeamModel.open(folder, [], options), options);
  }

  get editSeq(): number {
    return this.current.version.editSeq;
  }

  get weightBytes(): number {
    return this.model.weightBytes;
  }

  /**
   * Makes later runs answer from `version`. Where it edits other weights than the one before, the sessions are opened anew.
   *
   * @throws VersionError  and goes on with the version before
   */
  async publish(version: ModelVersion): Promise<void> {
    this.check(version);
    const trie = this.trieOf(version);
    const edited = version.deltas.map(({ weight }) => weight).sort();
    if (edited.join() !== this.edited.join()) {
      const model = await BeamModel.open(this.folder, edited, this.options);
      await this.model.release();
      this.model = model;
      this.edited = edited;
    }
    this.read((version.paths ?? []).flatMap(({ tokens }) => [...tokens.subarray(0, -1)]));
    this.use(version, trie);
  }

  private read(tokens: readonly number[]): void {
    this.embeddings.read(tokens.map(this.inputToken));
  }

  private check(version: ModelVersion): void {
    const { editSeq, live, rows, paths = [] } = version;
    const { docids, codes, firstDocidToken: words, later } = this.folder.genir;
    const D = this.baseRows.shape[1];
    const fail = (what: string, expected: string, actual: string): never => {
      throw new VersionError(editSeq, what, expected, actual);
    };
    if (live.length < docids.length)
      fail('live', `a flag for each of the folder's ${docids.length} documents`, `${live.length}`);
    const given = new Set<number>();
    for (const { row, values } of rows) {
      if (!Number.isInteger(row) || row < 0) fail('rows', 'a row from 0 on', `${row}`);
      if (values.length !== D) fail(`row ${row}`, `${D} values`, `${values.length}`);
      given.add(row);
    }
    const entries = entriesOf(version, codes.length);
    for (let row = codes.length; row < entries; row++)
      if (!given.has(row)) fail(`row ${row}`, 'values for a new vocabulary entry', 'none');
    const moved = new Set<number>();
    for (const { document, tokens } of paths) {
      if (!(document in live)) fail('paths', `a document below ${live.length}`, `${document}`);
      if (moved.size === moved.add(document).size) fail('paths', 'each document once', `${document} twice`);
      if (!tokens.length) fail(`path of document ${document}`, 'at least one token', 'none');
      tokens.forEach((token, t) => {
        const isRead = t < tokens.length - 1; // new entries have no embedding but that of later documents' code
        const end = words + (isRead && later === undefined ? codes.length : entries);
        if (token < 0 || token >= end) fail(`path of document ${document}, token ${t}`, `one below ${end}`, `${token}`);
      });
    }
    for (let document = docids.length; document < live.length; document++)
      if (live[document] && !moved.has(document))
        fail(`document ${document}`, 'a path for a new live document', 'none');
    checkDeltas(this.folder, version);
  }

  /** @throws VersionError  for paths of which one ends inside another */
  private trieOf({ editSeq, live, paths = [] }: ModelVersion): DocidTrie {
    const trie = this.baseTrie.asBuilt();
    const base = trie.documents;
    for (let document = 0; document < base; document++) if (!live[document]) trie.remove(document);
    try {
      for (const { document, tokens } of paths) {
        if (!live[document]) continue;
        if (document < base) trie.remove(document);
        trie.add(document, tokens);
      }
    } catch (error) {
      if (!(error instanceof PathConflictError)) throw error;
      const actual = `that of document ${error.shorter} at token ${error.position} of that of document ${error.longer}`;
      throw new VersionError(editSeq, 'paths', 'none that ends inside another', actual, 'give one another path');
    }
    return trie;
  }

  private use(version: ModelVersion, trie: DocidTrie): void {
    const [base, D] = this.baseRows.shape;
    let rows = this.baseRows;
    if (version.rows.length) {
      const entries = entriesOf(version, base);
      rows = tensor(new Float32Array(entries * D), [entries, D]);
      rows.data.set(this.baseRows.data);
      for (const { row, values } of version.rows) rows.data.set(values, row * D);
    }
    this.current = { version, rows, deltas: deltaFeeds(this.folder, version.deltas), trie };
  }

  /**
   * @returns one result per input, in order; fewer than k documents where fewer are allowed, and `MAX_BEAMS` at most
   * @throws BeamsError
   */
  async retrieve(inputs: readonly RetrieveInput[]): Promise<Retrieved[]> {
    const { trie } = this.current;
    this.tokenizeMs = this.encodeMs = 0;
    const asked = inputs
      .map(({ query, k, allowed, beams }, place) => {
        return { query, k, place, view: trie.restrict(allowed), beams: beamsFor(k, beams) };
      })
      .filter(({ k, view }) => k > 0 && view.size > 0);
    const found: (readonly Found[])[] = inputs.map(() => []);
    for (const batch of batches(asked))
      (await this.search(batch)).forEach((documents, b) => (found[batch[b].place] = documents));
    return inputs.map(({ k }, i) => {
      const best = found[i].slice(0, k);
      return {
        rows: Int32Array.from(best, ({ document }) => document),
        scores: Float32Array.from(best, ({ score }) => score),
      };
    });
  }

  /**
   * The search of one query, step by step.
   *
   * @throws BeamsError
   */
  async trace({ query, k, allowed, beams }: RetrieveInput): Promise<readonly TracedStep[]> {
    const asked = { query, place: 0, view: this.current.trie.restrict(allowed), beams: beamsFor(k, beams) };
    const trace = new Trace();
    if (asked.view.size > 0) await this.search([asked], ([search]) => trace.add(search));
    return trace.steps;
  }

  private async search(
    batch: readonly Asked[],
    onStep?: (searches: readonly Searched[]) => void,
  ): Promise<(readonly Found[])[]> {
    const { rows, deltas, trie } = this.current;
    const startMs = performance.now();
    const padded = padBatch(batch.map(({ query }) => this.tokenizer.encode(query)));
    const tokenizedMs = performance.now();
    const run = await this.model.start(padded, rows, deltas);
    this.tokenizeMs += tokenizedMs - startMs;
    this.encodeMs += performance.now() - tokenizedMs;
    const searched: SearchedModel = {
      trie,
      vocabulary: this.folder.genir.firstDocidToken + rows.shape[0],
      width: rows.shape[1],
      startToken: this.folder.config.decoder_start_token_id,
      embed: (token, x, at) => this.embeddings.put(token, rows, x, at),
      readAs: this.inputToken,
    };
    return beamSearch(searched, run, batch, onStep);
  }

  async close(): Promise<void> {
    await this.model.release();
  }
}

const isPathFolder = (folder: ModelFolder): folder is PathFolder =>
  folder.genir !== undefined && folder.genir.scheme !== 'atomic';

/** Vocabulary entries behind the words, of which the folder has `base`. */
const entriesOf = ({ rows }: ModelVersion, base: number): number =>
  rows.reduce((most, { row }) => Math.max(most, row + 1), base);

/** The tokens that a path goes on after. */
function innerTokens({ tokens, offsets }: PathIds): Set<number> {
  const inner = new Set<number>();
  for (let n = 0; n + 1 < offsets.length; n++)
    for (let at = offsets[n]; at < offsets[n + 1] - 1; at++) inner.add(tokens[at]);
  return inner;
}

/** Queries that fit one run. */
function batches(asked: readonly Asked[]): Asked[][] {
  const result: Asked[][] = [];
  let beams = 0;
  for (const one of asked) {
    beams = Math.max(beams, one.beams);
    const batch = result.at(-1);
    if (batch && (batch.length + 1) * beams <= ROWS_PER_RUN) batch.push(one);
    else {
      result.push([one]);
      beams = one.beams;
    }
  }
  return result;
}
