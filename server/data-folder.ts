/**
 * The data folder: all that changes while a server runs. It is made from a corpus at the first start and belongs to one
 * model from then on, since edits are written for the model they were computed on.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { importCorpus } from '../corpus/import-corpus.ts';
import type { ImportOptions } from '../corpus/import.ts';
import { StoreOpenError, StoreVersionError } from '../corpus/open.ts';
import { openStore, type Store } from '../corpus/store.ts';
import type { StreamIdentity } from '../editing/stream/edit-stream.ts';
import { enterStream, readPlace } from '../editing/stream/shared-store.ts';
import { modelVersion } from '../models/model-version.ts';
import { DataFolderError, lockDataFolder } from './data-lock.ts';
import { sample, type ModelInfo } from './model-info.ts';
import { builtinCorpus, nameOf } from './paths.ts';

export const storeFile = 'palimpsest.sqlite';
const ownerKey = 'server.owner';

/** What a data folder was made from. */
interface Owner {
  readonly model: { readonly version: string; readonly dir: string };
  readonly corpus: { readonly signature: string; readonly name: string };
  /** Where edits were folded into a new base: its folder in this one, and the versions of the models before it. */
  readonly folded?: { readonly folder: string; readonly from: readonly string[] };
}

/** A data folder made for another model, from another corpus, or by something else. */
export class ForeignDataFolderError extends Error {
  override readonly name = 'ForeignDataFolderError';
  readonly dir: string;
  constructor(dir: string, expected: string, actual: string, advice: string) {
    super(
      `${dir}: expected a data folder of ${expected}, got one ${actual}; ${advice}, give another folder with --data, or remove this one to start anew (its edits are lost)`,
    );
    this.dir = dir;
  }
}

/** A data folder that a database has a share in, opened without it. */
export class FollowingDataFolderError extends Error {
  override readonly name = 'FollowingDataFolderError';
  readonly dir: string;
  constructor(dir: string) {
    super(
      `${dir}: expected a data folder of one server, got one that follows a database; start it with --role editor or searcher, and change it over the API of the editor`,
    );
    this.dir = dir;
  }
}

export interface DataFolderOptions extends ImportOptions {
  readonly dir: string;
  readonly model: ModelInfo;
  /** Folder or file to fill the store from; checked at later starts when given, the built-in corpus when not. */
  readonly corpus: string | undefined;
  /** What it follows: a stream, one that is still to be begun, or the one that it followed before. */
  readonly follows?: StreamIdentity | 'none' | 'unreachable' | undefined;
}

export interface DataFolder {
  readonly dir: string;
  readonly store: Store;
  readonly corpusName: string;
  /** Whether this start filled it. */
  readonly isNew: boolean;
  close(): void;
}

/** @throws DataFolderError, DataFolderInUseError, ForeignDataFolderError, ImportError, StoreOpenError, StoreVersionError */
export function openDataFolder({ dir: path, model, corpus, follows, ...options }: DataFolderOptions): DataFolder {
  const dir = resolve(path);
  const unlock = claim(dir);
  let store: Store | undefined;
  try {
    store = openStore(join(dir, storeFile));
    store.forgetLog(); // a server that was killed may have left in it what was to be forgotten
    const known = readOwner(store);
    const owner =
      known ??
      (typeof follows === 'object'
        ? follow(store, model, follows)
        : seed(store, dir, model, corpus ?? builtinCorpus, options));
    checkOwner(dir, owner, model, corpus);
    checkStream(dir, store, follows);
    const opened = store;
    return {
      dir,
      store,
      corpusName: owner.corpus.name,
      isNew: known === undefined,
      close() {
        opened.close();
        unlock();
      },
    };
  } catch (error) {
    store?.close();
    unlock();
    throw error;
  }
}

/** The store of an existing data folder, read beside the server that may use it. @throws ForeignDataFolderError, StoreOpenError */
export function openDataFolderToRead(
  path: string,
  model: ModelInfo,
  corpus: string | undefined,
): { store: Store; corpusName: string } {
  const dir = resolve(path);
  const store = openStore(join(dir, storeFile), { readonly: true });
  try {
    const owner = readOwner(store);
    if (!owner)
      throw new ForeignDataFolderError(dir, `model ${model.name}`, 'that no server has filled', 'start a server on it');
    checkOwner(dir, owner, model, corpus);
    return { store, corpusName: owner.corpus.name };
  } catch (error) {
    store.close();
    throw error;
  }
}

/**
 * The model that a data folder belongs to by now: the one that it was made for, or what its edits were folded into since.
 * Any other model is returned as it is, for those to refuse who open the folder with it.
 */
export async function currentModel(dataDir: string, modelDir: string): Promise<string> {
  if (!existsSync(join(dataDir, storeFile))) return modelDir;
  const folded = readFolded(join(dataDir, storeFile));
  if (!folded || !existsSync(modelDir)) return modelDir;
  return folded.from.includes(await modelVersion(modelDir)) ? join(resolve(dataDir), folded.folder) : modelDir;
}

function readFolded(file: string): Owner['folded'] {
  let store: Store | undefined;
  try {
    store = openStore(file, { readonly: true });
    return readOwner(store)?.folded;
  } catch (error) {
    // No store of this version: whoever opens it next says so, or brings it to this one.
    if (error instanceof StoreOpenError || error instanceof StoreVersionError) return undefined;
    throw error;
  } finally {
    store?.close();
  }
}

/** The base that the edits of a store belong to: its folder beside the store, where edits were folded into one. */
export function baseOf(store: Store): { version: string; folder: string | null; from: string[] } {
  const { model, folded } = readOwner(store)!;
  return { version: model.version, folder: folded?.folder ?? null, from: [...(folded?.from ?? [])] };
}

/**
 * Lets a data folder belong to another model, which contains its edits. Within a transaction of the caller.
 *
 * @param folder  of the model, in the data folder
 */
export function adoptModel(store: Store, dir: string, folder: string, version: string): void {
  const owner = readOwner(store)!;
  const from = [...(owner.folded?.from ?? []), owner.model.version];
  const model = { version, dir: join(dir, folder) };
  store.writeMeta(ownerKey, JSON.stringify({ ...owner, model, folded: { folder, from } } satisfies Owner));
}

function claim(dir: string): () => void {
  try {
    mkdirSync(dir, { recursive: true });
  } catch (cause) {
    throw new DataFolderError(dir, cause);
  }
  return lockDataFolder(dir);
}

function readOwner(store: Store): Owner | undefined {
  const written = store.readMeta(ownerKey);
  return written === undefined ? undefined : (JSON.parse(written) as Owner);
}

/** Documents and owner come in one transaction: a folder is whole, or it is still empty and the next start fills it. */
function seed(store: Store, dir: string, model: ModelInfo, corpus: string, options: ImportOptions): Owner {
  if (store.count('all') > 0)
    throw new ForeignDataFolderError(
      dir,
      `model ${model.name}`,
      'with documents that no server imported',
      'move them away',
    );
  const owner: Owner = {
    model: { version: model.version, dir: model.dir },
    corpus: { signature: corpusSignature(corpus), name: nameOf(corpus) },
  };
  store.transaction(() => {
    importCorpus(store, corpus, options);
    store.writeMeta(ownerKey, JSON.stringify(owner));
  });
  return owner;
}

/** The documents come with the stream. */
function follow(store: Store, model: ModelInfo, stream: StreamIdentity): Owner {
  const corpus = JSON.parse(stream.corpus) as Owner['corpus'];
  const owner: Owner = { model: { version: model.version, dir: model.dir }, corpus };
  store.transaction(() => {
    enterStream(store, stream);
    store.writeMeta(ownerKey, JSON.stringify(owner));
  });
  return owner;
}

/** A folder follows the stream that it began or was made by, for good: what others have is what it has. */
function checkStream(dir: string, store: Store, follows: DataFolderOptions['follows']): void {
  const place = readPlace(store);
  if (follows === undefined && place) throw new FollowingDataFolderError(dir);
  if (typeof follows === 'object' && place?.id !== follows.id)
    throw new ForeignDataFolderError(
      dir,
      `the database's stream of edits (${follows.id})`,
      place ? `of another one (${place.id})` : 'with documents of its own',
      'give the database that it belongs to',
    );
}

/** What a corpus is told by, for servers that get its documents from a stream. */
export const corpusOf = (store: Store): string => JSON.stringify(readOwner(store)!.corpus);

/** Whether a data folder follows a stream already. */
export function isFollowing(dataDir: string): boolean {
  const file = join(dataDir, storeFile);
  if (!existsSync(file)) return false;
  const store = openStore(file);
  try {
    // A folder that never had the beginning of the stream has nothing to answer from.
    return (readPlace(store)?.position ?? -1) >= 0;
  } finally {
    store.close();
  }
}

function checkOwner(dir: string, owner: Owner, model: ModelInfo, corpus: string | undefined): void {
  if (owner.model.version !== model.version) {
    const isSameDir = owner.model.dir === model.dir;
    throw new ForeignDataFolderError(
      dir,
      `model ${model.version} (${model.dir})`,
      isSameDir
        ? `of model ${owner.model.version}, as that folder was before its files changed`
        : `of model ${owner.model.version} (${owner.model.dir})`,
      isSameDir ? 'put the files back that it was made with' : 'give its model with --model',
    );
  }
  if (corpus !== undefined && owner.corpus.signature !== corpusSignature(corpus))
    throw new ForeignDataFolderError(dir, `corpus ${corpus}`, `of corpus ${owner.corpus.name}`, 'leave out --corpus');
}

/** Tells corpora apart by their documents file, cheaply. A path that is not there is left to the import to report. */
function corpusSignature(path: string): string {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const file = isFolder ? join(path, 'corpus.jsonl') : path;
  const isThere = statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  return createHash('sha256')
    .update(isThere ? sample(file) : file)
    .digest('hex');
}
