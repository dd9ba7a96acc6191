import { InvalidDocumentError } from './documents.ts';
import type { NewDocument, Split } from './documents.ts';
import { ImportError } from './import-error.ts';
import { fileSize } from './lines.ts';
import type { SourceFile } from './lines.ts';
import { DocidTakenError } from './store.ts';
import type { Store } from './store.ts';

/** A document of a file, with where it stands. */
export interface SourceDocument {
  line: number;
  /** Bytes of the file read so far. */
  bytes: number;
  document: NewDocument;
}

export interface ImportProgress {
  file: string;
  /** Bytes read, and bytes to read, over all files of the import. */
  bytes: number;
  totalBytes: number;
  /** Lines of this file that became something. */
  records: number;
}

export interface ImportOptions {
  /** Called now and then while the import runs, and at the end of each file. */
  onProgress?: (progress: ImportProgress) => void;
}

export interface ImportCounts {
  documents: number;
  queries: number;
  qrels: { [S in Split]: number };
  /** Judgements that a file repeats word for word; counted once above. */
  repeatedQrels: number;
  /** Files found beside the ones read, by name. */
  ignored: string[];
}

/** Key of the record an import leaves in the store's meta: source, counts, time, fingerprint. */
export const importRecordKey = 'import';

const progressEvery = 1000;

/** Adds up bytes over the files of one import. */
export class ProgressMeter {
  readonly #totalBytes: number;
  readonly #onProgress: ImportOptions['onProgress'];
  #finishedBytes = 0;

  constructor(files: readonly SourceFile[], { onProgress }: ImportOptions) {
    this.#totalBytes = files.reduce((sum, file) => sum + fileSize(file), 0);
    this.#onProgress = onProgress;
  }

  /** To be called after each record. */
  tick(file: SourceFile, bytes: number, records: number): void {
    if (records % progressEvery === 0) this.#report(file, bytes, records);
  }

  finish(file: SourceFile, records: number): void {
    this.#report(file, fileSize(file), records);
    this.#finishedBytes += fileSize(file);
  }

  #report(file: SourceFile, bytes: number, records: number): void {
    this.#onProgress?.({ file: file.name, bytes: this.#finishedBytes + bytes, totalBytes: this.#totalBytes, records });
  }
}

/** The lines where things of one kind were first named, to say both lines when one comes twice. */
export class FirstLines {
  readonly #kind: string;
  readonly #file: string;
  readonly #lines = new Map<string, number>();

  constructor(kind: string, file: SourceFile) {
    this.#kind = kind;
    this.#file = file.name;
  }

  /** @throws ImportError when an earlier line has it */
  add(id: string, line: number): void {
    const first = this.#lines.get(id);
    if (first !== undefined)
      throw new ImportError({ file: this.#file, line }, `every ${this.#kind} once`, `'${id}', which line ${first} has`);
    this.#lines.set(id, line);
  }
}

/** Imports a stream of documents in one transaction; a failure or a kill leaves the store as it was. @throws ImportError */
export function importDocuments(
  store: Store,
  file: SourceFile,
  documents: Iterable<SourceDocument>,
  options: ImportOptions,
): ImportCounts {
  return store.transaction(() => {
    const meter = new ProgressMeter([file], options);
    const count = insertDocuments(store, file, documents, meter);
    const counts = { ...noCounts(), documents: count };
    writeImportRecord(store, file.path, counts);
    return counts;
  });
}

/** Inserts documents and returns how many; to be called inside a transaction. @throws ImportError */
export function insertDocuments(
  store: Store,
  file: SourceFile,
  documents: Iterable<SourceDocument>,
  meter: ProgressMeter,
): number {
  const lines = new FirstLines('docid', file);
  let count = 0;
  for (const { line, bytes, document } of documents) {
    lines.add(document.docid, line);
    insertAt(store, file, line, document);
    meter.tick(file, bytes, ++count);
  }
  if (count === 0) throw new ImportError({ file: file.name }, 'at least one document', 'none');
  meter.finish(file, count);
  return count;
}

function insertAt(store: Store, file: SourceFile, line: number, document: NewDocument): void {
  try {
    store.insert(document);
  } catch (error) {
    const place = { file: file.name, line };
    if (error instanceof DocidTakenError)
      throw new ImportError(place, 'a new docid', `'${error.docid}', which the store has already`, { cause: error });
    if (error instanceof InvalidDocumentError)
      throw new ImportError(place, `${error.path} to be ${error.expected}`, error.actual, { cause: error });
    throw error;
  }
}

export function noCounts(): ImportCounts {
  return { documents: 0, queries: 0, qrels: { train: 0, dev: 0, test: 0 }, repeatedQrels: 0, ignored: [] };
}

export function writeImportRecord(store: Store, source: string, counts: ImportCounts): void {
  const record = { source, counts, at: new Date().toISOString(), fingerprint: store.fingerprint() };
  store.writeMeta(importRecordKey, JSON.stringify(record));
}
