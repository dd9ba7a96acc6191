import type { ActivationName } from '../models/activations.ts';
import type { T5Config } from '../models/config.ts';
import type { ModelVersion, Retrieved } from '../models/decode.ts';
import type { Genir, ModelFolder } from '../models/folder.ts';
import type { WeightSource } from '../models/graphs.ts';
import type { Graph } from '../models/onnx/graph.ts';
import type { FloatTensor, Session } from '../models/session.ts';
import type { Stage } from '../analysis/stages.ts';
import type { Tokenizer } from '../models/tokenizer.ts';

/** A model opened to be looked into, whatever its docids are made of. */
export interface EditLab {
  readonly folder: ModelFolder;
  readonly config: T5Config;
  readonly genir: Genir;
  readonly tokenizer: Tokenizer;
  /** Of the decoder. */
  readonly layers: number;
  readonly weight: WeightSource;
  session(key: string, build: () => Graph): Promise<Session>;
  close(): Promise<void>;
}

/** Tokens that the decoder has read of a docid, all but the last one: none where docids are single tokens. */
export type Prefix = Int32Array;

export const noPrefix: Prefix = new Int32Array(0);

/** Activations of the decoder, by name. */
export type Activations = Readonly<Record<string, FloatTensor>>;

/** Log-probabilities of prefixes, by `prefixKey`: of those that a query most probably leads to. */
export type PrefixLogs = ReadonlyMap<string, number>;

export const prefixKey = (prefix: Prefix): string => prefix.join();

/** Searches over whole paths. */
export interface PathSearch {
  /** The prefixes that the base model would give a document in answer to each query. */
  prefixes(texts: readonly string[]): Promise<PrefixLogs[]>;
  /** Searches a version as it is served. */
  documents(version: ModelVersion, texts: readonly string[], k: number): Promise<Retrieved[]>;
}

/**
 * How one kind of docids is read. Whatever they are made of, a document is told from the others by one token, the last of its
 * path: a query is looked at where the decoder has read the tokens before, and the row of the last one is what an edit
 * solves for.
 */
export interface Reading {
  readonly lab: EditLab;
  /** The interaction stage where the last token is made, as the analysis found it. */
  readonly interaction: Stage | null | undefined;
  /** float32 [R, D], the vocabulary entries that compete for a last token. */
  readonly rows: FloatTensor;
  /** [N] the row of each base document's last token. */
  readonly rowOf: Int32Array;
  /** Whether rows can be made of texts, as `TextRowMaker` does. */
  readonly hasTextRows: boolean;
  prefixOf(document: number): Prefix;
  /**
   * What the decoder makes of queries at the positions of their prefixes.
   *
   * @param prefixes  [Q]
   * @returns         `last`, float32 [Q, …] where the last token is made, and `before`, [P, …] of all positions before
   */
  decode(
    texts: readonly string[],
    prefixes: readonly Prefix[],
    read: readonly ActivationName[],
  ): Promise<{ readonly last: Activations; readonly before: Activations }>;
  /** What takes more than the one step that edits look at; undefined where docids are single tokens. */
  readonly paths?: PathSearch;
  close(): Promise<void>;
}
