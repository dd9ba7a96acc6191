/** @file Edited models written out, under `exports` in the data folder: made by tasks, fetched file by file. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Genir } from '../../models/folder.ts';
import type { IndexService } from '../index-service.ts';
import type { Report } from '../tasks/task.ts';
import { exportName } from './export-name.ts';
import { writeInThread } from './model-thread.ts';

export const exportsFolder = 'exports';

/** Ends the name of what is not whole yet, which no export may be called. */
const unfinished = '.unfinished';

export interface Export {
  readonly name: string;
  /** ISO 8601 */
  readonly createdAt: string;
  /** Number of the last edit in it. */
  readonly editSeq: number;
  readonly documents: number;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
}

/** Another export has the name. */
export class ExportExistsError extends Error {
  override readonly name = 'ExportExistsError';
  constructor(name: string) {
    super(`exports: expected a new name, got '${name}', which an export has; choose another, or delete that one first`);
  }
}

export class ExportNotFoundError extends Error {
  override readonly name = 'ExportNotFoundError';
  constructor(what: string) {
    super(`exports: expected the name of an export and of a file in it, got '${what}'; GET /exports lists them`);
  }
}

const pathOf = (dataDir: string, name: string): string => join(dataDir, exportsFolder, name);

/** @throws ExportExistsError */
export function checkNew(dataDir: string, name: string): void {
  if (name.endsWith(unfinished) || existsSync(pathOf(dataDir, name))) throw new ExportExistsError(name);
}

/**
 * Writes the model as searches see it. It appears under its name when it is whole.
 *
 * @throws ExportExistsError, what `exportModel` throws, or the reason of `signal`
 */
export async function createExport(
  { store, model }: IndexService,
  dataDir: string,
  name: string,
  signal: AbortSignal,
  report: (progress: Report) => void,
): Promise<Export> {
  checkNew(dataDir, name);
  const making = `${pathOf(dataDir, name)}${unfinished}`;
  mkdirSync(making, { recursive: true });
  try {
    const out = join(making, 'model');
    const { dir: modelDir, version } = model;
    await writeInThread({ kind: 'export', path: store.database.name, modelDir, version, out }, signal, report);
    checkNew(dataDir, name);
    renameSync(out, pathOf(dataDir, name));
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return readExport(dataDir, name);
}

/** Newest first. */
export function listExports(dataDir: string): Export[] {
  const all = join(dataDir, exportsFolder);
  const names = existsSync(all) ? readdirSync(all).filter((name) => !name.endsWith(unfinished)) : [];
  const found = names.map((name) => readExport(dataDir, name));
  return found.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
}

function readExport(dataDir: string, name: string): Export {
  const dir = pathOf(dataDir, name);
  const genir = JSON.parse(readFileSync(join(dir, 'genir.json'), 'utf8')) as Genir;
  const files = readdirSync(dir)
    .sort()
    .map((path) => ({ path, bytes: statSync(join(dir, path)).size }));
  const { mtime } = statSync(join(dir, 'genir.json'));
  const { editSeq = 0 } = (genir.merged ?? {}) as { editSeq?: number };
  return { name, createdAt: mtime.toISOString(), editSeq, documents: genir.docids.length, files };
}

/** The folder of an export. @throws ExportNotFoundError */
export function exportFolder(dataDir: string, name: string): string {
  const isKnown = exportName.test(name) && !name.endsWith(unfinished) && existsSync(pathOf(dataDir, name));
  if (!isKnown) throw new ExportNotFoundError(name);
  return pathOf(dataDir, name);
}

/** @throws ExportNotFoundError */
export function removeExport(dataDir: string, name: string): void {
  const going = `${pathOf(dataDir, name)}${unfinished}`;
  renameSync(exportFolder(dataDir, name), going);
  rmSync(going, { recursive: true });
}

/** What an earlier process left half made or half removed. */
export function tidyExports(dataDir: string): void {
  const all = join(dataDir, exportsFolder);
  const left = existsSync(all) ? readdirSync(all).filter((name) => name.endsWith(unfinished)) : [];
  for (const name of left) rmSync(join(all, name), { recursive: true });
}
