import type { Document } from '../../../corpus/documents.ts';
import type { PathGenir } from '../../genir.ts';
import type { T5Config } from '../../config.ts';
import type { Tokenizer } from '../../tokenizer.ts';
import type { Parameter } from '../adam.ts';
import type { Batch, Examples, TrainQuery } from '../examples.ts';
import type { HeldOutBatch, Measured } from '../held-out.ts';
import type { Placed } from '../lexical-start.ts';
import type { SizeSettings } from '../sizes.ts';

export interface StartInput {
  readonly documents: readonly Document[];
  readonly train: readonly TrainQuery[];
  /** All texts whose words should be known. */
  readonly texts: Iterable<string>;
  readonly examples: Examples;
  readonly dev: readonly HeldOutBatch[];
  readonly tokenizer: Tokenizer;
  /** Of the model, but for the number of codes. */
  readonly config: T5Config;
  readonly settings: SizeSettings;
  /** Documents of a cluster, on average, in place of the scheme's own number. */
  readonly clusterSize: number | undefined;
  readonly seed: number;
  readonly threads: number;
}

/** Training of the lexical start's own little model. */
export interface WordsPhase {
  readonly steps: number;
  parameters(): Map<string, Parameter>;
  /** Goes on from a checkpoint's. */
  restore(parameters: ReadonlyMap<string, Parameter>): void;
  train(from: number, onStep: (step: number, loss: number) => Promise<void>): Promise<void>;
  measure(): Promise<Measured | undefined>;
  close(): Promise<void>;
}

/** The docids of a scheme, and the weights that training begins with. */
export interface PathStart {
  /** Of each document, by the names of their tokens. */
  readonly paths: readonly (readonly string[])[];
  /** Names of the vocabulary entries behind the words. */
  readonly codes: readonly string[];
  /** The one among them that the paths of documents that come later may begin with. */
  readonly later?: string;
  /** What `genir.json` keeps of it. */
  readonly record: PathGenir['training'];
  /** Undefined where nothing is trained before the T5. */
  readonly words: WordsPhase | undefined;
  /**
   * @param config  of the whole model
   * @param shapes  of the trained weights, linear maps [in, out]
   * @param sample  batches to measure on how long what is read is
   */
  place(config: T5Config, shapes: ReadonlyMap<string, readonly number[]>, sample: readonly Batch[]): Placed;
}
