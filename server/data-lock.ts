import { join } from 'node:path';
import Database from 'better-sqlite3';

/** A data folder that cannot be made, read or written. */
export class DataFolderError extends Error {
  override readonly name = 'DataFolderError';
  readonly dir: string;
  constructor(dir: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${dir}: expected a folder to keep data in, got ${reason}; give another one with --data`, { cause });
    this.dir = dir;
  }
}

/** Another server works in the data folder. */
export class DataFolderInUseError extends Error {
  override readonly name = 'DataFolderInUseError';
  readonly dir: string;
  constructor(dir: string) {
    super(
      `${dir}: expected a data folder of one server, got one that another server uses; stop that one, or give another folder with --data`,
    );
    this.dir = dir;
  }
}

/**
 * Claims a data folder for this process. The claim is an SQLite lock on a file of its own, so the system drops it when
 * the process dies, however it dies: there is no stale lock to clean up.
 *
 * @returns what gives the folder back
 * @throws DataFolderInUseError, DataFolderError
 */
export function lockDataFolder(dir: string): () => void {
  let lock: Database.Database | undefined;
  try {
    lock = new Database(join(dir, 'server.lock'), { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock?.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY'))
      throw new DataFolderInUseError(dir);
    throw new DataFolderError(dir, error);
  }
  const held = lock;
  return () => held.close();
}
