/**
 * @file Folding: the edits of a log become part of a new base model, and the log starts anew from there. What was done, by
 * whom and to which documents stays; what a single edit brought to the weights does not, so folded edits cannot be undone.
 */
import type { Store } from '../corpus/store.ts';
import { readModelFolder, writeModelFolder, type ModelFolder } from '../models/folder.ts';
import { modelVersion } from '../models/model-version.ts';
import { withWords } from './deletion/with-words.ts';
import { driftKey, ForeignEditError } from './edit-commit.ts';
import { EditLog, foldedKey } from './edit-log.ts';
import { versionBase } from './edited-version.ts';
import { baseKey, readBase } from './log-base.ts';
import { mergeVersion } from './merge.ts';
import { drawBase, writeBase, type DrawnBase } from './open-base.ts';
import { readPublished, type PublishedVersion } from './published-version.ts';

/** A base model that contains all edits, beside a log that does not start from it yet. */
export interface Folding {
  readonly folder: ModelFolder;
  /** `modelVersion` of it. */
  readonly version: string;
  /** The newest edit that it contains. */
  readonly seq: number;
  /** Edits that it contains and the base before it did not. */
  readonly edits: number;
  /** What the log starts from then. */
  readonly base: DrawnBase;
}

/** The log has no edit that its base does not contain. */
export class NothingToFoldError extends Error {
  override readonly name = 'NothingToFoldError';
  constructor(path: string, last: number) {
    const actual = last ? `none after edit ${last}, which was folded` : 'none';
    super(`${path}: expected edits to fold, got ${actual}; there is nothing to compact`);
  }
}

/** Fingerprint of the merged model's documents; null where the store has others beside. */
export const fingerprintOf = (store: Store, { docids }: PublishedVersion): string | null => {
  const known = new Set(docids);
  return store.liveDocids().every((docid) => known.has(docid)) ? store.fingerprint() : null;
};

/**
 * Writes the new base. The log is not touched.
 *
 * @param out    folder for it
 * @param words  vectors of words in place of the base's, float32 [D] by token
 * @throws NothingToFoldError, ForeignEditsError, MergeError, ModelFolderWriteError
 */
export async function writeFolding(
  store: Store,
  folder: ModelFolder,
  out: string,
  words: ReadonlyMap<number, Float32Array> = new Map(),
): Promise<Folding> {
  const log = new EditLog(store);
  const { last: seq, folded } = log;
  if (seq === folded) throw new NothingToFoldError(store.database.name, seq);
  const version = await modelVersion(folder.dir);
  const published = readPublished(store, { version, base: versionBase(folder) });
  const merged = mergeVersion(folder, published, fingerprintOf(store, published));
  writeModelFolder(out, words.size ? withWords(merged, words) : merged);
  const base = { folder: readModelFolder(out), version: await modelVersion(out) };
  const { layers, settings } = readBase(store)!;
  const { config, genir } = base.folder;
  const drawn = drawBase(store, { model: base.version, config, layers, settings }, genir!.docids);
  return { ...base, seq, edits: seq - folded, base: drawn };
}

/** What a log knows of edits by the weights of its base. */
const tables = ['edit_activations', 'edit_rows', 'edit_deltas', 'edit_entries', 'edit_base', 'edit_bank'];

/**
 * Lets the log start from the new base. Within a transaction of the caller.
 *
 * @throws ForeignEditError  where an edit came between
 */
export function adoptFolding(store: Store, { seq, base }: Folding): void {
  const log = new EditLog(store);
  if (log.last !== seq) throw new ForeignEditError(store.database.name, seq, log.last);
  for (const table of tables) store.database.prepare(`DELETE FROM ${table}`).run();
  store.writeMeta(baseKey, undefined);
  store.writeMeta(foldedKey, String(seq));
  store.writeMeta(driftKey, undefined);
  writeBase(store, base);
}
