/** Work that takes longer than a request should: asked for by one request, looked at by others, kept over a restart. */

export const taskKinds = ['analysis', 'compaction', 'edit', 'evaluation', 'export', 'import', 'snapshot'] as const;
export type TaskKind = (typeof taskKinds)[number];

/** Those that go on at the next start where a server stopped, from what they have on the disk. */
export const resumedKinds: readonly TaskKind[] = ['import'];

export const taskStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted'] as const;
export type TaskState = (typeof taskStates)[number];

/** How far some work has come, in whatever it counts. */
export interface Report {
  readonly done: number;
  readonly total: number;
  /** What is being done, for people. */
  readonly message: string;
}

export interface TaskProgress extends Report {
  /** Null while it cannot be told, and once the task has ended. */
  readonly secondsLeft: number | null;
}

export interface TaskFault {
  /** Stable: the code of the problem that a request would have been answered with, or `interrupted`. */
  readonly code: string;
  readonly message: string;
}

/** Times are ISO 8601 in UTC; `input` and `result` are JSON. */
export interface Task {
  readonly id: number;
  readonly kind: TaskKind;
  readonly state: TaskState;
  readonly createdAt: string;
  readonly startedAt: string | null;
  /** Null until the task has ended; from then on nothing of it changes. */
  readonly finishedAt: string | null;
  /** What was asked for, as far as it helps to tell tasks apart. */
  readonly input: unknown;
  readonly progress: TaskProgress | null;
  readonly result: unknown;
  readonly error: TaskFault | null;
}

/** A task in a list of many: results may be large. */
export type TaskSummary = Omit<Task, 'result'>;

export interface TaskQuery {
  readonly kind?: TaskKind | undefined;
  readonly state?: TaskState | undefined;
  readonly limit: number;
}

export interface TaskList {
  /** Newest first. */
  readonly tasks: readonly TaskSummary[];
  /** How many tasks have that kind and state, also beyond the limit. */
  readonly total: number;
}

export const taskLimits = {
  /** Tasks of one kind that wait beside the one that runs. */
  waiting: 16,
  /** Tasks that are remembered; of older ones, those that have ended are forgotten. */
  kept: 1000,
  /** Seconds that one request may wait for the end of a task. */
  waitSeconds: 60,
} as const;
