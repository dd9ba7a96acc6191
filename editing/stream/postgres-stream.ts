/**
 * @file The stream of edits in PostgreSQL. One connection, made anew when it was lost; what is said on it takes turns.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import { holdSeconds, StreamAccessError, StreamConflictError, StreamUnavailableError } from './edit-stream.ts';
import type { Checkpoint, EditStream, Holder, RecordKind, StreamBurden, StreamHead } from './edit-stream.ts';
import type { StreamIdentity, StreamRecord, StreamTask } from './edit-stream.ts';
import { databaseName } from './database-url.ts';

/** Made by the editor; searchers only read. */
const schema = `
CREATE TABLE IF NOT EXISTS palimpsest_stream (
  one         integer PRIMARY KEY CHECK (one = 1),
  id          text NOT NULL,
  model       text NOT NULL,
  corpus      text NOT NULL,
  holder      text,
  holder_name text,
  held_until  timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE TABLE IF NOT EXISTS palimpsest_records (
  position bigint PRIMARY KEY,
  previous text NOT NULL,
  kind     text NOT NULL,
  edit_seq bigint NOT NULL,
  forgets  boolean NOT NULL,
  at       text NOT NULL,
  schema   integer NOT NULL,
  hash     text NOT NULL,
  changes  bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS palimpsest_checkpoints (
  position bigint NOT NULL,
  part     integer NOT NULL,
  hash     text NOT NULL,
  edit_seq bigint NOT NULL,
  schema   integer NOT NULL,
  changes  bytea NOT NULL,
  PRIMARY KEY (position, part)
);
CREATE TABLE IF NOT EXISTS palimpsest_tasks (
  id       bigint PRIMARY KEY,
  kind     text NOT NULL,
  state    text NOT NULL,
  created  text NOT NULL,
  started  text,
  finished text,
  input    text NOT NULL,
  error    text,
  result   text
);`;

/** Where the stream ends: the greatest of these positions. */
const ends = `SELECT position, hash, edit_seq FROM palimpsest_records
    UNION ALL SELECT position, hash, edit_seq FROM palimpsest_checkpoints WHERE part = 0`;

const channel = 'palimpsest';
const connectMs = 5000;
/** Of one statement: without an answer the connection is given up, since a network that swallows packets says nothing. */
const answerMs = 10_000;
/** So long an append whose answer was lost is asked for again before it is given up. */
const appendMs = 15_000;
const retryMs = 200;

type Row = Record<string, unknown>;

export class PostgresStream implements EditStream {
  private readonly url: string;
  private readonly where: string;
  private client: pg.Client | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private listener: (() => void) | undefined;
  private closed = false;

  constructor(url: string) {
    this.url = url;
    this.where = databaseName(url);
  }

  identity(): Promise<StreamIdentity | undefined> {
    return this.use(async (client) => {
      const exists = await client.query<{ name: string | null }>(`SELECT to_regclass('palimpsest_stream') AS name`);
      if (exists.rows[0].name === null) return undefined;
      const { rows } = await client.query<StreamIdentity>('SELECT id, model, corpus FROM palimpsest_stream');
      return rows[0];
    });
  }

  create(identity: StreamIdentity, checkpoint: Checkpoint, parts: Iterable<Uint8Array>): Promise<void> {
    const { id, model, corpus } = identity;
    return this.transaction(async (client) => {
      // Two who make the tables at the same time would be in each other's way.
      await client.query(`SELECT pg_advisory_xact_lock(hashtext('palimpsest'))`);
      await client.query(schema);
      const { rowCount } = await client.query(
        'INSERT INTO palimpsest_stream (one, id, model, corpus) VALUES (1, $1, $2, $3) ON CONFLICT DO NOTHING',
        [id, model, corpus],
      );
      if (!rowCount) throw new StreamConflictError(this.where, 'a stream that another process began');
      await this.insertCheckpoint(client, checkpoint, parts);
    });
  }

  hold({ id, name }: Holder): Promise<Holder> {
    return this.use(async (client) => {
      const { rowCount } = await client.query(
        `UPDATE palimpsest_stream SET holder = $1, holder_name = $2, held_until = now() + $3 * interval '1 second'
          WHERE holder IS NULL OR holder = $1 OR held_until <= now()`,
        [id, name, holdSeconds],
      );
      if (rowCount) return { id, name };
      const { rows } = await client.query<Holder>('SELECT holder AS id, holder_name AS name FROM palimpsest_stream');
      return rows[0];
    });
  }

  async release({ id }: Holder): Promise<void> {
    await this.use((client) =>
      client.query(`UPDATE palimpsest_stream SET held_until = '-infinity' WHERE holder = $1`, [id]),
    );
  }

  head(): Promise<StreamHead> {
    return this.use(async (client) => {
      const { rows } = await client.query<Row>(
        `SELECT s.id, e.position, e.hash, e.edit_seq, (SELECT max(position) FROM palimpsest_checkpoints) AS checkpoint
           FROM palimpsest_stream AS s, (${ends}) AS e ORDER BY e.position DESC LIMIT 1`,
      );
      const { id, position, hash, edit_seq, checkpoint } = rows[0];
      return {
        ...{ id: id as string, position: Number(position), hash: hash as string },
        ...{ editSeq: Number(edit_seq), checkpoint: Number(checkpoint) },
      };
    });
  }

  burden(): Promise<StreamBurden> {
    return this.use(async (client) => {
      const { rows } = await client.query<Row>(
        `SELECT (SELECT min(at) FROM palimpsest_records WHERE forgets) AS forgot,
                (SELECT coalesce(sum(octet_length(changes)), 0) FROM palimpsest_records) AS records,
                (SELECT coalesce(sum(octet_length(changes)), 0) FROM palimpsest_checkpoints) AS checkpoint`,
      );
      const { forgot, records, checkpoint } = rows[0];
      return { forgotAt: forgot as string | null, records: Number(records), checkpoint: Number(checkpoint) };
    });
  }

  after(position: number, bytes: number): Promise<StreamRecord[]> {
    return this.use(async (client) => {
      // Sizes first, so that no more comes over the network than is asked for.
      const { rows } = await client.query<Row>(
        `SELECT * FROM palimpsest_records WHERE position > $1 AND position <= (
           SELECT max(position) FROM (
             SELECT position, sum(octet_length(changes)) OVER (ORDER BY position) - octet_length(changes) AS before
               FROM palimpsest_records WHERE position > $1 ORDER BY position LIMIT 1000) AS sizes
            WHERE before < $2)
          ORDER BY position`,
        [position, bytes],
      );
      return rows.map(toRecord);
    });
  }

  /** Asked for again where the answer was lost: the record is there, or its place is free, or another one has it. */
  async append(record: StreamRecord, holder: Holder, task?: StreamTask): Promise<void> {
    const giveUp = performance.now() + appendMs;
    for (;;)
      try {
        return await this.appendOnce(record, holder, task);
      } catch (error) {
        if (!(error instanceof StreamUnavailableError) || performance.now() > giveUp) throw error;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
  }

  checkpoint(): Promise<{ checkpoint: Checkpoint; parts: AsyncIterable<Uint8Array> }> {
    return this.use(async (client) => {
      const { rows } = await client.query<Row>(
        `SELECT s.id, c.position, c.hash, c.edit_seq, c.schema FROM palimpsest_checkpoints AS c, palimpsest_stream AS s
          WHERE c.part = 0 ORDER BY c.position DESC LIMIT 1`,
      );
      const { id, position, hash, edit_seq, schema: version } = rows[0];
      const place = { id: id as string, position: Number(position), hash: hash as string };
      const checkpoint = { ...place, editSeq: Number(edit_seq), schema: Number(version) };
      return { checkpoint, parts: this.parts(checkpoint.position) };
    });
  }

  writeCheckpoint(checkpoint: Checkpoint, holder: Holder, parts: Iterable<Uint8Array>): Promise<void> {
    return this.transaction(async (client) => {
      await this.checkHolder(client, holder);
      await client.query('DELETE FROM palimpsest_checkpoints');
      await this.insertCheckpoint(client, checkpoint, parts);
      await client.query('DELETE FROM palimpsest_records WHERE position <= $1', [checkpoint.position]);
    });
  }

  saveTask(task: StreamTask, holder: Holder): Promise<void> {
    return this.transaction(async (client) => {
      await this.checkHolder(client, holder);
      await writeTask(client, task);
    });
  }

  tasks(): Promise<StreamTask[]> {
    return this.use(async (client) => {
      const { rows } = await client.query<Row>('SELECT * FROM palimpsest_tasks ORDER BY id');
      return rows.map((row) => ({ ...row, id: Number(row.id) }) as StreamTask);
    });
  }

  onAppend(listener: () => void): void {
    this.listener = listener;
    this.forget(); // The next connection listens.
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.turn;
    const { client } = this;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }

  private appendOnce(record: StreamRecord, holder: Holder, task: StreamTask | undefined): Promise<void> {
    const { position, previous, kind, editSeq, forgets, at, schema: version, hash, changes } = record;
    return this.transaction(async (client) => {
      // What is acknowledged outlives a crash of the server, whatever its default.
      await client.query('SET LOCAL synchronous_commit = on');
      const { rowCount } = await client.query(
        `INSERT INTO palimpsest_records (position, previous, kind, edit_seq, forgets, at, schema, hash, changes)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
          WHERE (SELECT hash FROM (${ends}) AS e ORDER BY position DESC LIMIT 1) = $2
            AND EXISTS (SELECT 1 FROM palimpsest_stream WHERE holder = $10)
         ON CONFLICT DO NOTHING`,
        [position, previous, kind, editSeq, forgets, at, version, hash, Buffer.from(changes), holder.id],
      );
      if (!rowCount) {
        const { rows } = await client.query<{ hash: string }>(
          'SELECT hash FROM palimpsest_records WHERE position = $1',
          [position],
        );
        if (rows[0]?.hash === hash) return;
        await this.checkHolder(client, holder);
        throw new StreamConflictError(this.where, `another record at position ${position}`);
      }
      if (task) await writeTask(client, task);
      await client.query('SELECT pg_notify($1, $2)', [channel, String(position)]);
    });
  }

  private async *parts(position: number): AsyncGenerator<Uint8Array> {
    for (let part = 0; ; part++) {
      const { rows } = await this.use((client) =>
        client.query<{ changes: Buffer }>(
          'SELECT changes FROM palimpsest_checkpoints WHERE position = $1 AND part = $2',
          [position, part],
        ),
      );
      if (!rows.length) return;
      yield rows[0].changes;
    }
  }

  private async insertCheckpoint(
    client: pg.Client,
    checkpoint: Checkpoint,
    parts: Iterable<Uint8Array>,
  ): Promise<void> {
    const { position, hash, editSeq, schema: version } = checkpoint;
    let part = 0;
    for (const changes of parts)
      await client.query('INSERT INTO palimpsest_checkpoints VALUES ($1, $2, $3, $4, $5, $6)', [
        ...[position, part++, hash, editSeq, version],
        Buffer.from(changes),
      ]);
  }

  private async checkHolder(client: pg.Client, { id }: Holder): Promise<void> {
    const { rows } = await client.query<Holder>('SELECT holder AS id, holder_name AS name FROM palimpsest_stream');
    if (rows[0].id !== id) throw new StreamConflictError(this.where, `the editor on ${rows[0].name}`);
  }

  private transaction<T>(body: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.use(async (client) => {
      await client.query('BEGIN');
      try {
        const result = await body(client);
        await client.query('COMMIT');
        return result;
      } catch (error) {
        const known = this.translated(error);
        if (!(known instanceof StreamUnavailableError)) await client.query('ROLLBACK');
        throw known;
      }
    });
  }

  /** @throws StreamUnavailableError, StreamAccessError */
  private use<T>(body: (client: pg.Client) => Promise<T>): Promise<T> {
    const turn = this.turn.then(async () => {
      try {
        return await body(await this.connected());
      } catch (error) {
        throw this.translated(error);
      }
    });
    this.turn = turn.catch(() => undefined);
    return turn;
  }

  private async connected(): Promise<pg.Client> {
    if (this.closed) throw new StreamUnavailableError(this.where, 'a connection that was closed');
    if (this.client) return this.client;
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'palimpsest',
      connectionTimeoutMillis: connectMs,
      query_timeout: answerMs,
      idle_in_transaction_session_timeout: 3 * answerMs,
      keepAlive: true,
    });
    client.on('error', () => this.forget(client));
    client.on('end', () => this.forget(client));
    client.on('notification', () => this.listener?.());
    try {
      await client.connect();
      if (this.listener) await client.query(`LISTEN ${channel}`);
    } catch (error) {
      drop(client);
      throw error;
    }
    return (this.client = client);
  }

  private forget(client = this.client): void {
    if (!client || this.client !== client) return;
    this.client = undefined;
    drop(client);
    this.listener?.(); // So that whoever follows notices before the next look.
  }

  private translated(error: unknown): unknown {
    if (!(error instanceof Error) || error.name.startsWith('Stream')) return error;
    const { code = '' } = error as { code?: string };
    const isSqlState = /^[0-9A-Z]{5}$/.test(code) && !code.startsWith('E');
    // Not a database, a login, or a right: nothing that time heals.
    if (/^(28|3D|3F|42501)/.test(code)) return new StreamAccessError(this.where, error.message, { cause: error });
    if (isSqlState && !/^(08|53|57P|40|25006)/.test(code)) return error;
    this.forget();
    return new StreamUnavailableError(this.where, error.message || code, { cause: error });
  }
}

/** At once: a goodbye would wait for an answer that may never come. */
function drop(client: pg.Client): void {
  (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream.destroy();
}

function toRecord(row: Row): StreamRecord {
  const { position, previous, kind, edit_seq, forgets, at, schema: version, hash, changes } = row;
  return {
    ...{ position: Number(position), previous: previous as string, kind: kind as RecordKind },
    ...{ editSeq: Number(edit_seq), forgets: forgets as boolean, at: at as string, schema: Number(version) },
    ...{ hash: hash as string, changes: changes as Uint8Array },
  };
}

async function writeTask(client: pg.Client, task: StreamTask): Promise<void> {
  const { id, kind, state, created, started, finished, input, error, result } = task;
  await client.query(
    `INSERT INTO palimpsest_tasks AS t (id, kind, state, created, started, finished, input, error, result)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     ON CONFLICT (id) DO UPDATE SET state = excluded.state, started = excluded.started, finished = excluded.finished,
       error = excluded.error, result = excluded.result WHERE t.finished IS NULL`,
    [id, kind, state, created, started, finished, input, error, result],
  );
}
