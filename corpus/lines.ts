import { isUtf8 } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ImportError } from './import-error.ts';

/** One line of a text file, without its line end. */
export interface Line {
  /** Counted from 1. */
  line: number;
  text: string;
  /** Bytes of the file read up to the end of this line. */
  bytes: number;
}

/** A source file: where it lies, and what errors call it. */
export interface SourceFile {
  path: string;
  name: string;
}

const chunkBytes = 1 << 20;
/** A line longer than this is not text by lines; reading on would only fill the memory. */
const maxLineBytes = 64 << 20;
const lineFeed = 0x0a;

/**
 * The lines of a UTF-8 file, read in chunks. LF and CRLF end a line, a byte order mark is passed over, and an empty last
 * line is not a line. Bytes that are not UTF-8 are an error, never a replacement character.
 *
 * @throws ImportError
 */
export function* readLines({ path, name }: SourceFile): Generator<Line, void, undefined> {
  const descriptor = open({ path, name });
  try {
    const chunk = Buffer.alloc(chunkBytes);
    let pending: Buffer[] = []; // the beginning of a line whose end has not been read
    let pendingBytes = 0;
    let line = 0;
    let bytes = 0;
    const emit = (last: Buffer, end: number): Line => {
      const whole = pending.length > 0 ? Buffer.concat([...pending, last]) : last;
      pending = [];
      pendingBytes = 0;
      line += 1;
      bytes += whole.length + end;
      return { line, text: decode(whole, name, line), bytes };
    };
    for (let read; (read = readChunk(descriptor, chunk, { path, name })) > 0;) {
      let from = 0;
      for (let at; from < read && (at = chunk.subarray(0, read).indexOf(lineFeed, from)) >= 0; from = at + 1)
        yield emit(chunk.subarray(from, at), 1);
      if (from === read) continue;
      pending.push(Buffer.from(chunk.subarray(from, read)));
      pendingBytes += read - from;
      if (pendingBytes > maxLineBytes)
        throw new ImportError({ file: name, line: line + 1 }, `lines of at most ${maxLineBytes} bytes`, 'a longer one');
    }
    if (pendingBytes > 0) yield emit(Buffer.alloc(0), 0);
  } finally {
    closeSync(descriptor);
  }
}

/** @throws ImportError when the file cannot be opened */
export function fileSize(file: SourceFile): number {
  const descriptor = open(file);
  try {
    return fstatSync(descriptor).size;
  } finally {
    closeSync(descriptor);
  }
}

function decode(bytes: Buffer, file: string, line: number): string {
  if (!isUtf8(bytes)) throw new ImportError({ file, line }, 'UTF-8 text', 'bytes that are not UTF-8');
  const text = bytes.toString('utf8');
  const start = line === 1 && text.startsWith('\ufeff') ? 1 : 0;
  return text.slice(start, text.endsWith('\r') ? -1 : undefined);
}

function open({ path, name }: SourceFile): number {
  try {
    const descriptor = openSync(path, 'r');
    if (fstatSync(descriptor).isFile()) return descriptor;
    closeSync(descriptor);
  } catch (error) {
    throw unreadable(name, error);
  }
  throw new ImportError({ file: name }, 'a file', 'something else of that name');
}

function readChunk(descriptor: number, chunk: Buffer, { name }: SourceFile): number {
  try {
    return readSync(descriptor, chunk, 0, chunk.length, null);
  } catch (error) {
    throw unreadable(name, error);
  }
}

function unreadable(name: string, error: unknown): ImportError {
  const { code, message } = error as NodeJS.ErrnoException;
  const problem = code === 'ENOENT' ? 'none there' : code === 'EACCES' ? 'one that may not be read' : message;
  return new ImportError({ file: name }, 'a readable file', problem, { cause: error });
}
