import Database from 'better-sqlite3';
import { migrations } from './migrations/index.ts';

/** Written into the header of every store ("PALI"), so that another program's database is not mistaken for one. */
const applicationId = 0x50414c49;
const busyTimeoutMs = 5000;

/** The file cannot be opened as a store: not there, not readable, not a database, or another program's. */
export class StoreOpenError extends Error {
  override readonly name = 'StoreOpenError';
  readonly path: string;
  constructor(path: string, problem: string, options?: ErrorOptions) {
    super(`${path}: expected a Palimpsest store, got ${problem}`, options);
    this.path = path;
  }
}

/** The store was written by another version of the schema, and cannot be brought to this one. */
export class StoreVersionError extends Error {
  override readonly name = 'StoreVersionError';
  readonly path: string;
  readonly found: number;
  readonly supported: number;
  constructor(path: string, found: number, supported: number) {
    const advice =
      found > supported ? 'install the newer Palimpsest that wrote it' : 'open it once for writing to upgrade it';
    super(`${path}: expected schema version ${supported}, got ${found}; ${advice}`);
    this.path = path;
    this.found = found;
    this.supported = supported;
  }
}

export interface OpenOptions {
  /** Open an existing store without the right to change it (several processes and threads may). */
  readonly?: boolean;
}

/**
 * A connection with the pragmas every writer needs, the schema at its newest version.
 * WAL lets readers work while one writes; FULL makes a commit survive a power cut (WAL alone would mean NORMAL). What is
 * deleted is overwritten with zeros, so that nothing that was forgotten can be read from the file.
 *
 * @throws StoreOpenError, StoreVersionError
 */
export function openDatabase(path: string, { readonly = false }: OpenOptions = {}): Database.Database {
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly, fileMustExist: readonly, timeout: busyTimeoutMs });
    db.pragma('foreign_keys = ON');
    const isNew = checkOwner(db, path);
    if (!readonly) {
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      db.pragma('secure_delete = ON');
      migrate(db, path);
    } else if (isNew) {
      throw new StoreOpenError(path, 'an empty file');
    }
    const version = userVersion(db);
    if (version !== migrations.length) throw new StoreVersionError(path, version, migrations.length);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof StoreOpenError || error instanceof StoreVersionError) throw error;
    throw new StoreOpenError(path, problemOf(error), { cause: error });
  }
}

/** True for a database in which nothing has been made yet; throws for one that another program made. */
function checkOwner(db: Database.Database, path: string): boolean {
  const owner = db.pragma('application_id', { simple: true });
  if (owner === applicationId) return false;
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get();
  if (owner === 0 && tables === 0) return true;
  throw new StoreOpenError(path, "another program's SQLite database");
}

function migrate(db: Database.Database, path: string): void {
  const upgrade = db.transaction(() => {
    // Read inside the transaction: another process may have upgraded the file while this one waited for it.
    const version = userVersion(db);
    if (version > migrations.length) throw new StoreVersionError(path, version, migrations.length);
    if (version === migrations.length) return;
    for (const sql of migrations.slice(version)) db.exec(sql);
    db.pragma(`application_id = ${applicationId}`);
    db.pragma(`user_version = ${migrations.length}`);
  });
  if (userVersion(db) !== migrations.length) upgrade.immediate();
}

function userVersion(db: Database.Database): number {
  return db.pragma('user_version', { simple: true }) as number;
}

function problemOf(error: unknown): string {
  const code = error instanceof Database.SqliteError ? error.code : undefined;
  if (code === 'SQLITE_NOTADB') return 'a file that is not an SQLite database';
  if (code?.startsWith('SQLITE_CORRUPT')) return 'a damaged SQLite database; restore it from a backup';
  if (code?.startsWith('SQLITE_BUSY')) return 'one that another process keeps locked; try again when it is done';
  if (code === 'SQLITE_READONLY') return 'a file that may not be written; open it read-only or change its permissions';
  if (code === 'SQLITE_CANTOPEN') return 'a file that is missing or cannot be opened';
  return error instanceof Error ? error.message : String(error);
}
