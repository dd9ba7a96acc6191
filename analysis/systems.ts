import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AtomicDocids } from '../corpus/docids/atomic.ts';
import { allowedRows } from '../corpus/constraints.ts';
import type { Query } from '../corpus/documents.ts';
import type { Store } from '../corpus/store.ts';
import { NotAnIndexError } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { InferencePool, type PoolOptions } from '../models/pool.ts';
import { prepareRowGraphs } from '../models/rows/prepare.ts';
import type { RowShard } from '../models/rows/shards.ts';
import { baselines, type Baseline } from './baselines/table.ts';
import { fuseRuns, fusionDepth } from './fusion.ts';
import { genirRetriever, makeRun, type Retriever } from './retriever.ts';
import type { Run } from './run.ts';

/**
 * What can be measured on one corpus: the model, also in eight bits or with graphs of its docid rows, what it is compared with,
 * and model and BM25 together.
 */
export type System = 'genir' | 'genir-int8' | 'genir-hnsw' | 'hybrid' | Baseline;

export interface SystemSources {
  readonly store: Store;
  /** Called when a system needs the model. */
  readonly model: () => ModelFolder;
  readonly queries: readonly Query[];
  /** Inference threads. @default 1 */
  readonly workers?: number;
  /**
   * Where docids are paths: prefixes that are followed at each step. The model's own list is then no deeper; one that is
   * fused is, as the server's. @default the depth of the lists
   */
  readonly beams?: number | undefined;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** Runs of several systems on the same queries, 100 documents deep or as many as there are beams; each is made when first asked for, and only once. */
export class SystemRuns {
  readonly #sources: SystemSources;
  readonly #runs = new Map<System, Promise<Run>>();

  constructor(sources: SystemSources) {
    this.#sources = sources;
  }

  /** @throws NotAnIndexError, PoolError, ModelFolderError and other errors of opening the model */
  get(system: System): Promise<Run> {
    let run = this.#runs.get(system);
    if (!run) this.#runs.set(system, (run = this.#makers[system]()));
    return run;
  }

  readonly #makers: { readonly [S in System]: () => Promise<Run> } = {
    genir: () => this.#generate(this.#depth),
    'genir-int8': () => this.#generate(this.#depth, 'genir-int8'),
    'genir-hnsw': () => this.#withGraphs((rowShards) => this.#generate(this.#depth, 'genir-hnsw', rowShards)),
    bm25: () => this.#baseline('bm25'),
    dense: () => this.#baseline('dense'),
    // The lists are as deep as the server's are before it fuses them.
    hybrid: async () => {
      const generated = this.#depth < fusionDepth ? this.#generate(fusionDepth) : this.get('genir');
      return fuseRuns(await generated, await this.get('bm25'), fusionDepth);
    },
  };

  /** Of the model's own lists. */
  get #depth(): number {
    return Math.min(fusionDepth, this.#sources.beams ?? fusionDepth);
  }

  async #generate(k: number, system: 'genir' | 'genir-int8' | 'genir-hnsw' = 'genir', rowShards?: readonly RowShard[]) {
    const { model, beams } = this.#sources;
    const pool = await openModel(this.#sources, { int8: system === 'genir-int8', rowShards });
    try {
      return await this.#run(system, genirRetriever(pool, docidsOf(model()), beams), k);
    } finally {
      await pool.close();
    }
  }

  /** With graphs of the model's docid rows, which lie among temporary files meanwhile. */
  async #withGraphs(use: (shards: readonly RowShard[]) => Promise<Run>): Promise<Run> {
    const { model, workers = 1, onProgress } = this.#sources;
    const folder = model();
    const dir = mkdtempSync(join(tmpdir(), 'palimpsest-rows-'));
    try {
      const shards = await prepareRowGraphs({
        ...{ modelDir: folder.dir, rows: docidsOf(folder).size, dir, threads: workers },
        onProgress: ({ done, total }) => onProgress?.('rows in graphs', done, total),
      });
      return await use(shards);
    } finally {
      rmSync(dir, { recursive: true });
    }
  }

  async #baseline(name: Baseline): Promise<Run> {
    const { store, model, workers = 1, onProgress } = this.#sources;
    const retriever = await baselines[name]({
      store,
      model,
      threads: workers,
      onProgress: (done, total) => onProgress?.(`${name}: documents`, done, total),
    });
    return this.#run(name, retriever);
  }

  async #run(name: System, retriever: Retriever, k = fusionDepth): Promise<Run> {
    const { queries, onProgress } = this.#sources;
    try {
      return await makeRun(retriever, queries, {
        k,
        onProgress: (done) => onProgress?.(name, done, queries.length),
      });
    } finally {
      await retriever.close();
    }
  }
}

/** The docid table of a model folder. @throws NotAnIndexError */
export function docidsOf(folder: ModelFolder): AtomicDocids {
  if (!folder.genir) throw new NotAnIndexError(folder.dir);
  return new AtomicDocids(folder.genir.docids);
}

/** The model in worker threads, answering with live documents of the store only. */
async function openModel(
  { store, model, workers = 1 }: SystemSources,
  how: Pick<PoolOptions, 'int8' | 'rowShards'>,
): Promise<InferencePool> {
  const folder = model();
  const live = allowedRows(store, docidsOf(folder));
  const pool = await InferencePool.open({ modelDir: folder.dir, workers, ...how });
  try {
    await pool.publish({ editSeq: 0, live, rows: [], deltas: [] });
  } catch (error) {
    await pool.close();
    throw error;
  }
  return pool;
}
