import { AtomicDocids } from './atomic.ts';
import { PathDocids, type PathMaker } from './paths.ts';
import type { Docids, DocidScheme } from './scheme.ts';

/** A docid table of a scheme this version does not have. */
export class UnknownDocidSchemeError extends Error {
  override readonly name = 'UnknownDocidSchemeError';
  readonly scheme: unknown;
  constructor(scheme: unknown) {
    const known = Object.keys(readers).join(', ');
    super(`docids.scheme: expected one of ${known}, got ${JSON.stringify(scheme)}; was it made by a newer version?`);
    this.scheme = scheme;
  }
}

const readPaths = (json: unknown, makePath?: PathMaker): PathDocids => PathDocids.fromJSON(json, makePath);
const readers: { [S in DocidScheme]: (json: unknown, makePath?: PathMaker) => Docids } = {
  atomic: (json) => AtomicDocids.fromJSON(json),
  naive: readPaths,
  semantic: readPaths,
  hashed: readPaths,
  lexical: readPaths,
};

/**
 * The inverse of `Docids.toJSON`, for any scheme: a table with its free rows, as edits leave it. `genir.json` is not read
 * with it: that holds the docids of a trained model, none of them free, and models/folder.ts checks and writes it.
 *
 * @param makePath  chooses the paths of docids added without one, where they are paths
 * @throws UnknownDocidSchemeError, InvalidDocidTableError, PathConflictError
 */
export function readDocids(json: unknown, makePath?: PathMaker): Docids {
  const scheme = typeof json === 'object' && json !== null ? (json as { scheme?: unknown }).scheme : undefined;
  if (typeof scheme !== 'string' || !Object.hasOwn(readers, scheme)) throw new UnknownDocidSchemeError(scheme);
  return readers[scheme as DocidScheme](json, makePath);
}
