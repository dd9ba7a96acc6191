import { createHash, type Hash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelFolder } from '../folder.ts';
import { unembedName } from '../t5.ts';
import { writeAtomically } from '../weights.ts';

/**
 * Parameters of HNSW (Malkov and Yashunin 2018): what is near, links of a node, how widely building looks around, and the seed
 * of the layers. Part of a graph's key: with others it is built anew. By cosine, since by inner product short rows lie far
 * from all others, also from themselves, and some are never linked to.
 */
export const GRAPH = { space: 'cosine', links: 16, buildWidth: 100, seed: 1 } as const;

/** A file is no graph of these rows. */
export class RowGraphError extends Error {
  override readonly name = 'RowGraphError';
  readonly file: string;
  constructor(file: string, expected: string, actual: string, advice: string, options?: ErrorOptions) {
    super(`${file}: expected ${expected}, got ${actual}; ${advice}`, options);
    this.file = file;
  }
}

/** A range of a folder's docid rows, and the file with their graph. */
export interface RowShard {
  readonly from: number;
  readonly to: number;
  readonly file: string;
}

/** Rows that share a graph: each is built by a thread of its own, and every search looks into each. */
const SHARD_ROWS = 250_000;

/** Rows [0, N) in ranges of like length, and where in `dir` their graphs are. */
export function shardsOf(dir: string, rows: number, shards = Math.max(1, Math.ceil(rows / SHARD_ROWS))): RowShard[] {
  return Array.from({ length: shards }, (_, i) => {
    const [from, to] = [i, i + 1].map((n) => Math.floor((n * rows) / shards));
    return { from, to, file: join(dir, `rows-${from}-${to}.hnsw`) };
  });
}

const FORMAT = 'palimpsest-row-graph-1';

/** Written beside a graph when it is whole. */
interface Seal {
  readonly format: typeof FORMAT;
  /** Of all that the graph was made of. */
  readonly key: string;
  readonly bytes: number;
  readonly sha256: string;
}

const sealOf = ({ file }: RowShard): string => `${file}.json`;

/** Bytes that are in memory while a table or a file is read. */
const PIECE = 32 << 20;

/** Calls `use` with rows [from, to) of the folder, some at a time: float32 [n, D]. */
export function eachPiece(
  folder: ModelFolder,
  { from, to }: RowShard,
  use: (rows: Float32Array, first: number) => void,
): void {
  const { d_model: width } = folder.config;
  const { firstDocidToken } = folder.genir!;
  const step = Math.max(1, Math.floor(PIECE / (4 * width)));
  for (let first = from; first < to; first += step) {
    const end = Math.min(to, first + step);
    use(folder.rows(unembedName(folder.config), firstDocidToken + first, firstDocidToken + end), first);
  }
}

/** Hash of a shard's rows, their numbers, and the parameters of the graph. */
export function keyOf(folder: ModelFolder, shard: RowShard): string {
  const { from, to } = shard;
  const hash = createHash('sha256').update(JSON.stringify([FORMAT, GRAPH, folder.config.d_model, from, to]));
  eachPiece(folder, shard, (rows) => hash.update(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength)));
  return hash.digest('hex');
}

/** Why a shard's graph cannot be used as it lies there; undefined where it can. */
export function problemOf(shard: RowShard, key: string): string | undefined {
  const { file } = shard;
  if (!existsSync(file) || !existsSync(sealOf(shard))) return 'there is none yet';
  const seal = readSeal(shard);
  if (!seal) return `${sealOf(shard)} cannot be read`;
  if (seal.key !== key) return `${file} is of other docid rows, or was built otherwise`;
  const { size } = statSync(file);
  if (size !== seal.bytes) return `${file} is damaged: expected ${seal.bytes} bytes, got ${size}`;
  if (hashOf(file) !== seal.sha256) return `${file} is damaged: its checksum is another`;
  return undefined;
}

/** Says that the graph is whole. @throws RowGraphError  where the disk has no room for it */
export function seal(shard: RowShard, key: string, width: number): void {
  const { file, from, to } = shard;
  const { size } = statSync(file);
  // Links of the ground layer and their number, values, label; the layers above are a few percent more.
  const least = (to - from) * (4 * (2 * GRAPH.links + 1) + 4 * width + 8);
  if (size < least)
    throw new RowGraphError(file, `more than ${least} bytes`, `${size}`, 'is the disk full? Make room and start again');
  const content: Seal = { format: FORMAT, key, bytes: size, sha256: hashOf(file) };
  writeAtomically(sealOf(shard), (write) => write(Buffer.from(`${JSON.stringify(content)}\n`)));
}

function readSeal(shard: RowShard): Partial<Seal> | undefined {
  try {
    return JSON.parse(readFileSync(sealOf(shard), 'utf8')) as Partial<Seal>;
  } catch {
    return undefined;
  }
}

function hashOf(file: string): string {
  const hash: Hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE);
  const descriptor = openSync(file, 'r');
  try {
    for (let count; (count = readSync(descriptor, piece)) > 0;) hash.update(piece.subarray(0, count));
  } finally {
    closeSync(descriptor);
  }
  return hash.digest('hex');
}
