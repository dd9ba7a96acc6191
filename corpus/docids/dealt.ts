import { createHash } from 'node:crypto';

/**
 * Deals documents to groups like cards: groups differ in size by at most one, and who is with whom hangs on nothing but a
 * hash of the seed and the docid.
 *
 * @param docids  each once
 * @returns       [N] the group of each document, from 0
 */
export function dealt(docids: readonly string[], groups: number, seed: number): number[] {
  const hashOf = (docid: string): string => createHash('sha256').update(`${seed}\n${docid}`).digest('hex');
  const hashes = docids.map(hashOf);
  const order = [...docids.keys()].sort((a, b) => (hashes[a] < hashes[b] ? -1 : 1));
  const groupOf = new Array<number>(docids.length);
  order.forEach((document, place) => (groupOf[document] = place % groups));
  return groupOf;
}
