import type { ActivationName } from '../models/activations.ts';
import type { T5Config } from '../models/config.ts';
import type { ModelVersion } from '../models/decode.ts';
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
  /** The prefix under which the base model looks for what answers these queries. */
  place(texts: readonly string[]): Promise<Prefix>;
  /**
   * Searches a version as it is served: the best document of each query, −1 where there is none. Undefined where all of it
   * happens in the one step that edits look at.
   */
  readonly search?: (version: ModelVersion, texts: readonly string[]) => Promise<Int32Array>;
  close(): Promise<void>;
}
