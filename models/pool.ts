import type { Worker } from 'node:worker_threads';
import type { ModelVersion, Retrieved, RetrieveInput } from './decode.ts';
import { startThread } from './thread.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './worker.ts';

export interface PoolOptions {
  readonly modelDir: string;
  /** Inference threads. @default 1 */
  readonly workers?: number;
  /** Cores that one run may use. @default 1 */
  readonly threads?: number;
  /** Queries answered by one run at most. @default 32 */
  readonly maxBatch?: number;
  /** Queries waiting at most; more are refused with `QueueFullError`. @default 1024 */
  readonly maxQueue?: number;
}

/** More queries wait than the pool takes. Try again later. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';
  readonly waiting: number;
  constructor(waiting: number) {
    super(`inference queue: ${waiting} queries are waiting, no more are taken; try again in a moment`);
    this.waiting = waiting;
  }
}

/** The pool is closed, or a worker could not start or died. */
export class PoolError extends Error {
  override readonly name = 'PoolError';
}

/** One query's documents and the edit state that answered it. */
export interface PoolResult extends Retrieved {
  readonly editSeq: number;
}

interface Waiting {
  readonly input: RetrieveInput;
  readonly resolve: (result: PoolResult) => void;
  readonly reject: (error: Error) => void;
}

interface Seat {
  worker: Worker;
  batch: Waiting[] | undefined;
  /** Publications under way, by message id. */
  readonly publishing: Map<number, { resolve: () => void; reject: (error: Error) => void }>;
}

/**
 * Inference threads behind one queue. A thread that becomes free takes all that waits, up to `maxBatch`: batches grow
 * with the load and a lone query waits for nobody (dynamic batching).
 */
export class InferencePool {
  private readonly options: Required<PoolOptions>;
  private readonly seats: Seat[] = [];
  private readonly queue: Waiting[] = [];
  private version: ModelVersion | undefined;
  private counter = 0;
  private closed = false;

  private constructor(options: PoolOptions) {
    this.options = { workers: 1, threads: 1, maxBatch: 32, maxQueue: 1024, ...options };
  }

  /** Opens the model in every worker and waits until all are ready. @throws PoolError  with the worker's reason */
  static async open(options: PoolOptions): Promise<InferencePool> {
    const pool = new InferencePool(options);
    try {
      await Promise.all(Array.from({ length: pool.options.workers }, () => pool.startSeat()));
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  /** Queries that wait and queries that are being answered. */
  get load(): { waiting: number; running: number } {
    return { waiting: this.queue.length, running: this.seats.reduce((n, { batch }) => n + (batch?.length ?? 0), 0) };
  }

  /** Whether every worker is up. */
  get ready(): boolean {
    return !this.closed && this.seats.length === this.options.workers;
  }

  /** @throws QueueFullError, PoolError */
  retrieve(inputs: readonly RetrieveInput[]): Promise<PoolResult[]> {
    if (this.closed) return Promise.reject(new PoolError('inference pool: closed'));
    if (this.queue.length + inputs.length > this.options.maxQueue)
      return Promise.reject(new QueueFullError(this.queue.length));
    const answers = inputs.map(
      (input) => new Promise<PoolResult>((resolve, reject) => this.queue.push({ input, resolve, reject })),
    );
    this.dispatch();
    return Promise.all(answers);
  }

  /** Makes all workers answer from `version`; resolves when every batch sent from now on will. */
  async publish(version: ModelVersion): Promise<void> {
    this.version = version;
    await Promise.all(this.seats.map((seat) => this.publishTo(seat, version)));
  }

  private publishTo(seat: Seat, version: ModelVersion): Promise<void> {
    return new Promise((resolve, reject) => {
      const id = this.counter++;
      seat.publishing.set(id, { resolve, reject });
      this.send(seat, { kind: 'publish', id, version });
    });
  }

  /** Lets running batches end, refuses waiting ones, stops the threads. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { reject } of this.queue.splice(0))
      reject(new PoolError('inference pool: closed while the query waited'));
    await Promise.all(
      this.seats.splice(0).map(
        (seat) =>
          new Promise<void>((resolve) => {
            seat.worker.once('exit', () => resolve());
            this.send(seat, { kind: 'close' });
          }),
      ),
    );
  }

  private send(seat: Seat, message: ToWorker): void {
    seat.worker.postMessage(message);
  }

  private async startSeat(): Promise<void> {
    const setup: WorkerSetup = { modelDir: this.options.modelDir, threads: this.options.threads };
    const worker = startThread(new URL('./worker', import.meta.url), { workerData: setup });
    const seat: Seat = { worker, batch: undefined, publishing: new Map() };
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') resolve();
        else if (message.kind === 'failed' && message.id === undefined) reject(new PoolError(message.message));
        else this.receive(seat, message);
      });
      worker.once('error', (error) => {
        reject(error);
        this.lose(seat, error);
      });
      worker.once('exit', (code) => {
        const error = new PoolError(`inference worker: stopped with code ${code}`);
        reject(error);
        this.lose(seat, error);
      });
    });
    this.seats.push(seat);
    if (this.version) await this.publishTo(seat, this.version);
    this.dispatch();
  }

  /** A thread died: its batch fails, and another takes its seat. */
  private lose(seat: Seat, error: Error): void {
    const index = this.seats.indexOf(seat);
    if (index < 0) return;
    this.seats.splice(index, 1);
    for (const { reject } of seat.batch ?? []) reject(error);
    seat.batch = undefined;
    for (const { reject } of seat.publishing.values()) reject(error);
    if (this.closed) return;
    this.startSeat().catch((reason: unknown) => {
      for (const { reject } of this.queue.splice(0))
        reject(new PoolError(`inference worker: cannot be restarted: ${String(reason)}`));
    });
  }

  private dispatch(): void {
    for (const seat of this.seats) {
      if (!this.queue.length) return;
      if (seat.batch) continue;
      seat.batch = this.queue.splice(0, this.options.maxBatch);
      this.send(seat, { kind: 'retrieve', id: this.counter++, inputs: seat.batch.map(({ input }) => input) });
    }
  }

  private receive(seat: Seat, message: Exclude<FromWorker, { kind: 'ready' }>): void {
    const publication = message.id === undefined ? undefined : seat.publishing.get(message.id);
    if (publication) {
      seat.publishing.delete(message.id!);
      if (message.kind === 'failed') publication.reject(new PoolError(message.message));
      else publication.resolve();
      return;
    }
    const batch = seat.batch ?? [];
    seat.batch = undefined;
    if (message.kind === 'retrieved')
      batch.forEach(({ resolve }, i) => resolve({ ...message.results[i], editSeq: message.editSeq }));
    if (message.kind === 'failed') for (const { reject } of batch) reject(new PoolError(message.message));
    this.dispatch();
  }
}
