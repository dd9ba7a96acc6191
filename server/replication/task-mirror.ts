import type { Store } from '../../corpus/store.ts';
import type { EditStream, Holder, StreamTask } from '../../editing/stream/edit-stream.ts';

/** Between two looks for tasks that changed. */
const lookMs = 250;

const columns = 'id, kind, state, created, started, finished, input, error, result';

/** What other machines know of this editor's tasks: those that the database had are here too, and new ones go there. */
export class TaskMirror {
  private readonly store: Store;
  private readonly stream: EditStream;
  private readonly holder: Holder;
  /** Tasks that the database has, with the state that it has them in, as far as they may change. */
  private readonly open = new Map<number, string>();
  private last = 0;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();

  constructor(store: Store, stream: EditStream, holder: Holder) {
    this.store = store;
    this.stream = stream;
    this.holder = holder;
  }

  /** Before anybody looks at the store's tasks. */
  async take(): Promise<void> {
    const tasks = await this.stream.tasks();
    const { database } = this.store;
    const insert = database.prepare(
      `INSERT INTO tasks (${columns}) VALUES (:id, :kind, :state, :created, :started, :finished, :input, :error, :result)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, started = excluded.started, finished = excluded.finished,
         error = excluded.error, result = excluded.result WHERE tasks.finished IS NULL AND excluded.finished IS NOT NULL`,
    );
    this.store.transaction(() => {
      for (const task of tasks) insert.run(task);
    });
    for (const { id, state, finished } of tasks) {
      if (finished === null) this.open.set(id, state);
      this.last = Math.max(this.last, id);
    }
  }

  /** @param mayWrite  whether this server is the one that edits */
  start(mayWrite: () => boolean): void {
    this.timer = setInterval(() => {
      if (mayWrite()) this.look();
    }, lookMs).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.look();
    await this.looking;
  }

  private look(): void {
    this.looking = this.looking.then(() => this.save()).catch(() => undefined); // The next look tries again.
  }

  private async save(): Promise<void> {
    const rows = this.store.database
      .prepare(`SELECT ${columns} FROM tasks WHERE id > ? OR id IN (SELECT value FROM json_each(?)) ORDER BY id`)
      .all(this.last, JSON.stringify([...this.open.keys()])) as StreamTask[];
    for (const task of rows) {
      const { id, state, finished } = task;
      if (this.open.get(id) !== state) await this.stream.saveTask(task, this.holder);
      if (finished === null) this.open.set(id, state);
      else this.open.delete(id);
      this.last = Math.max(this.last, id);
    }
  }
}
