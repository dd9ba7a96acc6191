/** @file The process that compares two versions, once: it says how far it is, and what it found or why not. */
import { join } from 'node:path';
import type { JudgedQuery } from '../corpus/documents.ts';
import { openStore } from '../corpus/store.ts';
import { readModelFolder } from '../models/folder.ts';
import { workForParent } from '../models/process.ts';
import { compareVersions, type Comparison } from './compare-versions.ts';
import { sendable } from './crossing-errors.ts';
import { bankFile } from './editor.ts';
import type { EditProgress } from './workbench.ts';

export interface CompareSetup {
  readonly modelDir: string;
  /** The store's file. */
  readonly path: string;
  /** Of the editor, whose bank is used. */
  readonly dataDir: string;
  readonly before: number;
  readonly after: number;
  readonly queries: readonly JudgedQuery[];
}

async function compare(
  { modelDir, path, dataDir, ...setup }: CompareSetup,
  onProgress: (progress: EditProgress) => void,
): Promise<Comparison> {
  const store = openStore(path, { readonly: true });
  try {
    store.database.exec('BEGIN'); // edits that are made meanwhile are not seen
    const [folder, cacheFile] = [readModelFolder(modelDir), join(dataDir, bankFile)];
    return await compareVersions({ ...setup, store, folder, cacheFile, onProgress });
  } finally {
    store.close();
  }
}

workForParent(compare, sendable);
