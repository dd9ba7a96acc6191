import type { EditRequest } from '../../editing/operations.ts';
import { addition } from '../document-edits.ts';
import type { ImportLine } from '../edit-schemas.ts';
import type { EditService } from '../edits.ts';
import { addLines } from './add-lines.ts';
import { linesOf, type ReadDocument } from './lines.ts';

/**
 * Adds documents as they come, one line each, and tells of each what became of it, in order. What has come while an edit
 * was made becomes one edit. No more is read from `body` before that, so that a sender who is faster waits.
 *
 * @param batch  documents in one edit at most
 */
export async function* importDocuments(
  body: AsyncIterable<Buffer>,
  edits: EditService,
  { batch, ...request }: Omit<EditRequest, 'operations'> & { readonly batch: number },
  log: (line: string) => void,
): AsyncGenerator<ImportLine, void, undefined> {
  const add = async (reads: readonly ReadDocument[]) =>
    edits.edit({ ...request, operations: reads.map(({ document }) => addition(document)) });
  for await (const reads of linesOf(body, batch)) for await (const lines of addLines(reads, { add, log })) yield* lines;
}
