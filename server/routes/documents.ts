import type { MetadataFilter } from '../../corpus/filter.ts';
import { summaryOf, type Operation } from '../../editing/operations.ts';
import { answerEdit } from '../answer-edit.ts';
import { addition, checked, editRequest, expectDocument, locate, toOperation, versionOf } from '../document-edits.ts';
import { documentView } from '../document-view.ts';
import * as edits from '../edit-schemas.ts';
import { etagOf, isKnown } from '../etag.ts';
import { DocumentNotFoundError, ValidationError } from '../http-error.ts';
import type { IndexService } from '../index-service.ts';
import { limits } from '../limits.ts';
import { operation, type Route } from '../route.ts';
import * as schemas from '../schemas.ts';
import { editProblems, editResponses } from './edits.ts';

export const documentsRoute: Route = {
  path: '/documents',
  operations: {
    get: operation({
      summary: 'Documents of the corpus, in the order they were added',
      access: 'search',
      query: schemas.documentsParameters,
      responses: { 200: { description: 'One page', schemas: [schemas.documentsResponse] } },
      problems: [503],
      handle({ state, query: { offset, limit, q, filter: text } }): schemas.DocumentsResponse {
        const filter = parseFilterText(text);
        const page =
          q === undefined
            ? { ...state.index.documents.documents({ offset, limit, ...filter }) }
            : findPage(state.index, q, offset, limit, filter);
        return { documents: page.documents.map(documentView), total: page.total, offset, limit };
      },
    }),
    post: operation({
      summary: 'Add a document, or make several edits as one',
      description:
        'The document is found from then on: its row, and the weights, are computed from its text and queries. With ' +
        '`operations`, documents are added, changed, deleted and renamed in one edit, of which all is done or nothing.',
      access: 'edit',
      query: edits.editParameters,
      body: edits.documentsRequest,
      bodyBytes: limits.operationsBytes,
      headers: ['Idempotency-Key'],
      responses: { ...editResponses, 201: { description: 'The document is added', schemas: [edits.editOutcome] } },
      problems: editProblems,
      handle(call) {
        const { operations, ...document } = call.body;
        const asked = operations?.map(toOperation) ?? [addition(document as edits.NewDocumentBody)];
        const request = editRequest(call, asked);
        return answerEdit(
          call,
          { operations: asked.map(summaryOf) },
          (options) => call.state.edits.edit(request, options),
          (made) => operations || locate(call, made, 201),
        );
      },
    }),
  },
};

export const documentRoute: Route = {
  path: '/documents/:docid',
  operations: {
    get: operation({
      summary: 'One document',
      access: 'search',
      description:
        'The ETag is its version and a hash of its content; with If-None-Match an unchanged document answers 304.',
      responses: {
        200: { description: 'The document', schemas: [schemas.documentView] },
        304: { description: 'Unchanged' },
      },
      problems: [404, 503],
      handle({ state, request, response }): schemas.DocumentView | undefined {
        const docid = String(request.params.docid);
        const document = state.index.document(docid);
        if (!document) throw new DocumentNotFoundError(docid);
        const etag = etagOf(document);
        response.set('ETag', etag);
        if (!isKnown(etag, request.get('if-none-match'))) return documentView(document);
        response.status(304);
        return undefined;
      },
    }),
    put: operation({
      summary: 'Change a document, or add it where there is none',
      description:
        'All of title, text, metadata: what is left out is empty from then on. `If-Match` refuses to change another version ' +
        'than the caller knows, `If-None-Match: *` to change any.',
      access: 'edit',
      query: edits.editParameters,
      body: edits.documentContent,
      bodyBytes: limits.documentBytes,
      headers: ['If-Match', 'If-None-Match', 'Idempotency-Key'],
      responses: { ...editResponses, 201: { description: 'The document is added', schemas: [edits.editOutcome] } },
      problems: editProblems,
      handle(call) {
        const docid = String(call.request.params.docid);
        const { document, repeated } = checked(call);
        const { queries, title = '', text, metadata = {} } = call.body;
        const kind = repeated?.operations[0].kind ?? (document ? 'change' : 'add');
        const change = {
          ...{ kind: 'change', docid, document: { title, text, metadata }, ...(queries && { queries }) },
          ...versionOf(call.request),
        } as Operation;
        const edit = kind === 'add' ? addition({ docid, ...call.body, title, metadata }) : change;
        return answerEdit(
          call,
          { operations: [summaryOf(edit)] },
          (options) => call.state.edits.edit(editRequest(call, [edit]), options),
          (made) => locate(call, made, kind === 'add' ? 201 : 200),
        );
      },
    }),
    delete: operation({
      summary: 'Delete a document',
      description:
        'It cannot come out any more. What it said is kept for an undo, unless `forget` erases it from the data folder.',
      access: 'edit',
      query: edits.deleteParameters,
      headers: ['If-Match', 'Idempotency-Key'],
      responses: editResponses,
      problems: [404, ...editProblems],
      handle(call) {
        const { forget } = call.query;
        const edit: Operation = { kind: 'delete', ...expectDocument(call), ...(forget && { forget }) };
        const request = editRequest(call, [edit]);
        return answerEdit(call, { operations: [summaryOf(edit)] }, (options) =>
          call.state.edits.edit(request, options),
        );
      },
    }),
  },
};

export const renameRoute: Route = {
  path: '/documents/:docid/rename',
  operations: {
    post: operation({
      summary: 'Give a document another docid',
      description: 'What is found stays found, under the new name.',
      access: 'edit',
      query: edits.editParameters,
      body: edits.renameRequest,
      headers: ['If-Match', 'Idempotency-Key'],
      responses: editResponses,
      problems: [404, ...editProblems],
      handle(call) {
        const edit: Operation = { kind: 'rename', ...expectDocument(call), to: call.body.to };
        const request = editRequest(call, [edit]);
        return answerEdit(
          call,
          { operations: [summaryOf(edit)] },
          (options) => call.state.edits.edit(request, options),
          (made) => locate(call, made),
        );
      },
    }),
  },
};

/** The filter says inside what is wrong with it; here it only has to be JSON. @throws ValidationError */
function parseFilterText(text: string | undefined): { filter?: MetadataFilter } {
  if (text === undefined) return {};
  try {
    return { filter: JSON.parse(text) as MetadataFilter };
  } catch (error) {
    const message = `expected JSON, got ${error instanceof Error ? error.message : String(error)}`;
    throw new ValidationError([{ path: 'filter', message }]);
  }
}

function findPage(index: IndexService, q: string, offset: number, limit: number, filter: { filter?: MetadataFilter }) {
  const found = index.documents.searchBm25(q, limits.k, filter);
  const documents = found.slice(offset, offset + limit).flatMap(({ docid }) => index.document(docid) ?? []);
  return { documents, total: found.length };
}
