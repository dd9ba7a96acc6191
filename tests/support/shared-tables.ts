/** All that processes of one index must have alike. */
import { createHash } from 'node:crypto';
import type { Store } from '../../corpus/store.ts';
import { allRows } from '../../editing/stream/changes.ts';

/** A hash of the rows of each shared table, so that a difference names the table. */
export function sharedTables(store: Store): Record<string, string> {
  const hashes = new Map<string, ReturnType<typeof createHash>>();
  for (const part of allRows(store))
    for (const { table, rows } of part) {
      const hash = hashes.get(table) ?? createHash('sha256');
      hashes.set(table, hash);
      for (const row of rows)
        for (const value of row)
          if (value instanceof Uint8Array) hash.update(value);
          else hash.update(`${JSON.stringify(value)}\n`);
    }
  return Object.fromEntries([...hashes].map(([table, hash]) => [table, hash.digest('hex').slice(0, 16)]));
}
