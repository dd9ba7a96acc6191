import { PathDocids, type PathMaker } from './paths.ts';
import { DuplicateDocidError } from './scheme.ts';

/** Ends every naive docid, so that none ends inside another ("a1" and "a12"): T5's end token. */
export const endToken = '</s>';

/** The pieces a tokenizer cuts a text into, by their names in its vocabulary, without the end token. */
export type Pieces = (text: string) => readonly string[];

/**
 * Naive docids: the external identifier as a string of the tokenizer's pieces (DSI's "naively structured string
 * identifiers", arXiv 2202.06991 §3.2). Two identifiers that a tokenizer does not tell apart (it lower-cases, or knows
 * a letter of neither) are told apart by a number behind the later one.
 */
export function naiveDocids(docids: Iterable<string>, pieces: Pieces): PathDocids {
  const taken = new Set<string>();
  const documents = new Map<string, readonly string[]>();
  for (const docid of docids) {
    if (documents.has(docid)) throw new DuplicateDocidError('docids', docid);
    const path = naivePath(docid, pieces, (one) => !taken.has(one.join(' ')));
    taken.add(path.join(' '));
    documents.set(docid, path);
  }
  return PathDocids.of('naive', documents, naiveMaker(pieces));
}

export const naiveMaker =
  (pieces: Pieces): PathMaker =>
  (docid, table) =>
    naivePath(docid, pieces, (path) => table.isFree(path, docid));

function naivePath(docid: string, pieces: Pieces, isFree: (path: readonly string[]) => boolean): readonly string[] {
  for (let number = 1; ; number++) {
    const path = [...pieces(number === 1 ? docid : `${docid} ${number}`), endToken];
    if (isFree(path)) return path;
  }
}
