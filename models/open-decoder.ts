import { SequenceDecoder } from './beam/sequence-decoder.ts';
import { DocidDecoder, type DecoderOptions, type ModelVersion, type Retrieved, type RetrieveInput } from './decode.ts';
import type { ModelFolder } from './folder.ts';

/** What answers queries with documents, whatever their docids are made of. */
export interface Decoder {
  /** Number of the last edit that answers contain. */
  readonly editSeq: number;
  /** Milliseconds that the last batch took to tokenize. */
  readonly tokenizeMs: number;
  /** Milliseconds of its encoder; undefined where encoder and decoder are one graph. */
  readonly encodeMs?: number;
  /** Of the weights that queries are read with; docid rows are not among them. */
  readonly weightBytes: number;
  publish(version: ModelVersion): Promise<void>;
  retrieve(inputs: readonly RetrieveInput[]): Promise<Retrieved[]>;
  close(): Promise<void>;
}

/**
 * The decoder of a folder's scheme.
 *
 * @throws NotAnIndexError  for a folder without docids
 * @throws CircuitError, NotAtomicError  where a circuit is asked for that the model has not
 */
export const openDecoder = (folder: ModelFolder, options: DecoderOptions = {}): Promise<Decoder> =>
  folder.genir && folder.genir.scheme !== 'atomic'
    ? SequenceDecoder.open(folder, options)
    : DocidDecoder.open(folder, options);
