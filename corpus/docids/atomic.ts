import { describeJson, identifierProblem, UnknownDocidError } from '../documents.ts';
import { DuplicateDocidError, InvalidDocidTableError } from './scheme.ts';
import type { Docids, DocidTable } from './scheme.ts';

export interface AtomicDocidTable extends DocidTable {
  scheme: 'atomic';
  /** The docid of each row; null marks a free row. */
  rows: (string | null)[];
}

const tokenPrefix = '@DOC_ID_';
const tokenSuffix = '@';

/** The token of a docid, named as in the checkpoints published with arXiv 2503.19715. */
export function atomicToken(docid: string): string {
  return `${tokenPrefix}${docid}${tokenSuffix}`;
}

/** The docid a token stands for; undefined for the tokens of words. */
export function docidOfAtomicToken(token: string): string | undefined {
  const isDocid = token.startsWith(tokenPrefix) && token.endsWith(tokenSuffix);
  const docid = isDocid ? token.slice(tokenPrefix.length, -tokenSuffix.length) : '';
  return docid === '' ? undefined : docid;
}

/**
 * Atomic docids: one row of the output matrix, and one token, for each document. Rows never move. A removed document
 * leaves a free row, and the next one added takes the lowest free row, or else a new row at the end.
 */
export class AtomicDocids implements Docids {
  readonly scheme = 'atomic';
  readonly #docids: (string | undefined)[] = [];
  readonly #rows = new Map<string, number>();
  /** Free rows in descending order: the lowest is popped off the end. */
  readonly #free: number[] = [];

  /** Row i is the i-th docid. @throws DuplicateDocidError */
  constructor(docids: Iterable<string> = []) {
    for (const docid of docids) this.add(docid);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Number of rows, free ones included: the height of the matrix. */
  get rows(): number {
    return this.#docids.length;
  }

  has(docid: string): boolean {
    return this.#rows.has(docid);
  }

  docids(): string[] {
    return this.#docids.filter((docid) => docid !== undefined);
  }

  rowOf(docid: string): number | undefined {
    return this.#rows.get(docid);
  }

  /** Undefined for a free row and beyond the end. */
  docidOfRow(row: number): string | undefined {
    return this.#docids[row];
  }

  tokens(docid: string): readonly [string] {
    if (!this.#rows.has(docid)) throw new UnknownDocidError('docids', docid);
    return [atomicToken(docid)];
  }

  docidOf(tokens: readonly string[]): string | undefined {
    const docid = tokens.length === 1 ? docidOfAtomicToken(tokens[0]) : undefined;
    return docid !== undefined && this.#rows.has(docid) ? docid : undefined;
  }

  /**
   * Gives a docid a row and returns it; `row` asks for a certain free row, as the undoing of a removal does.
   * @throws DuplicateDocidError, RangeError when `row` is neither free nor the next new one
   */
  add(docid: string, row?: number): number {
    if (this.#rows.has(docid)) throw new DuplicateDocidError('docids', docid);
    const chosen = row ?? this.#free.at(-1) ?? this.#docids.length;
    if (chosen !== this.#docids.length) {
      const place = this.#free.indexOf(chosen);
      if (place < 0)
        throw new RangeError(`docids: expected a free row for '${docid}', got row ${chosen}, which is not free`);
      this.#free.splice(place, 1);
    }
    this.#docids[chosen] = docid;
    this.#rows.set(docid, chosen);
    return chosen;
  }

  /** Frees the row of a docid and returns it. @throws UnknownDocidError */
  remove(docid: string): number {
    const row = this.#rows.get(docid);
    if (row === undefined) throw new UnknownDocidError('docids', docid);
    this.#rows.delete(docid);
    this.#docids[row] = undefined;
    const place = this.#free.findIndex((free) => free < row);
    this.#free.splice(place < 0 ? this.#free.length : place, 0, row);
    return row;
  }

  toJSON(): AtomicDocidTable {
    return { scheme: 'atomic', rows: Array.from(this.#docids, (docid) => docid ?? null) };
  }

  /** @throws InvalidDocidTableError */
  static fromJSON(json: unknown): AtomicDocids {
    const { scheme, rows, ...others } = asObject(json);
    if (scheme !== 'atomic') throw new InvalidDocidTableError('docids.scheme', `'atomic'`, describeJson(scheme));
    const [unknown] = Object.keys(others);
    if (unknown !== undefined) throw new InvalidDocidTableError('docids', 'the fields scheme and rows', `'${unknown}'`);
    if (!Array.isArray(rows)) throw new InvalidDocidTableError('docids.rows', 'a list', describeJson(rows));
    const table = new AtomicDocids();
    for (const [row, docid] of (rows as unknown[]).entries()) table.#read(row, docid);
    table.#free.reverse();
    return table;
  }

  #read(row: number, docid: unknown): void {
    const path = `docids.rows[${row}]`;
    if (docid === null) {
      this.#docids.push(undefined);
      this.#free.push(row); // ascending while reading
      return;
    }
    if (typeof docid !== 'string') throw new InvalidDocidTableError(path, 'a docid or null', describeJson(docid));
    const problem = identifierProblem(docid);
    if (problem) throw new InvalidDocidTableError(path, problem.expected, problem.actual);
    const earlier = this.#rows.get(docid);
    if (earlier !== undefined)
      throw new InvalidDocidTableError(path, 'every docid once', `'${docid}', which row ${earlier} has`);
    this.#docids.push(docid);
    this.#rows.set(docid, row);
  }
}

function asObject(json: unknown): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new InvalidDocidTableError('docids', 'an object', describeJson(json));
  return json as Record<string, unknown>;
}
