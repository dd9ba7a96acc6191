import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { startThread } from '../thread.ts';
import type { BuildSetup, FromBuilder } from './build-worker.ts';
import { shardsOf, sizeOf, type RowShard } from './shards.ts';

export interface PrepareOptions {
  readonly modelDir: string;
  /** Docid rows of the model. */
  readonly rows: number;
  /** Where the graphs are kept; made where there is none. */
  readonly dir: string;
  /** Graphs. @default four, or one for each 250,000 rows where these are more */
  readonly shards?: number;
  /** Threads that build at the same time. @default the machine's cores */
  readonly threads?: number;
  /** Told why a graph is built. */
  readonly onBuild?: (shard: RowShard, reason: string) => void;
  readonly onProgress?: (progress: BuildProgress) => void;
}

export interface BuildProgress {
  /** Rows in graphs so far, and all that are to be built. */
  readonly done: number;
  readonly total: number;
  /** About how long it goes on; a row takes longer the more there are. */
  readonly secondsLeft: number;
}

/** A graph could not be built. */
export class RowGraphBuildError extends Error {
  override readonly name = 'RowGraphBuildError';
}

/** Has the graphs of a model's docid rows ready in files, of which whole ones are kept. @throws RowGraphBuildError */
export async function prepareRowGraphs(options: PrepareOptions): Promise<RowShard[]> {
  const { dir, rows, shards: count, threads = availableParallelism() } = options;
  mkdirSync(dir, { recursive: true });
  const shards = shardsOf(dir, rows, count);
  const progress = new Progress(shards, options);
  const waiting = [...shards];
  const work = async (): Promise<void> => {
    for (let shard; (shard = waiting.shift());) await prepareShard(options, shard, progress);
  };
  await Promise.all(Array.from({ length: Math.min(threads, shards.length) }, work));
  return shards;
}

function prepareShard({ modelDir, onBuild }: PrepareOptions, shard: RowShard, progress: Progress): Promise<void> {
  const setup: BuildSetup = { modelDir, shard };
  const worker = startThread(new URL('./build-worker', import.meta.url), { workerData: setup });
  return new Promise((resolve, reject) => {
    let failure: string | undefined;
    let ready = false;
    worker.on('message', (message: FromBuilder) => {
      if (message.kind === 'building') {
        onBuild?.(shard, message.reason);
        progress.begin(shard);
      } else if (message.kind === 'progress') progress.update(shard, message.done);
      else if (message.kind === 'failed') failure = message.message;
      else ready = true;
    });
    worker.once('error', (error) => (failure = error.message)); // an exit follows
    worker.once('exit', (code) => {
      if (ready) {
        progress.end(shard);
        resolve();
      } else
        reject(new RowGraphBuildError(failure ?? `${shard.file}: the thread that builds it stopped with code ${code}`));
    });
  });
}

/** How far all shards are together; one that nobody has looked at yet is taken for one that must be built. */
class Progress {
  private readonly tell: PrepareOptions['onProgress'];
  /** Rows so far. */
  private readonly rows: Map<RowShard, number>;
  private readonly building = new Set<RowShard>();
  private sinceMs = 0;

  constructor(shards: readonly RowShard[], { onProgress }: PrepareOptions) {
    this.tell = onProgress;
    this.rows = new Map(shards.map((shard) => [shard, 0]));
  }

  begin(shard: RowShard): void {
    if (!this.building.size) this.sinceMs = performance.now();
    this.building.add(shard);
  }

  update(shard: RowShard, rows: number): void {
    this.rows.set(shard, rows);
    let [done, total, work, allWork] = [0, 0, 0, 0];
    for (const [shard, n] of this.rows) {
      done += n;
      total += sizeOf(shard);
      work += workOf(n);
      allWork += workOf(sizeOf(shard));
    }
    const seconds = (performance.now() - this.sinceMs) / 1000;
    this.tell?.({ done, total, secondsLeft: (seconds * (allWork - work)) / work });
  }

  end(shard: RowShard): void {
    if (this.building.has(shard)) this.rows.set(shard, sizeOf(shard));
    else this.rows.delete(shard); // it was there
  }
}

/** A search among n rows takes about log n steps. */
const workOf = (rows: number): number => rows * Math.log(rows + 1);
