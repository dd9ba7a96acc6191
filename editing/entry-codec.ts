/**
 * @file Entries as bytes: a line of JSON in which every array is its type and length, then the arrays one after the other in
 * little-endian order. What was encoded is decoded to the same bits. Of keys, half of which are zero after a ReLU, only the
 * others are kept, behind a bit for each.
 */
import type { Entry } from './entry.ts';

/** Bytes that are no entry, or one of another make. */
export class EntryFormatError extends Error {
  override readonly name = 'EntryFormatError';
  constructor(expected: string, actual: string) {
    super(
      `edit entry: expected ${expected}, got ${actual}; where another version of this program edited the data folder, edit with that one or start a new folder, else restore the file: it is damaged`,
    );
  }
}

const FORMAT = 'palimpsest-entry-3';

type Numbers = Float32Array | Float64Array | Int32Array;
const TYPES = { f32: Float32Array, f64: Float64Array, i32: Int32Array } as const;
type TypeName = keyof typeof TYPES;
const nameOf = (values: Numbers): TypeName =>
  values instanceof Float32Array ? 'f32' : values instanceof Float64Array ? 'f64' : 'i32';

/** What stands in JSON for an array: where it is the same one as an earlier one, its number. */
type Mark =
  | { readonly $: TypeName; readonly n: number; readonly sparse?: true }
  | { readonly $: 'same'; readonly n: number }
  | { readonly $: 'map'; readonly of: readonly (readonly [unknown, unknown])[] };

export function encodeEntry(entry: Entry): Uint8Array {
  const arrays: Numbers[] = [];
  const parts: Uint8Array[] = [];
  const mark = (values: Numbers): Mark => {
    const earlier = arrays.indexOf(values);
    if (earlier >= 0) return { $: 'same', n: earlier };
    arrays.push(values);
    const sparse = values instanceof Float32Array && values.length > 0 ? withoutZeros(values) : undefined;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    if (sparse && sparse.length < bytes.length) {
      parts.push(sparse);
      return { $: 'f32', n: values.length, sparse: true };
    }
    parts.push(bytes);
    return { $: nameOf(values), n: values.length };
  };
  const json = JSON.stringify(entry, (_, value: unknown) => {
    if (value instanceof Map) return { $: 'map', of: [...value] } satisfies Mark;
    if (value instanceof Float32Array || value instanceof Float64Array || value instanceof Int32Array)
      return mark(value);
    return value;
  });
  const head = Buffer.from(`${FORMAT}\n${json}\n`);
  return new Uint8Array(Buffer.concat([head, ...parts]));
}

/** @throws EntryFormatError */
export const decodeEntry = (bytes: Uint8Array): Entry => decode(bytes, true);

/**
 * An entry without its pairs, which are the last and most of its bytes: a map of none stands in their place.
 *
 * @throws EntryFormatError
 */
export const decodeWithoutPairs = (bytes: Uint8Array): Entry => decode(bytes, false);

function decode(bytes: Uint8Array, withPairs: boolean): Entry {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = all.indexOf('\n');
  const second = all.indexOf('\n', first + 1);
  const format = all.toString('utf8', 0, Math.max(0, first));
  if (format !== FORMAT || second < 0) throw new EntryFormatError(FORMAT, `'${format.slice(0, 40)}'`);
  let at = second + 1;
  const take = (length: number): Uint8Array => {
    if (at + length > all.length) throw new EntryFormatError(`${at + length} bytes at least`, `${all.length}`);
    const part = Uint8Array.prototype.slice.call(all, at, at + length);
    at += length;
    return part;
  };
  const arrays: Numbers[] = [];
  const read = (type: TypeName, n: number, sparse: boolean): Numbers => {
    const Type = TYPES[type];
    const values = sparse ? withZeros(n, take) : new Type(take(n * Type.BYTES_PER_ELEMENT).buffer as ArrayBuffer);
    arrays.push(values);
    return values;
  };
  /** Marks in the order in which JSON.stringify saw the arrays. */
  const revive = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map(revive);
    if (!isMark(value)) return reviveFields(value);
    if (value.$ === 'map') return new Map(value.of.map(([key, one]) => [key, revive(one)]));
    return value.$ === 'same' ? arrays[value.n] : read(value.$, value.n, value.sparse ?? false);
  };
  const reviveFields = (value: object): Record<string, unknown> =>
    Object.fromEntries(Object.entries(value).map(([name, one]) => [name, revive(one)]));
  const { pairs, ...others } = JSON.parse(all.toString('utf8', first + 1, second)) as { readonly pairs?: unknown };
  const entry = reviveFields(others);
  if (!withPairs) return { ...entry, pairs: new Map() } as unknown as Entry;
  const whole = (pairs === undefined ? entry : { ...entry, pairs: revive(pairs) }) as unknown as Entry;
  if (at !== all.length) throw new EntryFormatError(`${at} bytes`, `${all.length}`);
  return whole;
}

const isMark = (value: unknown): value is Mark => typeof value === 'object' && value !== null && '$' in value;

/** A bit for each number, 1 where it is not +0, and those numbers. */
function withoutZeros(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const mask = new Uint8Array(Math.ceil(values.length / 8));
  const kept = new Uint32Array(bits.length);
  let count = 0;
  for (let i = 0; i < bits.length; i++) {
    if (bits[i] === 0) continue;
    mask[i >> 3] |= 1 << (i & 7);
    kept[count++] = bits[i];
  }
  const out = new Uint8Array(mask.length + 4 * count);
  out.set(mask);
  out.set(new Uint8Array(kept.buffer, 0, 4 * count), mask.length);
  return out;
}

function withZeros(n: number, take: (length: number) => Uint8Array): Float32Array {
  const mask = take(Math.ceil(n / 8));
  let count = 0;
  for (let i = 0; i < n; i++) count += (mask[i >> 3] >> (i & 7)) & 1;
  const kept = new Uint32Array(take(4 * count).buffer as ArrayBuffer);
  const values = new Uint32Array(n);
  for (let i = 0, j = 0; i < n; i++) if (mask[i >> 3] & (1 << (i & 7))) values[i] = kept[j++];
  return new Float32Array(values.buffer);
}
