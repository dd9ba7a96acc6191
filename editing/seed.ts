import { createHash } from 'node:crypto';

/** A seed of 48 bits for a list of texts: equal lists, equal seeds. */
export const seedOf = (...texts: readonly (string | number)[]): number =>
  createHash('sha256').update(JSON.stringify(texts)).digest().readUIntBE(0, 6);
