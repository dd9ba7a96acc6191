import { setImmediate as nextTurn } from 'node:timers/promises';
import { allowedRows, type Constraint } from '../corpus/constraints.ts';
import type { Document } from '../corpus/documents.ts';
import type { Store } from '../corpus/store.ts';
import { InferencePool, type PoolOptions } from '../models/pool.ts';
import type { Explanation } from '../analysis/explanation.ts';
import { ExplainerThread } from '../analysis/explainer-thread.ts';
import { fuse, fusionDepth, type Scored } from '../analysis/fusion.ts';
import type { ModelInfo } from './model-info.ts';

/** Who ranks: the model, BM25 over the same documents, or both together. */
export const modes = ['genir', 'bm25', 'hybrid'] as const;
export type Mode = (typeof modes)[number];

export interface Search {
  readonly queries: readonly string[];
  /** Candidates for each query, at most. */
  readonly k: number;
  readonly mode: Mode;
  readonly constraint: Constraint;
}

export interface Found {
  /** One list for each query, best first. */
  readonly lists: readonly (readonly Scored[])[];
  /** Number of the last edit that these lists know of. */
  readonly editSeq: number;
}

/** Model and corpus have no document in common. */
export class ModelCorpusMismatchError extends Error {
  override readonly name = 'ModelCorpusMismatchError';
  readonly model: string;
  constructor(model: string, corpus: string) {
    super(
      `${model}: expected a model of corpus ${corpus}, got docids of which none is in it; give the corpus that the model was trained on with --corpus`,
    );
    this.model = model;
  }
}

export interface IndexOptions extends Omit<PoolOptions, 'modelDir' | 'circuit'> {
  readonly store: Store;
  readonly model: ModelInfo;
  readonly corpusName: string;
}

/**
 * A corpus and the model that indexes it, answering together. Documents without a docid row (not yet in the model) are
 * found by BM25 alone; rows without a live document are masked in the model, so that they cannot come out.
 */
export class IndexService {
  readonly store: Store;
  readonly model: ModelInfo;
  readonly corpusName: string;
  /** Rows of the model that have a live document. */
  readonly liveRows: number;
  private readonly pool: InferencePool;
  private readonly explainer: ExplainerThread;
  private seq = 0;

  private constructor(pool: InferencePool, { store, model, corpusName }: IndexOptions, liveRows: number) {
    this.pool = pool;
    this.explainer = new ExplainerThread({ modelDir: model.dir, circuit: model.circuit !== null });
    this.store = store;
    this.model = model;
    this.corpusName = corpusName;
    this.liveRows = liveRows;
  }

  /** @throws ModelCorpusMismatchError, PoolError */
  static async open(options: IndexOptions): Promise<IndexService> {
    const { store, model, corpusName, ...poolOptions } = options;
    const live = allowedRows(store, model.docids);
    const liveRows = live.reduce((sum, one) => sum + one, 0);
    if (liveRows === 0) throw new ModelCorpusMismatchError(model.dir, corpusName);
    const pool = await InferencePool.open({ ...poolOptions, modelDir: model.dir, circuit: model.circuit !== null });
    try {
      await pool.publish({ editSeq: 0, live, rows: [], deltas: [] });
    } catch (error) {
      await pool.close();
      throw error;
    }
    return new IndexService(pool, options, liveRows);
  }

  /** Whether every inference thread is up. */
  get ready(): boolean {
    return this.pool.ready;
  }

  /** Queries that wait and queries that are being answered. */
  get load(): { waiting: number; running: number } {
    return this.pool.load;
  }

  get editSeq(): number {
    return this.seq;
  }

  /** @throws QueueFullError, PoolError, InvalidFilterError, UnknownDocidError */
  search(search: Search): Promise<Found> {
    return this.searchers[search.mode](search);
  }

  /**
   * Why the model ranks documents of its own as it does for a query; one explanation for each.
   *
   * @throws ExplainerError, ExplainerBusyError
   */
  explain(query: string, docids: readonly string[]): Promise<Explanation[]> {
    return this.explainer.explain(
      query,
      docids.map((docid) => this.model.docids.rowOf(docid)!),
    );
  }

  document(docid: string): Document | undefined {
    const document = this.store.document(docid);
    return document?.state === 'live' ? document : undefined;
  }

  /** Ends what runs; refuses what waits. The store stays open: it is its owner's. */
  async close(): Promise<void> {
    await Promise.all([this.pool.close(), this.explainer.close()]);
  }

  private readonly searchers: { readonly [M in Mode]: (search: Search) => Promise<Found> } = {
    genir: (search) => this.generate(search),
    bm25: (search) => this.match(search),
    hybrid: async (search) => {
      const deep = { ...search, k: Math.max(search.k, fusionDepth) };
      const [generated, matched] = await Promise.all([this.generate(deep), this.match(deep)]);
      const lists = generated.lists.map((list, i) => fuse(list, matched.lists[i], search.k));
      return { lists, editSeq: generated.editSeq };
    },
  };

  private async generate({ queries, k, constraint }: Search): Promise<Found> {
    const isFree = Object.keys(constraint).length === 0;
    const allowed = isFree ? undefined : allowedRows(this.store, this.model.docids, constraint);
    const answers = await this.pool.retrieve(queries.map((query) => ({ query, k, allowed })));
    const lists = answers.map(({ rows, scores }) =>
      Array.from(rows, (row, i) => ({ docid: this.model.docids.docidOfRow(row)!, score: scores[i] })),
    );
    return { lists, editSeq: answers.reduce((least, { editSeq }) => Math.min(least, editSeq), Infinity) };
  }

  private async match({ queries, k, constraint }: Search): Promise<Found> {
    const lists: Scored[][] = [];
    for (const query of queries) {
      if (lists.length > 0) await nextTurn(); // SQLite blocks this thread; others get their turn between two queries.
      lists.push(this.store.searchBm25(query, k, constraint));
    }
    return { lists, editSeq: this.seq };
  }
}
