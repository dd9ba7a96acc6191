import { createHash, type Hash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelFolder } from '../folder.ts';
import { unembedName } from '../t5.ts';
import { tensor, type FloatTensor } from '../session.ts';
import { writeAtomically } from '../weights.ts';
import type { Axes } from './axes.ts';
import { REACHES } from './reach.ts';

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

/** Docid rows of like length. */
export interface RowPart {
  /** Docid rows of the folder. */
  readonly rows: number;
  /** Which part, in the order of lengths, from 0, of how many. */
  readonly part: number;
  readonly parts: number;
}

/** A part and the file for its graph. */
export interface ShardFile extends RowPart {
  readonly file: string;
}

/** A graph that is ready. */
export interface RowShard extends ShardFile {
  /** Along which it holds rows, as all graphs of a model do. */
  readonly axes: Axes;
  /** Rows that a search for ten keeps in view. */
  readonly reach: number;
}

/** Rows that share a graph, at most: each is built by a thread of its own, and every search looks into each. */
const SHARD_ROWS = 250_000;

/** Fewest parts. Graphs go by cosine: the more alike the lengths in each, the fewer of the largest products they miss. */
const LEAST_PARTS = 4;

/** Parts of N rows, and where in `dir` their graphs are. */
export function shardsOf(
  dir: string,
  rows: number,
  parts = Math.max(LEAST_PARTS, Math.ceil(rows / SHARD_ROWS)),
): ShardFile[] {
  return Array.from({ length: parts }, (_, part) => ({
    ...{ rows, part, parts },
    file: join(dir, `rows-${part + 1}-of-${parts}.hnsw`),
  }));
}

/** Where a part begins and ends in the order of lengths. */
const boundsOf = ({ rows, part, parts }: RowPart): number[] =>
  [part, part + 1].map((n) => Math.floor((n * rows) / parts));

/** Rows of a part. */
export function sizeOf(part: RowPart): number {
  const [first, end] = boundsOf(part);
  return end - first;
}

/**
 * Rows of a part, ascending; of equally long ones the lower numbers are in the lower part.
 *
 * @param lengths  [N] Euclidean
 */
export function membersOf(lengths: Float32Array, part: RowPart): Uint32Array {
  const order = Uint32Array.from(lengths.keys()).sort((a, b) => lengths[a] - lengths[b] || a - b);
  return order.slice(...boundsOf(part)).sort();
}

const FORMAT = 'palimpsest-row-graph-3';

/** What keys are made of beside rows. */
export const KEY = [FORMAT, GRAPH, REACHES] as const;

/** Written beside a graph when it is whole. */
interface Seal {
  readonly format: typeof FORMAT;
  /** Of all that the graph was made of. */
  readonly key: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Of the best rows of held-out states, those that it leads to by each of `REACHES`, and all, also those of other parts. */
  readonly found: readonly number[];
  readonly wanted: number;
}

const sealOf = ({ file }: ShardFile): string => `${file}.json`;

export const axesFile = (dir: string): string => join(dir, 'axes.safetensors');

/** Bytes that are in memory while a table or a file is read. */
const PIECE = 32 << 20;

/** Calls `use` with each of some docid rows of a folder, float32 [D], ascending. */
export function eachRow(
  folder: ModelFolder,
  wanted: ArrayLike<number>,
  use: (values: Float32Array, row: number) => void,
): void {
  const { d_model: width } = folder.config;
  const { firstDocidToken } = folder.genir!;
  const step = Math.max(1, Math.floor(PIECE / (4 * width)));
  for (let i = 0; i < wanted.length;) {
    const first = wanted[i];
    const end = Math.min(first + step, wanted[wanted.length - 1] + 1);
    const piece = folder.rows(unembedName(folder.config), firstDocidToken + first, firstDocidToken + end);
    for (; i < wanted.length && wanted[i] < end; i++) {
      const at = (wanted[i] - first) * width;
      use(piece.subarray(at, at + width), wanted[i]);
    }
  }
}

/** All docid rows of a folder, some at a time: rows float32 [n, D] from `first` on. */
export function* pieces(folder: ModelFolder, count: number): Generator<{ first: number; rows: FloatTensor }> {
  const { d_model: width } = folder.config;
  const { firstDocidToken } = folder.genir!;
  const step = Math.max(1, Math.floor(PIECE / (4 * width)));
  for (let first = 0; first < count; first += step) {
    const end = Math.min(first + step, count);
    const rows = folder.rows(unembedName(folder.config), firstDocidToken + first, firstDocidToken + end);
    yield { first, rows: tensor(rows, [end - first, width]) };
  }
}

/** Why a shard's graph cannot be used as it lies there; undefined where it can. */
export function problemOf(shard: ShardFile, key: string): string | undefined {
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

/** Says that the graph, of rows of so many numbers, is whole. @throws RowGraphError  where the disk has no room for it */
export function seal(shard: ShardFile, width: number, made: Pick<Seal, 'key' | 'found' | 'wanted'>): void {
  const { file } = shard;
  const { size } = statSync(file);
  // Links of the ground layer and their number, values, label; the layers above are a few percent more.
  const least = sizeOf(shard) * (4 * (2 * GRAPH.links + 1) + 4 * width + 8);
  if (size < least)
    throw new RowGraphError(file, `more than ${least} bytes`, `${size}`, 'is the disk full? Make room and start again');
  const content: Seal = { format: FORMAT, ...made, bytes: size, sha256: hashOf(file) };
  writeAtomically(sealOf(shard), (write) => write(Buffer.from(`${JSON.stringify(content)}\n`)));
}

/** What was measured of a graph that is whole. */
export const measuredOf = (shard: ShardFile): Pick<Seal, 'found' | 'wanted'> => readSeal(shard) as Seal;

function readSeal(shard: ShardFile): Partial<Seal> | undefined {
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
