import { basename } from 'node:path';
import { CsvError, parse } from 'csv-parse/sync';
import type { Metadata } from './documents.ts';
import { ImportError } from './import-error.ts';
import { importDocuments } from './import.ts';
import type { ImportCounts, ImportOptions, SourceDocument } from './import.ts';
import { docidFields } from './jsonl.ts';
import { readLines } from './lines.ts';
import type { Line, SourceFile } from './lines.ts';
import type { Store } from './store.ts';

export interface CsvOptions extends ImportOptions {
  /** Default: a tab for `.tsv` and `.tab`, else a comma. */
  delimiter?: string;
  /** Whether fields may stand in double quotes. Default: not in files by tab, where a quote is a plain character. */
  quoted?: boolean;
}

/** A record may span lines inside quotes; one longer than this has a quote that is never closed. */
const maxRecordChars = 4 << 20;

/**
 * Documents as CSV: a header row with a docid (`docid`, `id` or `_id`), `text` and perhaps `title`; every other column
 * becomes metadata. There, a cell that is a number as JavaScript would print it (`1984`, `-0.5`, not `007`), `true` or
 * `false` is taken as such, so that ranges can be asked for, and an empty cell says nothing.
 * @throws ImportError
 */
export function* readCsvDocuments(
  file: SourceFile,
  options: CsvOptions = {},
): Generator<SourceDocument, void, undefined> {
  let header: string[] | undefined;
  for (const { line, bytes, cells } of readRecords(file, options)) {
    const place = { file: file.name, line };
    if (header === undefined) {
      header = checkHeader(place, cells);
      continue;
    }
    if (cells.length !== header.length)
      throw new ImportError(place, `${header.length} columns as in the header`, `${cells.length}`);
    yield { line, bytes, document: toDocument(header, cells) };
  }
  if (header === undefined) throw new ImportError({ file: file.name }, 'a header row', 'an empty file');
}

/** Imports a CSV or TSV file of documents in one transaction. @throws ImportError */
export function importCsv(store: Store, path: string, options: CsvOptions = {}): ImportCounts {
  const file = { path, name: basename(path) };
  return importDocuments(store, file, readCsvDocuments(file, options), options);
}

interface CsvRecord {
  /** The line on which the record begins. */
  line: number;
  bytes: number;
  cells: string[];
}

function* readRecords(file: SourceFile, options: CsvOptions): Generator<CsvRecord, void, undefined> {
  const byTab = /\.(tsv|tab)$/i.test(file.path);
  const { delimiter = byTab ? '\t' : ',', quoted = delimiter !== '\t' } = options;
  for (const { line, bytes, text } of quoted ? joinQuoted(file) : readLines(file)) {
    if (text.trim() === '') continue;
    const place = { file: file.name, line };
    try {
      const [cells] = parse(text, { delimiter, quote: quoted ? '"' : null, relax_column_count: true });
      yield { line, bytes, cells };
    } catch (error) {
      if (!(error instanceof CsvError)) throw error;
      const problem = csvProblems[error.code] ?? error.message;
      throw new ImportError(place, 'a CSV record', problem, { cause: error });
    }
  }
}

const csvProblems: { [code: string]: string } = {
  CSV_QUOTE_NOT_CLOSED: 'a quoted field that never ends',
  CSV_INVALID_CLOSING_QUOTE: 'characters behind a closing quote; write a quote inside a field twice',
  INVALID_OPENING_QUOTE: 'a quote inside an unquoted field; quote the field and write the quote twice',
};

/** Lines joined into records: while the quotes so far are odd in number, a quoted field is open and goes on below. */
function* joinQuoted(file: SourceFile): Generator<Line, void, undefined> {
  let record: Line | undefined;
  let open = false;
  for (const { line, bytes, text } of readLines(file)) {
    record = record ? { line: record.line, bytes, text: `${record.text}\n${text}` } : { line, bytes, text };
    open = open !== hasOddQuotes(text);
    if (!open) {
      yield record;
      record = undefined;
    } else if (record.text.length > maxRecordChars) {
      const place = { file: file.name, line: record.line };
      throw new ImportError(place, `records of at most ${maxRecordChars} characters`, csvProblems.CSV_QUOTE_NOT_CLOSED);
    }
  }
  if (record) yield record;
}

function hasOddQuotes(text: string): boolean {
  let odd = false;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) odd = !odd;
  return odd;
}

function checkHeader(place: { file: string; line: number }, cells: string[]): string[] {
  const header = cells.map((cell) => cell.trim());
  const names = header.map((name) => `'${name}'`).join(', ');
  if (header.includes('')) throw new ImportError(place, 'a name for every column', names);
  const repeated = header.find((name, i) => header.indexOf(name) !== i);
  if (repeated !== undefined) throw new ImportError(place, 'every column name once', `'${repeated}' again`);
  const docids = header.filter((name) => isDocidField(name));
  if (docids.length !== 1) throw new ImportError(place, `one column of ${docidFields.join(', ')}`, names);
  if (!header.includes('text')) throw new ImportError(place, `a column 'text'`, names);
  return header;
}

function toDocument(header: string[], cells: string[]): SourceDocument['document'] {
  const metadata: Metadata = {};
  const document = { docid: '', title: '', text: '', metadata };
  for (const [i, name] of header.entries()) {
    const cell = cells[i];
    if (isDocidField(name)) document.docid = cell;
    else if (name === 'title' || name === 'text') document[name] = cell;
    else if (cell !== '')
      Object.defineProperty(metadata, name, { value: cellValue(cell), enumerable: true, writable: true });
  }
  return document;
}

function cellValue(cell: string): string | number | boolean {
  if (cell === 'true' || cell === 'false') return cell === 'true';
  const number = Number(cell);
  return Number.isFinite(number) && String(number) === cell ? number : cell;
}

function isDocidField(name: string): boolean {
  return (docidFields as readonly string[]).includes(name);
}
