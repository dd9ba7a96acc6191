import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { startThread } from '../thread.ts';
import type { BuildSetup, FromBuilder } from './build-worker.ts';
import { chooseReaches } from './reach.ts';
import { measuredOf, membersOf, shardsOf, sizeOf, type RowShard, type ShardFile } from './shards.ts';
import type { FromSurvey, SurveySetup } from './survey-worker.ts';

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
  /** No graphs of rows that lie along no few axes: to follow those takes longer than to look at all rows. */
  readonly fewAxes?: boolean;
  /** Told why a graph is built. */
  readonly onBuild?: (shard: ShardFile, reason: string) => void;
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

/**
 * Has the graphs of a model's docid rows ready in files, of which whole ones are kept.
 *
 * @returns  none where few axes are asked for, and rows need more
 * @throws RowGraphBuildError
 */
export async function prepareRowGraphs(options: PrepareOptions): Promise<RowShard[]> {
  const { modelDir, dir, rows, shards: count, threads = availableParallelism(), fewAxes = false, onBuild } = options;
  mkdirSync(dir, { recursive: true });
  const shards = shardsOf(dir, rows, count);
  let waiting: ShardFile[] = [];
  const { checked, surveyed } = await survey({ modelDir, dir, shards, fewAxes }, (reasons) => {
    waiting = shards.filter((_, i) => reasons[i] !== undefined);
    for (const [i, shard] of shards.entries()) if (reasons[i] !== undefined) onBuild?.(shard, reasons[i]);
  });
  const { key, axes } = checked;
  if (fewAxes && !axes) return [];
  if (surveyed) {
    const progress = new Progress(waiting, options);
    const work = async (): Promise<void> => {
      for (let shard; (shard = waiting.shift());) {
        const members = membersOf(surveyed.lengths, shard);
        await build({ modelDir, shard, key, members, axes, heldOut: surveyed.heldOut }, progress);
      }
    };
    await Promise.all(Array.from({ length: Math.min(threads, waiting.length) }, work));
  }
  const reaches = reachesOf(shards);
  return shards.map((shard, i) => ({ ...shard, axes, reach: reaches[i] }));
}

type Checked = Extract<FromSurvey, { kind: 'checked' }>;
type Surveyed = Extract<FromSurvey, { kind: 'surveyed' }>;

/** @param tell  gets the reasons as soon as they are known */
async function survey(
  setup: SurveySetup,
  tell: (reasons: Checked['reasons']) => void,
): Promise<{ checked: Checked; surveyed?: Surveyed }> {
  let checked!: Checked;
  let surveyed: Surveyed | undefined;
  await runThread('survey-worker', setup, setup.dir, (message: Exclude<FromSurvey, Failure>) => {
    if (message.kind === 'surveyed') surveyed = message;
    else {
      checked = message;
      tell(message.reasons);
    }
  });
  return { checked, ...(surveyed && { surveyed }) };
}

async function build(setup: BuildSetup, progress: Progress): Promise<void> {
  await runThread('build-worker', setup, setup.shard.file, ({ done }: Exclude<FromBuilder, Failure>) =>
    progress.update(setup.shard, done),
  );
}

interface Failure {
  readonly kind: 'failed';
  readonly message: string;
}

/** @param file  that it is for @throws RowGraphBuildError */
function runThread<M extends { readonly kind: string }>(
  module: string,
  setup: unknown,
  file: string,
  use: (message: M) => void,
): Promise<void> {
  const worker = startThread(new URL(`./${module}`, import.meta.url), { workerData: setup });
  return new Promise((resolve, reject) => {
    let failure: string | undefined;
    worker.on('message', (message: M | Failure) => {
      if (isFailure(message)) failure = message.message;
      else use(message);
    });
    worker.once('error', (error) => (failure = error.message)); // an exit follows
    worker.once('exit', (code) => {
      if (code === 0 && failure === undefined) resolve();
      else reject(new RowGraphBuildError(failure ?? `${file}: the thread that builds it stopped with code ${code}`));
    });
  });
}

const isFailure = (message: { readonly kind: string }): message is Failure => message.kind === 'failed';

/** How widely each graph is searched. */
function reachesOf(shards: readonly ShardFile[]): number[] {
  const measured = shards.map(measuredOf);
  return chooseReaches(
    measured.map(({ found }) => found),
    measured[0].wanted,
  );
}

/** How far all graphs that are built are together. */
class Progress {
  private readonly tell: PrepareOptions['onProgress'];
  /** Rows so far. */
  private readonly rows: Map<ShardFile, number>;
  private readonly sinceMs = performance.now();

  constructor(shards: readonly ShardFile[], { onProgress }: PrepareOptions) {
    this.tell = onProgress;
    this.rows = new Map(shards.map((shard) => [shard, 0]));
  }

  update(shard: ShardFile, rows: number): void {
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
}

/** A search among n rows takes about log n steps. */
const workOf = (rows: number): number => rows * Math.log(rows + 1);
