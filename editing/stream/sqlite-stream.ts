/** @file The stream of edits in an SQLite file, for processes of one machine. */
import Sqlite from 'better-sqlite3';
import type { Database } from 'better-sqlite3';
import { holdSeconds, StreamAccessError, StreamConflictError, StreamUnavailableError } from './edit-stream.ts';
import type {
  Checkpoint,
  EditStream,
  Holder,
  StreamBurden,
  StreamHead,
  StreamIdentity,
  StreamRecord,
  StreamTask,
} from './edit-stream.ts';

const schema = `
CREATE TABLE IF NOT EXISTS stream (
  one         INTEGER PRIMARY KEY CHECK (one = 1),
  id          TEXT NOT NULL,
  model       TEXT NOT NULL,
  corpus      TEXT NOT NULL,
  holder      TEXT,
  holder_name TEXT,
  held_until  REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS records (
  position INTEGER PRIMARY KEY,
  previous TEXT NOT NULL,
  kind     TEXT NOT NULL,
  edit_seq INTEGER NOT NULL,
  forgets  INTEGER NOT NULL,
  at       TEXT NOT NULL,
  schema   INTEGER NOT NULL,
  hash     TEXT NOT NULL,
  changes  BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS checkpoints (
  position INTEGER NOT NULL,
  part     INTEGER NOT NULL,
  hash     TEXT NOT NULL,
  edit_seq INTEGER NOT NULL,
  schema   INTEGER NOT NULL,
  changes  BLOB NOT NULL,
  PRIMARY KEY (position, part)
);
CREATE TABLE IF NOT EXISTS tasks (
  id       INTEGER PRIMARY KEY,
  kind     TEXT NOT NULL,
  state    TEXT NOT NULL,
  created  TEXT NOT NULL,
  started  TEXT,
  finished TEXT,
  input    TEXT NOT NULL,
  error    TEXT,
  result   TEXT
);`;

const busyTimeoutMs = 5000;
/** Between two looks at whether another process wrote. */
const watchMs = 25;

interface RecordRow extends Omit<StreamRecord, 'forgets'> {
  readonly forgets: number;
}

/** Where the stream ends: the greatest of these positions. */
const ends = `SELECT position, hash, edit_seq FROM records
    UNION ALL SELECT position, hash, edit_seq FROM checkpoints WHERE part = 0`;

const recordColumns = 'position, previous, kind, edit_seq AS editSeq, forgets, at, schema, hash, changes';

export class SqliteStream implements EditStream {
  private readonly database: Database;
  private watch: NodeJS.Timeout | undefined;

  /** @throws StreamAccessError */
  constructor(path: string) {
    try {
      this.database = new Sqlite(path, { timeout: busyTimeoutMs });
      this.database.pragma('journal_mode = WAL');
      this.database.pragma('synchronous = FULL');
      this.database.pragma('secure_delete = ON');
      this.database.exec(schema);
    } catch (cause) {
      throw new StreamAccessError(path, (cause as Error).message, { cause });
    }
  }

  async identity(): Promise<StreamIdentity | undefined> {
    return this.run(
      () => this.database.prepare('SELECT id, model, corpus FROM stream').get() as StreamIdentity | undefined,
    );
  }

  async create(identity: StreamIdentity, checkpoint: Checkpoint, parts: Iterable<Uint8Array>): Promise<void> {
    const { id, model, corpus } = identity;
    this.transaction(() => {
      const { changes } = this.database
        .prepare('INSERT INTO stream (one, id, model, corpus) VALUES (1, ?, ?, ?) ON CONFLICT DO NOTHING')
        .run(id, model, corpus);
      if (!changes) throw new StreamConflictError(this.database.name, 'a stream that another process began');
      this.insertCheckpoint(checkpoint, parts);
    });
  }

  async hold({ id, name }: Holder): Promise<Holder> {
    return this.transaction(() => {
      const now = Date.now() / 1000;
      this.database
        .prepare(
          `UPDATE stream SET holder = :id, holder_name = :name, held_until = :until
            WHERE holder IS NULL OR holder = :id OR held_until <= :now`,
        )
        .run({ id, name, now, until: now + holdSeconds });
      return this.database.prepare('SELECT holder AS id, holder_name AS name FROM stream').get() as Holder;
    });
  }

  async release({ id }: Holder): Promise<void> {
    this.run(() => this.database.prepare('UPDATE stream SET held_until = 0 WHERE holder = ?').run(id));
  }

  async head(): Promise<StreamHead> {
    return this.run(
      () =>
        this.database
          .prepare(
            `SELECT s.id, e.position, e.hash, e.edit_seq AS editSeq, (SELECT max(position) FROM checkpoints) AS checkpoint
               FROM stream AS s, (${ends}) AS e ORDER BY e.position DESC LIMIT 1`,
          )
          .get() as StreamHead,
    );
  }

  async burden(): Promise<StreamBurden> {
    return this.run(
      () =>
        this.database
          .prepare(
            `SELECT (SELECT min(at) FROM records WHERE forgets) AS forgotAt,
                    (SELECT ifnull(sum(length(changes)), 0) FROM records) AS records,
                    (SELECT ifnull(sum(length(changes)), 0) FROM checkpoints) AS checkpoint`,
          )
          .get() as StreamBurden,
    );
  }

  async after(position: number, bytes: number): Promise<StreamRecord[]> {
    return this.run(() => {
      const records: StreamRecord[] = [];
      let size = 0;
      const select = this.database.prepare(
        `SELECT ${recordColumns} FROM records WHERE position > ? ORDER BY position LIMIT 1`,
      );
      for (let at = position; size < bytes;) {
        const row = select.get(at) as RecordRow | undefined;
        if (!row) break;
        records.push({ ...row, forgets: row.forgets === 1 });
        size += row.changes.length;
        at = row.position;
      }
      return records;
    });
  }

  async append(record: StreamRecord, { id }: Holder, task?: StreamTask): Promise<void> {
    this.transaction(() => {
      const { position, previous, kind, editSeq, forgets, at, schema: version, hash, changes } = record;
      const there = this.database.prepare('SELECT hash FROM records WHERE position = ?').pluck().get(position);
      if (there === hash) return;
      this.checkHolder(id);
      const last = this.database.prepare(`SELECT hash FROM (${ends}) ORDER BY position DESC LIMIT 1`).pluck().get();
      if (there !== undefined || last !== previous)
        throw new StreamConflictError(this.database.name, `another record at position ${position}`);
      this.database
        .prepare('INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
        .run(position, previous, kind, editSeq, Number(forgets), at, version, hash, changes);
      if (task) this.writeTask(task);
    });
  }

  async checkpoint(): Promise<{ checkpoint: Checkpoint; parts: AsyncIterable<Uint8Array> }> {
    const checkpoint = this.run(
      () =>
        this.database
          .prepare(
            `SELECT s.id, c.position, c.hash, c.edit_seq AS editSeq, c.schema FROM checkpoints AS c, stream AS s
              WHERE c.part = 0 ORDER BY c.position DESC LIMIT 1`,
          )
          .get() as Checkpoint,
    );
    return { checkpoint, parts: this.parts(checkpoint.position) };
  }

  private async *parts(position: number): AsyncGenerator<Uint8Array> {
    const select = this.database.prepare('SELECT changes FROM checkpoints WHERE position = ? AND part = ?').pluck();
    for (let part = 0; ; part++) {
      const changes = this.run(() => select.get(position, part) as Uint8Array | undefined);
      if (!changes) return;
      yield changes;
    }
  }

  async writeCheckpoint(checkpoint: Checkpoint, { id }: Holder, parts: Iterable<Uint8Array>): Promise<void> {
    this.transaction(() => {
      this.checkHolder(id);
      this.database.prepare('DELETE FROM checkpoints').run();
      this.insertCheckpoint(checkpoint, parts);
      this.database.prepare('DELETE FROM records WHERE position <= ?').run(checkpoint.position);
    });
    this.database.pragma('wal_checkpoint(TRUNCATE)');
  }

  async saveTask(task: StreamTask, { id }: Holder): Promise<void> {
    this.transaction(() => {
      this.checkHolder(id);
      this.writeTask(task);
    });
  }

  async tasks(): Promise<StreamTask[]> {
    return this.run(() => this.database.prepare('SELECT * FROM tasks ORDER BY id').all() as StreamTask[]);
  }

  onAppend(listener: () => void): void {
    let version = this.version();
    this.watch = setInterval(() => {
      const now = this.version();
      if (now !== version) listener();
      version = now;
    }, watchMs).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.watch);
    this.database.close();
  }

  private version(): unknown {
    return this.database.pragma('data_version', { simple: true });
  }

  private checkHolder(id: string): void {
    const holder = this.database.prepare('SELECT holder AS id, holder_name AS name FROM stream').get() as Holder;
    if (holder.id !== id) throw new StreamConflictError(this.database.name, `the editor on ${holder.name}`);
  }

  private insertCheckpoint(
    { position, hash, editSeq, schema: version }: Checkpoint,
    parts: Iterable<Uint8Array>,
  ): void {
    const insert = this.database.prepare('INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)');
    let part = 0;
    for (const changes of parts) insert.run(position, part++, hash, editSeq, version, changes);
  }

  private writeTask(task: StreamTask): void {
    this.database
      .prepare(
        `INSERT INTO tasks (id, kind, state, created, started, finished, input, error, result)
         VALUES (:id, :kind, :state, :created, :started, :finished, :input, :error, :result)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, started = excluded.started, finished = excluded.finished,
           error = excluded.error, result = excluded.result WHERE tasks.finished IS NULL`,
      )
      .run(task);
  }

  private transaction<T>(body: () => T): T {
    return this.run(() => this.database.transaction(body).immediate());
  }

  /** @throws StreamUnavailableError */
  private run<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof Sqlite.SqliteError)) throw error;
      throw new StreamUnavailableError(this.database.name, error.message, { cause: error });
    }
  }
}
