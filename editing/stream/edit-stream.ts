/**
 * @file The stream of edits: what every process of one index makes of its local store, in one order. One process appends,
 * any number follow. `postgres-stream.ts` keeps it in PostgreSQL, `sqlite-stream.ts` in a file for processes of one machine.
 */
import { createHash } from 'node:crypto';

/** What all who follow must have in common. Written once. */
export interface StreamIdentity {
  readonly id: string;
  /** `modelVersion` of the base model. */
  readonly model: string;
  /** Whatever tells what the documents were imported from, as JSON. */
  readonly corpus: string;
}

export type RecordKind = 'base' | 'edit' | 'keys';

/** What a record says of itself. */
export interface RecordHead {
  /** From 1, without gaps. */
  readonly position: number;
  /** The hash before it: of the record, or of the stream. */
  readonly previous: string;
  readonly kind: RecordKind;
  /** Number of the last edit after it. */
  readonly editSeq: number;
  /** Whether it erases what earlier ones said. */
  readonly forgets: boolean;
  /** ISO 8601 */
  readonly at: string;
  /** Schema version of the store that wrote it. */
  readonly schema: number;
}

export interface StreamRecord extends RecordHead {
  /** SHA-256 over the one before, what it says of itself, and `changes`. */
  readonly hash: string;
  /** Of `encodeChanges`. */
  readonly changes: Uint8Array;
}

/** Some end of the stream. */
export interface StreamPlace {
  /** Of the stream. */
  readonly id: string;
  readonly position: number;
  readonly hash: string;
}

export interface StreamHead extends StreamPlace {
  readonly editSeq: number;
  /** Of the checkpoint: who is before it starts from it, since the records up to it are gone. */
  readonly checkpoint: number;
}

/** What a new checkpoint would take away. */
export interface StreamBurden {
  /** When the first of the records was written that erase what others still say, ISO 8601; null where none does. */
  readonly forgotAt: string | null;
  /** Bytes of all records, and of the checkpoint. */
  readonly records: number;
  readonly checkpoint: number;
}

/** All that there is at some place, in parts. */
export interface Checkpoint extends StreamPlace {
  readonly editSeq: number;
  readonly schema: number;
}

/** A task of the editor, so that another machine can go on in its place. */
export interface StreamTask {
  readonly id: number;
  readonly kind: string;
  readonly state: string;
  readonly created: string;
  readonly started: string | null;
  readonly finished: string | null;
  /** JSON, as the two after it. */
  readonly input: string;
  readonly error: string | null;
  readonly result: string | null;
}

/** Who appends. */
export interface Holder {
  /** The same for every start of a process on the same data folder. */
  readonly id: string;
  /** For people: a host. */
  readonly name: string;
}

export interface EditStream {
  /** Undefined where there is none yet. @throws StreamUnavailableError */
  identity(): Promise<StreamIdentity | undefined>;
  /** Begins a stream at position 0. @throws StreamConflictError where there is one; StreamUnavailableError */
  create(identity: StreamIdentity, checkpoint: Checkpoint, parts: Iterable<Uint8Array>): Promise<void>;
  /** Makes somebody the one who appends, for some seconds, where nobody else is. @returns who is */
  hold(holder: Holder): Promise<Holder>;
  /** Lets the next one append. */
  release(holder: Holder): Promise<void>;
  /** @throws StreamUnavailableError */
  head(): Promise<StreamHead>;
  burden(): Promise<StreamBurden>;
  /** Those behind a position, in order: one at least where there is one, and no more than about so many bytes. */
  after(position: number, bytes: number): Promise<StreamRecord[]>;
  /**
   * Appends a record, and with it the end of the task that waits for it: both or neither. The same record a second time
   * changes nothing.
   *
   * @throws StreamConflictError     where another record has its place, or another process appends
   * @throws StreamUnavailableError  where nobody can tell whether it was appended
   */
  append(record: StreamRecord, holder: Holder, task?: StreamTask): Promise<void>;
  /** The newest. */
  checkpoint(): Promise<{ readonly checkpoint: Checkpoint; readonly parts: AsyncIterable<Uint8Array> }>;
  /** Takes the place of the checkpoint there is, and of all records up to it. @throws StreamConflictError */
  writeCheckpoint(checkpoint: Checkpoint, holder: Holder, parts: Iterable<Uint8Array>): Promise<void>;
  /** Writes a task beside the stream; one that has ended does not change. */
  saveTask(task: StreamTask, holder: Holder): Promise<void>;
  /** All of them. */
  tasks(): Promise<StreamTask[]>;
  /** Calls back soon after something was appended, as far as that is noticed: who must know asks for the head. */
  onAppend(listener: () => void): void;
  close(): Promise<void>;
}

/** So long one who appends stays the one without saying so again. */
export const holdSeconds = 10;

/** Whether a stream can be reached is not known, or what became of a request. */
export class StreamUnavailableError extends Error {
  override readonly name = 'StreamUnavailableError';
  constructor(where: string, reason: string, options?: ErrorOptions) {
    super(`${where}: expected an answer of the database, got ${reason}; it is tried again`, options);
  }
}

/** The database answers, and will not let this program in. */
export class StreamAccessError extends Error {
  override readonly name = 'StreamAccessError';
  constructor(where: string, reason: string, options?: ErrorOptions) {
    super(
      `${where}: expected a database that may be used, got ${reason}; check --database-url and its rights`,
      options,
    );
  }
}

/** Another process has appended, or does. */
export class StreamConflictError extends Error {
  override readonly name = 'StreamConflictError';
  constructor(where: string, actual: string) {
    super(`${where}: expected to be the only one who edits, got ${actual}; repeat the request`);
  }
}

/** A store, or a model, that is not of this stream. Nothing was changed. */
export class ForeignStreamError extends Error {
  override readonly name = 'ForeignStreamError';
  constructor(where: string, expected: string, actual: string, advice: string) {
    super(`${where}: expected ${expected}, got ${actual}; ${advice}`);
  }
}

/** The hash at position 0. */
export const hashOfStream = ({ id, model }: StreamIdentity): string =>
  createHash('sha256')
    .update(JSON.stringify([id, model]))
    .digest('hex');

export function makeRecord(head: RecordHead, changes: Uint8Array): StreamRecord {
  return { ...head, changes, hash: hashOf(head, changes) };
}

export const isWhole = (record: StreamRecord): boolean => hashOf(record, record.changes) === record.hash;

function hashOf({ position, previous, kind, editSeq, forgets, at, schema }: RecordHead, changes: Uint8Array): string {
  return createHash('sha256')
    .update(`${JSON.stringify([previous, position, kind, editSeq, forgets, at, schema])}\n`)
    .update(changes)
    .digest('hex');
}
