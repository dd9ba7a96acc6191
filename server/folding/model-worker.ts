/** @file The thread that writes an edited model as one of its own, once: for others to take away, or as the new base. */
import { parentPort, workerData } from 'node:worker_threads';
import { dirname } from 'node:path';
import { openStore } from '../../corpus/store.ts';
import { sendable, type CrossingError } from '../../editing/crossing-errors.ts';
import { readModelFolder } from '../../models/folder.ts';
import type { Report } from '../tasks/task.ts';
import { exportModel, type ExportedModel } from './export-model.ts';
import { fold, type Folded } from './fold.ts';

interface Place {
  /** The store's file. */
  readonly path: string;
  readonly modelDir: string;
  /** `modelVersion` of it. */
  readonly version: string;
}

export type ModelSetup =
  | (Place & { readonly kind: 'export'; readonly out: string })
  | (Place & { readonly kind: 'fold'; readonly removeTraces: boolean });

export interface Made {
  readonly export: ExportedModel;
  readonly fold: Folded;
}

export type FromModelThread =
  | { readonly kind: 'progress'; readonly progress: Report }
  | { readonly kind: 'done'; readonly made: Made[keyof Made] }
  | { readonly kind: 'failed'; readonly error: CrossingError };

const port = parentPort!;
const send = (message: FromModelThread): void => port.postMessage(message);
const onProgress = (done: number, total: number, message: string): void =>
  send({ kind: 'progress', progress: { done, total, message } });

const setup = workerData as ModelSetup;
try {
  const store = openStore(setup.path, { readonly: setup.kind === 'export' });
  try {
    const folder = readModelFolder(setup.modelDir);
    if (setup.kind === 'export') {
      onProgress(0, 1, 'writing the model');
      send({ kind: 'done', made: exportModel(store, folder, setup.version, setup.out) });
    } else {
      const { removeTraces } = setup;
      send({ kind: 'done', made: await fold(store, dirname(setup.path), folder, { removeTraces, onProgress }) });
    }
  } finally {
    store.close();
  }
} catch (error) {
  send({ kind: 'failed', error: sendable(error) });
}
port.close();
