/**
 * @file Changes as bytes: a line of JSON in which every BLOB is its length, then the BLOBs one after the other.
 */
import type { Changes, Value } from './changes.ts';

/** Bytes that are no changes, or those of another version. */
export class ChangesFormatError extends Error {
  override readonly name = 'ChangesFormatError';
  constructor(expected: string, actual: string) {
    super(`stream of edits: expected ${expected}, got ${actual}; is the database whole, and made by this version?`);
  }
}

const FORMAT = 'palimpsest-changes-1';

/** What stands in JSON for a BLOB. */
interface Blob {
  readonly bytes: number;
}

export function encodeChanges(changes: Changes): Uint8Array {
  const blobs: Uint8Array[] = [];
  const mark = (value: Value): Exclude<Value, Uint8Array> | Blob => {
    if (!(value instanceof Uint8Array)) return value;
    blobs.push(value);
    return { bytes: value.length };
  };
  const marked = changes.map(({ rows, ...table }) => ({ ...table, rows: rows.map((row) => row.map(mark)) }));
  return new Uint8Array(Buffer.concat([Buffer.from(`${FORMAT}\n${JSON.stringify(marked)}\n`), ...blobs]));
}

/** @throws ChangesFormatError */
export function decodeChanges(bytes: Uint8Array): Changes {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = all.indexOf('\n');
  const second = all.indexOf('\n', first + 1);
  const format = all.toString('utf8', 0, Math.max(0, first));
  if (format !== FORMAT || second < 0) throw new ChangesFormatError(FORMAT, `'${format.slice(0, 40)}'`);
  let at = second + 1;
  const unmark = (value: Exclude<Value, Uint8Array> | Blob): Value => {
    if (typeof value !== 'object' || value === null) return value;
    const from = at;
    at += value.bytes;
    return all.subarray(from, at);
  };
  type Marked = Omit<Changes[number], 'rows'> & { readonly rows: (Exclude<Value, Uint8Array> | Blob)[][] };
  const changes = (JSON.parse(all.toString('utf8', first + 1, second)) as Marked[]).map(({ rows, ...table }) => ({
    ...table,
    rows: rows.map((row) => row.map(unmark)),
  }));
  if (at !== all.length) throw new ChangesFormatError(`${at} bytes`, `${all.length}`);
  return changes;
}
