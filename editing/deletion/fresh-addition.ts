/** @file Adding documents by edits and deleting some of them again, as an editor does it, on a store in memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStore, type Store } from '../../corpus/store.ts';
import type { ModelFolder } from '../../models/folder.ts';
import { Editor } from '../editor.ts';
import { editLimits, type Operation } from '../operations.ts';
import type { PublishedVersion } from '../published-version.ts';
import type { EditProgress } from '../workbench.ts';
import type { AuditDocument, TracesOf } from './audit-case.ts';
import { searchStore } from './trace-search.ts';

export interface FreshAddition {
  readonly folder: ModelFolder;
  /** Fills a store with the documents and queries that the model was trained with. */
  readonly fill: (store: Store) => void;
  /** Each comes with its known queries. */
  readonly added: readonly AuditDocument[];
  /** Some of them. They are forgotten as well. */
  readonly deleted: readonly AuditDocument[];
  /** Others, which are added in the end. */
  readonly controls: readonly AuditDocument[];
  readonly threads: number;
  readonly onProgress: (progress: EditProgress) => void;
}

export interface AddedAndDeleted {
  /** With all of them. */
  readonly before: PublishedVersion;
  readonly after: PublishedVersion;
  /** Another store and another editor, who never were given the deleted ones. */
  readonly never: PublishedVersion;
  /** The same with the controls. */
  readonly withControls: PublishedVersion;
  /** Left in the store. */
  readonly traces: readonly TracesOf[];
}

export async function addAndDelete(options: FreshAddition): Promise<AddedAndDeleted> {
  const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-audit-'));
  try {
    return await inTurn({ ...options, dataDir });
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}

/** With a place for what the base model makes of the bank's queries, which both editors need. */
type Setup = FreshAddition & { readonly dataDir: string };

async function inTurn(options: Setup): Promise<AddedAndDeleted> {
  const { added, deleted, controls } = options;
  const gone = new Set(deleted.map(({ docid }) => docid));
  const versions = await edited(options, async (editor, store) => {
    const before = await inEdits(editor, added.map(addition));
    const after = await inEdits(
      editor,
      deleted.map(({ docid }): Operation => ({ kind: 'delete', docid, forget: true })),
    );
    const traces = deleted.map((document) => ({ docid: document.docid, traces: searchStore(store, document) }));
    return { before, after, traces };
  });
  const others = added.filter(({ docid }) => !gone.has(docid)).map(addition);
  const without = await edited(options, async (editor) => {
    const never = await inEdits(editor, others);
    return { never, withControls: await inEdits(editor, controls.map(addition)) };
  });
  return { ...versions, ...without };
}

export const addition = ({ docid, title, text, known }: AuditDocument): Operation => ({
  kind: 'add',
  document: { docid, title, text },
  ...(known.length && { queries: known }),
});

async function edited<T>(
  { fill, folder, dataDir, threads, onProgress }: Setup,
  use: (editor: Editor, store: Store) => Promise<T>,
): Promise<T> {
  const store = openStore(':memory:');
  try {
    fill(store);
    const editor = await Editor.open({ store, folder, dataDir, threads, onProgress });
    try {
      return await use(editor, store);
    } finally {
      await editor.close();
    }
  } finally {
    store.close();
  }
}

/** All points of Success@1: whatever an edit costs, it is made. */
const ANY = 1;

/** As few edits as may be. */
export async function inEdits(editor: Editor, operations: readonly Operation[]): Promise<PublishedVersion> {
  for (let from = 0; from < operations.length; from += editLimits.operations)
    await editor.edit({ operations: operations.slice(from, from + editLimits.operations), budget: ANY });
  return editor.version;
}
