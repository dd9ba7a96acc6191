import { createHash } from 'node:crypto';
import type { Document } from '../../corpus/documents.ts';
import type { MetadataFilter } from '../../corpus/filter.ts';
import { documentView } from '../document-view.ts';
import { DocumentNotFoundError, ValidationError } from '../http-error.ts';
import type { IndexService } from '../index-service.ts';
import { limits } from '../limits.ts';
import { operation, type Route } from '../route.ts';
import * as schemas from '../schemas.ts';

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
  },
};

/** Equal answers have equal tags, also those of a data folder made anew, where versions begin at 1 again. */
function etagOf(document: Document): string {
  const content = createHash('sha256')
    .update(JSON.stringify(documentView(document)))
    .digest('base64url');
  return `"${document.version}-${content.slice(0, 12)}"`;
}

/**
 * Whether the client has this version (RFC 9110 §13.1.2, weak comparison). Express's own check answers in full when
 * `Cache-Control: no-cache` came too, which `fetch` adds to every conditional request.
 */
function isKnown(etag: string, ifNoneMatch: string | undefined): boolean {
  const known = ifNoneMatch?.split(',').map((one) => one.trim().replace(/^W\//, '')) ?? [];
  return known.includes(etag) || known.includes('*');
}

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
