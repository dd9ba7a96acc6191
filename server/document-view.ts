import type { Document } from '../corpus/documents.ts';
import type { DocumentView } from './schemas.ts';

/** A document as clients see it; only live ones are ever shown, so the state says nothing. */
export function documentView({ docid, title, text, metadata, version }: Document): DocumentView {
  return { docid, title, text, metadata, version };
}
