import type { Worker } from 'node:worker_threads';
import type { ModelVersion, Retrieved, RetrieveInput } from './decode.ts';
import type { RowShard } from './rows/shards.ts';
import { startThread } from './thread.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './worker.ts';

export interface PoolOptions {
  readonly modelDir: string;
  /** Inference threads. @default 1 */
  readonly workers?: number;
  /** Cores that one run may use. @default 1 */
  readonly threads?: number;
  /** Runs the circuit that is stored with the model in place of the whole decoder. @default false */
  readonly circuit?: boolean;
  /** Multiplies with linear maps in eight bits. @default false */
  readonly int8?: boolean;
  /** Weights that versions are going to change, see `DecoderOptions`. @default none */
  readonly prepared?: readonly string[];
  /** Graphs of the docid rows, see `DecoderOptions`; each thread has them in memory. @default none */
  readonly rowShards?: readonly RowShard[] | undefined;
  /** Queries answered by one run at most. @default 32 */
  readonly maxBatch?: number;
  /** Queries waiting at most; more are refused with `QueueFullError`. @default 1024 */
  readonly maxQueue?: number;
  /** Told of each batch that was answered. */
  readonly onBatch?: (times: BatchTimes) => void;
}

/** What a batch took, in milliseconds. */
export interface BatchTimes {
  /** How long each of its queries waited. */
  readonly waitMs: readonly number[];
  readonly tokenizeMs: number;
  /** Undefined where encoder and decoder are one graph. */
  readonly encodeMs: number | undefined;
  /** In the thread: tokens, encoder, decoder. */
  readonly totalMs: number;
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
  readonly sinceMs: number;
  /** Threads that died over it. */
  deaths: number;
}

interface Publication {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A thread, and what it owes. */
interface Seat {
  readonly worker: Worker;
  readonly ended: Promise<void>;
  /** Takes no more batches: told to close, or about to be. */
  closing: boolean;
  batch: Waiting[] | undefined;
  /** When the batch was sent, by `performance.now()`. */
  sentMs: number;
  /** Publications under way, by message id. */
  readonly publishing: Map<number, Publication>;
}

/**
 * Inference threads behind one queue. A thread that becomes free takes all that waits, up to `maxBatch`: batches grow
 * with the load and a lone query waits for nobody (dynamic batching).
 */
export class InferencePool {
  private readonly options: Required<Omit<PoolOptions, 'onBatch' | 'rowShards'>> &
    Pick<PoolOptions, 'onBatch' | 'rowShards'>;
  private readonly seats: Seat[] = [];
  private readonly starting = new Set<Seat>();
  private readonly queue: Waiting[] = [];
  private version: ModelVersion | undefined;
  private batches = 0;
  private turn: NodeJS.Immediate | undefined;
  private counter = 0;
  private closed = false;

  private constructor(options: PoolOptions) {
    this.options = {
      workers: 1,
      threads: 1,
      circuit: false,
      int8: false,
      prepared: [],
      maxBatch: 32,
      maxQueue: 1024,
      ...options,
    };
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

  /** Queries that wait, queries that are being answered, and batches sent since the start. */
  get load(): { waiting: number; running: number; batches: number } {
    const running = this.seats.reduce((n, { batch }) => n + (batch?.length ?? 0), 0);
    return { waiting: this.queue.length, running, batches: this.batches };
  }

  /** Whether every worker is up. */
  get ready(): boolean {
    return !this.closed && this.seats.length === this.options.workers;
  }

  /** @returns one result per input, in order @throws QueueFullError, PoolError */
  retrieve(inputs: readonly RetrieveInput[]): Promise<PoolResult[]> {
    if (this.closed) return Promise.reject(new PoolError('inference pool: closed'));
    if (this.queue.length + inputs.length > this.options.maxQueue)
      return Promise.reject(new QueueFullError(this.queue.length));
    const answers = inputs.map(
      (input) =>
        new Promise<PoolResult>((resolve, reject) =>
          this.queue.push({ input, resolve, reject, sinceMs: performance.now(), deaths: 0 }),
        ),
    );
    // A thread whose replacement could not start is tried again as soon as there is something to do.
    if (this.seats.length + this.starting.size < this.options.workers) this.replace().catch(() => undefined);
    this.dispatch();
    return Promise.all(answers);
  }

  /**
   * Makes all workers answer from `version`; resolves when every batch sent from now on will.
   *
   * @throws PoolError  with the worker's reason, where the version does not fit; the one before stays
   */
  async publish(version: ModelVersion): Promise<void> {
    const previous = this.version;
    this.version = version;
    const seats = [...this.seats];
    const outcomes = await Promise.allSettled(seats.map((seat) => this.publishTo(seat, version)));
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (!failure) return;
    if (outcomes.every((outcome) => outcome.status === 'rejected')) {
      if (this.version === version) this.version = previous;
      throw failure.reason;
    }
    // Some have it: the others (out of memory?) must not answer from another one, so they start anew.
    seats.forEach((seat, i) => outcomes[i].status === 'rejected' && void this.stop(seat));
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
    await Promise.all([...this.seats.splice(0), ...this.starting].map((seat) => this.stop(seat)));
  }

  /**
   * Resolves when the thread has done what it was sent, and ended. A thread that is still starting reads its messages
   * once it is up: `worker.terminate()` while onnxruntime opens a session aborts the whole process.
   */
  private stop(seat: Seat): Promise<void> {
    seat.closing = true;
    this.send(seat, { kind: 'close' });
    return seat.ended;
  }

  private send(seat: Seat, message: ToWorker): void {
    seat.worker.postMessage(message);
  }

  /** Resolves when the thread takes batches. @throws PoolError */
  private startSeat(): Promise<void> {
    if (this.closed) return Promise.reject(new PoolError('inference pool: closed'));
    const { modelDir, threads, circuit, int8, prepared, rowShards } = this.options;
    const setup: WorkerSetup = { modelDir, threads, circuit, int8, prepared, rowShards };
    const worker = startThread(new URL('./worker', import.meta.url), { workerData: setup });
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const seat: Seat = { worker, ended, closing: false, batch: undefined, sentMs: 0, publishing: new Map() };
    this.starting.add(seat);
    return new Promise<void>((resolve, reject) => {
      let death: Error | undefined;
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') this.join(seat).then(resolve, reject);
        else if (message.kind === 'failed' && message.id === undefined) {
          this.starting.delete(seat); // it ends by itself
          reject(new PoolError(message.message));
        } else this.receive(seat, message);
      });
      worker.once('error', (error) => (death = error)); // an exit follows
      worker.once('exit', (code) => {
        death ??= new PoolError(`inference worker: stopped with code ${code}`);
        reject(death);
        this.lose(seat, death);
      });
    });
  }

  /** Lets a thread that is up take batches, once it has the newest version. */
  private async join(seat: Seat): Promise<void> {
    try {
      for (let known: ModelVersion | undefined; !this.closed && known !== this.version;) {
        known = this.version;
        await this.publishTo(seat, known!);
      }
      if (this.closed) throw new PoolError('inference pool: closed');
    } catch (error) {
      await this.stop(seat);
      throw error;
    }
    this.starting.delete(seat);
    this.seats.push(seat);
    this.dispatch();
  }

  /**
   * A thread died: another takes its seat, and its queries have a second try, each alone, so that only the one that
   * kills two threads is refused.
   */
  private lose(seat: Seat, error: Error): void {
    this.starting.delete(seat);
    const index = this.seats.indexOf(seat);
    const batch = seat.batch ?? [];
    const owed = [...seat.publishing.values()];
    seat.batch = undefined;
    if (index < 0 || this.closed) {
      for (const { reject } of [...batch, ...owed]) reject(error);
      return;
    }
    this.seats.splice(index, 1);
    for (const query of batch) query.deaths++;
    for (const { reject, deaths } of batch) if (deaths > 1) reject(error);
    this.queue.unshift(...batch.filter(({ deaths }) => deaths <= 1));
    this.replace().then(
      () => owed.forEach(({ resolve }) => resolve()), // the new thread has the newest version
      (reason: Error) => owed.forEach(({ reject }) => reject(reason)),
    );
    this.dispatch();
  }

  private async replace(): Promise<void> {
    try {
      await this.startSeat();
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const error = new PoolError(`inference worker: cannot be restarted: ${reason}`, { cause });
      if (!this.seats.length && !this.starting.size) for (const { reject } of this.queue.splice(0)) reject(error);
      throw error;
    }
  }

  /**
   * Hands out what waits when this turn of the event loop ends: queries that arrive together go together, so that the
   * first of them does not run alone while the others wait for it.
   */
  private dispatch(): void {
    this.turn ??= setImmediate(() => {
      this.turn = undefined;
      for (const seat of this.seats) {
        if (!this.queue.length) return;
        if (seat.batch || seat.closing) continue;
        // One of those that were there when a thread died may kill the next one too: each runs alone. They are in front.
        seat.batch = this.queue.splice(0, this.queue[0].deaths ? 1 : this.options.maxBatch);
        seat.sentMs = performance.now();
        this.batches++;
        this.send(seat, { kind: 'retrieve', id: this.counter++, inputs: seat.batch.map(({ input }) => input) });
      }
    });
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
    if (message.kind === 'retrieved') {
      batch.forEach(({ resolve }, i) => resolve({ ...message.results[i], editSeq: message.editSeq }));
      const waitMs = batch.map(({ sinceMs }) => seat.sentMs - sinceMs);
      this.options.onBatch?.({ waitMs, ...message.times });
    }
    if (message.kind === 'failed') for (const { reject } of batch) reject(new PoolError(message.message));
    this.dispatch();
  }
}
