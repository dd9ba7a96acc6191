/**
 * @file One position of the decoder for some queries, as experiments look at it: the start token, from which atomic docids are
 * read, or a later step of a path. What is measured there does not depend on which of the two it is.
 */
import type { ActivationName } from '../models/activations.ts';
import { tensor, type Feeds, type FloatTensor } from '../models/session.ts';
import type { Encoded, Favourites, Lab, Ranks, Reading } from './lab.ts';
import type { Patch } from './patch.ts';
import { runPatched, type Outcome } from './patch-runs.ts';
import type { Population, Ranking } from './population.ts';

/** How the decoder is given: at its start token on the encoder's states, or behind keys and values that were kept. */
export type DecoderKind = 'start' | 'cached';

/** What an experiment tells while it works, and what ends it early by its reason. */
export interface Work {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number) => void;
}

export interface DecodedPosition {
  readonly model: Pick<Lab, 'config' | 'layers' | 'weight' | 'session'>;
  readonly decoder: DecoderKind;
  /** Number of queries, Q. */
  readonly count: number;
  /** Queries that run together, with the inputs of a graph of the decoder at this position. */
  readonly batches: readonly { readonly queries: Int32Array; feeds(): Feeds }[];
  /** Activations of all queries, in their order: float32 [Q, …] without the axis of the one position. */
  read(names: readonly ActivationName[]): Promise<Reading>;
  /** The same as they come, batch by batch: [B, 1, …]. */
  readBatches(
    names: readonly ActivationName[],
  ): AsyncIterable<{ readonly queries: Int32Array; readonly out: Readonly<Record<string, FloatTensor>> }>;
  /** Number of tokens that are docids, or occur in them. */
  readonly docidTokens: number;
  /** Which tokens vectors [M, D] of the residual stream's space favour. */
  favourites(states: FloatTensor, k: number): Promise<Favourites>;
  /** What vectors [Q, D] of the residual stream's space say of each query's docid or token. */
  ranks(states: FloatTensor): Promise<Ranks>;
  /** One run for each row of the table; an empty row is the unpatched baseline. */
  patched(table: readonly (readonly Patch[])[], ranking: Ranking, work: Work): Promise<Outcome[]>;
}

/** The start token of a model with atomic docids. */
export function startPosition(
  lab: Lab,
  encoded: Encoded,
  { questions }: Pick<Population, 'questions'>,
): DecodedPosition {
  const documents = questions.map(({ document }) => document);
  return {
    model: lab,
    decoder: 'start',
    count: encoded.count,
    batches: encoded.batches.map((batch) => ({ queries: batch.queries, feeds: () => lab.startFeeds(batch) })),
    read: (names) => lab.decode(encoded, { read: names }),
    async *readBatches(names) {
      for await (const { batch, out } of lab.decodeBatches(encoded, { read: names }))
        yield { queries: batch.queries, out };
    },
    docidTokens: lab.genir.docids.length,
    favourites: (states, k) => lab.favourites(states, k),
    ranks: (states) => lab.ranks(states, documents),
    patched: (table, ranking, { signal, onProgress }) =>
      runPatched(lab, table, { encoded, documents, ranking, signal, onProgress }),
  };
}

/** A reading of one position, [Q, 1, …], without that axis. */
export const withoutPosition = (reading: Reading): Reading =>
  Object.fromEntries(
    Object.entries(reading).map(
      ([
        name,
        {
          data,
          shape: [Q, , ...rest],
        },
      ]) => [name, tensor(data, [Q, ...rest])],
    ),
  ) as unknown as Reading;
