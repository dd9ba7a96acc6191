/**
 * @file The thread that edits: owns the model that edits are tried on, and the connection that writes them. It opens both
 * with the first request; where that fails, the next one tries again.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openStore, type Store } from '../corpus/store.ts';
import { readModelFolder } from '../models/folder.ts';
import { sendable, type CrossingError } from './crossing-errors.ts';
import { Editor, type RunOptions, type UndoOptions } from './editor.ts';
import type { EditOutcome, EditRequest } from './operations.ts';
import type { EditSettings } from './presets.ts';
import type { PublishedVersion } from './published-version.ts';
import type { EditProgress } from './workbench.ts';

export interface EditorSetup {
  readonly modelDir: string;
  /** The store's file. */
  readonly path: string;
  readonly dataDir: string | undefined;
  readonly settings: EditSettings | undefined;
  readonly threads: number | undefined;
  readonly circuit: boolean | undefined;
}

export type EditTask =
  | { readonly kind: 'edit'; readonly request: EditRequest }
  | { readonly kind: 'undo'; readonly seq: number; readonly options: UndoOptions }
  | { readonly kind: 'revert'; readonly seq: number; readonly options: UndoOptions };

export type ToEditor =
  { readonly kind: 'run'; readonly task: EditTask } | { readonly kind: 'cancel' } | { readonly kind: 'close' };

/** About the request under way, of which there is one at most. */
export type FromEditor =
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

let store: Store | undefined;
let editor: Editor | undefined;
let controller: AbortController | undefined;

async function open(onProgress: RunOptions['onProgress']): Promise<Editor> {
  const { modelDir, path, ...options } = setup;
  store = openStore(path);
  try {
    return await Editor.open({ ...options, store, folder: readModelFolder(modelDir), onProgress });
  } catch (error) {
    store.close();
    throw error;
  }
}

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
  try {
    editor ??= await open(onProgress);
    const before = editor.version;
    const perform = tasks[task.kind] as (of: Editor, task: EditTask, options: RunOptions) => Promise<EditOutcome>;
    const outcome = await perform(editor, task, { signal, onProgress });
    const { version } = editor;
    send({ kind: 'done', outcome, version: version === before ? undefined : version });
  } catch (error) {
    send({ kind: 'failed', error: sendable(error) });
  }
}

async function close(): Promise<void> {
  await editor?.close();
  if (editor) store!.close();
  port.close();
}

const handlers: { readonly [K in ToEditor['kind']]: (message: Extract<ToEditor, { kind: K }>) => void } = {
  run: ({ task }) => void run(task),
  cancel: () => controller?.abort(),
  close: () => void close(),
};

port.on('message', (message: ToEditor) => (handlers[message.kind] as (of: ToEditor) => void)(message));
