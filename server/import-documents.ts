import { isUtf8 } from 'node:buffer';
import type { z } from 'zod';
import type { EditRequest } from '../editing/operations.ts';
import { addition } from './document-edits.ts';
import { newDocument, type ImportLine, type NewDocumentBody } from './edit-schemas.ts';
import type { EditService } from './edits.ts';
import { lineFaultOf, validationError, ValidationError } from './http-error.ts';
import { limits } from './limits.ts';

/** One line of the body, with its document or with what is wrong with it. */
type Read = { readonly line: number } & ({ readonly document: NewDocumentBody } | { readonly fault: ImportLine });

/**
 * Adds documents as they come, one line each, and tells of each what became of it, in order. What has come while an edit
 * was made becomes one edit; where that is refused as a whole, its documents are added one by one. No more is read from
 * `body` before that, so that a sender who is faster waits.
 *
 * @param batch  documents in one edit at most
 */
export async function* importDocuments(
  body: AsyncIterable<Buffer>,
  edits: EditService,
  { batch, ...request }: Omit<EditRequest, 'operations'> & { readonly batch: number },
  log: (line: string) => void,
): AsyncGenerator<ImportLine, void, undefined> {
  const add = async (documents: readonly NewDocumentBody[]) =>
    edits.edit({ ...request, operations: documents.map(addition) });
  for await (const reads of linesOf(body, batch)) {
    const wanted = reads.flatMap((read) => ('document' in read ? [read.document] : []));
    const together = wanted.length > 1 && isDistinct(wanted) ? await add(wanted).catch(() => undefined) : undefined;
    for (const read of reads) {
      if ('fault' in read) yield read.fault;
      else {
        const { line, document } = read;
        const outcome =
          together ?? (await add([document]).catch((error: unknown) => faultLine(line, document.docid, error, log)));
        yield 'line' in outcome ? outcome : addedLine(line, document.docid, outcome);
      }
    }
  }
}

function addedLine(
  line: number,
  docid: string,
  { seq, documents }: Awaited<ReturnType<EditService['edit']>>,
): ImportLine {
  const version = documents.find((document) => document.docid === docid)!.version;
  return { line, docid, status: 201, seq, version };
}

function faultLine(
  line: number,
  docid: string | null,
  error: unknown,
  log: (line: string) => void = () => {},
): ImportLine {
  const fault = lineFaultOf(error);
  if (fault.status >= 500) log(`import, line ${line}: ${error instanceof Error ? error.stack : String(error)}`);
  return { line, docid, seq: null, version: null, ...fault };
}

const isDistinct = (documents: readonly NewDocumentBody[]): boolean =>
  new Set(documents.map(({ docid }) => docid)).size === documents.length;

const lineFeed = 0x0a;

/** Lines in groups: all that a piece of the body ends, `most` at a time. */
async function* linesOf(body: AsyncIterable<Buffer>, most: number): AsyncGenerator<Read[], void, undefined> {
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
    return text.trim() === '' ? undefined : readLine(line, text);
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

function readLine(line: number, text: string): Read {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    return badLine(line, 'a JSON object', error instanceof Error ? error.message : String(error));
  }
  const parsed: z.ZodSafeParseResult<NewDocumentBody> = newDocument.safeParse(value, { reportInput: true });
  if (parsed.success) return { line, document: parsed.data };
  const { docid = null } = (typeof value === 'object' && value !== null ? value : {}) as { docid?: unknown };
  const known = typeof docid === 'string' ? docid : null;
  return { line, fault: faultLine(line, known, validationError(parsed.error)) };
}
