/**
 * @file What a transaction changes in the tables that all processes of one index have alike, whichever code writes them:
 * found by triggers while the transaction is rehearsed, and made anywhere by deleting the changed rows and inserting them
 * as they are afterwards. Who makes the same changes in the same order has the same rows, to the byte.
 */
import type { Database } from 'better-sqlite3';
import type { Store } from '../../corpus/store.ts';

/** As SQLite gives it. */
export type Value = string | number | null | Uint8Array;
/** The values of a row's primary key. */
export type Key = readonly (string | number)[];

/** Tables that all have, by primary key. The others are a process's own: its tasks, its full-text index. */
const sharedTables = {
  meta: ['key'],
  documents: ['id'],
  queries: ['id'],
  qrels: ['split', 'query', 'document'],
  edits: ['seq'],
  edit_documents: ['id'],
  edit_entries: ['id'],
  edit_activations: ['id'],
  edit_rows: ['entry'],
  edit_deltas: ['weight'],
  edit_base: ['row'],
  edit_bank: ['position'],
  api_keys: ['id'],
  audit_events: ['id'],
} as const;
export type SharedTable = keyof typeof sharedTables;
const tableNames = Object.keys(sharedTables) as SharedTable[];

/** Where a process is in the stream; `StreamPlace` as JSON. */
export const placeKey = 'stream.place';
/** Of the data folder: its model's path, its corpus. */
const ownMeta = [placeKey, 'server.owner'];

export interface TableChanges {
  readonly table: SharedTable;
  readonly columns: readonly string[];
  /** Keys of rows that are not as they were, as far as there was or is one. */
  readonly keys: readonly Key[];
  /** Those rows afterwards. */
  readonly rows: readonly (readonly Value[])[];
}
export type Changes = readonly TableChanges[];

export interface Rehearsal<T> {
  readonly result: T;
  readonly changes: Changes;
}

/** Runs a transaction, tells what it would have changed, and takes all of it back. @throws what `body` throws */
export function rehearse<T>({ database }: Store, body: () => T): Rehearsal<T> {
  database.exec('BEGIN IMMEDIATE');
  try {
    database.exec(watching); // Taken back with the rest: afterwards nothing watches.
    const result = body();
    return { result, changes: changed(database) };
  } finally {
    if (database.inTransaction) database.exec('ROLLBACK');
  }
}

/** Within a transaction of the caller. */
export function makeChanges({ database }: Store, changes: Changes): void {
  database.pragma('defer_foreign_keys = ON');
  for (const { table, keys } of changes) {
    if (table === 'audit_events') continue; // Every process numbers its own, and keeps them.
    const remove = database.prepare(`DELETE FROM ${table} WHERE ${whereKey(table)}`);
    for (const key of keys) remove.run(...key);
  }
  for (const { table, columns, rows } of changes) {
    const kept = columns.flatMap((name, i) => (table === 'audit_events' && name === 'id' ? [] : [i]));
    const names = kept.map((i) => `"${columns[i]}"`).join();
    const insert = database.prepare(`INSERT INTO ${table} (${names}) VALUES (${kept.map(() => '?').join()})`);
    for (const row of rows) insert.run(...kept.map((i) => row[i]));
  }
}

/**
 * All that is in the shared tables, in parts, as changes of tables that are empty. Within a transaction of the caller where
 * others write.
 *
 * @param partBytes  of values in a part, about
 */
export function* allRows({ database }: Store, partBytes = 4 << 20): Generator<Changes> {
  for (const table of tableNames) {
    if (table === 'audit_events') continue;
    const columns = columnsOf(database, table);
    const select = database.prepare(
      `SELECT ${quoted(columns)} FROM ${table} ${others(table)} ORDER BY ${keyOf(table)}`,
    );
    let rows: Value[][] = [];
    let bytes = 0;
    for (const row of select.raw().iterate() as IterableIterator<Value[]>) {
      rows.push(row);
      bytes += row.reduce<number>((sum, value) => sum + sizeOf(value), 0);
      if (bytes < partBytes) continue;
      yield [{ table, columns, keys: [], rows }];
      [rows, bytes] = [[], 0];
    }
    if (rows.length) yield [{ table, columns, keys: [], rows }];
  }
}

/** Empties the shared tables. Within a transaction of the caller. */
export function removeAllRows({ database }: Store): void {
  database.pragma('defer_foreign_keys = ON');
  for (const table of tableNames) if (table !== 'audit_events') database.exec(`DELETE FROM ${table} ${others(table)}`);
}

const keyOf = (table: SharedTable): string => sharedTables[table].map((name) => `"${name}"`).join();
const whereKey = (table: SharedTable): string => sharedTables[table].map((name) => `"${name}" = ?`).join(' AND ');
const quoted = (columns: readonly string[]): string => columns.map((name) => `"${name}"`).join();
const others = (table: SharedTable): string =>
  table === 'meta' ? `WHERE key NOT IN (${ownMeta.map((key) => `'${key}'`).join()})` : '';

function watch(table: SharedTable): string[] {
  const isShared = (row: string): string =>
    table === 'meta' ? `WHEN ${row}.key NOT IN (${ownMeta.map((key) => `'${key}'`).join()})` : '';
  const note = (row: string): string =>
    `INSERT INTO changed VALUES ('${table}', json_array(${sharedTables[table].map((name) => `${row}."${name}"`).join()}));`;
  const trigger = (event: string, rows: readonly string[]): string =>
    `CREATE TEMP TRIGGER changed_${table}_${event} AFTER ${event} ON main.${table} ${isShared(rows[0])}
     BEGIN ${rows.map(note).join(' ')} END;`;
  return [trigger('INSERT', ['new']), trigger('UPDATE', ['old', 'new']), trigger('DELETE', ['old'])];
}

const watching = `
CREATE TEMP TABLE changed (name TEXT, key TEXT);
${tableNames.flatMap(watch).join('\n')}`;

function changed(database: Database): Changes {
  const keysOf = database.prepare('SELECT DISTINCT key FROM temp.changed WHERE name = ? ORDER BY key').pluck();
  return tableNames.flatMap((table) => {
    const keys = (keysOf.all(table) as string[]).map((key) => JSON.parse(key) as Key);
    if (!keys.length) return [];
    const columns = columnsOf(database, table);
    const select = database.prepare(`SELECT ${quoted(columns)} FROM ${table} WHERE ${whereKey(table)}`).raw();
    const rows = keys.flatMap((key) => (select.all(...key) as Value[][]).slice(0, 1));
    return [{ table, columns, keys, rows }];
  });
}

const columnsOf = (database: Database, table: SharedTable): string[] =>
  (database.pragma(`table_info(${table})`) as { name: string }[]).map(({ name }) => name);

const sizeOf = (value: Value): number => (typeof value === 'string' || value instanceof Uint8Array ? value.length : 8);
