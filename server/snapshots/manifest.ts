import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { storeFile } from '../data-folder.ts';

/** A snapshot that is not whole, or does not fit. Nothing was touched. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError';
  readonly path: string;
  constructor(path: string, expected: string, actual: string, advice: string) {
    super(`${path}: expected ${expected}, got ${actual}; ${advice}`);
    this.path = path;
  }
}

export const manifestFile = 'manifest.json';

/** The store, and the files of the base model where edits were folded into one of its own. No path leads out. */
const filePath = /^(?:palimpsest\.sqlite|base-\d+\/[\w][\w.-]*)$/;

export const manifestSchema = z.strictObject({
  format: z.literal('palimpsest-snapshot'),
  version: z.literal(1),
  createdAt: z.string(),
  program: z.string(),
  /** `user_version` of the store. */
  schema: z.int().min(1),
  editSeq: z.int().min(0),
  documents: z.int().min(0),
  model: z.strictObject({
    /** `modelVersion` of the base that edits belong to. */
    version: z.string(),
    /** Folder of that base in the snapshot; null where it is the model that the data folder was made for. */
    folder: z.string().nullable(),
    /** Versions of the models before it. */
    from: z.array(z.string()),
  }),
  files: z
    .array(
      z.strictObject({
        path: z.string().regex(filePath),
        bytes: z.int().min(0),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
      }),
    )
    .refine((files) => files.some(({ path }) => path === storeFile)),
});
export type Manifest = z.output<typeof manifestSchema>;

const damaged = 'the snapshot is damaged: take another one';

/** @throws SnapshotError */
export function readManifest(dir: string): Manifest {
  const path = join(dir, manifestFile);
  if (!existsSync(path)) {
    const actual = existsSync(dir) ? `a folder without ${manifestFile}` : 'nothing there';
    throw new SnapshotError(dir, 'the folder of a snapshot', actual, 'give another one; "snapshot list" shows those of a data folder'); // prettier-ignore
  }
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new SnapshotError(
      path,
      'the manifest of a snapshot',
      String((error as Error).message),
      'give another folder',
    );
  }
  const parsed = manifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [{ path: field, message }] = parsed.error.issues;
  throw new SnapshotError(path, 'a manifest that this version reads', `${field.join('.')}: ${message}`, damaged);
}

/** Reads every file of a snapshot in full. @throws SnapshotError */
export async function verifySnapshot(dir: string): Promise<Manifest> {
  const manifest = readManifest(dir);
  for (const { path: name, bytes, sha256 } of manifest.files) {
    const path = join(dir, name);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size !== bytes)
      throw new SnapshotError(path, `${bytes} bytes`, size === undefined ? 'no file' : `${size}`, damaged);
    const hash = await hashOf(path);
    if (hash !== sha256) throw new SnapshotError(path, `SHA-256 ${sha256}`, hash, damaged);
  }
  return manifest;
}

/** Pieces of a millisecond, so that a server answers between two of them. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece as Buffer);
  return hash.digest('hex');
}
