/** From requests about documents to edits, and back. */
import type { Request } from 'express';
import type { Document } from '../corpus/documents.ts';
import type { EditOutcome, EditRecord, EditRequest, Operation } from '../editing/operations.ts';
import { askerOf, idempotencyKeyOf } from './answer-edit.ts';
import type { EditOperationBody, EditParameters, NewDocumentBody } from './edit-schemas.ts';
import { etagOf, expectedVersion, isExpected, isKnown } from './etag.ts';
import { DocumentNotFoundError, PreconditionError } from './http-error.ts';
import type { Call } from './route.ts';

/** As a caller writes them to as the editor takes them. */
export function toOperation(body: EditOperationBody): Operation {
  if (body.kind === 'add') return addition(body.document);
  if (body.kind !== 'change') return body as Operation;
  const { document, ...rest } = body;
  const { queries, ...content } = document;
  return { ...rest, document: content, ...(queries && { queries }) } as Operation;
}

export function addition({ queries, ...document }: NewDocumentBody): Operation {
  return { kind: 'add', document, ...(queries && { queries }) } as Operation;
}

export const editRequest = (call: Call<EditParameters, unknown>, operations: readonly Operation[]): EditRequest => {
  const { dryRun, budget } = call.query;
  return { operations, ...askerOf(call), dryRun, ...(budget !== undefined && { budget }) };
};

/**
 * The document that a request is about, as searches see it, checked against its preconditions. One that is repeated under
 * its idempotency key is not checked: it was, when it came first.
 *
 * @throws PreconditionError
 */
export function checked({ state, request }: Call<unknown, unknown>): {
  document: Document | undefined;
  repeated: EditRecord | undefined;
} {
  const docid = String(request.params.docid);
  const document = state.index.document(docid);
  const key = idempotencyKeyOf(request);
  const seq = key === undefined ? null : (state.edits.log.keyed(key)?.outcome.seq ?? null);
  if (seq !== null) return { document, repeated: state.edits.log.edit(seq) };
  const [ifMatch, ifNoneMatch] = [request.get('if-match'), request.get('if-none-match')];
  if (ifMatch !== undefined && !(document && isExpected(etagOf(document), ifMatch)))
    throw new PreconditionError(docid, `the one of ETag ${ifMatch}`, document ? etagOf(document) : 'none');
  if (document && isKnown(etagOf(document), ifNoneMatch))
    throw new PreconditionError(docid, ifNoneMatch === '*' ? 'none' : `another than ${ifNoneMatch}`, etagOf(document));
  return { document, repeated: undefined };
}

/** @throws PreconditionError, DocumentNotFoundError */
export function expectDocument(call: Call<unknown, unknown>): { docid: string; expectedVersion?: number } {
  const docid = String(call.request.params.docid);
  const { document, repeated } = checked(call);
  if (!document && !repeated) throw new DocumentNotFoundError(docid);
  return { docid, ...versionOf(call.request) };
}

export function versionOf(request: Request): { expectedVersion?: number } {
  const version = expectedVersion(request.get('if-match') ?? '');
  return version === undefined ? {} : { expectedVersion: version };
}

/** Says where the document of an edit that was made is, and which version of it. */
export function locate(
  { state, response }: Call<unknown, unknown>,
  { seq, documents: [{ docid }] }: EditOutcome,
  status = 200,
): void {
  if (seq === null) return;
  const document = state.index.document(docid);
  if (document) response.set('ETag', etagOf(document));
  response.status(status).location(documentPath(docid));
}

const documentPath = (docid: string): string => `/documents/${encodeURIComponent(docid)}`;
