import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Editor } from '../../editing/editor.ts';
import type { Store } from '../../corpus/store.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { DataFolderInUseError } from '../data-lock.ts';
import { currentModel, openDataFolder, openDataFolderToRead, storeFile, type DataFolder } from '../data-folder.ts';
import { readModelInfo, type ModelInfo } from '../model-info.ts';
import { builtinModel } from '../paths.ts';
import { integer, type Note, type OptionSpec, UsageError } from './command.ts';
import { modelOption, threadsOption } from './shared-options.ts';

/** What every command has that works on a data folder. */
export interface DataOptions {
  data: string;
  model?: string;
}

export const dataOptions: { readonly [N in keyof DataOptions]-?: OptionSpec<string> } = {
  data: {
    flags: '--data <dir>',
    description: 'data folder',
    parse: (path) => resolve(path),
    default: resolve('./data'),
  },
  model: { ...modelOption, description: 'the model that the data folder was made for (default: the built-in one)' },
};

/** And those that edit. */
export interface EditOptions extends DataOptions {
  author?: string;
  dryRun?: boolean;
  threads: number;
}

export const editOptions: { readonly [N in keyof EditOptions]-?: OptionSpec<Exclude<EditOptions[N], undefined>> } = {
  ...dataOptions,
  author: { flags: '--author <name>', description: 'who edits, for the history' },
  dryRun: { flags: '--dry-run', description: 'tell what the edit would do, and change nothing' },
  threads: threadsOption,
};

/** The largest fall of Success@1 that an edit may cost. */
export const budgetOption: OptionSpec<number> = {
  flags: '--budget <percent>',
  description:
    'refuse what costs old documents more than so many points of Success@1 (default: 1, and more for many documents; any where none is added or changed)',
  parse: (text) => {
    const value = text.trim() === '' ? NaN : Number(text);
    if (value >= 0 && value <= 100) return value;
    return integer(0, 100)(text);
  },
};

/** A server has the data folder: edits go through it. */
export class ServedDataFolderError extends Error {
  override readonly name = 'ServedDataFolderError';
  readonly dir: string;
  constructor(
    dir: string,
    cause: unknown,
    advice = "edit over the server's API (POST /documents, PUT and DELETE /documents/:docid, POST /edits/:seq/undo)",
  ) {
    super(
      `${dir}: expected a data folder that no server uses, got one that a server or another edit holds; ${advice}, or stop it first`,
      { cause },
    );
    this.dir = dir;
  }
}

/** @throws UsageError */
async function modelOf({ data, model = builtinModel }: DataOptions): Promise<ModelInfo> {
  if (!existsSync(join(data, storeFile)))
    throw new UsageError(`--data ${data}: expected a data folder, got none there; start a server once to make it`);
  return readModelInfo(await currentModel(data, model));
}

/** An existing data folder, for one who writes. @throws UsageError, ServedDataFolderError, ForeignDataFolderError */
export async function withData<T>(
  options: DataOptions,
  use: (data: DataFolder, folder: ModelFolder) => Promise<T>,
): Promise<T> {
  const model = await modelOf(options);
  const data = openToWrite(options.data, model);
  try {
    return await use(data, readModelFolder(model.dir));
  } finally {
    data.close();
  }
}

function openToWrite(dir: string, model: ModelInfo): DataFolder {
  try {
    return openDataFolder({ dir, model, corpus: undefined });
  } catch (error) {
    throw error instanceof DataFolderInUseError ? new ServedDataFolderError(dir, error) : error;
  }
}

/** A data folder beside the server that may use it. @throws UsageError, ForeignDataFolderError */
export async function readData<T>(
  options: DataOptions,
  use: (store: Store, model: ModelInfo) => Promise<T> | T,
): Promise<T> {
  const model = await modelOf(options);
  const { store } = openDataFolderToRead(options.data, model, undefined);
  try {
    return await use(store, model);
  } finally {
    store.close();
  }
}

/** An editor on a data folder, with its progress as notes. */
export function withEditor<T>(
  options: EditOptions,
  note: Note,
  use: (editor: Editor, store: Store) => Promise<T>,
): Promise<T> {
  return withData(options, async ({ store, dir }, folder) => {
    // Loads onnxruntime, which looking at edits does without.
    const { Editor } = await import('../../editing/editor.ts');
    const { threads } = options;
    const editor = await Editor.open({ store, folder, dataDir: dir, threads, onProgress: progressLines(note) });
    try {
      return await use(editor, store);
    } finally {
      await editor.close();
    }
  });
}

const LINE_EVERY_MS = 5000;

/** Silent for what takes no time. */
export function progressLines(note: Note): (progress: { done: number; total: number; message: string }) => void {
  let at = Date.now();
  return ({ done, total, message }) => {
    if (Date.now() - at < LINE_EVERY_MS) return;
    at = Date.now();
    note(`${message}: ${done} of ${total}`);
  };
}
