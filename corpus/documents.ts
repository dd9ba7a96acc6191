/** The plain records of a corpus: documents, queries, judgements. Everything else in `corpus/` reads or makes these. */

/** A deleted document stays in the store, so that its history can be told and an edit undone. */
export type DocumentState = 'live' | 'deleted';

/** Metadata is any JSON object; filters reach into it by dotted paths. */
export type Metadata = Record<string, unknown>;

export interface Document {
  /** The external identifier, unique in the corpus. */
  docid: string;
  title: string;
  text: string;
  metadata: Metadata;
  /** 1 when first inserted, one more with every change, deletion included. */
  version: number;
  state: DocumentState;
}

/** What a caller gives to make or replace a document. */
export interface NewDocument {
  docid: string;
  title?: string;
  text: string;
  metadata?: Metadata;
}

export interface Query {
  id: string;
  text: string;
}

/** A query with the documents that answer it (score above 0), in the order of their docids' insertion. */
export interface JudgedQuery extends Query {
  relevant: string[];
}

export interface Qrel {
  queryId: string;
  docid: string;
  /** Relevance grade, an integer; 0 or less means judged and not relevant. */
  score: number;
}

export const splits = ['train', 'dev', 'test'] as const;
export type Split = (typeof splits)[number];

/** No document, live or deleted, has this docid. */
export class UnknownDocidError extends Error {
  override readonly name = 'UnknownDocidError';
  readonly docid: string;
  constructor(where: string, docid: string) {
    super(`${where}: expected the docid of a document of this corpus, got '${docid}'`);
    this.docid = docid;
  }
}

/** A document that cannot be stored as it is. */
export class InvalidDocumentError extends Error {
  override readonly name = 'InvalidDocumentError';
  /** Where in the document: `docid`, `title`, `metadata.author.age`. */
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

/** Docids name rows, tokens and URLs; longer ones are a mistaken column. */
export const maxDocidLength = 512;
/** SQLite's JSON parser stops at 1,000 levels; nobody means more than a few. */
const maxMetadataDepth = 32;

// Under the u flag a surrogate matches only when it stands alone, i.e. when the string is not well-formed Unicode.
const loneSurrogate = /\p{Surrogate}/u;

const controlCharacter = /[\u0000-\u001f\u007f]/;

/** Says what is wrong with a docid (or a query id), or nothing when it is fine. */
export function identifierProblem(id: string): { expected: string; actual: string } | undefined {
  if (id.trim() === '') return { expected: 'a non-empty string', actual: id === '' ? "''" : 'only white space' };
  if (id.length > maxDocidLength)
    return { expected: `at most ${maxDocidLength} characters`, actual: `${id.length} characters` };
  if (controlCharacter.test(id))
    return { expected: 'no control characters (tabs, line ends)', actual: JSON.stringify(id) };
  if (loneSurrogate.test(id)) return { expected: 'well-formed Unicode', actual: JSON.stringify(id) };
  return undefined;
}

/**
 * Fills in the defaults and refuses what could not be stored and read back the same.
 * @throws InvalidDocumentError
 */
export function checkDocument(document: NewDocument): Required<NewDocument> {
  const problem = identifierProblem(document.docid);
  if (problem) throw new InvalidDocumentError('docid', problem.expected, problem.actual);
  const { docid, title = '', text, metadata = {} } = document;
  for (const [path, value] of [
    ['title', title],
    ['text', text],
  ] as const)
    if (loneSurrogate.test(value)) throw new InvalidDocumentError(path, 'well-formed Unicode', 'a lone surrogate');
  if (title.trim() === '' && text.trim() === '')
    throw new InvalidDocumentError('text', 'a title or a text that is not empty', 'both empty');
  checkMetadata('metadata', metadata, 0);
  return { docid, title, text, metadata };
}

/** JSON, and JSON that SQLite reads as JavaScript does: finite numbers, well-formed strings without U+0000. */
function checkMetadata(path: string, value: unknown, depth: number): void {
  if (depth > maxMetadataDepth) throw new InvalidDocumentError(path, `at most ${maxMetadataDepth} levels`, 'more');
  if (depth === 0 && (typeof value !== 'object' || value === null || Array.isArray(value)))
    throw new InvalidDocumentError(path, 'a JSON object', describeJson(value));
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') return checkMetadataText(path, value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new InvalidDocumentError(path, 'a finite number', String(value));
    return;
  }
  if (Array.isArray(value)) return value.forEach((item, i) => checkMetadata(`${path}[${i}]`, item, depth + 1));
  if (typeof value !== 'object') throw new InvalidDocumentError(path, 'a JSON value', describeJson(value));
  for (const [key, item] of Object.entries(value)) {
    checkMetadataText(path, key);
    checkMetadata(`${path}.${key}`, item, depth + 1);
  }
}

function checkMetadataText(path: string, value: string): void {
  if (value.includes('\0') || loneSurrogate.test(value))
    throw new InvalidDocumentError(path, 'well-formed Unicode without U+0000', JSON.stringify(value.slice(0, 60)));
}

/** A value as an error message names it: `a list`, `the number 3`, `'some text…'`. */
export function describeJson(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return excerpt(value);
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${value}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** At most 60 characters of a text, in quotes, on one line. */
export function excerpt(text: string): string {
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return `'${shown.replace(/\s+/g, ' ')}'`;
}
