/**
 * @file A local store that follows a stream. Whatever its writer does to shared tables goes into the stream first, and into
 * the store as everyone else makes it: the store is never ahead, and one that fell behind catches up.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import type { Store } from '../../corpus/store.ts';
import { EditLog } from '../edit-log.ts';
import { allRows, makeChanges, placeKey, rehearse, removeAllRows } from './changes.ts';
import { decodeChanges, encodeChanges } from './changes-codec.ts';
import { ForeignStreamError, hashOfStream, isWhole, makeRecord, StreamConflictError } from './edit-stream.ts';
import type { Checkpoint, EditStream, Holder, RecordKind, StreamHead, StreamIdentity } from './edit-stream.ts';
import type { StreamPlace, StreamRecord, StreamTask } from './edit-stream.ts';

/** Records that are read at once. */
const readBytes = 16 << 20;

/** A checkpoint is written anew once the records behind it outweigh it so many times, and are so many bytes. */
const worthCheckpoint = { times: 2, bytes: 64 << 20 };

/** So long others may follow by records before what was to be forgotten leaves the stream. */
const forgetMs = 60_000;

export function readPlace(store: Store): StreamPlace | undefined {
  const written = store.readMeta(placeKey);
  return written === undefined ? undefined : (JSON.parse(written) as StreamPlace);
}

/** Lets a store follow a stream from its beginning. */
export function enterStream(store: Store, identity: StreamIdentity, position = -1): void {
  const place: StreamPlace = { id: identity.id, position, hash: hashOfStream(identity) };
  store.writeMeta(placeKey, JSON.stringify(place));
}

export interface TaskEnd {
  /** Idempotency key of the edit that it waits for. */
  readonly key: string;
  /** JSON */
  readonly result: string;
}

export interface CommitOptions<T> {
  readonly kind: RecordKind;
  /** Whether it erases what earlier records said. @default false */
  readonly forgets?: boolean | undefined;
  /** What ends with it: the task of this store, if any, whose input has the key. */
  readonly ends?: ((result: T) => TaskEnd | undefined) | undefined;
}

export class SharedStore {
  readonly store: Store;
  readonly stream: EditStream;
  private named: Holder | undefined;

  /** @param store  that `enterStream` was called on */
  constructor(store: Store, stream: EditStream) {
    this.store = store;
    this.stream = stream;
  }

  get place(): StreamPlace {
    return readPlace(this.store)!;
  }

  /** Of this data folder: a file beside the store, since copies of the store are other processes. */
  get holder(): Holder {
    return (this.named ??= { id: idBeside(this.store), name: hostname() });
  }

  /**
   * Runs a transaction: everywhere or nowhere. Where nobody can tell whether it came into the stream, the store stays as it
   * was, and `catchUp` tells.
   *
   * @throws what `body` throws; StreamConflictError, StreamUnavailableError
   */
  async commit<T>(body: () => T, { kind, forgets = false, ends }: CommitOptions<T>): Promise<T> {
    const { position, hash: previous } = this.place;
    const { result, changes } = rehearse(this.store, () => ({ value: body(), editSeq: new EditLog(this.store).last }));
    const { value, editSeq } = result;
    if (!changes.length) return value;
    const at = new Date().toISOString();
    const head = { position: position + 1, previous, kind, editSeq, forgets, at, schema: schemaOf(this.store) };
    const record = makeRecord(head, encodeChanges(changes));
    await this.stream.append(record, this.holder, this.ended(ends?.(value), at));
    this.follow(record);
    return value;
  }

  /** In the same transaction of the database, so that a task is never without its edit, nor an edit without its task. */
  private ended(end: TaskEnd | undefined, at: string): StreamTask | undefined {
    if (!end) return undefined;
    const task = this.store.database
      .prepare(
        `SELECT id, kind, created, started, input, error FROM tasks
          WHERE finished IS NULL AND input ->> '$.idempotencyKey' = ? LIMIT 1`,
      )
      .get(end.key) as Omit<StreamTask, 'state' | 'finished' | 'result'> | undefined;
    return task && { ...task, state: 'succeeded', finished: at, result: end.result };
  }

  /** Makes a record in the local store. @throws ForeignStreamError where it is not the next one */
  follow(record: StreamRecord): void {
    const { store } = this;
    store.transaction(() => {
      const place = this.place;
      const where = `stream of edits, position ${record.position}`;
      if (record.position !== place.position + 1)
        throw new StreamConflictError(where, `one after position ${place.position}, which another process wrote here`);
      if (record.previous !== place.hash)
        throw new ForeignStreamError(where, `a record that follows ${place.hash}`, record.previous, diverged);
      if (!isWhole(record))
        throw new ForeignStreamError(where, 'a whole record', 'a damaged one', 'restore the database');
      this.checkSchema(where, record.schema);
      makeChanges(store, decodeChanges(record.changes));
      this.moveTo(record);
      // What was erased leaves the index of words too.
      if (record.forgets) store.database.exec(`INSERT INTO documents_fts (documents_fts) VALUES ('optimize')`);
    });
  }

  /** Whether the stream begins behind what the store has, so that it has to start from the checkpoint. */
  needsCheckpoint({ checkpoint }: StreamHead): boolean {
    return this.place.position < checkpoint;
  }

  /** @throws ForeignStreamError */
  async loadCheckpoint(): Promise<void> {
    const { checkpoint, parts } = await this.stream.checkpoint();
    this.checkSchema(`stream of edits, checkpoint ${checkpoint.position}`, checkpoint.schema);
    const { database } = this.store;
    const { position } = this.place;
    database.exec('BEGIN IMMEDIATE');
    try {
      if (this.place.position !== position) throw new StreamConflictError('stream of edits', 'another process here');
      removeAllRows(this.store);
      for await (const part of parts) makeChanges(this.store, decodeChanges(part));
      this.moveTo(checkpoint);
      database.exec('COMMIT');
    } finally {
      if (database.inTransaction) database.exec('ROLLBACK');
    }
  }

  /** Records that are not in the store yet, oldest first, as many as are read at once. */
  async missing(head: StreamHead): Promise<StreamRecord[]> {
    return head.position > this.place.position ? this.stream.after(this.place.position, readBytes) : [];
  }

  /** @returns whether anything was missing. @throws ForeignStreamError, StreamUnavailableError */
  async catchUp(): Promise<boolean> {
    for (let moved = false; ; moved = true) {
      const { place } = this;
      const head = await this.stream.head();
      this.check(head, place);
      if (this.needsCheckpoint(head)) await this.loadCheckpoint();
      else {
        const records = await this.missing(head);
        if (!records.length) return moved;
        for (const record of records) this.follow(record);
      }
    }
  }

  /**
   * Replaces the records by a checkpoint where one of them erases what others still say, or where they outweigh it. A while
   * after they were written, so that others have followed: who has not starts from the checkpoint. Appending goes on.
   */
  async tidy(): Promise<boolean> {
    const { forgotAt, records, checkpoint } = await this.stream.burden();
    const hasForgotten = forgotAt !== null && Date.parse(forgotAt) + forgetMs < Date.now();
    const isHeavy = records > Math.max(worthCheckpoint.bytes, worthCheckpoint.times * checkpoint);
    if (!hasForgotten && !isHeavy) return false;
    const { database } = this.store;
    database.exec('BEGIN'); // All parts are read as of the same edit.
    try {
      await this.stream.writeCheckpoint(checkpointOf(this.store), this.holder, partsOf(this.store));
      return true;
    } finally {
      database.exec('COMMIT');
    }
  }

  /**
   * @param place  of the store before the head was asked for: another thread may have gone on since
   * @throws ForeignStreamError where the store is not of the stream, or ahead of it
   */
  check(head: StreamHead, { id, position, hash }: StreamPlace): void {
    const where = this.store.database.name;
    if (id !== head.id)
      throw new ForeignStreamError(where, `a data folder of stream ${head.id}`, `one of stream ${id}`, diverged);
    if (position > head.position || (position === head.position && hash !== head.hash))
      throw new ForeignStreamError(
        where,
        `a data folder behind the database, whose stream ends at position ${head.position}`,
        `one at position ${position} (${hash.slice(0, 12)})`,
        diverged,
      );
  }

  private checkSchema(where: string, schema: number): void {
    const own = schemaOf(this.store);
    if (schema <= own) return;
    throw new ForeignStreamError(
      where,
      `schema version ${own} at most`,
      `${schema}`,
      'install the Palimpsest that the editor runs here too: searchers first, then the editor',
    );
  }

  private moveTo({ position, hash }: Pick<StreamPlace, 'position' | 'hash'>): void {
    this.store.writeMeta(placeKey, JSON.stringify({ id: this.place.id, position, hash } satisfies StreamPlace));
  }
}

const diverged =
  'the database was replaced, or restored to what it was before: give another folder with --data, or restore the newest database';

/** What the store holds, as a stream's beginning. It must be where `enterStream` put it. */
export function checkpointOf(store: Store): Checkpoint {
  const { id, position, hash } = readPlace(store)!;
  return { id, position, hash, editSeq: new EditLog(store).last, schema: schemaOf(store) };
}

/** One at least. */
export function* partsOf(store: Store): Generator<Uint8Array> {
  yield encodeChanges([]);
  for (const part of allRows(store)) yield encodeChanges(part);
}

function idBeside({ database }: Store): string {
  const file = join(dirname(database.name), 'stream-holder');
  if (!existsSync(file)) writeFileSync(file, randomUUID(), { flush: true });
  return readFileSync(file, 'utf8');
}

const schemaOf = ({ database }: Store): number => database.pragma('user_version', { simple: true }) as number;
