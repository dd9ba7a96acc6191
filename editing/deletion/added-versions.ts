/**
 * @file The versions of a data folder around the deletion of documents that edits had added: the one that had them, and the
 * one in which they never were.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../../corpus/store.ts';
import { ForgottenError } from '../document-history.ts';
import { Editor } from '../editor.ts';
import { newestSolvedAnew, pastVersions, type PastOptions } from '../past-version.ts';
import type { PublishedVersion } from '../published-version.ts';
import { FoldedEditError } from '../undo.ts';
import type { AuditDocument } from './audit-case.ts';
import { addition, inEdits } from './fresh-addition.ts';

export interface AddedVersions {
  /** The last one that had all of them; where the log cannot give it any more, the newest one with them added again. */
  readonly before: PublishedVersion;
  readonly isAddedAgain: boolean;
  /** The newest one, solved from what is in force alone. */
  readonly never: PublishedVersion;
  /** The newest one, with the controls added. */
  readonly withControls: PublishedVersion;
}

/** A document that no edit took away. */
export class NeverDeletedError extends Error {
  override readonly name = 'NeverDeletedError';
  readonly docid: string;
  constructor(path: string, docid: string) {
    super(`${path}: '${docid}': expected a document that an edit deleted, got one that none did; see "edit list"`);
    this.docid = docid;
  }
}

/**
 * @param options.store  of the data folder; it is only read
 * @throws NeverDeletedError
 */
export async function versionsAround(
  options: PastOptions,
  deleted: readonly AuditDocument[],
  controls: readonly AuditDocument[],
): Promise<AddedVersions> {
  const { store } = options;
  const ends = deleted.map(({ docid }) => {
    const seq = store.database
      .prepare(
        `SELECT max(e.seq) FROM edit_documents AS e JOIN documents AS d ON d.id = e.document
          WHERE d.docid = ? AND e.state_before = 'live'`,
      )
      .pluck()
      .get(docid) as number | null;
    if (seq === null) throw new NeverDeletedError(store.database.name, docid);
    return seq;
  });
  const [never, withControls] = [await newestSolvedAnew(options), await withAdded(options, controls)];
  try {
    const [before] = await pastVersions(options, [Math.min(...ends) - 1]);
    return { before, isAddedAgain: false, never, withControls };
  } catch (error) {
    if (!(error instanceof ForgottenError || error instanceof FoldedEditError)) throw error;
    return { before: await withAdded(options, deleted), isAddedAgain: true, never, withControls };
  }
}

/** The newest version with documents added, on a copy of the store. */
async function withAdded({ store, folder, onProgress }: PastOptions, documents: readonly AuditDocument[]) {
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-audit-'));
  try {
    const file = join(dir, 'copy.sqlite');
    await store.database.backup(file);
    const copy = openStore(file);
    try {
      const editor = await Editor.open({ store: copy, folder, onProgress });
      try {
        return await inEdits(editor, documents.map(addition));
      } finally {
        await editor.close();
      }
    } finally {
      copy.close();
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}
