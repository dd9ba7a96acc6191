/** @file Where the stream of edits is: `postgres://…`, or `file:///…` for an SQLite file that processes of one machine share. */
import { fileURLToPath } from 'node:url';
import type { EditStream } from './edit-stream.ts';

export const databaseUrlVariable = 'PALIMPSEST_DATABASE_URL';

const protocols = ['postgres:', 'postgresql:', 'file:'];

/** Not the address of a database. What was given is not repeated: it may hold a password. */
export class DatabaseUrlError extends Error {
  override readonly name = 'DatabaseUrlError';
  constructor(actual: string) {
    super(`--database-url: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE or file:///PATH, got ${actual}`);
  }
}

/** @throws DatabaseUrlError */
export function checkDatabaseUrl(text: string): void {
  const { protocol } = parse(text);
  if (!protocols.includes(protocol)) throw new DatabaseUrlError(`an address that begins with ${protocol}`);
}

/** For messages: without user, password and parameters. */
export function databaseName(text: string): string {
  const { protocol, host, pathname } = parse(text);
  return `${protocol}//${host}${pathname}`;
}

/** Loads `pg` where it is needed. @throws DatabaseUrlError, StreamAccessError */
export async function openStream(url: string): Promise<EditStream> {
  checkDatabaseUrl(url);
  if (parse(url).protocol === 'file:') {
    const { SqliteStream } = await import('./sqlite-stream.ts');
    return new SqliteStream(fileURLToPath(url));
  }
  const { PostgresStream } = await import('./postgres-stream.ts');
  return new PostgresStream(url);
}

function parse(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new DatabaseUrlError('something else');
  }
}
