/**
 * @file The log of edits in the store's SQLite file: what was done, which entries are in force since when, and the weights
 * that follow from them. Writes belong into a transaction of the caller: one edit, one transaction.
 */
import type { Database } from 'better-sqlite3';
import type { Store } from '../corpus/store.ts';
import type { WeightDelta } from '../models/decode.ts';
import { fromFloats, toFloats } from './float-bytes.ts';
import { noPrefix, type Prefix } from './reading.ts';
import type { EditKind, EditOutcome, EditRecord, OperationSummary } from './operations.ts';

/** An entry that is in force, without what it brings. */
export interface ActiveEntry {
  readonly id: string;
  readonly kind: 'document' | 'removal' | 'rename';
  /** Of a document or a rename. */
  readonly docid: string | null;
  /** The base row that is removed or renamed. */
  readonly baseRow: number | null;
  /** The document entry that is renamed. */
  readonly ofEntry: string | null;
  /** Of a document entry: its number behind those of the base. */
  readonly row: number | null;
  /** Of a document entry: the tokens before its last one. */
  readonly prefix: Prefix;
}

/** An entry as it is written. */
export interface NewEntry extends Omit<ActiveEntry, 'row'> {
  /** The number of the document that it is about, which `forget` finds it by. */
  readonly document: number;
  readonly payload: Uint8Array;
}

export interface NewEdit {
  readonly kind: EditKind;
  readonly author: string | null;
  readonly requestId: string | null;
  /** ISO 8601 */
  readonly at: string;
  readonly key: string | null;
  /** Hash of what was asked for. */
  readonly request: string | null;
  readonly operations: readonly OperationSummary[];
}

export interface EditQuery {
  /** Edits of this document alone. */
  readonly docid?: string | undefined;
  /** Edits older than this one. */
  readonly before?: number | undefined;
  /** @default 100 */
  readonly limit?: number | undefined;
}

/** Name of the meta value with `EditLog.folded`. */
export const foldedKey = 'editing.folded';

/** No edit has this number. */
export class UnknownEditError extends Error {
  override readonly name = 'UnknownEditError';
  readonly seq: number;
  constructor(seq: number, last: number) {
    const known = last ? `the number of an edit, 1 to ${last}` : 'the number of an edit, of which there are none yet';
    super(`edits: expected ${known}, got ${seq}; "edit list" shows them`);
    this.seq = seq;
  }
}

interface EditRow {
  seq: number;
  kind: EditKind;
  author: string | null;
  at: string;
  operations: string;
  undoes: string;
  undone_by: number | null;
  outcome: string;
}

const editColumns = 'e.seq, e.kind, e.author, e.at, e.operations, e.undoes, e.undone_by, e.outcome';
const entryColumns = `n.id, n.kind, n.docid, n.base_row AS baseRow, n.of_entry AS ofEntry, a.row, n.prefix`;

export class EditLog {
  private readonly store: Store;
  private readonly database: Database;

  constructor(store: Store) {
    this.store = store;
    this.database = store.database;
  }

  // ---- edits

  /** The newest edit that is part of the base model itself (`compact.ts`); 0 where none is. */
  get folded(): number {
    return Number(this.store.readMeta(foldedKey) ?? 0);
  }

  /** Number of the last edit; 0 before the first. */
  get last(): number {
    return this.database.prepare('SELECT ifnull(max(seq), 0) FROM edits').pluck().get() as number;
  }

  /** @throws UnknownEditError */
  edit(seq: number): EditRecord {
    const row = this.database.prepare(`SELECT ${editColumns} FROM edits AS e WHERE seq = ?`).get(seq);
    if (row === undefined) throw new UnknownEditError(seq, this.last);
    return toRecord(row as EditRow, this.folded);
  }

  /** Newest first. */
  edits({ docid, before, limit = 100 }: EditQuery = {}): EditRecord[] {
    const rows = this.database
      .prepare(
        `SELECT ${editColumns} FROM edits AS e
          WHERE seq < ifnull(:before, seq + 1)
            AND (:docid IS NULL OR seq IN (SELECT seq FROM edit_documents WHERE docid = :docid OR docid_before = :docid))
          ORDER BY seq DESC LIMIT :limit`,
      )
      .all({ docid: docid ?? null, before: before ?? null, limit }) as EditRow[];
    const { folded } = this;
    return rows.map((row) => toRecord(row, folded));
  }

  /** What an idempotency key was used for. */
  keyed(key: string): { request: string | null; outcome: EditOutcome } | undefined {
    const row = this.database.prepare('SELECT request, outcome FROM edits WHERE idempotency_key = ?').get(key) as
      { request: string | null; outcome: string } | undefined;
    return row && { request: row.request, outcome: JSON.parse(row.outcome) as EditOutcome };
  }

  /** Begins an edit; its outcome is written by `finish`. */
  append({ kind, author, requestId, at, key, request, operations }: NewEdit): number {
    const { lastInsertRowid } = this.database
      .prepare(
        `INSERT INTO edits (kind, author, request_id, at, idempotency_key, request, operations, outcome)
         VALUES (?, ?, ?, ?, ?, ?, ?, '{}')`,
      )
      .run(kind, author, requestId, at, key, request, JSON.stringify(operations));
    return Number(lastInsertRowid);
  }

  finish(seq: number, outcome: EditOutcome): void {
    this.database.prepare('UPDATE edits SET outcome = ? WHERE seq = ?').run(JSON.stringify(outcome), seq);
  }

  /**
   * Marks edits as undone by another one. What an edit had undone that is now undone itself is in force again, and so on.
   *
   * @param seqs  newest first
   * @returns     those that were in force, newest first
   */
  markUndone(seqs: readonly number[], by: number): number[] {
    const undone: number[] = [];
    for (const seq of seqs) {
      if (this.edit(seq).undoneBy !== null) continue;
      this.setUndone(seq, by);
      undone.push(seq);
    }
    this.database.prepare('UPDATE edits SET undoes = ? WHERE seq = ?').run(JSON.stringify(undone), by);
    return undone;
  }

  private setUndone(seq: number, by: number | null): void {
    this.database.prepare('UPDATE edits SET undone_by = ? WHERE seq = ?').run(by, seq);
    const { undoes } = this.edit(seq);
    if (by !== null) for (const target of undoes) this.setUndone(target, null);
    else for (const target of [...undoes].reverse()) this.setUndone(target, seq);
  }

  /** The newest edit in force after `seq` that did something to one of its documents. */
  laterEdit(seq: number): { seq: number; docid: string } | undefined {
    return this.database
      .prepare(
        `WITH mine AS (SELECT document, docid, docid_before FROM edit_documents WHERE seq = :seq),
              names AS (SELECT docid FROM mine UNION SELECT docid_before FROM mine)
         SELECT d.seq, ifnull(d.docid_before, d.docid) AS docid FROM edit_documents AS d JOIN edits AS e ON e.seq = d.seq
          WHERE d.seq > :seq AND e.undone_by IS NULL
            AND (d.document IN (SELECT document FROM mine) OR d.docid IN names OR d.docid_before IN names)
            -- one that only took back others that came later left no trace
            AND NOT (e.undoes <> '[]' AND :seq < (SELECT min(value) FROM json_each(e.undoes)))
          ORDER BY d.seq DESC, d.id LIMIT 1`,
      )
      .get({ seq }) as { seq: number; docid: string } | undefined;
  }

  // ---- entries

  /** The entries in force, or those that were after some edit, in the order of their ids. */
  setAt(seq = this.last): ActiveEntry[] {
    return this.database
      .prepare(
        `SELECT ${entryColumns} FROM edit_activations AS a JOIN edit_entries AS n ON n.id = a.entry
          WHERE a.from_seq <= ? AND (a.to_seq IS NULL OR a.to_seq > ?) ORDER BY n.id`,
      )
      .all(seq, seq)
      .map(toActive);
  }

  /** Those in force that are about one document. */
  entriesOf(document: number): ActiveEntry[] {
    return this.database
      .prepare(
        `SELECT ${entryColumns} FROM edit_entries AS n JOIN edit_activations AS a ON a.entry = n.id AND a.to_seq IS NULL
          WHERE n.document = ? ORDER BY n.id`,
      )
      .all(document)
      .map(toActive);
  }

  /** What an entry brings; undefined where it was forgotten or never was. */
  payload(id: string): Uint8Array | undefined {
    const payload = this.database.prepare('SELECT payload FROM edit_entries WHERE id = ?').pluck().get(id);
    return (payload as Uint8Array | null | undefined) ?? undefined;
  }

  /** An entry by its id as it was in force last, with the row it had. */
  entry(id: string): ActiveEntry | undefined {
    const row = this.database
      .prepare(
        `SELECT ${entryColumns} FROM edit_entries AS n LEFT JOIN edit_activations AS a ON a.entry = n.id
          WHERE n.id = ? ORDER BY a.id DESC LIMIT 1`,
      )
      .get(id);
    return row === undefined ? undefined : toActive(row);
  }

  /** Whether an entry of this id may be about a document and come into force. */
  isFree(id: string, document: number | undefined): boolean {
    const known = this.database
      .prepare(
        `SELECT document, EXISTS (SELECT 1 FROM edit_activations WHERE entry = :id AND to_seq IS NULL) AS inForce
           FROM edit_entries WHERE id = :id`,
      )
      .get({ id }) as { document: number; inForce: number } | undefined;
    return known === undefined || (known.document === document && !known.inForce);
  }

  /** Ids of the entries that an edit brought into force, and of those that it ended. */
  changed(seq: number): { began: string[]; ended: string[] } {
    const ids = (column: string): string[] =>
      this.database
        .prepare(`SELECT entry FROM edit_activations WHERE ${column} = ? ORDER BY entry`)
        .pluck()
        .all(seq) as string[];
    return { began: ids('from_seq'), ended: ids('to_seq') };
  }

  /** Writes an entry that is not there yet. */
  writeEntry({ id, kind, document, docid, baseRow, ofEntry, prefix, payload }: NewEntry): void {
    this.database
      .prepare(
        `INSERT INTO edit_entries (id, kind, document, docid, base_row, of_entry, prefix, payload)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      )
      .run(id, kind, document, docid, baseRow, ofEntry, JSON.stringify([...prefix]), payload);
  }

  begin(seq: number, id: string, row: number | null): void {
    this.database.prepare('INSERT INTO edit_activations (entry, from_seq, row) VALUES (?, ?, ?)').run(id, seq, row);
  }

  end(seq: number, id: string): void {
    this.database.prepare('UPDATE edit_activations SET to_seq = ? WHERE entry = ? AND to_seq IS NULL').run(seq, id);
    this.database.prepare('DELETE FROM edit_rows WHERE entry = ?').run(id);
  }

  // ---- weights

  /** float32 [D] of each document entry in force. */
  rows(): Map<string, Float32Array> {
    const rows = this.database.prepare('SELECT entry, "values" FROM edit_rows ORDER BY entry').all();
    return new Map((rows as { entry: string; values: Uint8Array }[]).map((row) => [row.entry, toFloats(row.values)]));
  }

  writeRow(entry: string, values: Float32Array): void {
    this.database
      .prepare(
        'INSERT INTO edit_rows (entry, "values") VALUES (?, ?) ON CONFLICT DO UPDATE SET "values" = excluded."values"',
      )
      .run(entry, fromFloats(values));
  }

  deltas(): WeightDelta[] {
    const rows = this.database.prepare('SELECT weight, delta FROM edit_deltas ORDER BY weight').all();
    return (rows as { weight: string; delta: Uint8Array }[]).map(({ weight, delta }) => ({
      weight,
      delta: toFloats(delta),
    }));
  }

  /** Writes all deltas there are. */
  writeDeltas(deltas: readonly WeightDelta[]): void {
    const kept = JSON.stringify(deltas.map(({ weight }) => weight));
    this.database.prepare('DELETE FROM edit_deltas WHERE weight NOT IN (SELECT value FROM json_each(?))').run(kept);
    const write = this.database.prepare(
      'INSERT INTO edit_deltas (weight, delta) VALUES (?, ?) ON CONFLICT DO UPDATE SET delta = excluded.delta',
    );
    for (const { weight, delta } of deltas) write.run(weight, fromFloats(delta));
  }

  // ---- forgetting

  /**
   * Erases what entries of a document that are not in force bring, their ids, and what requests about it were.
   *
   * @param seq  the edit that forgets
   */
  forget(docid: string, seq: number): void {
    const number = this.store.numberOf(docid);
    const { database } = this;
    const gone = `document = ? AND id NOT IN (SELECT entry FROM edit_activations WHERE to_seq IS NULL)`;
    database
      .prepare(`UPDATE edit_entries SET id = 'forgotten-' || lower(hex(randomblob(8))), payload = NULL WHERE ${gone}`)
      .run(number);
    database
      .prepare(
        'UPDATE edits SET request = NULL WHERE seq < ? AND seq IN (SELECT seq FROM edit_documents WHERE document = ?)',
      )
      .run(seq, number);
  }
}

function toActive(row: unknown): ActiveEntry {
  const entry = row as Omit<ActiveEntry, 'prefix'> & { readonly prefix: string };
  const prefix = JSON.parse(entry.prefix) as number[];
  return { ...entry, prefix: prefix.length ? Int32Array.from(prefix) : noPrefix };
}

function toRecord(
  { seq, kind, author, at, operations, undoes, undone_by, outcome }: EditRow,
  folded: number,
): EditRecord {
  const { figures, seconds, bytes } = JSON.parse(outcome) as EditOutcome;
  return {
    seq,
    kind,
    author,
    at,
    operations: JSON.parse(operations) as OperationSummary[],
    undoes: JSON.parse(undoes) as number[],
    undoneBy: undone_by,
    folded: seq <= folded,
    ...{ figures, seconds, bytes },
  };
}
