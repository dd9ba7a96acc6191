import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AtomicDocids } from '../corpus/docids/atomic.ts';
import type { Query } from '../corpus/documents.ts';
import type { Retrieved, RetrieveInput } from '../models/decode.ts';
import type { Run, Scored } from './run.ts';

/** A system that answers queries: the model, or a baseline. */
export interface Retriever {
  /** At most k documents for each query, in order of the queries. */
  retrieve(queries: readonly string[], k: number): Promise<readonly (readonly Scored[])[]>;
  /** Gives back what the system holds, besides what it was given. */
  close(): Promise<void>;
}

export interface RunOptions {
  /** Documents for each query. */
  readonly k: number;
  /** Called after each batch with the number of queries answered. */
  readonly onProgress?: (answered: number) => void;
}

/** Queries handed over at a time: several batches of a pool with a few workers, few enough to see progress. */
const queriesAtATime = 256;

/** Answers all queries. Timers and signals get their turn between two batches. */
export async function makeRun(retriever: Retriever, queries: readonly Query[], options: RunOptions): Promise<Run> {
  const run = new Map<string, readonly Scored[]>();
  for (let from = 0; from < queries.length; from += queriesAtATime) {
    const some = queries.slice(from, from + queriesAtATime);
    const lists = await retriever.retrieve(
      some.map(({ text }) => text),
      options.k,
    );
    some.forEach(({ id }, i) => run.set(id, lists[i]));
    options.onProgress?.(from + some.length);
    await nextTurn();
  }
  return run;
}

/** What answers with rows of the docid table: a `DocidDecoder` in this thread, or an `InferencePool`. */
export interface RowModel {
  retrieve(inputs: readonly RetrieveInput[]): Promise<readonly Retrieved[]>;
}

/** The model as a retriever; it stays its owner's to close. @param beams  where docids are paths */
export function genirRetriever(model: RowModel, docids: AtomicDocids, beams?: number): Retriever {
  return {
    async retrieve(queries, k) {
      const answers = await model.retrieve(queries.map((query) => ({ query, k, beams })));
      return answers.map(({ rows, scores }) =>
        Array.from(rows, (row, i) => ({ docid: docids.docidOfRow(row)!, score: scores[i] })),
      );
    },
    close: async () => {},
  };
}
