import { statSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { allowedRows, type Constraint } from '../corpus/constraints.ts';
import type { Document } from '../corpus/documents.ts';
import type { Store } from '../corpus/store.ts';
import { EditLog } from '../editing/edit-log.ts';
import type { NamedVersion } from '../editing/merge.ts';
import { preparedWeights } from '../editing/prepared-weights.ts';
import { readPublished } from '../editing/published-version.ts';
import { searchBegins, searchEnds } from '../editing/right-of-way.ts';
import { beamsFor } from '../models/beam/beams.ts';
import { InferencePool, PoolError, type PoolOptions } from '../models/pool.ts';
import type { AnyExplanation } from '../analysis/explanation.ts';
import { ExplainerThread } from '../analysis/explainer-thread.ts';
import { fuse, fusionDepth, type Scored } from '../analysis/fusion.ts';
import { IndexVersion, Pins } from './index-version.ts';
import type { ModelInfo } from './model-info.ts';
import type { RowSearch } from './row-graphs.ts';

/** Who ranks: the model, BM25 over the same documents, or both together. */
export const modes = ['genir', 'bm25', 'hybrid'] as const;
export type Mode = (typeof modes)[number];

export interface Search {
  readonly queries: readonly string[];
  /** Candidates for each query, at most. */
  readonly k: number;
  readonly mode: Mode;
  /** Where docids are paths: prefixes that are followed at each step. */
  readonly beams?: number | undefined;
  readonly constraint: Constraint;
  /** Whether the documents of all candidates are wanted too. */
  readonly documents: boolean;
  /** Candidates that are explained, of each query; in mode `genir`. */
  readonly explained?: number;
}

/** What came of an edit. */
export interface Edited<T> {
  readonly result: T;
  /** Undefined where nothing was written. */
  readonly version: NamedVersion | undefined;
}

type Lists = readonly (readonly Scored[])[];

export interface Found {
  /** One list for each query, best first. */
  readonly lists: Lists;
  /** By docid; empty unless asked for. */
  readonly documents: ReadonlyMap<string, Document>;
  /** Of the first candidates of each list, as many as were asked for. */
  readonly explanations: readonly (readonly AnyExplanation[])[];
  /** Number of the last edit that all of this knows of. */
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

/** Versions may change under a search so often before no other is let in until it has ended. */
const attempts = 3;

/** Until the log is tried again that somebody else reads, and that holds what was to be forgotten. */
const forgetAgainMs = 1000;

/**
 * A longer log is written into the database when nobody reads from it: a pinned reader makes it grow. The thread that edits
 * does it sooner; here it is left to those who only follow.
 */
const maxLogBytes = 64 << 20;

/**
 * A corpus and the model that indexes it, answering together, every answer from one version of both. Documents without a
 * docid row (not yet in the model) are found by BM25 alone; rows without a live document are masked in the model, so that
 * they cannot come out.
 */
export class IndexService {
  readonly store: Store;
  readonly model: ModelInfo;
  readonly corpusName: string;
  readonly rowSearch: RowSearch;
  private readonly pool: InferencePool;
  private readonly explainer: ExplainerThread;
  private readonly pins: Pins;
  private version: IndexVersion;
  /** Whether the log still holds what was to be forgotten. */
  private forgetting = false;
  private forgetAgain: NodeJS.Timeout | undefined;
  /** Edits, one after the other. */
  private edits: Promise<unknown> = Promise.resolve();
  /** Publications, and searches that none may come between. */
  private turns: Promise<unknown> = Promise.resolve();
  private searches = 0;
  /** Called when no search runs any more. */
  private onIdle: (() => void) | undefined;

  private constructor(
    pool: InferencePool,
    { store, model, corpusName, rowShards }: IndexOptions,
    version: NamedVersion,
  ) {
    this.pool = pool;
    this.explainer = new ExplainerThread({ modelDir: model.dir, circuit: model.circuit !== null });
    this.store = store;
    this.model = model;
    this.corpusName = corpusName;
    this.rowSearch = rowShards ? 'hnsw' : 'exact';
    this.pins = new Pins(store.database.name, () => this.shortenLog());
    this.version = new IndexVersion(version, store, this.pins);
  }

  /**
   * Opens the model with all edits of the store.
   *
   * @throws ModelCorpusMismatchError, ForeignEditsError, PoolError
   */
  static async open(options: IndexOptions): Promise<IndexService> {
    const { store, model, corpusName, ...poolOptions } = options;
    const version = writtenVersion(store, model);
    if (version.model.editSeq === 0 && !version.model.live.includes(1))
      throw new ModelCorpusMismatchError(model.dir, corpusName);
    const pool = await InferencePool.open({
      ...poolOptions,
      modelDir: model.dir,
      circuit: model.circuit !== null,
      prepared: preparedWeights({ genir: model.base.genir, parameters: model.parameters }),
    });
    try {
      await pool.publish(version.model);
    } catch (error) {
      await pool.close();
      throw error;
    }
    return new IndexService(pool, options, version);
  }

  /** Whether every inference thread is up. */
  get ready(): boolean {
    return this.pool.ready;
  }

  /** Queries that wait and queries that are being answered. */
  get load(): { waiting: number; running: number } {
    return this.pool.load;
  }

  /** Number of the last edit that searches know of. */
  get editSeq(): number {
    return this.version.editSeq;
  }

  /** Rows of the model that have a live document. */
  get liveRows(): number {
    return this.version.liveRows;
  }

  /** The documents that searches find: an edit under way shows in `store` before it shows here. */
  get documents(): Store {
    return this.version.store;
  }

  document(docid: string): Document | undefined {
    return liveDocument(this.documents, docid);
  }

  /** @throws QueueFullError, PoolError, ExplainerError, ExplainerBusyError, InvalidFilterError, UnknownDocidError */
  async search(search: Search): Promise<Found> {
    this.searches++;
    searchBegins();
    try {
      return await this.find(search);
    } finally {
      searchEnds();
      if (--this.searches === 0) this.onIdle?.();
    }
  }

  private async find(search: Search): Promise<Found> {
    for (let i = 0; i < attempts; i++) {
      const found = await this.attempt(search);
      if (found) return found;
      await this.turns; // Threads take a version one after the other.
    }
    const found = await this.undisturbed(() => this.attempt(search));
    if (!found) throw new PoolError('inference pool: threads answer from different versions');
    return found;
  }

  /**
   * Makes an edit, one at a time. Searches go on with the version before it until the new one has taken its place
   * everywhere, which this waits for.
   *
   * @param commit  writes documents and log, or neither, and tells what version it made
   * @param forgets  whether nothing may stay of what it takes away
   * @throws what `commit` throws; PoolError where no thread takes the version
   */
  edit<T>(commit: () => Promise<Edited<T>>, forgets = false): Promise<T> {
    const edit = this.edits.then(async () => {
      this.version.pin();
      this.forgetting ||= forgets;
      let version: NamedVersion | undefined;
      try {
        const edited = await commit();
        version = edited.version;
        return edited.result;
      } finally {
        await this.catchUp(version);
      }
    });
    this.edits = edit.catch(() => undefined);
    return edit;
  }

  /** Closes as soon as the searches that run have been answered; another one has taken its place. */
  async retire(): Promise<void> {
    if (this.searches > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    await this.close();
  }

  /** Ends what runs; refuses what waits. The store stays open: it is its owner's. */
  async close(): Promise<void> {
    await this.edits;
    clearTimeout(this.forgetAgain);
    await Promise.all([this.pool.close(), this.explainer.close()]);
    this.pins.close();
  }

  private undisturbed<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.turns.then(body);
    this.turns = turn.catch(() => undefined);
    return turn;
  }

  /** Takes over what was written, also where its writer died before it could tell. */
  private async catchUp(version: NamedVersion | undefined): Promise<void> {
    const { last } = new EditLog(this.store);
    if (last === this.editSeq) this.version.unpin();
    else {
      // Another process may have gone on since the version was made.
      const newest = version?.model.editSeq === last ? version : writtenVersion(this.store, this.model);
      await this.undisturbed(() => this.publish(newest));
    }
  }

  private async publish(version: NamedVersion): Promise<void> {
    await this.pool.publish(version.model);
    const before = this.version;
    this.version = new IndexVersion(version, this.store, this.pins);
    before.retire();
  }

  /** Called between two edits, when nobody reads what the last one changed. */
  private shortenLog(): void {
    if (this.forgetting) {
      this.forgetting = !this.store.forgetLog();
      clearTimeout(this.forgetAgain);
      if (this.forgetting) this.forgetAgain = setTimeout(() => this.shortenLog(), forgetAgainMs).unref();
      return;
    }
    const log = statSync(`${this.store.database.name}-wal`, { throwIfNoEntry: false });
    if (log && log.size > maxLogBytes) this.store.database.pragma('wal_checkpoint(PASSIVE)');
  }

  /** Undefined where another version came in between, and not all of the answer is of the same. */
  private attempt(search: Search): Promise<Found | undefined> {
    const { version } = this;
    return version.use(async () => {
      const lists = await this.searchers[search.mode](search, version);
      const documents = new Map<string, Document>();
      for (const { docid } of (search.documents && lists?.flat()) || []) {
        const document = liveDocument(version.store, docid);
        if (document) documents.set(docid, document);
      }
      if (!lists) return undefined;
      return { lists, documents, explanations: await this.explain(search, lists, version), editSeq: version.editSeq };
    });
  }

  /** Why the model ranks documents of its own as it does; of the version that ranked them, also where another came since. */
  private async explain({ queries, k, beams, explained = 0 }: Search, lists: Lists, version: IndexVersion) {
    const explanations: AnyExplanation[][] = [];
    for (const [i, list] of (explained ? lists : []).entries()) {
      const rows = list.slice(0, explained).map(({ docid }) => version.rowOf(docid)!);
      explanations.push(await this.explainer.explain(queries[i], rows, version.named, beamsFor(k, beams)));
    }
    return explanations;
  }

  private readonly searchers: {
    readonly [M in Mode]: (search: Search, version: IndexVersion) => Promise<Lists | undefined>;
  } = {
    genir: (search, version) => this.generate(search, version),
    bm25: (search, version) => this.match(search, version),
    hybrid: async (search, version) => {
      const deep = { ...search, k: Math.max(search.k, fusionDepth) };
      const [generated, matched] = await Promise.all([this.generate(deep, version), this.match(deep, version)]);
      return generated?.map((list, i) => fuse(list, matched[i], search.k));
    },
  };

  private async generate({ queries, k, beams, constraint }: Search, version: IndexVersion): Promise<Lists | undefined> {
    const isFree = Object.keys(constraint).length === 0;
    const allowed = isFree ? undefined : allowedRows(version.store, version, constraint);
    const answers = await this.pool.retrieve(queries.map((query) => ({ query, k, allowed, beams })));
    if (answers.some(({ editSeq }) => editSeq !== version.editSeq)) return undefined;
    return answers.map(({ rows, scores }) =>
      Array.from(rows, (row, i) => ({ docid: version.docids[row]!, score: scores[i] })),
    );
  }

  private async match({ queries, k, constraint }: Search, version: IndexVersion): Promise<Lists> {
    const lists: Scored[][] = [];
    for (const query of queries) {
      if (lists.length > 0) await nextTurn(); // SQLite blocks this thread; others get their turn between two queries.
      lists.push(version.store.searchBm25(query, k, constraint));
    }
    return lists;
  }
}

function liveDocument(store: Store, docid: string): Document | undefined {
  const document = store.document(docid);
  return document?.state === 'live' ? document : undefined;
}

const writtenVersion = (store: Store, { version, base }: ModelInfo): NamedVersion =>
  readPublished(store, { version, base });
