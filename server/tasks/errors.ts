import type { TaskKind, TaskState } from './task.ts';

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

/** Why the signal of a task was aborted, and what becomes of the task. Its work may throw this: `signal.throwIfAborted()`. */
export class TaskStoppedError extends Error {
  override readonly name = 'TaskStoppedError';
  readonly state: 'cancelled' | 'interrupted';
  constructor(state: 'cancelled' | 'interrupted') {
    super(
      state === 'cancelled'
        ? 'task: cancelled on request'
        : 'task: expected to run to its end, got a server that was closed; start it again',
    );
    this.state = state;
  }
}
