import { importRecordKey } from '../corpus/import.ts';
import type { Store } from '../corpus/store.ts';

/** SHA-256 over the documents as they were imported; `store.fingerprint()` would read them all again. */
export function importedFingerprint(store: Store): string | null {
  const record = JSON.parse(store.readMeta(importRecordKey) ?? '{}') as { fingerprint?: string };
  return record.fingerprint ?? null;
}
