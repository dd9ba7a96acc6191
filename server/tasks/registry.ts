import type { Store } from '../../corpus/store.ts';
import { faultOf, lineFaultOf } from '../http-error.ts';
import { TaskEndedError, TaskNotFoundError, TaskQueueFullError, TasksClosedError } from './errors.ts';
import { interruption, TaskStoppedError } from './errors.ts';
import { Pace } from './pace.ts';
import { TaskTable } from './table.ts';
import { resumedKinds, taskLimits } from './task.ts';
import type { Report, Task, TaskKind, TaskList, TaskQuery } from './task.ts';

/**
 * What a task does. It looks at `signal` between two steps and throws when that is aborted, reports as often as it
 * likes, and resolves with its result, which is kept as `JSON.stringify` writes it.
 */
export type Work = (signal: AbortSignal, report: (progress: Report) => void) => Promise<unknown>;

type Note = (task: Task) => void;

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

/** What became of a task without its process knowing: its result, or nothing. */
export type Found = { readonly result: unknown } | undefined;

/**
 * The tasks of a server. One of each kind runs at a time, the others wait in order, and compactions run alone. A task is
 * written before `start` returns it, so none that was acknowledged is lost; one that a dead process left behind goes on
 * where its kind can, has succeeded where its work was done, and is `interrupted` else.
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

  /**
   * Takes over the tasks of `store`, which no other process may use.
   *
   * @param found  looks for what a task did that was left behind
   */
  constructor(store: Store, log: (line: string) => void, found: (task: Task) => Found = () => undefined) {
    this.table = new TaskTable(store);
    this.log = log;
    for (const task of this.table.unfinished()) {
      if (resumedKinds.includes(task.kind)) continue;
      const done = found(task);
      const end = done ? succeeded(done.result) : interrupted(task.kind, 'killed');
      this.table.update({ ...task, finishedAt: now(), ...end });
    }
  }

  /**
   * Lets the tasks of a kind go on that were left behind.
   *
   * @param workOf  undefined for one that cannot
   */
  resume(kind: TaskKind, workOf: (task: Task) => Work | undefined): void {
    for (const task of this.table.unfinished().filter((one) => one.kind === kind)) {
      const work = workOf(task);
      if (work) this.add({ ...task, state: 'queued' }, work, new AbortController());
      else this.table.update({ ...task, finishedAt: now(), ...interrupted(kind, 'killed') });
    }
    setImmediate(() => this.next());
  }

  /** Inputs of all tasks of a kind that are remembered. */
  inputs(kind: TaskKind): unknown[] {
    return this.table.inputs(kind);
  }

  /**
   * Queues some work. It begins in a later turn of the event loop, after the task could be sent as an answer.
   *
   * @param input  what was asked for, as JSON; kept and shown with the task
   * @param note   writes down who started it, in the same transaction
   * @throws TaskQueueFullError, TasksClosedError, StoreFullError
   */
  start(kind: TaskKind, input: unknown, work: Work, note?: Note): Task {
    if (this.closed) throw new TasksClosedError();
    const others = [...this.entries.values()].filter(({ task }) => task.kind === kind && !task.finishedAt).length;
    if (others > taskLimits.waiting) throw new TaskQueueFullError(kind, others - 1);
    const { task } = this.enter(kind, input, work, new AbortController(), note);
    setImmediate(() => {
      this.writeEnds();
      this.next();
    });
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

  /**
   * Takes no more tasks, interrupts all there are, and waits so long at most for their work to stop. What goes on at the
   * next start, and what may still be committed, is not told here how it ended.
   */
  async close(limitMs: number): Promise<void> {
    this.closed = true;
    for (const entry of [...this.entries.values()]) this.stop(entry, new TaskStoppedError('interrupted'));
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
    await Promise.race([Promise.all([...this.running.values(), ...this.adopted]), limit]);
    clearTimeout(timer);
    this.writeEnds();
    for (const entry of [...this.entries.values()])
      if (entry.task.kind === 'edit') this.rest(entry);
      else this.stopped(entry);
  }

  private enter(kind: TaskKind, input: unknown, work: Work, controller: AbortController, note?: Note): Entry {
    return this.add(this.table.insert(kind, now(), input, note), work, controller);
  }

  private add(task: Task, work: Work, controller: AbortController): Entry {
    const entry = { task, work, controller, pace: new Pace(), writtenMs: -Infinity, waiting: new Set<() => void>() };
    this.entries.set(task.id, entry);
    return entry;
  }

  /** Begins what may run now, in the order in which it was asked for. */
  private next(): void {
    if (this.closed) return;
    const queued = [...this.entries.values()].filter(({ task }) => task.state === 'queued');
    for (const entry of queued) {
      const { kind } = entry.task;
      if (this.running.has(kind) || [...this.running.keys()].some((other) => areApart(kind, other))) continue;
      // What came after a compaction lets it go first.
      if (queued.some(({ task }) => task.id < entry.task.id && areApart(kind, task.kind))) continue;
      const run = this.run(entry).finally(() => {
        this.running.delete(kind);
        this.next();
      });
      this.running.set(kind, run);
    }
  }

  /** Never rejects. */
  private async run(entry: Entry): Promise<void> {
    const { id, kind } = entry.task;
    this.change(entry, { state: 'running', startedAt: entry.task.startedAt ?? now() });
    try {
      const result = await entry.work(entry.controller.signal, (report) => this.report(entry, report));
      this.end(entry, succeeded(result));
    } catch (error) {
      if (entry.controller.signal.aborted) return this.stopped(entry);
      // What the caller got wrong is told by the task, and no news to whoever runs the server.
      if (lineFaultOf(error).status >= 500)
        this.log(`task ${id} (${kind}): ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      this.end(entry, { state: 'failed', error: faultOf(error) });
    }
  }

  private stop(entry: Entry, reason: TaskStoppedError): void {
    entry.controller.abort(reason);
    if (entry.task.state === 'queued') this.stopped(entry);
  }

  /** Its signal was aborted, and its work has stopped, or was given up. */
  private stopped(entry: Entry): void {
    const { kind } = entry.task;
    const { state } = entry.controller.signal.reason as TaskStoppedError;
    if (state === 'cancelled') this.end(entry, { state });
    else if (resumedKinds.includes(kind)) this.rest(entry);
    else this.end(entry, interrupted(kind, 'closed'));
  }

  /** Leaves it to the next start, as it is written. */
  private rest(entry: Entry): void {
    this.write(entry.task);
    this.entries.delete(entry.task.id);
    for (const done of [...entry.waiting]) done();
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
  private end(entry: Entry, outcome: End): void {
    if (entry.task.finishedAt) return;
    const { progress } = entry.task;
    // An end that cannot be written (a full disk, a store that is locked) is told all the same, and written later.
    if (this.change(entry, { finishedAt: now(), progress: progress && { ...progress, secondsLeft: null }, ...outcome }))
      this.entries.delete(entry.task.id);
    for (const done of [...entry.waiting]) done();
  }

  /** What ended while nothing could be written. */
  private writeEnds(): void {
    for (const { task } of [...this.entries.values()])
      if (task.finishedAt && this.write(task)) this.entries.delete(task.id);
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

type End = Pick<Task, 'state'> & Partial<Task>;

/** With the result as it comes back from its JSON. */
function succeeded(result: unknown): End {
  return { state: 'succeeded', result: JSON.parse(JSON.stringify(result ?? null)) as unknown };
}

function interrupted(kind: TaskKind, actual: 'closed' | 'killed'): End {
  return { state: 'interrupted', error: interruption(kind, actual) };
}

/** A compaction puts another model in the place of the one that others read. Edits and imports wait for it by themselves. */
const readers: readonly TaskKind[] = ['analysis', 'evaluation', 'export', 'snapshot'];
const areApart = (a: TaskKind, b: TaskKind): boolean =>
  (a === 'compaction' && readers.includes(b)) || (b === 'compaction' && readers.includes(a));

function now(): string {
  return new Date().toISOString();
}
