/**
 * Weight files in the safetensors format: 8 bytes header length, a JSON header, then the tensors' bytes without gaps.
 * Opening reads the header alone; a tensor's bytes are read, and converted to float32, when its `data` is asked for.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { endianness } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** A float32 tensor in row-major order; `data` holds the product of `shape` values. */
export interface WeightTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** Where graphs are to leave the values, for onnxruntime to map them into memory. */
  readonly place?: FilePlace | undefined;
  /** What graphs multiply with instead, where they are to be small and fast. */
  readonly int8?: Int8Matrix | undefined;
}

/** A matrix [out, in] rounded to eight bits: row r, column c is scales[b] · (codes[r · in + c] − 128), b its block. */
export interface Int8Matrix {
  /** uint8 [out · in] */
  readonly codes: Uint8Array | FilePlace;
  /** float32 [out · in / block] */
  readonly scales: Float32Array | FilePlace;
  /** Columns that share a scale, within a row. */
  readonly block: number;
}

/** Float32 values as they lie in a file. */
export interface FilePlace {
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
}

/** The element types of the format that can be sized; those in `ReadableDtype` can be read too. */
const bytesPerElement = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;
export type StoredDtype = keyof typeof bytesPerElement;
export type ReadableDtype = 'F32' | 'F16' | 'BF16' | 'F64' | 'I32' | 'I64';
export type WritableDtype = 'F32' | 'F16' | 'BF16';

/** A tensor that lies in a file. `data` reads and converts at every access: keep what it returns, do not ask twice. */
export interface StoredTensor extends WeightTensor {
  readonly file: string;
  readonly dtype: StoredDtype;
  /** Of its first byte in the file. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** Rows [from, to) of a matrix, read and converted without the others. */
  rows(from: number, to: number): Float32Array;
}

export interface WeightFile {
  /** In the order of their bytes; shards one after the other. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A weight file that is damaged, mislabelled or of a kind we do not read. */
export class WeightFileError extends Error {
  readonly file: string;
  readonly tensor: string | undefined;
  readonly expected: string;
  readonly actual: string;

  constructor(file: string, tensor: string | undefined, expected: string, actual: string, advice = damaged) {
    super(`${file}${tensor === undefined ? '' : `: ${tensor}`}: expected ${expected}, got ${actual}; ${advice}`);
    this.name = 'WeightFileError';
    this.file = file;
    this.tensor = tensor;
    this.expected = expected;
    this.actual = actual;
  }
}
const damaged = 'the file is damaged or incomplete: copy or download it again';

/** The format's own limit, so that a stray first 8 bytes cannot make us allocate gigabytes. */
const MAX_HEADER_BYTES = 100_000_000;
/** Bytes converted at a time; bounds the extra memory of reading and writing. A multiple of every element size. */
const CHUNK_BYTES = 1 << 24;

const tensorSchema = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
const metadataSchema = z.record(z.string(), z.string());
const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/** Opens one `.safetensors` file and checks its header against the file. */
export function readSafetensors(file: string): WeightFile {
  const fd = open(file);
  try {
    return readHeader(file, fd);
  } finally {
    closeSync(fd);
  }
}

/** Opens the weights of a model folder: `model.safetensors`, or the shards `model.safetensors.index.json` lists. */
export function readWeights(dir: string): WeightFile {
  const single = join(dir, 'model.safetensors');
  if (isFile(single)) return readSafetensors(single);
  const index = join(dir, 'model.safetensors.index.json');
  if (isFile(index)) return readShards(index);
  const pickled = isFile(join(dir, 'pytorch_model.bin')) || isFile(join(dir, 'pytorch_model.bin.index.json'));
  const actual = pickled ? 'only pytorch_model.bin' : 'neither';
  const advice = pickled
    ? 'convert it in Python: T5ForConditionalGeneration.from_pretrained(dir).save_pretrained(dir)'
    : 'is this a model folder?';
  throw new WeightFileError(dir, undefined, 'model.safetensors or model.safetensors.index.json', actual, advice);
}

/** Opens the shards that an index file names; every tensor must lie in the shard it is promised in. */
export function readShards(indexFile: string): WeightFile {
  let parsed;
  try {
    parsed = indexSchema.parse(JSON.parse(readFileSync(indexFile, 'utf8')));
  } catch (cause) {
    throw withCause(new WeightFileError(indexFile, undefined, 'JSON with a weight_map', 'something else'), cause);
  }
  const places = Object.entries(parsed.weight_map);
  const shards = [...new Set(places.map(([, shard]) => shard))].sort();
  const tensors = new Map<string, StoredTensor>();
  const metadata: Record<string, string> = {};
  for (const shard of shards) {
    if (shard.includes('/') || shard.includes('\\')) {
      throw new WeightFileError(indexFile, undefined, 'file names beside the index', JSON.stringify(shard));
    }
    const file = join(dirname(indexFile), shard);
    const opened = readSafetensors(file);
    Object.assign(metadata, opened.metadata);
    for (const [name, tensor] of opened.tensors) {
      const earlier = tensors.get(name);
      if (earlier) throw new WeightFileError(file, name, 'each name in one shard', `also in ${earlier.file}`);
      tensors.set(name, tensor);
    }
  }
  for (const [name, shard] of places) {
    const file = join(dirname(indexFile), shard);
    const actual = tensors.get(name)?.file ?? 'no such tensor';
    if (actual !== file) throw new WeightFileError(file, name, 'the tensor, as the index says', actual);
  }
  return { tensors, metadata };
}

function readHeader(file: string, fd: number): WeightFile {
  const stat = fstatSync(fd);
  if (stat.size < 8) throw new WeightFileError(file, undefined, 'at least 8 bytes', `${stat.size} bytes`);
  const prefix = Buffer.alloc(8);
  readFully(file, fd, prefix, 0);
  const headerBytes = Number(prefix.readBigUInt64LE());
  if (headerBytes > MAX_HEADER_BYTES || headerBytes > stat.size - 8) {
    const room = Math.min(MAX_HEADER_BYTES, stat.size - 8);
    throw new WeightFileError(
      file,
      undefined,
      `a header of at most ${room} bytes`,
      `a header length of ${headerBytes}`,
    );
  }
  const header = Buffer.alloc(headerBytes);
  readFully(file, fd, header, 8);
  const text = header.toString('utf8');
  const json = parseHeader(file, text);
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw new WeightFileError(file, repeated, 'each name once', 'the name twice');

  const metadata = metadataSchema.safeParse(json.__metadata__ ?? {});
  if (!metadata.success) {
    throw new WeightFileError(file, '__metadata__', 'an object of strings', JSON.stringify(json.__metadata__));
  }
  const dataStart = 8 + headerBytes;
  const dataBytes = stat.size - dataStart;
  const identity = { ino: stat.ino, size: stat.size, mtimeMs: stat.mtimeMs };
  const found = Object.entries(json)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => ({ name, ...checkEntry(file, name, entry) }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  const tensors = new Map<string, StoredTensor>();
  for (const entry of found) {
    if (entry.begin !== end) {
      const problem = entry.begin < end ? 'overlapping the tensor before it' : 'leaving a gap';
      throw new WeightFileError(file, entry.name, `bytes from ${end}`, `bytes from ${entry.begin}, ${problem}`);
    }
    if (entry.end > dataBytes) {
      throw new WeightFileError(
        file,
        entry.name,
        `bytes up to ${dataBytes}, the end of the file`,
        `up to ${entry.end}`,
      );
    }
    end = entry.end;
    const { name, dtype, shape } = entry;
    const [offset, sizeBytes] = [dataStart + entry.begin, entry.end - entry.begin];
    tensors.set(name, {
      ...{ file, dtype, shape, offset, sizeBytes },
      get data() {
        return readTensor(file, name, identity, dtype, offset, sizeBytes);
      },
      rows(from, to) {
        const rowBytes = sizeBytes / shape[0];
        return readTensor(file, name, identity, dtype, offset + from * rowBytes, (to - from) * rowBytes);
      },
    });
  }
  if (end !== dataBytes) {
    throw new WeightFileError(file, undefined, `${end} bytes of tensors, as the header says`, `${dataBytes} bytes`);
  }
  return { tensors, metadata: metadata.data };
}

function parseHeader(file: string, text: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (cause) {
    const advice = 'not a safetensors file, or a damaged one';
    throw withCause(new WeightFileError(file, undefined, 'a JSON object as header', text.slice(0, 40), advice), cause);
  }
}

function checkEntry(file: string, name: string, entry: unknown) {
  const parsed = tensorSchema.safeParse(entry);
  if (!parsed.success) {
    throw new WeightFileError(file, name, '{dtype, shape, data_offsets}', JSON.stringify(entry).slice(0, 200));
  }
  const { dtype, shape, data_offsets } = parsed.data;
  if (!isStoredDtype(dtype)) {
    throw new WeightFileError(file, name, `a dtype of ${Object.keys(bytesPerElement).join(', ')}`, dtype, 'convert it');
  }
  const [begin, end] = data_offsets;
  const wanted = elementCount(shape) * bytesPerElement[dtype];
  if (end - begin !== wanted) {
    throw new WeightFileError(file, name, `${wanted} bytes for ${dtype} [${shape.join(', ')}]`, `${end - begin} bytes`);
  }
  return { dtype, shape, begin, end };
}

/**
 * The first key of the header that stands there twice. JSON.parse keeps the last silently, and the safetensors format
 * forbids it. At depth 1 of the header every string is a key: the values there are objects.
 */
function repeatedKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') depth++;
    else if (token === '}') depth--;
    else if (depth === 1) {
      const key = JSON.parse(token) as string;
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

interface FileIdentity {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/**
 * The values of a place, some at a time.
 *
 * @param buffer  where they are read to, again and again
 */
export function* piecesOf(
  { file, offset, byteLength }: FilePlace,
  buffer: Float32Array<ArrayBuffer>,
): Generator<{ readonly at: number; readonly values: Float32Array }> {
  const fd = open(file);
  try {
    for (let at = 0; 4 * at < byteLength; at += buffer.length) {
      const values = buffer.subarray(0, Math.min(buffer.length, byteLength / 4 - at));
      readFully(file, fd, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset + 4 * at);
      yield { at, values };
    }
  } finally {
    closeSync(fd);
  }
}

/** @returns float32 [sizeBytes / element size] */
function readTensor(
  file: string,
  name: string,
  identity: FileIdentity,
  dtype: StoredDtype,
  at: number,
  sizeBytes: number,
) {
  if (!isReadable(dtype)) {
    const expected = `a dtype of ${Object.keys(converters).join(', ')}`;
    throw new WeightFileError(file, name, expected, dtype, 'save the model in float32, float16 or bfloat16');
  }
  assertLittleEndian();
  const width = bytesPerElement[dtype];
  const out = new Float32Array(sizeBytes / width);
  const fd = open(file);
  try {
    const now = fstatSync(fd);
    if (now.ino !== identity.ino || now.size !== identity.size || now.mtimeMs !== identity.mtimeMs) {
      throw new WeightFileError(file, name, 'the file as it was opened', 'a changed file', 'open the model again');
    }
    if (dtype === 'F32') {
      readFully(file, fd, Buffer.from(out.buffer), at);
      return out;
    }
    const chunk = Buffer.from(new ArrayBuffer(Math.min(CHUNK_BYTES, sizeBytes)));
    for (let done = 0; done < sizeBytes; done += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, sizeBytes - done));
      readFully(file, fd, part, at + done);
      const count = part.length / width;
      converters[dtype](part.buffer, out.subarray(done / width, done / width + count));
    }
    return out;
  } finally {
    closeSync(fd);
  }
}

/** One rule per dtype we read: the first `out.length` stored elements of `bytes`, as float32, into `out`. */
const converters: { [D in ReadableDtype]: (bytes: ArrayBufferLike, out: Float32Array) => void } = {
  F32: (bytes, out) => out.set(new Float32Array(bytes, 0, out.length)),
  F16: (bytes, out) => float16ToFloat32(new Uint16Array(bytes, 0, out.length), out),
  BF16: (bytes, out) => bfloat16ToFloat32(new Uint16Array(bytes, 0, out.length), out),
  F64: (bytes, out) => out.set(new Float64Array(bytes, 0, out.length)),
  I32: (bytes, out) => out.set(new Int32Array(bytes, 0, out.length)),
  I64: (bytes, out) => new BigInt64Array(bytes, 0, out.length).forEach((value, i) => (out[i] = Number(value))),
};

/** Bit patterns of float32 for all float16 patterns; made at first use. uint32 [65536] */
let float16Table: Uint32Array | undefined;

/** @param source uint16 [n] float16 bit patterns; @param out float32 [n]. NaN payloads are kept. */
export function float16ToFloat32(source: Uint16Array, out: Float32Array): void {
  float16Table ??= Uint32Array.from({ length: 65536 }, (_, half) => float32BitsOfFloat16(half));
  const table = float16Table;
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) bits[i] = table[source[i]];
}

function float32BitsOfFloat16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 31) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0;
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  if (mantissa === 0) return sign >>> 0;
  // Subnormal: mantissa * 2^-24. Shift the leading one to bit 10 and lower the exponent for each step.
  const shift = Math.clz32(mantissa) - 21;
  return (sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13)) >>> 0;
}

/** @param source uint16 [n] bfloat16 bit patterns; @param out float32 [n] */
export function bfloat16ToFloat32(source: Uint16Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) bits[i] = source[i] << 16;
}

/** Rounds to nearest, ties to even; beyond 65,504 to infinity. @param source float32 [n]; @param out uint16 [n] */
export function float32ToFloat16(source: Float32Array, out: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i];
    const sign = (value >>> 16) & 0x8000;
    const magnitude = value & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      out[i] = sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff); // NaN, quiet
    } else if (magnitude >= 0x477ff000) {
      out[i] = sign | 0x7c00; // 65,520 and more round to infinity
    } else if (magnitude >= 0x38800000) {
      // Normal: drop 13 bits; the carry of rounding may run into the exponent, which is then right.
      out[i] = sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
    } else if (magnitude > 0x33000000) {
      // Subnormal: the value is (mantissa with its leading one) * 2^(exponent - 150), wanted in units of 2^-24.
      const shift = 126 - (magnitude >>> 23);
      const mantissa = (magnitude & 0x7fffff) | 0x800000;
      const half = 1 << (shift - 1);
      out[i] = sign | ((mantissa + half - 1 + ((mantissa >>> shift) & 1)) >>> shift);
    } else {
      out[i] = sign; // 2^-25, half of the smallest, ties to even: zero
    }
  }
}

/** Rounds to nearest, ties to even. @param source float32 [n]; @param out uint16 [n] */
export function float32ToBfloat16(source: Float32Array, out: Uint16Array): void {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  for (let i = 0; i < bits.length; i++) {
    const value = bits[i];
    const isNaN = (value & 0x7fffffff) > 0x7f800000;
    out[i] = isNaN ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
}

export interface WriteOptions {
  readonly dtype?: WritableDtype;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a safetensors file whole or not at all: beside its place, to disk, then renamed over it.
 * Each tensor's `data` is asked for once, when its turn comes, so a model larger than memory can be copied.
 */
export function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, WeightTensor>,
  options: WriteOptions = {},
): void {
  const { dtype = 'F32', metadata = { format: 'pt' } } = options;
  assertLittleEndian();
  const width = bytesPerElement[dtype];
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const [name, tensor] of tensors) {
    const begin = end;
    end += elementCount(tensor.shape) * width;
    header[name] = { dtype, shape: tensor.shape, data_offsets: [begin, end] };
  }
  const text = JSON.stringify(header);
  // Spaces up to a multiple of 8, so that tensors lie aligned in the file.
  const padded = Buffer.from(text + ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));
  writeAtomically(file, (write) => {
    write(prefix);
    write(padded);
    for (const [name, tensor] of tensors) {
      const data = tensor.data;
      const wanted = elementCount(tensor.shape);
      if (data.length !== wanted) {
        const shape = `[${tensor.shape.join(', ')}]`;
        throw new WeightFileError(file, name, `${wanted} values for ${shape}`, `${data.length}`, 'pass matching data');
      }
      writeTensor(write, data, dtype, (value) => {
        const expected = `values that fit ${dtype}`;
        throw new WeightFileError(file, name, expected, String(value), 'write it as F32');
      });
    }
  });
}

type Write = (bytes: Uint8Array) => void;

/** Float16's largest value is 65,504; from here on numbers round to infinity. */
const FLOAT16_OVERFLOW = 65_520;

/** Whether no finite value becomes infinite in float16. */
export function fitsFloat16(data: Float32Array): boolean {
  for (let i = 0; i < data.length; i++)
    if (Math.abs(data[i]) >= FLOAT16_OVERFLOW && Number.isFinite(data[i])) return false;
  return true;
}

/** Bit patterns of infinity without their sign. */
const infinityOf = { F16: 0x7c00, BF16: 0x7f80 } as const;

/** @param refuse  gets a finite value that would be infinite in `dtype` */
function writeTensor(write: Write, data: Float32Array, dtype: WritableDtype, refuse: (value: number) => never): void {
  const step = CHUNK_BYTES / 4;
  const half = dtype === 'F32' ? undefined : new Uint16Array(Math.min(step, data.length));
  for (let done = 0; done < data.length; done += step) {
    const part = data.subarray(done, done + step);
    if (!half || dtype === 'F32') {
      write(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
    } else {
      const out = half.subarray(0, part.length);
      if (dtype === 'F16') float32ToFloat16(part, out);
      else float32ToBfloat16(part, out);
      const infinity = infinityOf[dtype];
      for (let i = 0; i < out.length; i++)
        if ((out[i] & 0x7fff) === infinity && Number.isFinite(part[i])) refuse(part[i]);
      write(new Uint8Array(out.buffer, 0, out.byteLength));
    }
  }
}

/** Calls `body` with a function that appends bytes to a new file, and puts that file in `file`'s place when all is on disk. */
export function writeAtomically(file: string, body: (write: Write) => void): void {
  const temporary = `${file}.tmp-${process.pid}`;
  const fd = openSync(temporary, 'w');
  let open = true;
  try {
    body((bytes) => {
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    });
    fsyncSync(fd);
    closeSync(fd);
    open = false;
    renameSync(temporary, file);
    syncDirectory(dirname(file));
  } catch (error) {
    if (open) closeSync(fd);
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Makes renames inside a directory survive a power cut. */
export function syncDirectory(dir: string): void {
  const fd = openSync(dir, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function readFully(file: string, fd: number, into: Uint8Array, at: number): void {
  for (let done = 0; done < into.length;) {
    // readSync takes a 31-bit length.
    const read = readSync(fd, into, done, Math.min(into.length - done, 1 << 30), at + done);
    if (read === 0) {
      throw new WeightFileError(
        file,
        undefined,
        `${into.length} bytes at ${at}`,
        `${done} bytes, then the end of the file`,
      );
    }
    done += read;
  }
}

function open(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (cause) {
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw withCause(new WeightFileError(file, undefined, 'a readable file', actual), cause);
  }
}

function isFile(path: string): boolean {
  try {
    closeSync(openSync(path, 'r'));
    return true;
  } catch {
    return false;
  }
}

function isStoredDtype(dtype: string): dtype is StoredDtype {
  return Object.hasOwn(bytesPerElement, dtype);
}

function isReadable(dtype: StoredDtype): dtype is ReadableDtype {
  return Object.hasOwn(converters, dtype);
}

/** The format is little-endian and typed arrays are the machine's; every machine Node 20 supports but s390x agrees. */
function assertLittleEndian(): void {
  if (endianness() !== 'LE') throw new Error('weights.ts: expected a little-endian machine, got a big-endian one');
}

function withCause<E extends Error>(error: E, cause: unknown): E {
  return Object.assign(error, { cause });
}
