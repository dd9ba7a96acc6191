import type { EditOutcome } from '../../editing/operations.ts';
import type { ImportLine } from '../edit-schemas.ts';
import { faultLine, type Read, type ReadDocument } from './lines.ts';

export interface Adding {
  /** Makes one edit of some lines. Called again with the same lines it is the same edit, where that must not be made twice. */
  readonly add: (reads: readonly ReadDocument[]) => Promise<EditOutcome>;
  /** Told of what is our own fault. */
  readonly log: (line: string) => void;
  /** Ends it between two edits. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Adds the documents of some lines as one edit; where that is refused as a whole, one by one.
 *
 * @param oneByOne  it was refused before
 * @returns what became of each line, in order, as soon as it is known
 * @throws the reason of `signal`
 */
export async function* addLines(
  reads: readonly Read[],
  { add, log, signal }: Adding,
  oneByOne = false,
): AsyncGenerator<readonly ImportLine[], void, undefined> {
  const wanted = reads.filter((read): read is ReadDocument => 'document' in read);
  const isTogether = !oneByOne && wanted.length > 1 && isDistinct(wanted);
  const together = isTogether ? await add(wanted).catch(() => undefined) : undefined;
  if (together) {
    yield reads.map((read) => ('fault' in read ? read.fault : addedLine(read, together)));
    return;
  }
  for (const read of reads) {
    signal?.throwIfAborted();
    if ('fault' in read) yield [read.fault];
    else {
      const made = await add([read]).catch((error: unknown) => failedLine(read, error, log));
      if ('line' in made) signal?.throwIfAborted(); // It was stopped, and is no fault of the line.
      yield ['line' in made ? made : addedLine(read, made)];
    }
  }
}

function addedLine({ line, document: { docid } }: ReadDocument, { seq, documents }: EditOutcome): ImportLine {
  const version = documents.find((document) => document.docid === docid)!.version;
  return { line, docid, status: 201, seq, version };
}

function failedLine({ line, document: { docid } }: ReadDocument, error: unknown, log: Adding['log']): ImportLine {
  const fault = faultLine(line, docid, error);
  if (fault.status >= 500) log(`import, line ${line}: ${error instanceof Error ? error.stack : String(error)}`);
  return fault;
}

const isDistinct = (reads: readonly ReadDocument[]): boolean =>
  new Set(reads.map(({ document }) => document.docid)).size === reads.length;
