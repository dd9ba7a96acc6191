/**
 * What a docid is made of, for the model: a sequence of tokens. Every scheme is a table between external docids and
 * token sequences; the shared suite in tests/support/corpus-docid-suite.ts says what all of them promise.
 */

/**
 * atomic: a token for each document. The others are paths of several tokens that documents share: naive, the external
 * identifier as a string; semantic, clusters of document vectors; hashed, clusters that documents are dealt to; lexical,
 * words of the document.
 */
export type DocidScheme = 'atomic' | 'naive' | 'semantic' | 'hashed' | 'lexical';

export interface Docids {
  readonly scheme: DocidScheme;
  /** Number of docids in the table now. */
  readonly size: number;
  has(docid: string): boolean;
  /** The docids in the table, in the order of their rows. */
  docids(): string[];
  /** The names of the tokens the decoder generates for a docid. @throws UnknownDocidError */
  tokens(docid: string): readonly string[];
  /** The docid that has exactly these tokens, if any. */
  docidOf(tokens: readonly string[]): string | undefined;
  /** @throws DuplicateDocidError */
  add(docid: string): void;
  /** @throws UnknownDocidError */
  remove(docid: string): void;
  /** The table as plain JSON; `readDocids` takes it back. */
  toJSON(): DocidTable;
}

/** The common part of all tables as JSON. */
export interface DocidTable {
  scheme: DocidScheme;
}

/** A docid that the table holds already, or twice in one list. */
export class DuplicateDocidError extends Error {
  override readonly name = 'DuplicateDocidError';
  readonly docid: string;
  constructor(where: string, docid: string) {
    super(`${where}: expected every docid once, got '${docid}' again`);
    this.docid = docid;
  }
}

/** A docid table, as read from a file, that is not one. */
export class InvalidDocidTableError extends Error {
  override readonly name = 'InvalidDocidTableError';
  /** Where in the table: `docids.rows[17]`. */
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
  constructor(path: string, expected: string, actual: string) {
    super(`${path}: expected ${expected}, got ${actual}`);
    this.path = path;
    this.expected = expected;
    this.actual = actual;
  }
}

/** A docid path that ends inside another, or is the same: decoding could not tell them apart. */
export class PathConflictError extends Error {
  override readonly name = 'PathConflictError';
  /** The docid, or the number of the document, whose path ends first. */
  readonly shorter: string | number;
  readonly longer: string | number;
  /** Tokens of the shorter path, all of which the longer begins with. */
  readonly position: number;
  constructor(shorter: string | number, longer: string | number, position: number) {
    const named = (document: string | number): string =>
      typeof document === 'number' ? `document ${document}` : `'${document}'`;
    super(
      `docid paths: expected no path to end inside another, got that of ${named(shorter)} ending after token ` +
        `${position} of that of ${named(longer)}; give one of them another path`,
    );
    this.shorter = shorter;
    this.longer = longer;
    this.position = position;
  }
}
