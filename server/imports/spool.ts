/**
 * @file Imports on the disk, under `imports` in the data folder: the lines that came, checked, and what became of each. Results
 * are only ever added, in the order of the lines, so that a process that was killed leaves the beginning of what it would
 * have written, and the next one goes on behind it.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { appendFile, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { StoreFullError } from '../../corpus/store.ts';
import type { ImportLine } from '../edit-schemas.ts';
import type { Sender } from '../audit/actor.ts';
import { limits } from '../limits.ts';
import { ImportTooLargeError } from './errors.ts';
import { linesOf, type Read } from './lines.ts';

export const importsFolder = 'imports';

/** What came. */
export interface Spooled {
  /** Name of its files. */
  readonly file: string;
  readonly bytes: number;
  /** Lines that are not blank. */
  readonly lines: number;
  /** Those of them that say something else than a document. */
  readonly faults: number;
}

/** The first line of the file of lines: what nobody is told who asks for the task. */
interface Heading {
  readonly sender: Sender;
}

const linesAtOnce = 256;
const unfinished = '.unfinished';

/**
 * Writes the lines of a body to the disk, each checked by itself, and returns when they are there for good.
 *
 * @throws ImportTooLargeError, StoreFullError; what `body` throws
 */
export async function spool(body: AsyncIterable<Buffer>, dataDir: string, sender: Sender): Promise<Spooled> {
  const dir = join(dataDir, importsFolder);
  mkdirSync(dir, { recursive: true });
  const file = randomUUID();
  const path = linesPath(dataDir, file);
  const counts = { bytes: 0, lines: 0, faults: 0 };
  async function* counted(): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of body) {
      counts.bytes += chunk.length;
      if (counts.bytes > limits.importBytes) throw new ImportTooLargeError('importBytes');
      yield chunk;
    }
  }
  try {
    const handle = await open(`${path}${unfinished}`, 'wx');
    try {
      await handle.write(asLines([{ sender } satisfies Heading]));
      for await (const reads of linesOf(counted(), linesAtOnce)) {
        counts.lines += reads.length;
        counts.faults += reads.filter((read) => 'fault' in read).length;
        if (counts.lines > limits.importLines) throw new ImportTooLargeError('importLines');
        await handle.write(asLines(reads));
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${path}${unfinished}`, path);
    await syncFolder(dir);
    return { file, ...counts };
  } catch (error) {
    await rm(`${path}${unfinished}`, { force: true });
    throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? new StoreFullError(path, { cause: error }) : error;
  }
}

/** Lines of an import, and what became of them so far. */
export class ImportFiles {
  private readonly dataDir: string;
  private readonly file: string;

  constructor(dataDir: string, file: string) {
    this.dataDir = dataDir;
    this.file = file;
  }

  /** Whether the lines are there: they go when the import has ended, and no snapshot takes them along. */
  get exists(): boolean {
    return existsSync(linesPath(this.dataDir, this.file));
  }

  /** The lines in groups of `size`, the same ones whenever they are read, with their sender; the last may be smaller. */
  async *groups(size: number): AsyncGenerator<{ sender: Sender; reads: Read[] }, void, undefined> {
    let sender: Sender | undefined;
    let reads: Read[] = [];
    for await (const { value } of wholeLines(linesPath(this.dataDir, this.file))) {
      if (sender === undefined) {
        ({ sender } = value as Heading);
        continue;
      }
      reads.push(value as Read);
      if (reads.length < size) continue;
      yield { sender, reads };
      reads = [];
    }
    if (reads.length > 0) yield { sender: sender!, reads };
  }

  /** What became of the lines, in their order. */
  async *results(): AsyncGenerator<ImportLine, void, undefined> {
    const path = resultsPath(this.dataDir, this.file);
    if (!existsSync(path)) return;
    for await (const { value } of wholeLines(path)) yield value as ImportLine;
  }

  /** Cuts off what a process that was killed wrote by half, and opens the results to add to them. */
  async openResults(): Promise<ResultsFile> {
    const path = resultsPath(this.dataDir, this.file);
    const counts = { lines: 0, failed: 0 };
    let bytes = 0;
    if (existsSync(path)) {
      for await (const { end, value } of wholeLines(path)) {
        counts.lines++;
        if ((value as ImportLine).status !== 201) counts.failed++;
        bytes = end;
      }
      truncateSync(path, bytes);
    }
    return new ResultsFile(await open(path, 'a'), counts);
  }

  /** Lets go of the lines; what became of them stays. */
  async dropLines(): Promise<void> {
    await rm(linesPath(this.dataDir, this.file), { force: true });
  }
}

/** What became of the lines, being written. */
export class ResultsFile {
  private readonly handle: FileHandle;
  private counts: { readonly lines: number; readonly failed: number };

  constructor(handle: FileHandle, counts: { lines: number; failed: number }) {
    this.handle = handle;
    this.counts = counts;
  }

  /** Lines that are in it. */
  get lines(): number {
    return this.counts.lines;
  }

  /** Those of them that were not added. */
  get failed(): number {
    return this.counts.failed;
  }

  async add(lines: readonly ImportLine[]): Promise<void> {
    await appendFile(this.handle, asLines(lines));
    const failed = lines.filter(({ status }) => status !== 201).length;
    this.counts = { lines: this.lines + lines.length, failed: this.failed + failed };
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Removes the files of all other imports than these. */
export function tidyImports(dataDir: string, kept: ReadonlySet<string>): void {
  const dir = join(dataDir, importsFolder);
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir)) if (!kept.has(name.split('.')[0])) rmSync(join(dir, name));
}

const linesPath = (dataDir: string, file: string): string => join(dataDir, importsFolder, `${file}.lines.jsonl`);
const resultsPath = (dataDir: string, file: string): string => join(dataDir, importsFolder, `${file}.results.jsonl`);
const asLines = (values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');

/** The lines of a file up to the first that is not whole JSON, with the place where each ends. */
async function* wholeLines(path: string): AsyncGenerator<{ end: number; value: unknown }, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let start = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    for (let at; (at = rest.indexOf(0x0a)) >= 0; rest = rest.subarray(at + 1)) {
      const value = parsed(rest.subarray(0, at).toString('utf8'));
      if (value === undefined) return;
      start += at + 1;
      yield { end: start, value };
    }
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

/** So that a new name outlives a loss of power. */
async function syncFolder(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
