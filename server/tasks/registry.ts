import type { Store } from '../../corpus/store.ts';
import { faultOf } from '../http-error.ts';
import { TaskEndedError, TaskNotFoundError, TaskQueueFullError, TasksClosedError, TaskStoppedError } from './errors.ts';
import { Pace } from './pace.ts';
import { TaskTable } from './table.ts';
import { taskLimits, type Report, type Task, type TaskKind, type TaskList, type TaskQuery } from './task.ts';

/**
 * What a task does. It looks at `signal` between two steps and throws when that is aborted, reports as often as it
 * likes, and resolves with its result, which is kept as `JSON.stringify` writes it.
 */
export type Work = (signal: AbortSignal, report: (progress: Report) => void) => Promise<unknown>;

/** A task that is queued or running. */
interface Entry {
  task: Task;
  readonly work: Work;
  readonly controller: AbortController;
  readonly pace: Pace;
  /** When the progress was last written. */
  writtenMs: number;
  /** Called at the end. */
  readonly waiting: Set<() => void>;
}

/** Between two writes of the same task's progress. */
const writeIntervalMs = 500;

/**
 * The tasks of a server. One of each kind runs at a time, the others wait in order. A task is written before `start`
 * returns it, so none that was acknowledged is lost; one that a dead process left behind is `interrupted`.
 */
export class TaskRegistry {
  private readonly table: TaskTable;
  private readonly log: (line: string) => void;
  /** In the order of ids. An entry leaves once its end is written. */
  private readonly entries = new Map<number, Entry>();
  /** What runs, until its work has returned. */
  private readonly running = new Map<TaskKind, Promise<void>>();
  /** Tasks that take no turn. */
  private readonly adopted = new Set<Promise<void>>();
  private closed = false;

  /** Takes over the tasks of `store`, which no other process may use. */
  constructor(store: Store, log: (line: string) => void) {
    this.table = new TaskTable(store);
    this.log = log;
    const message =
      'task: expected to run to its end, got a server that stopped without closing (killed, or without power); start it again';
    this.table.interruptAll(now(), { code: 'interrupted', message });
  }

  /**
   * Queues some work. It begins in a later turn of the event loop, after the task could be sent as an answer.
   *
   * @param input  what was asked for, as JSON; kept and shown with the task
   * @throws TaskQueueFullError, TasksClosedError, StoreFullError
   */
  start(kind: TaskKind, input: unknown, work: Work): Task {
    if (this.closed) throw new TasksClosedError();
    const others = [...this.entries.values()].filter(({ task }) => task.kind === kind && !task.finishedAt).length;
    if (others > taskLimits.waiting) throw new TaskQueueFullError(kind, others - 1);
    const { task } = this.enter(kind, input, work, new AbortController());
    setImmediate(() => this.next(kind));
    return task;
  }

  /**
   * Makes a task of work that is under way already and takes turns by itself.
   *
   * @param work        has begun; gets the signal of `controller`, and is told where to report from now on
   * @throws TasksClosedError, StoreFullError
   */
  adopt(kind: TaskKind, input: unknown, work: Work, controller: AbortController): Task {
    if (this.closed) throw new TasksClosedError();
    const entry = this.enter(kind, input, work, controller);
    const run = this.run(entry).finally(() => this.adopted.delete(run));
    this.adopted.add(run);
    return entry.task;
  }

  /** @throws TaskNotFoundError */
  get(id: number): Task {
    const task = this.entries.get(id)?.task ?? this.table.get(id);
    if (!task) throw new TaskNotFoundError(id);
    return task;
  }

  list(query: TaskQuery): TaskList {
    const { tasks, total } = this.table.list(query);
    return { tasks: tasks.map((task) => this.withProgress(task)), total };
  }

  /** A task as it is at its end, or after so many seconds. @throws TaskNotFoundError */
  async wait(id: number, seconds: number): Promise<Task> {
    const entry = this.entries.get(id);
    if (entry && !entry.task.finishedAt && seconds > 0)
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          entry.waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, seconds * 1000);
        entry.waiting.add(done);
      });
    return this.get(id);
  }

  /**
   * Ends a task that waits, and tells one that runs to stop: it is `cancelled` once its work has stopped, and
   * `succeeded` where that came to its end first. Cancelling again changes nothing.
   *
   * @throws TaskNotFoundError, TaskEndedError
   */
  cancel(id: number): Task {
    const { state, finishedAt } = this.get(id);
    if (finishedAt && state !== 'cancelled') throw new TaskEndedError(id, state);
    const entry = this.entries.get(id);
    if (entry) this.stop(entry, new TaskStoppedError('cancelled'));
    return this.get(id);
  }

  /** Takes no more tasks, interrupts all there are, and waits so long at most for their work to stop. */
  async close(limitMs: number): Promise<void> {
    this.closed = true;
    for (const entry of [...this.entries.values()]) this.stop(entry, new TaskStoppedError('interrupted'));
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
    await Promise.race([Promise.all([...this.running.values(), ...this.adopted]), limit]);
    clearTimeout(timer);
    for (const entry of [...this.entries.values()]) this.end(entry, stopped(entry.controller.signal));
  }

  private enter(kind: TaskKind, input: unknown, work: Work, controller: AbortController): Entry {
    const task = this.table.insert(kind, now(), input);
    const entry = { task, work, controller, pace: new Pace(), writtenMs: -Infinity, waiting: new Set<() => void>() };
    this.entries.set(task.id, entry);
    return entry;
  }

  private next(kind: TaskKind): void {
    const entry = [...this.entries.values()].find(({ task }) => task.kind === kind && task.state === 'queued');
    if (this.closed || this.running.has(kind) || !entry) return;
    const run = this.run(entry).finally(() => {
      this.running.delete(kind);
      this.next(kind);
    });
    this.running.set(kind, run);
  }

  /** Never rejects. */
  private async run(entry: Entry): Promise<void> {
    const { id, kind } = entry.task;
    this.change(entry, { state: 'running', startedAt: now() });
    try {
      const result = await entry.work(entry.controller.signal, (report) => this.report(entry, report));
      this.end(entry, { state: 'succeeded', result: asJson(result) });
    } catch (error) {
      if (entry.controller.signal.aborted) return this.end(entry, stopped(entry.controller.signal));
      this.log(`task ${id} (${kind}): ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      this.end(entry, { state: 'failed', error: faultOf(error) });
    }
  }

  private stop(entry: Entry, reason: TaskStoppedError): void {
    entry.controller.abort(reason);
    if (entry.task.state === 'queued') this.end(entry, stopped(entry.controller.signal));
  }

  private report(entry: Entry, { done, total, message }: Report): void {
    if (entry.task.finishedAt) return;
    const nowMs = performance.now();
    const secondsLeft = entry.pace.secondsLeft({ done, total, message }, nowMs);
    entry.task = { ...entry.task, progress: { done, total, message, secondsLeft } };
    if (nowMs - entry.writtenMs < writeIntervalMs) return;
    entry.writtenMs = nowMs;
    this.write(entry.task);
  }

  /** The first end counts: work that was given up at a close may still return. */
  private end(entry: Entry, outcome: Pick<Task, 'state'> & Partial<Task>): void {
    if (entry.task.finishedAt) return;
    const { progress } = entry.task;
    // An end that cannot be written (a full disk) is at least told as long as the server runs.
    if (this.change(entry, { finishedAt: now(), progress: progress && { ...progress, secondsLeft: null }, ...outcome }))
      this.entries.delete(entry.task.id);
    for (const done of [...entry.waiting]) done();
  }

  private change(entry: Entry, changes: Partial<Task>): boolean {
    entry.task = { ...entry.task, ...changes };
    return this.write(entry.task);
  }

  private write(task: Task): boolean {
    try {
      this.table.update(task);
      return true;
    } catch (error) {
      this.log(`task ${task.id} (${task.kind}): ${task.state}, which cannot be written: ${String(error)}`);
      return false;
    }
  }

  /** What is under way is newer here than in the table. */
  private withProgress<T extends Pick<Task, 'id' | 'progress'>>(task: T): T {
    const entry = this.entries.get(task.id);
    return entry ? { ...task, progress: entry.task.progress } : task;
  }
}

function stopped(signal: AbortSignal): Pick<Task, 'state' | 'error'> {
  const { state, message } = signal.reason as TaskStoppedError;
  return { state, error: state === 'interrupted' ? { code: state, message } : null };
}

/** A value as it comes back from its JSON. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value ?? null)) as unknown;
}

function now(): string {
  return new Date().toISOString();
}
