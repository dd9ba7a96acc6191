import { randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import type { Worker } from 'node:worker_threads';
import { openStore } from '../corpus/store.ts';
import { startThread } from '../models/thread.ts';
import { EditorError, received } from './crossing-errors.ts';
import { EditLog } from './edit-log.ts';
import { type VersionBase } from './edited-version.ts';
import type { RunOptions, UndoOptions } from './editor.ts';
import type { AboutRequest, EditorSetup, EditTask, FromEditor, ToEditor } from './editor-worker.ts';
import type { EditOutcome, EditRequest } from './operations.ts';
import type { EditSettings } from './presets.ts';
import { newestVersion, readPublished, type PublishedVersion } from './published-version.ts';
import { searchesUnderWay } from './right-of-way.ts';

export interface EditorThreadOptions {
  readonly modelDir: string;
  /** `modelVersion` of it. */
  readonly version: string;
  /** What versions of it are made with. */
  readonly base: VersionBase;
  /** The store's file. */
  readonly path: string;
  /** Folder for what can be computed again, and is kept to open sooner. */
  readonly dataDir?: string | undefined;
  readonly settings?: EditSettings | undefined;
  /** Cores that one run may use. @default 1 */
  readonly threads?: number | undefined;
  /** The model's circuit answers searches. @default false */
  readonly circuit?: boolean | undefined;
  /** Where the stream of edits is that the store follows, if any. */
  readonly databaseUrl?: string | undefined;
}

/**
 * MB of long-lived objects from which the editing thread's heap is looked through. V8 begins with so few that it would do so
 * at almost every edit, which took a fourth of an edit's CPU, a third in large models; there is no such setting for one thread.
 */
export const EDITING_HEAP_MB = 512;

/** A request that was not answered yet. */
interface Waiting {
  readonly task: EditTask;
  readonly key: string | undefined;
  readonly options: RunOptions;
  readonly resolve: (outcome: EditOutcome) => void;
  readonly reject: (error: Error) => void;
}

/**
 * An `Editor` in a thread of its own, which starts with the first request. Requests are done one after the other. Should
 * the thread die, another one takes its place, and what became of the request under way is read from the log.
 */
export class EditorThread {
  private readonly options: EditorThreadOptions;
  private published: PublishedVersion;
  private readonly queue: Waiting[] = [];
  private current: Waiting | undefined;
  private worker: Worker | undefined;
  private ended: Promise<void> = Promise.resolve();
  private idle: (() => void) | undefined;
  private shortened: (() => void) | undefined;
  private closed = false;

  /** Reads the version in force from the log. @throws ForeignEditsError, StoreOpenError, StoreVersionError */
  constructor(options: EditorThreadOptions) {
    this.options = options;
    this.published = this.reading((store) => readPublished(store, options));
  }

  /** What searches should answer from: newest once a request is answered. */
  get version(): PublishedVersion {
    return this.published;
  }

  /** @throws EditorError, and what `Editor.edit` throws */
  edit(request: EditRequest, options: RunOptions = {}): Promise<EditOutcome> {
    const key = keyOf(request);
    return this.run({ kind: 'edit', request: { ...request, ...(key && { idempotencyKey: key }) } }, key, options);
  }

  /** @throws EditorError, and what `Editor.undo` throws */
  undo(seq: number, options: UndoOptions & RunOptions = {}): Promise<EditOutcome> {
    return this.backwards('undo', seq, options);
  }

  /** @throws EditorError, and what `Editor.revert` throws */
  revert(to: number, options: UndoOptions & RunOptions = {}): Promise<EditOutcome> {
    return this.backwards('revert', to, options);
  }

  /** Waits for what was asked for, and for the thread's end. */
  async close(): Promise<void> {
    this.closed = true;
    if (this.current || this.queue.length) await new Promise<void>((resolve) => (this.idle = resolve));
    this.worker?.postMessage({ kind: 'close' } satisfies ToEditor);
    await this.ended;
  }

  private backwards(
    kind: 'undo' | 'revert',
    seq: number,
    { signal, onProgress, ...options }: UndoOptions & RunOptions,
  ): Promise<EditOutcome> {
    const key = keyOf(options);
    const task: EditTask = { kind, seq, options: { ...options, ...(key && { idempotencyKey: key }) } };
    return this.run(task, key, { signal, onProgress });
  }

  private run(task: EditTask, key: string | undefined, options: RunOptions): Promise<EditOutcome> {
    if (this.closed) return Promise.reject(new EditorError('editing thread: closed'));
    return new Promise((resolve, reject) => {
      this.queue.push({ task, key, options, resolve, reject });
      this.next();
    });
  }

  private next(): void {
    if (this.current) return;
    const waiting = this.queue.shift();
    if (!waiting) return this.idle?.();
    const { task, options } = waiting;
    const { signal } = options;
    if (signal?.aborted) {
      waiting.reject(signal.reason as Error);
      return this.next();
    }
    this.current = waiting;
    const worker = (this.worker ??= this.start());
    worker.postMessage({ kind: 'run', task } satisfies ToEditor);
    signal?.addEventListener('abort', this.cancel);
  }

  /**
   * Lets the thread write the log of the store into its file, where it has become long: to be called between two edits, when
   * nobody reads what the last one changed.
   */
  async shortenLog(): Promise<void> {
    if (!this.worker || this.current) return;
    await new Promise<void>((resolve) => {
      this.shortened = resolve;
      this.worker!.postMessage({ kind: 'shorten' } satisfies ToEditor);
    });
  }

  private readonly cancel = (): void => this.worker?.postMessage({ kind: 'cancel' } satisfies ToEditor);

  private start(): Worker {
    const { modelDir, path, dataDir, settings, threads, circuit, databaseUrl } = this.options;
    const searches = searchesUnderWay;
    const setup: EditorSetup = { modelDir, path, dataDir, settings, threads, circuit, databaseUrl, searches };
    setFlagsFromString(`--initial-old-space-size=${EDITING_HEAP_MB}`);
    const worker = startThread(new URL('./editor-worker', import.meta.url), { workerData: setup });
    let death: Error | undefined;
    worker.on('message', (message: FromEditor) => this.receive(message));
    worker.once('error', (error) => (death = error)); // an exit follows
    this.ended = new Promise((resolve) =>
      worker.once('exit', (code) => {
        this.worker = undefined;
        this.shortened?.();
        this.lose(death ?? new Error(`stopped with code ${code}`));
        resolve();
      }),
    );
    return worker;
  }

  private receive(message: FromEditor): void {
    if (message.kind === 'shortened') this.shortened?.();
    else this.hear(message);
  }

  private hear(message: AboutRequest): void {
    const { options } = this.current!;
    if (message.kind === 'progress') return options.onProgress?.(message.progress);
    if (message.kind === 'done') {
      this.published = message.version ?? this.published;
      this.answer(({ resolve }) => resolve(message.outcome));
    } else {
      const isStopped = options.signal?.aborted && message.error.name === 'AbortError';
      const error = isStopped ? (options.signal.reason as Error) : received(message.error);
      this.answer(({ reject }) => reject(error));
    }
  }

  private answer(settle: (waiting: Waiting) => void): void {
    const waiting = this.current!;
    this.current = undefined;
    waiting.options.signal?.removeEventListener('abort', this.cancel);
    settle(waiting);
    this.next();
  }

  /** The thread died: its request was committed, or it was not. */
  private lose(death: Error): void {
    if (!this.current) return;
    const { key } = this.current;
    const advice =
      this.options.databaseUrl === undefined
        ? 'nothing was changed; try again'
        : 'if it came into the database, it is made; try again under the same idempotency key';
    try {
      const [version, known] = this.reading((store) => [
        newestVersion(store, this.options.base),
        key === undefined ? undefined : new EditLog(store).keyed(key),
      ]);
      this.published = version;
      this.answer(({ resolve, reject }) => {
        if (known) resolve(known.outcome);
        else reject(new EditorError(`editing thread: ${death.message}; ${advice}`, { cause: death }));
      });
    } catch (cause) {
      this.answer(({ reject }) => reject(new EditorError(`editing thread: ${death.message}`, { cause })));
    }
  }

  private reading<T>(read: (store: ReturnType<typeof openStore>) => T): T {
    const store = openStore(this.options.path, { readonly: true });
    try {
      return read(store);
    } finally {
      store.close();
    }
  }
}

/** Every edit that may be committed has a key, by which it is found should the thread die over it. */
const keyOf = ({ idempotencyKey, dryRun }: UndoOptions): string | undefined =>
  idempotencyKey ?? (dryRun ? undefined : randomUUID());
