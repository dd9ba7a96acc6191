/** What a process does: all by itself, or a part of an index that several processes have in common. */
export const roles = ['all', 'editor', 'searcher'] as const;
export type Role = (typeof roles)[number];

/** The options of a start do not go together. */
export class RoleError extends Error {
  override readonly name = 'RoleError';
}

/** This server never edits. */
export class SearcherError extends Error {
  override readonly name = 'SearcherError';
  constructor(editor: string | null) {
    super(
      `server: expected the editor of this index, got a searcher, which follows it; send what changes something to the editor${editor === null ? '' : `, on ${editor}`}`,
    );
  }
}

/** This server would edit, and another one does, or nobody can tell. */
export class StandbyError extends Error {
  override readonly name = 'StandbyError';
  constructor(actual: string) {
    super(`server: expected to be the one that edits, got ${actual}; try again in a moment`);
  }
}

/** What takes a model of its own for each process. */
export class SharedIndexError extends Error {
  override readonly name = 'SharedIndexError';
  constructor(what: string) {
    super(
      `${what}: expected a data folder of one server, got one that follows a database; see server/deploy/README.md for how the base model of several servers is replaced`,
    );
  }
}

/** @throws RoleError */
export function checkRole(role: Role, databaseUrl: string | undefined): void {
  if (role === 'all' && databaseUrl !== undefined)
    throw new RoleError(
      '--database-url: expected --role editor or --role searcher with it, got all; --role all keeps everything in its data folder',
    );
  if (role !== 'all' && databaseUrl === undefined)
    throw new RoleError(
      `--role ${role}: expected the address of a database, got none; set PALIMPSEST_DATABASE_URL, or give --database-url`,
    );
}
