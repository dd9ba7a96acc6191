import type { TaskFault, TaskKind, TaskState } from './task.ts';

export class TaskNotFoundError extends Error {
  override readonly name = 'TaskNotFoundError';
  readonly id: string;
  constructor(id: string | number) {
    super(`tasks: expected the id of a task that is remembered, got '${id}'; GET /tasks lists them`);
    this.id = String(id);
  }
}

/** Too late to cancel. */
export class TaskEndedError extends Error {
  override readonly name = 'TaskEndedError';
  readonly id: number;
  readonly state: TaskState;
  constructor(id: number, state: TaskState) {
    super(`task ${id}: expected one that is queued or running, got one that has ${state}`);
    this.id = id;
    this.state = state;
  }
}

/** More tasks of a kind wait than are taken. */
export class TaskQueueFullError extends Error {
  override readonly name = 'TaskQueueFullError';
  readonly kind: TaskKind;
  readonly waiting: number;
  constructor(kind: TaskKind, waiting: number) {
    super(`tasks: ${waiting} of kind ${kind} are waiting, no more are taken; wait for one to end, or cancel one`);
    this.kind = kind;
    this.waiting = waiting;
  }
}

/** The server closes and begins nothing new. */
export class TasksClosedError extends Error {
  override readonly name = 'TasksClosedError';
  constructor() {
    super('tasks: expected a server that takes tasks, got one that is closing; try again in a moment');
  }
}

/** The lines of a task were asked for that has none. */
export class TaskResultsError extends Error {
  override readonly name = 'TaskResultsError';
  readonly id: number;
  constructor(id: number, kind: TaskKind) {
    super(`task ${id}: expected an import, whose lines have results, got ${kind}; GET /tasks/${id} has its result`);
    this.id = id;
  }
}

/** Why the signal of a task was aborted, and what becomes of the task. Its work may throw this: `signal.throwIfAborted()`. */
export class TaskStoppedError extends Error {
  override readonly name = 'TaskStoppedError';
  readonly state: 'cancelled' | 'interrupted';
  constructor(state: 'cancelled' | 'interrupted') {
    super(state === 'cancelled' ? 'task: cancelled on request' : 'task: interrupted, since the server closes');
    this.state = state;
  }
}

/** What whoever started a task does when the server stopped under it. */
const advice: Readonly<Record<TaskKind, string>> = {
  analysis: 'start it again: what it computed is not computed again',
  compaction: 'start it again: nothing was folded',
  edit: 'start it again: nothing was changed',
  evaluation: 'start it again',
  export: 'start it again: nothing was kept of it',
  import: 'its lines are not in this data folder: send the file again, what is there already answers 409',
  snapshot: 'start it again: nothing was kept of it',
};

export function interruption(kind: TaskKind, actual: 'closed' | 'killed'): TaskFault {
  const how = actual === 'closed' ? 'was closed' : 'stopped without closing (killed, or without power)';
  const message = `task: expected to run to its end, got a server that ${how}; ${advice[kind]}`;
  return { code: 'interrupted', message };
}
