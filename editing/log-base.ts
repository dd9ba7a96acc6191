/**
 * @file What all edits of a log start from: a base model, settings, the documents that the model's rows stood for, and the
 * queries of the bank. Written once, before the first edit; entries make no sense beside anything else.
 */
import type { Store } from '../corpus/store.ts';
import { EditLog } from './edit-log.ts';
import { sorted } from './operations.ts';
import type { BankQuery, BaseDocument } from './query-bank.ts';
import type { EditSettings } from './presets.ts';

/** Name of the meta value that says it. */
export const baseKey = 'editing.base';

export interface LogBase {
  /** `modelVersion` of the model. */
  readonly model: string;
  /** Decoder layers that are edited. */
  readonly layers: readonly number[];
  readonly settings: EditSettings;
}

/** A log of edits that were made on something else. */
export class ForeignEditsError extends Error {
  override readonly name = 'ForeignEditsError';
  readonly what: 'model' | 'layers' | 'settings';
  readonly expected: string;
  readonly actual: string;
  constructor(path: string, what: 'model' | 'layers' | 'settings', expected: string, actual: string) {
    const advice = {
      model: 'give the model that they were made for',
      layers: 'the analysis has found other stages since; put those of before back into genir.json',
      settings: 'leave the settings out, or start with another data folder',
    };
    super(`${path}: expected edits of ${what} ${expected}, got edits of ${actual}; ${advice[what]}`);
    this.what = what;
    this.expected = expected;
    this.actual = actual;
  }
}

export function readBase(store: Store): LogBase | undefined {
  const written = store.readMeta(baseKey);
  if (written === undefined) return undefined;
  const base = JSON.parse(written) as Omit<LogBase, 'settings'> & { settings: string };
  return { ...base, settings: readSettings(base.settings) };
}

/** Equal settings, equal texts. JSON knows no infinity; what presets are called and say of themselves does not matter. */
export const settingsText = (settings: EditSettings): string =>
  JSON.stringify(sorted({ ...settings, meaning: undefined }), (_, value: unknown) =>
    value === Infinity ? 'Infinity' : value,
  );

export const readSettings = (text: string): EditSettings =>
  JSON.parse(text, (_, value: unknown) => (value === 'Infinity' ? Infinity : value)) as EditSettings;

/** @throws ForeignEditsError */
export function checkModel(store: Store, model: string): void {
  const base = readBase(store);
  if (base && base.model !== model) throw new ForeignEditsError(store.database.name, 'model', model, base.model);
}

/**
 * The base documents by row, as they were before the first edit that the base does not contain; empty where there was none,
 * or one that was forgotten.
 */
export function baseDocuments(store: Store, docids: readonly string[]): BaseDocument[] {
  const documents = docids.map((docid): BaseDocument => ({ docid, title: '', text: '' }));
  const rows = store.database
    .prepare(
      `SELECT b.row, d.title, d.text, f.forgotten, f.before FROM edit_base AS b JOIN documents AS d ON d.id = b.document
         LEFT JOIN edit_documents AS f ON f.id = (
           SELECT min(id) FROM edit_documents WHERE document = b.document AND seq > ?)`,
    )
    .all(new EditLog(store).folded) as {
    row: number;
    title: string;
    text: string;
    forgotten: number | null;
    before: string | null;
  }[];
  for (const { row, title, text, forgotten, before } of rows) {
    if (forgotten) continue;
    const then = before === null ? { title, text } : (JSON.parse(before) as { title: string; text: string });
    documents[row] = { docid: docids[row], title: then.title, text: then.text };
  }
  return documents;
}

export function bankQueries(store: Store): BankQuery[] {
  return store.database
    .prepare('SELECT base_row AS row, kind, text FROM edit_bank ORDER BY position')
    .all() as BankQuery[];
}

/**
 * A bank without the queries of a row. Entries know queries by their places, so others take those: the next canary for a
 * canary, the next of the rest for one of these.
 */
export function bankWithout(bank: readonly BankQuery[], row: number): BankQuery[] {
  return bank.map((query, place) => {
    if (query.row !== row) return query;
    const others = [...bank.slice(place + 1), ...bank.slice(0, place)];
    const isCanary = query.kind === 'canary';
    return (
      others.find((other) => other.row !== row && (other.kind === 'canary') === isCanary) ?? { ...query, text: '' }
    );
  });
}

/** Makes the stored bank one of `bankWithout`. */
export function forgetQueries(store: Store, row: number): void {
  const before = bankQueries(store);
  const write = store.database.prepare('UPDATE edit_bank SET base_row = ?, kind = ?, text = ? WHERE position = ?');
  bankWithout(before, row).forEach((query, position) => {
    if (query !== before[position]) write.run(query.row, query.kind, query.text, position);
  });
}

/** Which base row stands for a document; undefined where none does. */
export function baseRowOf(store: Store, docid: string): number | undefined {
  return store.database
    .prepare('SELECT b.row FROM edit_base AS b JOIN documents AS d ON d.id = b.document WHERE d.docid = ?')
    .pluck()
    .get(docid) as number | undefined;
}
