import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { EditLog } from '../../editing/edit-log.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { baseOf, storeFile } from '../data-folder.ts';
import { packageVersion } from '../paths.ts';
import type { Report } from '../tasks/task.ts';
import { hashOf, manifestFile, readManifest, SnapshotError, type Manifest } from './manifest.ts';

export const snapshotsFolder = 'snapshots';

/** A snapshot by its name, the name of its folder. */
export interface Snapshot {
  readonly name: string;
  readonly manifest: Manifest;
}

const pagesAtOnce = 256;
/** Ends the name of what is not whole yet, after the number of the process that makes it. */
export const unfinished = '.unfinished';

/**
 * Copies a data folder as it is after some edit, while it is used: the store by SQLite's online backup, which begins anew
 * where another connection writes, and the base model where edits were folded into one. It appears under its name when it
 * is whole.
 *
 * @param store  any connection to the store of `dataDir`
 * @throws the reason of `signal`; what the file system throws
 */
export async function createSnapshot(
  store: Store,
  dataDir: string,
  signal?: AbortSignal,
  report: (progress: Report) => void = () => undefined,
): Promise<Snapshot> {
  const createdAt = new Date().toISOString();
  const all = join(dataDir, snapshotsFolder);
  const dir = join(all, `${createdAt.replace(/[:.]/g, '-')}.${process.pid}${unfinished}`);
  mkdirSync(dir, { recursive: true });
  try {
    const copy = join(dir, storeFile);
    await store.database.backup(copy, {
      progress({ totalPages, remainingPages }) {
        signal?.throwIfAborted();
        report({ done: totalPages - remainingPages, total: totalPages, message: 'copying the store' });
        return pagesAtOnce;
      },
    });
    closeJournal(copy);
    const { editSeq, documents, schema, model } = factsOf(copy);
    const paths = [storeFile, ...(model.folder === null ? [] : copyBase(dataDir, dir, model.folder))];
    const files: Manifest['files'] = [];
    for (const path of paths) {
      signal?.throwIfAborted();
      report({ done: files.length, total: paths.length, message: 'checksums' });
      const file = join(dir, path);
      files.push({ path, bytes: statSync(file).size, sha256: await hashOf(file) });
    }
    const facts = { createdAt, program: packageVersion, schema, editSeq, documents, model, files };
    const manifest: Manifest = { format: 'palimpsest-snapshot', version: 1, ...facts };
    writeFileSync(join(dir, manifestFile), `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
    const name = `edit-${editSeq}-${createdAt.replace(/[:.]/g, '-')}`;
    renameSync(dir, join(all, name));
    report({ done: paths.length, total: paths.length, message: 'done' });
    return { name, manifest };
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Those that are whole as far as their manifests tell, newest first. */
export function listSnapshots(dataDir: string): Snapshot[] {
  const all = join(dataDir, snapshotsFolder);
  if (!statSync(all, { throwIfNoEntry: false })) return [];
  const found = readdirSync(all)
    .filter((name) => !name.endsWith(unfinished))
    .flatMap((name) => {
      try {
        return [{ name, manifest: readManifest(join(all, name)) }];
      } catch (error) {
        if (error instanceof SnapshotError) return [];
        throw error;
      }
    });
  return found.sort((a, b) => (a.manifest.createdAt < b.manifest.createdAt ? 1 : -1));
}

/** All of the copy in one file, on the disk. */
function closeJournal(path: string): void {
  const database = new Database(path);
  try {
    database.pragma('synchronous = FULL');
    database.pragma('journal_mode = DELETE');
  } finally {
    database.close();
  }
}

function factsOf(path: string): Pick<Manifest, 'editSeq' | 'documents' | 'schema' | 'model'> {
  const store = openStore(path, { readonly: true });
  try {
    const schema = store.database.pragma('user_version', { simple: true }) as number;
    return { editSeq: new EditLog(store).last, documents: store.count(), schema, model: baseOf(store) };
  } finally {
    store.close();
  }
}

/** @returns paths of the files in the snapshot */
function copyBase(dataDir: string, dir: string, folder: string): string[] {
  mkdirSync(join(dir, folder));
  return readdirSync(join(dataDir, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => {
      copyFileSync(join(dataDir, folder, name), join(dir, folder, name));
      return `${folder}/${name}`;
    })
    .sort();
}
