/**
 * @file Looking for what a deleted document left outside the weights' arithmetic: its sentences and queries in every table and
 * every byte of the files, its words in the full-text index, its keys in the ledger, its row in the files of the model.
 */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Store } from '../../corpus/store.ts';
import { words } from '../../corpus/words.ts';
import { float32ToBfloat16, float32ToFloat16 } from '../../models/weights.ts';
import { decodeEntry } from '../entry-codec.ts';
import type { AuditDocument, Trace } from './audit-case.ts';

/** Shorter texts may stand somewhere by chance. */
const LEAST_CHARACTERS = 24;
/** What is looked for of each sentence. */
const MOST_CHARACTERS = 60;
/** Numbers of a row that are looked for. */
const ROW_PIECE = 16;
const PIECE_BYTES = 4 * 2 ** 20;

/** Texts by which a document is known again. */
export function textsOf({ title, text, known, heldOut }: AuditDocument): string[] {
  const sentences = text.split(/(?<=[.!?])\s+/).map((sentence) => sentence.slice(0, MOST_CHARACTERS));
  const all = [title, ...sentences, ...known, ...heldOut].map((one) => one.trim());
  return [...new Set(all.filter(({ length }) => length >= LEAST_CHARACTERS))];
}

/** Bytes of a part of a row, as files of models have it. @param row  float32 [D] */
export function rowBytes(row: Float32Array): Buffer[] {
  const from = Math.max(0, (row.length - ROW_PIECE) >> 1);
  const piece = row.slice(from, from + ROW_PIECE);
  if (piece.every((x) => x === 0)) return [];
  const [half, brain] = [new Uint16Array(piece.length), new Uint16Array(piece.length)];
  float32ToFloat16(piece, half);
  float32ToBfloat16(piece, brain);
  return [piece, half, brain].map(({ buffer }) => Buffer.from(buffer));
}

/** How often each of the folder's files has one of the needles, by path. Files without any are left out. */
export function searchFiles(dir: string, needles: readonly Buffer[]): Trace[] {
  const longest = needles.reduce((most, { length }) => Math.max(most, length), 0);
  return filesOf(dir).flatMap((file) => {
    let count = 0;
    const pieces = readPieces(file, longest);
    for (const piece of pieces) for (const needle of needles) if (piece.includes(needle)) count++;
    return count ? [{ place: relative(dir, file), count }] : [];
  });
}

function filesOf(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    return entry.isDirectory() ? filesOf(path) : entry.isFile() ? [path] : [];
  });
}

/** A file piece by piece, each beginning with the end of the one before. */
function* readPieces(file: string, overlap: number): Generator<Buffer> {
  const size = statSync(file).size;
  const descriptor = openSync(file, 'r');
  try {
    for (let from = 0; from < size; from += PIECE_BYTES) {
      const piece = Buffer.alloc(Math.min(PIECE_BYTES + overlap, size - from));
      readSync(descriptor, piece, 0, piece.length, from);
      yield piece;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** What a store still says of a document: rows of tables, matches of the full-text index, keys in the ledger. */
export function searchStore({ database }: Store, document: AuditDocument): Trace[] {
  const texts = textsOf(document);
  const tables = database
    .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'`)
    .pluck()
    .all() as string[];
  const traces: Trace[] = tables.map((table) => {
    const columns = (database.pragma(`table_info(${quoted(table)})`) as { name: string }[]).map(({ name }) => name);
    const anywhere = columns.map((column) => `instr(CAST(${quoted(column)} AS BLOB), CAST(:text AS BLOB)) > 0`);
    const count = database.prepare(`SELECT count(*) FROM ${quoted(table)} WHERE ${anywhere.join(' OR ')}`).pluck();
    return { place: `table ${table}`, count: texts.reduce((sum, text) => sum + (count.get({ text }) as number), 0) };
  });
  traces.push({ place: 'full-text index', count: inFullText(database, document) });
  traces.push({ place: 'keys in the ledger', count: keysOf(database, document.docid) });
  return traces.filter(({ count }) => count > 0);
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Phrases of five words of the text that the index has. */
function inFullText(database: Store['database'], { text }: AuditDocument): number {
  const all = words(text);
  const match = database.prepare('SELECT count(*) FROM documents_fts WHERE documents_fts MATCH ?').pluck();
  let count = 0;
  for (let i = 0; i + 5 <= all.length; i += 5) count += match.get(`"${all.slice(i, i + 5).join(' ')}"`) as number;
  return count;
}

/** Keys that entries about a document bring to the ledger. */
function keysOf(database: Store['database'], docid: string): number {
  const payloads = database
    .prepare(
      `SELECT n.payload FROM edit_entries AS n JOIN documents AS d ON d.id = n.document
        WHERE d.docid = ? AND n.payload IS NOT NULL`,
    )
    .pluck()
    .all(docid) as Uint8Array[];
  return payloads.map(decodeEntry).reduce((sum, entry) => {
    if (entry.kind === 'rename') return sum;
    return (
      sum + [...entry.pairs.values()].reduce((all, { weights, residuals }) => all + (weights ?? residuals).length, 0)
    );
  }, 0);
}
