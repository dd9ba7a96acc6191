/**
 * @file The thread that edits: owns the model that edits are tried on, and the connection that writes them. It opens both
 * with the first request; where that fails, the next one tries again.
 */
import { statSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { openStore, type Store } from '../corpus/store.ts';
import { readModelFolder } from '../models/folder.ts';
import { inSharedMemory } from '../models/shared-version.ts';
import { sendable, type CrossingError } from './crossing-errors.ts';
import { ForeignEditError } from './edit-commit.ts';
import { Editor, type RunOptions, type UndoOptions } from './editor.ts';
import type { EditOutcome, EditRequest } from './operations.ts';
import type { EditSettings } from './presets.ts';
import type { PublishedVersion } from './published-version.ts';
import { giveWayTo } from './right-of-way.ts';
import { openStream } from './stream/database-url.ts';
import { StreamConflictError } from './stream/edit-stream.ts';
import { SharedStore } from './stream/shared-store.ts';
import type { EditProgress } from './workbench.ts';

export interface EditorSetup {
  readonly modelDir: string;
  /** The store's file. */
  readonly path: string;
  readonly dataDir: string | undefined;
  readonly settings: EditSettings | undefined;
  readonly threads: number | undefined;
  readonly circuit: boolean | undefined;
  readonly databaseUrl: string | undefined;
  /** `searchesUnderWay` of the thread that serves. */
  readonly searches: SharedArrayBuffer;
}

export type EditTask =
  | { readonly kind: 'edit'; readonly request: EditRequest }
  | { readonly kind: 'undo'; readonly seq: number; readonly options: UndoOptions }
  | { readonly kind: 'revert'; readonly seq: number; readonly options: UndoOptions };

export type ToEditor =
  | { readonly kind: 'run'; readonly task: EditTask }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'shorten' }
  | { readonly kind: 'close' };

export type FromEditor = AboutRequest | { readonly kind: 'shortened' };

/** About the request under way, of which there is one at most. */
export type AboutRequest =
  | { readonly kind: 'progress'; readonly progress: EditProgress }
  | {
      readonly kind: 'done';
      readonly outcome: EditOutcome;
      /** Where the edit made one. */
      readonly version: PublishedVersion | undefined;
    }
  | { readonly kind: 'failed'; readonly error: CrossingError };

const port = parentPort!;
const send = (message: FromEditor): void => port.postMessage(message);
const setup = workerData as EditorSetup;
giveWayTo(setup.searches);

let store: Store | undefined;
let shared: SharedStore | undefined;
let editor: Editor | undefined;
let controller: AbortController | undefined;
/** What searches were told of last. */
let sent: PublishedVersion | undefined;

async function open(onProgress: RunOptions['onProgress']): Promise<Editor> {
  const { modelDir, path, databaseUrl, ...options } = setup;
  store = openStore(path);
  try {
    if (databaseUrl !== undefined) shared = new SharedStore(store, await openStream(databaseUrl));
    await shared?.catchUp();
    return await Editor.open({ ...options, store, shared, folder: readModelFolder(modelDir), onProgress });
  } catch (error) {
    await shut();
    throw error;
  }
}

async function shut(): Promise<void> {
  await editor?.close();
  await shared?.stream.close();
  store?.close();
  [store, shared, editor] = [undefined, undefined, undefined];
}

/** Another process has edited since: what it did is taken over, and the request is done on top of it. */
const isLate = (error: unknown): boolean =>
  shared !== undefined && (error instanceof ForeignEditError || error instanceof StreamConflictError);

const tasks: {
  readonly [K in EditTask['kind']]: (
    of: Editor,
    task: Extract<EditTask, { kind: K }>,
    options: RunOptions,
  ) => Promise<EditOutcome>;
} = {
  edit: (of, { request }, options) => of.edit(request, options),
  undo: (of, { seq, options: more }, options) => of.undo(seq, { ...more, ...options }),
  revert: (of, { seq, options: more }, options) => of.revert(seq, { ...more, ...options }),
};

async function run(task: EditTask): Promise<void> {
  const { signal } = (controller = new AbortController());
  const onProgress = (progress: EditProgress): void => send({ kind: 'progress', progress });
  const perform = tasks[task.kind] as (of: Editor, task: EditTask, options: RunOptions) => Promise<EditOutcome>;
  const once = async (): Promise<EditOutcome> =>
    perform((editor ??= await open(onProgress)), task, { signal, onProgress });
  try {
    const outcome = await once().catch(async (error: unknown) => {
      if (!isLate(error)) throw error;
      await shut();
      return once();
    });
    const { version } = editor!;
    const published = version === sent ? undefined : { ...version, model: inSharedMemory(version.model) };
    send({ kind: 'done', outcome, version: published });
    sent = version;
  } catch (error) {
    send({ kind: 'failed', error: sendable(error) });
  }
}

/** A longer log is written into the database. SQLite would do it in the thread that commits next, and that may serve. */
const maxLogBytes = 3 << 20;

/** What somebody reads is left for another time. */
function shorten(): void {
  const log = store && statSync(`${setup.path}-wal`, { throwIfNoEntry: false });
  if (log && log.size > maxLogBytes) store!.database.pragma('wal_checkpoint(PASSIVE)');
  send({ kind: 'shortened' });
}

async function close(): Promise<void> {
  await shut();
  port.close();
}

const handlers: { readonly [K in ToEditor['kind']]: (message: Extract<ToEditor, { kind: K }>) => void } = {
  run: ({ task }) => void run(task),
  cancel: () => controller?.abort(),
  shorten,
  close: () => void close(),
};

port.on('message', (message: ToEditor) => (handlers[message.kind] as (of: ToEditor) => void)(message));
