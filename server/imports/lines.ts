/** @file Documents by lines of JSON, read as they come: each line with its document, or with what is wrong with it. */
import { isUtf8 } from 'node:buffer';
import type { z } from 'zod';
import { newDocument, type ImportLine, type NewDocumentBody } from '../edit-schemas.ts';
import { lineFaultOf, validationError, ValidationError } from '../http-error.ts';
import { limits } from '../limits.ts';

export interface ReadDocument {
  readonly line: number;
  readonly document: NewDocumentBody;
}

/** One line, blank ones passed over. */
export type Read = ReadDocument | { readonly line: number; readonly fault: ImportLine };

/** What a line says became of it, where it could not be added. */
export function faultLine(line: number, docid: string | null, error: unknown): ImportLine {
  return { line, docid, seq: null, version: null, ...lineFaultOf(error) };
}

const lineFeed = 0x0a;

/**
 * Lines in groups: all that a piece of the body ends, `most` at a time.
 *
 * @param prepare  changes what a line says before it is checked
 */
export async function* linesOf(
  body: AsyncIterable<Buffer>,
  most: number,
  prepare: (value: unknown) => unknown = (value) => value,
): AsyncGenerator<Read[], void, undefined> {
  let line = 0;
  let pending: Buffer[] = [];
  let bytes = 0;
  const take = (last: Buffer): Read | undefined => {
    line++;
    const isTooLong = bytes + last.length > limits.documentBytes;
    const whole = isTooLong ? Buffer.alloc(0) : Buffer.concat([...pending, last]);
    [pending, bytes] = [[], 0];
    if (isTooLong) return badLine(line, `a line of at most ${limits.documentBytes} bytes`, 'a longer one');
    if (!isUtf8(whole)) return badLine(line, 'UTF-8 text', 'bytes that are not UTF-8');
    const text = whole.toString('utf8');
    return text.trim() === '' ? undefined : readLine(line, text, prepare);
  };
  const keep = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes <= limits.documentBytes) pending.push(piece);
  };
  for await (const chunk of body) {
    let from = 0;
    let group: Read[] = [];
    for (let at; (at = chunk.indexOf(lineFeed, from)) >= 0; from = at + 1) {
      const read = take(chunk.subarray(from, at));
      if (read) group.push(read);
      if (group.length < most) continue;
      yield group;
      group = [];
    }
    keep(chunk.subarray(from));
    if (group.length > 0) yield group;
  }
  const last = bytes > 0 ? take(Buffer.alloc(0)) : undefined;
  if (last) yield [last];
}

function badLine(line: number, expected: string, actual: string): Read {
  const message = `expected ${expected}, got ${actual}`;
  return { line, fault: faultLine(line, null, new ValidationError([{ path: '', message }])) };
}

function readLine(line: number, text: string, prepare: (value: unknown) => unknown): Read {
  let value: unknown;
  try {
    value = prepare(JSON.parse(text.replace(/^\ufeff/, '')));
  } catch (error) {
    return badLine(line, 'a JSON object', error instanceof Error ? error.message : String(error));
  }
  const parsed: z.ZodSafeParseResult<NewDocumentBody> = newDocument.safeParse(value, { reportInput: true });
  if (parsed.success) return { line, document: parsed.data };
  const { docid = null } = (typeof value === 'object' && value !== null ? value : {}) as { docid?: unknown };
  const known = typeof docid === 'string' ? docid : null;
  return { line, fault: faultLine(line, known, validationError(parsed.error)) };
}
