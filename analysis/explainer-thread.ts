import type { Worker } from 'node:worker_threads';
import { startThread } from '../models/thread.ts';
import type { ExplainedVersion } from './explain-version.ts';
import type { AnyExplanation } from './explanation.ts';
import type { ExplainerSetup, FromExplainer, ToExplainer } from './explainer-worker.ts';

export interface ExplainerThreadOptions {
  readonly modelDir: string;
  /** Explains the circuit that is stored with the model in place of the whole decoder. @default false */
  readonly circuit?: boolean;
  /** Time without a request after which the thread ends and its memory is free again. @default five minutes */
  readonly idleMs?: number;
  /** Requests under way and waiting at most; more are refused with `ExplainerBusyError`. @default 16 */
  readonly maxWaiting?: number;
}

/** The explaining thread is closed, could not start, died, or could not explain. */
export class ExplainerError extends Error {
  override readonly name = 'ExplainerError';
}

/** More explanations are waited for than the thread takes. */
export class ExplainerBusyError extends Error {
  override readonly name = 'ExplainerBusyError';
  readonly waiting: number;
  constructor(waiting: number) {
    super(`explanations: ${waiting} requests are waiting, no more are taken; try again in a moment`);
    this.waiting = waiting;
  }
}

interface Request {
  readonly resolve: (explanations: AnyExplanation[]) => void;
  readonly reject: (error: Error) => void;
}

interface Running {
  readonly worker: Worker;
  readonly ended: Promise<void>;
  readonly requests: Map<number, Request>;
  /** What it was told to explain. */
  version: ExplainedVersion | undefined;
}

/** Explains in a thread of its own, which starts with the first request and ends when none has come for a while. */
export class ExplainerThread {
  private readonly options: Required<ExplainerThreadOptions>;
  private current: Running | undefined;
  /** Threads that were told to close. */
  private readonly leaving = new Set<Running>();
  private idle: NodeJS.Timeout | undefined;
  private counter = 0;
  private closed = false;

  constructor(options: ExplainerThreadOptions) {
    this.options = { circuit: false, idleMs: 5 * 60_000, maxWaiting: 16, ...options };
  }

  get running(): boolean {
    return this.current !== undefined;
  }

  /**
   * @param documents  rows of live documents of the version
   * @param version    that is explained; the model as it was trained where left out
   * @param beams      of the search that is explained, where docids are paths
   * @returns          one explanation for each
   * @throws ExplainerError, ExplainerBusyError
   */
  explain(
    query: string,
    documents: readonly number[],
    version?: ExplainedVersion,
    beams?: number,
  ): Promise<AnyExplanation[]> {
    if (this.closed) return Promise.reject(new ExplainerError('explaining thread: closed'));
    const running = (this.current ??= this.start());
    const { requests, worker } = running;
    if (requests.size >= this.options.maxWaiting) return Promise.reject(new ExplainerBusyError(requests.size));
    clearTimeout(this.idle);
    if (version && running.version !== version) {
      running.version = version;
      worker.postMessage({ kind: 'version', version } satisfies ToExplainer);
    }
    const id = this.counter++;
    return new Promise((resolve, reject) => {
      requests.set(id, { resolve, reject });
      worker.postMessage({ kind: 'explain', id, query, documents, beams } satisfies ToExplainer);
    });
  }

  /** Resolves when everything asked for is answered and the thread has ended. */
  async close(): Promise<void> {
    this.closed = true;
    this.release();
    await Promise.all([...this.leaving].map(({ ended }) => ended));
  }

  /** The thread ends by itself: terminating it while onnxruntime opens a session would abort the whole process. */
  private release(): void {
    clearTimeout(this.idle);
    if (!this.current) return;
    this.leaving.add(this.current);
    this.current.worker.postMessage({ kind: 'close' } satisfies ToExplainer);
    this.current = undefined;
  }

  private start(): Running {
    const { modelDir, circuit } = this.options;
    const setup: ExplainerSetup = { modelDir, circuit };
    const worker = startThread(new URL('./explainer-worker', import.meta.url), { workerData: setup });
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const running: Running = { worker, ended, requests: new Map(), version: undefined };
    let death: Error | undefined;
    worker.on('message', (message: FromExplainer) => this.receive(running, message));
    worker.once('error', (error) => (death = new ExplainerError(error.message, { cause: error }))); // an exit follows
    worker.once('exit', (code) => {
      this.leaving.delete(running);
      if (this.current === running) this.current = undefined;
      death ??= new ExplainerError(`explaining thread: stopped with code ${code}`);
      for (const { reject } of running.requests.values()) reject(death);
    });
    return running;
  }

  private receive(running: Running, message: FromExplainer): void {
    const { resolve, reject } = running.requests.get(message.id)!;
    running.requests.delete(message.id);
    if (message.kind === 'explained') resolve([...message.explanations]);
    else reject(new ExplainerError(message.message));
    if (running.requests.size || this.current !== running) return;
    this.idle = setTimeout(() => this.release(), this.options.idleMs);
    this.idle.unref();
  }
}
