import { createHash } from 'node:crypto';
import type { Document } from '../corpus/documents.ts';
import { documentView } from './document-view.ts';

/** Equal answers have equal tags, also those of a data folder made anew, where versions begin at 1 again. */
export function etagOf(document: Document): string {
  const content = createHash('sha256')
    .update(JSON.stringify(documentView(document)))
    .digest('base64url');
  return `"${document.version}-${content.slice(0, 12)}"`;
}

/**
 * Whether a client's `If-None-Match` names this version (RFC 9110 §13.1.2, weak comparison). Express's own check answers
 * in full when `Cache-Control: no-cache` came too, which `fetch` adds to every conditional request.
 */
export function isKnown(etag: string, ifNoneMatch: string | undefined): boolean {
  const known = tagsOf(ifNoneMatch).map((tag) => tag.replace(/^W\//, ''));
  return known.includes(etag) || known.includes('*');
}

/** Whether a client's `If-Match` names this version (§13.1.1, strong comparison: a weak tag names none). */
export function isExpected(etag: string, ifMatch: string): boolean {
  const expected = tagsOf(ifMatch);
  return expected.includes(etag) || expected.includes('*');
}

/** The version that `If-Match` expects; undefined where it takes several, or any. */
export function expectedVersion(ifMatch: string): number | undefined {
  const [tag, ...others] = tagsOf(ifMatch);
  const version = /^"([1-9]\d{0,14})-/.exec(tag)?.[1];
  return others.length > 0 || version === undefined ? undefined : Number(version);
}

const tagsOf = (header: string | undefined): string[] => header?.split(',').map((tag) => tag.trim()) ?? [];
