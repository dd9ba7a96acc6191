import type { Store } from '../../corpus/store.ts';
import { taskLimits, type Task, type TaskFault, type TaskList, type TaskQuery, type TaskSummary } from './task.ts';
import type { Report, TaskKind, TaskState } from './task.ts';

interface SummaryRow {
  id: number;
  kind: TaskKind;
  state: TaskState;
  created: string;
  started: string | null;
  finished: string | null;
  input: string;
  progress: string | null;
  error: string | null;
}

interface TaskRow extends SummaryRow {
  result: string | null;
}

const summaryColumns = 'id, kind, state, created, started, finished, input, progress, error';

/** Tasks in the data folder's SQLite file. Times left are not stored: they mean nothing once the process is gone. */
export class TaskTable {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /**
   * Writes a new task under an id of its own, and forgets what has become too old.
   *
   * @param note  writes more in the same transaction
   */
  insert(kind: TaskKind, createdAt: string, input: unknown, note?: (task: Task) => void): Task {
    const { database } = this.store;
    return this.store.transaction(() => {
      const row = database
        .prepare(
          `INSERT INTO tasks (kind, state, created, input) VALUES (?, 'queued', ?, ?) RETURNING ${summaryColumns}, result`,
        )
        .get(kind, createdAt, JSON.stringify(input)) as TaskRow;
      database.prepare('DELETE FROM tasks WHERE id <= ? AND finished IS NOT NULL').run(row.id - taskLimits.kept);
      const task = toTask(row);
      note?.(task);
      return task;
    });
  }

  /** Writes all of a task that changes. */
  update({ id, state, startedAt, finishedAt, progress, error, result }: Task): void {
    const report: Report | null = progress && { done: progress.done, total: progress.total, message: progress.message };
    this.store.database
      .prepare(
        'UPDATE tasks SET state = ?, started = ?, finished = ?, progress = ?, error = ?, result = ? WHERE id = ?',
      )
      .run(state, startedAt, finishedAt, toJson(report), toJson(error), toJson(result), id);
  }

  get(id: number): Task | undefined {
    const row = this.store.database.prepare(`SELECT ${summaryColumns}, result FROM tasks WHERE id = ?`).get(id);
    return row === undefined ? undefined : toTask(row as TaskRow);
  }

  list({ kind, state, limit }: TaskQuery): TaskList {
    const selected = 'FROM tasks WHERE kind = ifnull(?, kind) AND state = ifnull(?, state)';
    const parameters = [kind ?? null, state ?? null];
    const { database } = this.store;
    const rows = database
      .prepare(`SELECT ${summaryColumns} ${selected} ORDER BY id DESC LIMIT ?`)
      .all(...parameters, limit);
    const total = database
      .prepare(`SELECT count(*) ${selected}`)
      .pluck()
      .get(...parameters) as number;
    return { tasks: (rows as SummaryRow[]).map(toSummary), total };
  }

  /** What a process that is gone left behind, in the order of ids. */
  unfinished(): Task[] {
    const rows = this.store.database
      .prepare(`SELECT ${summaryColumns}, result FROM tasks WHERE finished IS NULL ORDER BY id`)
      .all();
    return (rows as TaskRow[]).map(toTask);
  }

  /** Inputs of all tasks of a kind. */
  inputs(kind: TaskKind): unknown[] {
    const inputs = this.store.database.prepare('SELECT input FROM tasks WHERE kind = ?').pluck().all(kind) as string[];
    return inputs.map(fromJson);
  }
}

function toSummary({ id, kind, state, created, started, finished, ...json }: SummaryRow): TaskSummary {
  const report = fromJson(json.progress) as Report | null;
  return {
    id,
    kind,
    state,
    createdAt: created,
    startedAt: started,
    finishedAt: finished,
    input: fromJson(json.input),
    progress: report && { ...report, secondsLeft: null },
    error: fromJson(json.error) as TaskFault | null,
  };
}

function toTask({ result, ...row }: TaskRow): Task {
  return { ...toSummary(row), result: fromJson(result) };
}

function toJson(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

function fromJson(text: string | null): unknown {
  return text === null ? null : (JSON.parse(text) as unknown);
}
