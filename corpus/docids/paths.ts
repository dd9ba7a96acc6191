import { UnknownDocidError } from '../documents.ts';
import { checkPathTable, type PathDocidTable, type PathRow, type PathScheme } from './path-table.ts';
import { DuplicateDocidError, PathConflictError } from './scheme.ts';
import type { Docids } from './scheme.ts';
import { ChildList, DocidTrie } from './trie.ts';

/** Chooses a path for a docid that is added without one; it must be free. */
export type PathMaker = (docid: string, table: PathDocids) => readonly string[];

/** A docid that came without a path to a table that cannot choose one. */
export class PathNeededError extends Error {
  override readonly name = 'PathNeededError';
  readonly docid: string;
  constructor(docid: string) {
    super(`docids: expected a path for '${docid}', got none; hand one to add, or a maker of paths to the table`);
    this.docid = docid;
  }
}

/**
 * Docids that are paths: sequences of tokens, by their names in the vocabulary, none of which ends inside another. A
 * document's number never changes, nor does anyone's path when others come and go. What is removed keeps its number and
 * path until the table is made anew, as rows of the model may still answer to it.
 */
export class PathDocids implements Docids {
  readonly scheme: PathScheme;
  readonly #makePath: PathMaker | undefined;
  readonly #tokens = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #docids: string[] = [];
  readonly #rows = new Map<string, number>();
  readonly #removed = new Set<number>();
  readonly #former = new Map<number, string[]>();
  #trie = DocidTrie.build({ tokens: new Int32Array(0), offsets: new Int32Array(1) });

  /** @param makePath  chooses the paths of docids added without one */
  constructor(scheme: PathScheme, makePath?: PathMaker) {
    this.scheme = scheme;
    this.#makePath = makePath;
  }

  /** A table of documents numbered in this order. @throws DuplicateDocidError, PathConflictError, RangeError */
  static of(
    scheme: PathScheme,
    documents: Iterable<readonly [docid: string, path: readonly string[]]>,
    makePath?: PathMaker,
  ): PathDocids {
    const table = new PathDocids(scheme, makePath);
    const tokens: number[] = [];
    const offsets = [0];
    for (const [docid, path] of documents) {
      if (table.#rows.has(docid)) throw new DuplicateDocidError('docids', docid);
      table.#number(docid);
      for (const name of path) tokens.push(table.#intern(name));
      offsets.push(tokens.length);
    }
    table.#naming(() => {
      table.#trie = DocidTrie.build({ tokens: Int32Array.from(tokens), offsets: Int32Array.from(offsets) });
    });
    return table;
  }

  get size(): number {
    return this.#docids.length - this.#removed.size;
  }

  /** Number of documents, removed ones included. */
  get rows(): number {
    return this.#docids.length;
  }

  has(docid: string): boolean {
    return this.rowOf(docid) !== undefined;
  }

  docids(): string[] {
    return this.#docids.filter((_, row) => !this.#removed.has(row));
  }

  /** The document's number. */
  rowOf(docid: string): number | undefined {
    const row = this.#rows.get(docid);
    return row === undefined || this.#removed.has(row) ? undefined : row;
  }

  docidOfRow(row: number): string | undefined {
    return this.#removed.has(row) ? undefined : this.#docids[row];
  }

  /** The number that a docid has, had, or would get if it were added now. */
  nextRow(docid: string): number {
    return this.#rows.get(docid) ?? this.#docids.length;
  }

  tokens(docid: string): readonly string[] {
    const row = this.rowOf(docid);
    if (row === undefined) throw new UnknownDocidError('docids', docid);
    return this.#path(row);
  }

  docidOf(tokens: readonly string[]): string | undefined {
    const node = this.#trie.nodeOf(this.#ids(tokens));
    const row = node < 0 ? -1 : this.#trie.documentOf(node);
    // A path that the document had before also ends at it.
    return row >= 0 &&
      this.#path(row).length === tokens.length &&
      this.#path(row).every((name, t) => name === tokens[t])
      ? this.docidOfRow(row)
      : undefined;
  }

  /** Whether a docid could have this path: a new one, or one that has it or had it before. */
  isFree(path: readonly string[], docid?: string): boolean {
    const ids = this.#ids(path);
    if (path.length > 0 && this.#trie.isFree(ids)) return true;
    const row = docid === undefined ? undefined : this.#rows.get(docid);
    const node = row === undefined ? -1 : this.#trie.nodeOf(ids);
    return node >= 0 && this.#trie.documentOf(node) === row;
  }

  /** The tokens that lead on from a prefix to docids in the table; undefined where no path ever went on. */
  following(prefix: readonly string[]): string[] | undefined {
    const node = this.#trie.nodeOf(this.#ids(prefix));
    if (node < 0 || this.#trie.documentOf(node) >= 0) return undefined;
    const children = new ChildList();
    this.#trie.restrict().children(node, children);
    return Array.from(children.tokens.subarray(0, children.length), (token) => this.#names[token]);
  }

  /**
   * Gives a docid a path and returns its number. One that was removed gets its own number again, and without `path` the
   * path it had.
   * @throws DuplicateDocidError, PathConflictError, PathNeededError, RangeError for a name with a blank or no name
   */
  add(docid: string, path?: readonly string[]): number {
    if (this.has(docid)) throw new DuplicateDocidError('docids', docid);
    const row = this.#rows.get(docid);
    if (row !== undefined && path === undefined) this.#trie.revive(row);
    else if (row !== undefined) this.#move(row, path!);
    else return this.#addNew(docid, path ?? this.#makePath?.(docid, this));
    this.#removed.delete(row);
    return row;
  }

  /** @returns its number. @throws UnknownDocidError */
  remove(docid: string): number {
    const row = this.rowOf(docid);
    if (row === undefined) throw new UnknownDocidError('docids', docid);
    this.#trie.remove(row);
    this.#removed.add(row);
    return row;
  }

  toJSON(): PathDocidTable {
    const rows = this.#docids.map((docid, row): PathRow => {
      const former = this.#former.get(row);
      return {
        docid,
        path: this.#path(row).join(' '),
        ...(this.#removed.has(row) && { removed: true }),
        ...(former && { former: [...former] }),
      };
    });
    return { scheme: this.scheme, rows };
  }

  /** @throws InvalidDocidTableError, PathConflictError */
  static fromJSON(json: unknown, makePath?: PathMaker): PathDocids {
    const { scheme, rows } = checkPathTable(json);
    const first = rows.map(({ docid, path, former = [] }) => [docid, [...former, path][0].split(' ')] as const);
    const table = PathDocids.of(scheme, first, makePath);
    rows.forEach(({ docid, path, former = [], removed }) => {
      for (const next of [...former, path].slice(1)) {
        table.remove(docid);
        table.add(docid, next.split(' '));
      }
      if (removed) table.remove(docid);
    });
    return table;
  }

  #addNew(docid: string, path: readonly string[] | undefined): number {
    if (path === undefined) throw new PathNeededError(docid);
    const row = this.#docids.length;
    const ids = path.map((name) => this.#intern(name));
    this.#naming(() => this.#trie.add(row, ids), docid);
    return this.#number(docid);
  }

  #move(row: number, path: readonly string[]): void {
    const before = this.#path(row).join(' ');
    const ids = path.map((name) => this.#intern(name));
    this.#naming(() => this.#trie.add(row, ids));
    const after = path.join(' ');
    if (after === before) return;
    const former = (this.#former.get(row) ?? []).filter((one) => one !== after);
    this.#former.set(row, [...former, before]);
  }

  #number(docid: string): number {
    this.#rows.set(docid, this.#docids.length);
    return this.#docids.push(docid) - 1;
  }

  #intern(name: string): number {
    let token = this.#tokens.get(name);
    if (token === undefined) {
      if (name === '' || name.includes(' '))
        throw new RangeError(`docid paths: expected names of tokens without blanks, got '${name}'`);
      token = this.#names.push(name) - 1;
      this.#tokens.set(name, token);
    }
    return token;
  }

  /** −1 for a name that no path has. */
  #ids(path: readonly string[]): number[] {
    return path.map((name) => this.#tokens.get(name) ?? -1);
  }

  #path(row: number): string[] {
    return Array.from(this.#trie.pathOf(row), (token) => this.#names[token]);
  }

  /** Names documents by their docids in what `change` throws; `added` is the one that has no number yet. */
  #naming(change: () => void, added?: string): void {
    try {
      change();
    } catch (error) {
      if (!(error instanceof PathConflictError)) throw error;
      const name = (row: string | number): string => this.#docids[Number(row)] ?? added;
      throw new PathConflictError(name(error.shorter), name(error.longer), error.position);
    }
  }
}

/**
 * The names in some paths that are no words of the tokenizer: the vocabulary entries that a model needs beside its words.
 * Those inside paths first, then those at their ends, so that private leaves stand together in the order of their documents.
 */
export function codesOf(paths: readonly (readonly string[])[], isWord: (name: string) => boolean): string[] {
  const inner = paths.flatMap((path) => path.slice(0, -1));
  const last = paths.map((path) => path[path.length - 1]);
  return [...new Set([...inner, ...last])].filter((name) => !isWord(name));
}
