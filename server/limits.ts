import { MAX_BEAMS } from '../models/beam/beams.ts';

/** What one request may ask for. More is refused with a problem that names the limit; `/info` lists them. */
export const limits = {
  /** Bytes of a request body. */
  bodyBytes: 256 * 1024,
  /** Characters of one query; the model reads its first 128 tokens, BM25 all of it. */
  queryCharacters: 2000,
  /** Candidates for one query. */
  k: 1000,
  /** Queries in one call. */
  queries: 64,
  /** Prefixes that are followed at each step of a query's search, where docids are paths. */
  beams: MAX_BEAMS,
  /** Candidates for all queries of a call: queries times k. */
  candidates: 5000,
  /** The same where each candidate brings its document along, which makes an answer of megabytes. */
  candidatesWithDocuments: 1000,
  /** Candidates that are explained. */
  explained: 5,
  /** Correct queries that one analysis looks at. */
  analysed: 100_000,
  /** Judged queries that one call of POST /evaluate brings along. */
  judged: 1000,
  /** Docids in `allow` or in `deny`. */
  docids: 10_000,
  /** Bytes of a body with one document, or a line of an import. */
  documentBytes: 4 * 1024 * 1024,
  /** Bytes and lines of an import that is a task, whose lines are kept on the disk until it ends. */
  importBytes: 1024 * 1024 * 1024,
  importLines: 1_000_000,
  /** Bytes of a body with operations. */
  operationsBytes: 16 * 1024 * 1024,
  /** Documents on one page. */
  page: 100,
  /** Requests in a minute that a key may be given. */
  perMinute: 1_000_000,
} as const;
