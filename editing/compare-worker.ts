/** @file The thread that compares two versions, once: it says how far it is, and what it found or why not. */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { JudgedQuery } from '../corpus/documents.ts';
import { openStore } from '../corpus/store.ts';
import { readModelFolder } from '../models/folder.ts';
import { compareVersions, type Comparison } from './compare-versions.ts';
import { sendable, type CrossingError } from './crossing-errors.ts';
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

/** The one message to this thread: stop at the next step. */
export type ToCompare = 'stop';

export type FromCompare =
  | { readonly kind: 'progress'; readonly progress: EditProgress }
  | { readonly kind: 'done'; readonly comparison: Comparison }
  | { readonly kind: 'failed'; readonly error: CrossingError };

const port = parentPort!;
const send = (message: FromCompare): void => port.postMessage(message);
const { modelDir, path, dataDir, ...setup } = workerData as CompareSetup;
const controller = new AbortController();
port.on('message', (_: ToCompare) => controller.abort());
try {
  const store = openStore(path, { readonly: true });
  try {
    store.database.exec('BEGIN'); // edits that are made meanwhile are not seen
    const comparison = await compareVersions({
      ...setup,
      store,
      folder: readModelFolder(modelDir),
      cacheFile: join(dataDir, bankFile),
      signal: controller.signal,
      onProgress: (progress) => send({ kind: 'progress', progress }),
    });
    send({ kind: 'done', comparison });
  } finally {
    store.close();
  }
} catch (error) {
  send({ kind: 'failed', error: sendable(error) });
}
port.close();
