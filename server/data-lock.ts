import { join } from 'node:path';
import Database from 'better-sqlite3';

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
 * @throws DataFolderInUseError
 */
export function lockDataFolder(dir: string): () => void {
  const lock = new Database(join(dir, 'server.lock'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY'))
      throw new DataFolderInUseError(dir);
    throw error;
  }
  return () => lock.close();
}
