import { createHash } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import type { Database, Statement } from 'better-sqlite3';
import { compileConstraint } from './constraints.ts';
import type { Constraint } from './constraints.ts';
import { checkDocument, identifierProblem, InvalidDocumentError, UnknownDocidError } from './documents.ts';
import type { Document, DocumentState, JudgedQuery, Metadata, NewDocument, Qrel, Query, Split } from './documents.ts';
import type { MetadataFilter } from './filter.ts';
import { compileFilter } from './filter-sql.ts';
import type { SqlCondition } from './filter-sql.ts';
import { matchExpression } from './full-text.ts';
import { openDatabase } from './open.ts';
import type { OpenOptions } from './open.ts';

/** An insert that would have replaced a live document. */
export class DocidTakenError extends Error {
  override readonly name = 'DocidTakenError';
  readonly docid: string;
  constructor(docid: string) {
    super(`documents: expected a new docid, got '${docid}', which a live document has; update it, or delete it first`);
    this.docid = docid;
  }
}

/** A judgement of a query that the store does not have. */
export class UnknownQueryError extends Error {
  override readonly name = 'UnknownQueryError';
  readonly queryId: string;
  constructor(queryId: string) {
    super(`qrels: expected the id of a query of this corpus, got '${queryId}'`);
    this.queryId = queryId;
  }
}

/** There was no room to write; the transaction was taken back. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
  readonly path: string;
  constructor(path: string, options?: ErrorOptions) {
    super(
      `${path}: expected room to write, got a full disk; nothing was changed: free some space and try again`,
      options,
    );
    this.path = path;
  }
}

/** An argument that no store could answer. */
export class StoreArgumentError extends RangeError {
  override readonly name = 'StoreArgumentError';
  constructor(where: string, expected: string, actual: unknown) {
    super(`${where}: expected ${expected}, got ${String(actual)}`);
  }
}

/** Which documents: of one state, or all. */
export type StateChoice = DocumentState | 'all';

export interface PageRequest {
  /** How many documents of the selection to pass over. Default 0. */
  offset?: number;
  /** Start behind this docid in insertion order: a cursor, cheap however deep the page lies. */
  after?: string;
  limit: number;
  filter?: MetadataFilter;
  /** Default `live`. */
  state?: StateChoice;
}

export interface Page {
  documents: Document[];
  /** How many documents the filter and the state select, on all pages together. */
  total: number;
}

export interface ScoredDocid {
  docid: string;
  /** Higher is better. */
  score: number;
}

/** Weights of a word in the title and in the text. */
const titleWeight = 1;
const textWeight = 1;
/** Documents read at a time while iterating; between two batches the connection is free for writes. */
const batchSize = 256;

interface DocumentRow {
  id: number;
  docid: string;
  title: string;
  text: string;
  metadata: string;
  version: number;
  state: DocumentState;
}

const documentColumns = 'd.id, d.docid, d.title, d.text, d.metadata, d.version, d.state';

/** @throws StoreOpenError, StoreVersionError */
export function openStore(path: string, options: OpenOptions = {}): Store {
  return new Store(openDatabase(path, options));
}

/**
 * A corpus in one SQLite file: documents, queries, judgements, a full-text index. Synchronous: a point read takes
 * microseconds, an import or a scan belongs in a command or a worker. Several stores may be open on one file.
 */
export class Store {
  /** For modules above that keep tables of their own in the same file and the same transactions (the edit ledger). */
  readonly database: Database;
  readonly #statements = new Map<string, Statement>();

  constructor(database: Database) {
    this.database = database;
  }

  // ---- documents: read

  document(docid: string): Document | undefined {
    const row = this.#row(docid);
    return row && toDocument(row);
  }

  /** The number of a document, live or deleted, which it keeps when it is renamed. */
  numberOf(docid: string): number | undefined {
    return this.#row(docid)?.id;
  }

  /** The document of a number, live or deleted. */
  numbered(number: number): Document | undefined {
    const sql = `SELECT ${documentColumns} FROM documents AS d WHERE d.id = ?`;
    const row = this.#statement(sql).get(number) as DocumentRow | undefined;
    return row && toDocument(row);
  }

  /** Whether a document, live or deleted, has this docid. */
  has(docid: string): boolean {
    return this.#statement('SELECT 1 FROM documents WHERE docid = ?').get(docid) !== undefined;
  }

  /**
   * One page of documents in insertion order.
   * @throws StoreArgumentError, InvalidFilterError, UnknownDocidError (of `after`)
   */
  documents({ offset = 0, limit, after, filter, state = 'live' }: PageRequest): Page {
    checkCount('documents.offset', offset, 0);
    checkCount('documents.limit', limit, 0);
    const chosen = stateCondition(state);
    const filtered = filter && compileFilter(filter, 'd.metadata');
    const where = [chosen.sql, ...(filtered ? [filtered.sql] : [])].join(' AND ');
    const params = [...chosen.params, ...(filtered?.params ?? [])];
    const start = after === undefined ? 0 : this.#row(after)?.id;
    if (start === undefined) throw new UnknownDocidError('documents.after', after!);
    const rows = this.database
      .prepare(
        `SELECT ${documentColumns} FROM documents AS d WHERE d.id > ? AND ${where} ORDER BY d.id LIMIT ? OFFSET ?`,
      )
      .all(start, ...params, limit, offset) as DocumentRow[];
    const total = this.database
      .prepare(`SELECT count(*) FROM documents AS d WHERE ${where}`)
      .pluck()
      .get(...params);
    return { documents: rows.map(toDocument), total: total as number };
  }

  /** All documents in insertion order, read in batches: writes between two steps are allowed, and later ones seen. */
  *eachDocument(state: StateChoice = 'live'): Generator<Document, void, undefined> {
    const chosen = stateCondition(state);
    const next = this.#statement(
      `SELECT ${documentColumns} FROM documents AS d WHERE d.id > ? AND ${chosen.sql} ORDER BY d.id LIMIT ${batchSize}`,
    );
    for (let last = 0; ;) {
      const rows = next.all(last, ...chosen.params) as DocumentRow[];
      for (const row of rows) yield toDocument(row);
      if (rows.length < batchSize) return;
      last = rows[rows.length - 1].id;
    }
  }

  count(state: StateChoice = 'live'): number {
    const chosen = stateCondition(state);
    const sql = `SELECT count(*) FROM documents AS d WHERE ${chosen.sql}`;
    return this.#statement(sql)
      .pluck()
      .get(...chosen.params) as number;
  }

  /** Docids of the live documents that meet a constraint, in insertion order. @throws InvalidFilterError, UnknownDocidError */
  liveDocids(constraint: Constraint = {}): string[] {
    const { sql, params } = this.#constrain(constraint);
    return this.database
      .prepare(`SELECT d.docid FROM documents AS d WHERE ${sql} ORDER BY d.id`)
      .pluck()
      .all(...params) as string[];
  }

  /**
   * The k best live documents by BM25 (FTS5: k1 1.2, b .75, Porter stems), best first, ties in insertion order.
   * The text is taken as words, whatever it holds; a document matches when it has any of them.
   *
   * @throws StoreArgumentError, InvalidFilterError, UnknownDocidError
   */
  searchBm25(query: string, k: number, constraint: Constraint = {}): ScoredDocid[] {
    checkCount('searchBm25.k', k, 1);
    const bound = this.#constrain(constraint);
    const expression = matchExpression(query);
    if (expression === undefined) return [];
    // Only live documents are in the index, so without a further constraint the documents need not be looked at.
    const constrained = Object.keys(constraint).length > 0;
    const matched = constrained
      ? `documents_fts JOIN documents AS d ON d.id = documents_fts.rowid WHERE documents_fts MATCH ? AND ${bound.sql}`
      : 'documents_fts WHERE documents_fts MATCH ?';
    // bm25() of FTS5 is negative, the best lowest.
    return this.database
      .prepare(
        `WITH best AS MATERIALIZED (
           SELECT documents_fts.rowid AS id, bm25(documents_fts, ${titleWeight}, ${textWeight}) AS score
             FROM ${matched} ORDER BY score, id LIMIT ?)
         SELECT d.docid AS docid, -best.score AS score FROM best JOIN documents AS d USING (id) ORDER BY best.score, id`,
      )
      .all(expression, ...(constrained ? bound.params : []), k) as ScoredDocid[];
  }

  /** SHA-256 over docid, title and text of the live documents in insertion order: equal corpora, equal fingerprints. */
  fingerprint(): string {
    const hash = createHash('sha256');
    // A JSON line each, so that no two different corpora give the same bytes.
    for (const { docid, title, text } of this.eachDocument()) hash.update(`${JSON.stringify([docid, title, text])}\n`);
    return hash.digest('hex');
  }

  // ---- documents: write

  /**
   * Adds a document. A docid whose document was deleted comes back to life at its old place, one version on.
   *
   * @param version  that it has at least; above 1 where a document that was renamed had its docid
   * @throws DocidTakenError, InvalidDocumentError
   */
  insert(document: NewDocument, version = 1): Document {
    return this.transaction(() => {
      if (this.#row(document.docid)?.state === 'live') throw new DocidTakenError(document.docid);
      return this.put(document, version);
    });
  }

  /** Adds a document, or replaces title, text and metadata of the one that has its docid. @throws InvalidDocumentError */
  put(document: NewDocument, version = 1): Document {
    const { docid, title, text, metadata } = checkDocument(document);
    const row = this.#statement(
      `INSERT INTO documents AS d (docid, title, text, metadata, version) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (docid) DO UPDATE SET title = excluded.title, text = excluded.text, metadata = excluded.metadata,
         state = 'live', version = max(d.version + 1, excluded.version), updated = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
       RETURNING id, docid, title, text, metadata, version, state`,
    ).get(docid, title, text, JSON.stringify(metadata), version) as DocumentRow;
    return toDocument(row);
  }

  /** Changes parts of a live document. @throws UnknownDocidError, InvalidDocumentError */
  update(docid: string, changes: Partial<Omit<NewDocument, 'docid'>>): Document {
    return this.transaction(() => {
      const { title, text, metadata } = this.#live('update', docid);
      return this.put({ docid, title, text, metadata, ...changes });
    });
  }

  /** Takes a live document out of every search; its record stays, in state `deleted`. @throws UnknownDocidError */
  delete(docid: string): Document {
    return this.transaction(() => {
      const row = this.#statement(
        `UPDATE documents SET state = 'deleted', version = version + 1, updated = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
          WHERE docid = ? AND state = 'live' RETURNING id, docid, title, text, metadata, version, state`,
      ).get(docid) as DocumentRow | undefined;
      if (!row) throw new UnknownDocidError('delete', docid);
      return toDocument(row);
    });
  }

  /**
   * Gives a live document a docid that no live one has. A deleted one that had it takes the old docid in exchange, so that
   * renaming back is the exact inverse.
   *
   * @param version  that the document has at least afterwards
   * @throws UnknownDocidError, DocidTakenError, InvalidDocumentError
   */
  rename(docid: string, to: string, version = 1): Document {
    return this.transaction(() => {
      const problem = identifierProblem(to);
      if (problem) throw new InvalidDocumentError('docid', problem.expected, problem.actual);
      this.#live('rename', docid);
      const taken = this.#row(to);
      if (taken?.state === 'live') throw new DocidTakenError(to);
      const move = this.#statement('UPDATE documents SET docid = ? WHERE id = ?');
      if (taken) move.run(`\n${taken.id}`, taken.id); // no document can be called so
      const row = this.#statement(
        `UPDATE documents SET docid = ?, version = max(version + 1, ?), updated = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
          WHERE docid = ? RETURNING id, docid, title, text, metadata, version, state`,
      ).get(to, version, docid) as DocumentRow;
      if (taken) move.run(docid, taken.id);
      return toDocument(row);
    });
  }

  /**
   * Makes documents, by number, what is given, all together: their docids may change places among them. Versions go on from
   * the higher of the document's own and the given one.
   */
  restore(documents: readonly (Document & { readonly number: number })[]): void {
    this.transaction(() => {
      const move = this.#statement('UPDATE documents SET docid = ? WHERE id = ? AND docid <> ?');
      for (const { number, docid } of documents) move.run(`\n${number}`, number, docid); // no document can be called so
      const write = this.#statement(
        `UPDATE documents SET docid = ?, state = ?, title = ?, text = ?, metadata = ?, version = max(version + 1, ?),
           updated = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?`,
      );
      for (const { number, docid, state, title, text, metadata, version } of documents)
        write.run(docid, state, title, text, JSON.stringify(metadata), version, number);
    });
  }

  /**
   * Erases what a deleted document said, and the queries that were judged for it alone; its docid stays. The pages of the
   * file are overwritten; `forgetLog` does the same for the log beside it.
   *
   * @throws UnknownDocidError  where it is live, or never was
   */
  erase(docid: string): void {
    this.transaction(() => {
      const row = this.#row(docid);
      if (row?.state !== 'deleted') throw new UnknownDocidError('erase', docid);
      const judged = this.#statement('SELECT DISTINCT query FROM qrels WHERE document = ?').pluck().all(row.id);
      this.#statement('DELETE FROM qrels WHERE document = ?').run(row.id);
      for (const query of judged)
        this.#statement('DELETE FROM queries WHERE id = ? AND id NOT IN (SELECT query FROM qrels)').run(query);
      this.#statement(`UPDATE documents SET title = '', text = '', metadata = '{}' WHERE id = ?`).run(row.id);
      // The index marks words of deleted documents as such, until its segments are merged.
      this.database.exec(`INSERT INTO documents_fts (documents_fts) VALUES ('optimize')`);
    });
  }

  /** Empties the write-ahead log, which may hold what was erased. False where somebody reads from it: nobody is waited for. */
  forgetLog(): boolean {
    const wait = this.database.pragma('busy_timeout', { simple: true }) as number;
    this.database.pragma('busy_timeout = 0');
    try {
      const [{ busy }] = this.database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
      return busy === 0;
    } finally {
      this.database.pragma(`busy_timeout = ${wait}`);
    }
  }

  // ---- queries and judgements

  query(id: string): Query | undefined {
    return this.#statement('SELECT queryid AS id, text FROM queries WHERE queryid = ?').get(id) as Query | undefined;
  }

  /** The judged queries of a split, in insertion order, each with its relevant docids (deleted documents among them). */
  queries(split: Split): JudgedQuery[] {
    const rows = this.#statement(
      `SELECT q.queryid AS id, q.text AS text,
              json_group_array(d.docid ORDER BY d.id) FILTER (WHERE r.score > 0) AS relevant
         FROM qrels AS r JOIN queries AS q ON q.id = r.query JOIN documents AS d ON d.id = r.document
        WHERE r.split = ? GROUP BY q.id ORDER BY q.id`,
    ).all(split) as { id: string; text: string; relevant: string }[];
    return rows.map(({ id, text, relevant }) => ({ id, text, relevant: JSON.parse(relevant) as string[] }));
  }

  /** Every query, judged or not, in insertion order. */
  allQueries(): Query[] {
    return this.#statement('SELECT queryid AS id, text FROM queries ORDER BY id').all() as Query[];
  }

  qrels(split: Split): Qrel[] {
    return this.#statement(
      `SELECT q.queryid AS queryId, d.docid AS docid, r.score AS score
         FROM qrels AS r JOIN queries AS q ON q.id = r.query JOIN documents AS d ON d.id = r.document
        WHERE r.split = ? ORDER BY q.id, d.id`,
    ).all(split) as Qrel[];
  }

  /** Adds a query or replaces its text. @throws InvalidDocumentError */
  putQuery({ id, text }: Query): void {
    const problem = identifierProblem(id);
    if (problem) throw new InvalidDocumentError('query id', problem.expected, problem.actual);
    this.#statement(
      'INSERT INTO queries (queryid, text) VALUES (?, ?) ON CONFLICT (queryid) DO UPDATE SET text = excluded.text',
    ).run(id, text);
  }

  /** Adds a judgement or replaces its score. @throws UnknownDocidError, UnknownQueryError, StoreArgumentError */
  putQrel({ queryId, docid, score }: Qrel, split: Split): void {
    if (!Number.isSafeInteger(score)) throw new StoreArgumentError('qrel.score', 'an integer', score);
    const query = this.#statement('SELECT id FROM queries WHERE queryid = ?').pluck().get(queryId);
    if (query === undefined) throw new UnknownQueryError(queryId);
    const document = this.#statement('SELECT id FROM documents WHERE docid = ?').pluck().get(docid);
    if (document === undefined) throw new UnknownDocidError('qrels', docid);
    this.#statement(
      `INSERT INTO qrels (split, query, document, score) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET score = excluded.score`,
    ).run(split, query, document, score);
  }

  // ---- the file

  readMeta(key: string): string | undefined {
    return this.#statement('SELECT value FROM meta WHERE key = ?').pluck().get(key) as string | undefined;
  }

  /** Writes a value, or removes it when it is undefined. */
  writeMeta(key: string, value: string | undefined): void {
    if (value === undefined) this.#statement('DELETE FROM meta WHERE key = ?').run(key);
    else
      this.#statement(
        'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
      ).run(key, value);
  }

  /** Runs `body` in one transaction: all of it is kept, or, when it throws, none. Transactions nest. @throws StoreFullError */
  transaction<T>(body: () => T): T {
    try {
      return this.database.transaction(body).immediate();
    } catch (error) {
      if (error instanceof Sqlite.SqliteError && error.code === 'SQLITE_FULL')
        throw new StoreFullError(this.database.name, { cause: error });
      throw error;
    }
  }

  close(): void {
    this.database.close();
  }

  #row(docid: string): DocumentRow | undefined {
    const sql = `SELECT ${documentColumns} FROM documents AS d WHERE d.docid = ?`;
    return this.#statement(sql).get(docid) as DocumentRow | undefined;
  }

  #live(where: string, docid: string): Document {
    const row = this.#row(docid);
    if (row?.state !== 'live') throw new UnknownDocidError(where, docid);
    return toDocument(row);
  }

  #constrain(constraint: Constraint): SqlCondition {
    return compileConstraint(constraint, (docid) => this.has(docid));
  }

  /** Prepared once per text; only for texts from this file, of which there are few. */
  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (!statement) this.#statements.set(sql, (statement = this.database.prepare(sql)));
    return statement;
  }
}

function toDocument({ docid, title, text, metadata, version, state }: DocumentRow): Document {
  return { docid, title, text, metadata: JSON.parse(metadata) as Metadata, version, state };
}

function stateCondition(state: StateChoice): SqlCondition {
  return state === 'all' ? { sql: '1', params: [] } : { sql: 'd.state = ?', params: [state] };
}

function checkCount(where: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new StoreArgumentError(where, `an integer of at least ${least}`, value);
}
