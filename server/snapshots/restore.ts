import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { migrations } from '../../corpus/migrations/index.ts';
import { hashOf, SnapshotError, verifySnapshot, type Manifest } from './manifest.ts';

/**
 * Makes a data folder of a snapshot. All of it is checked first, and copied beside the folder before it takes its place:
 * there is the whole folder or none.
 *
 * @param model  `modelVersion` of the model that it shall be served with
 * @throws SnapshotError  and nothing is changed
 */
export async function restoreSnapshot(snapshot: string, dataDir: string, model: string): Promise<Manifest> {
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0)
    throw new SnapshotError(dataDir, 'a new or empty folder', 'one with files', 'give another one with --data');
  const manifest = await verifySnapshot(snapshot);
  const { version, from } = manifest.model;
  if (![version, ...from].includes(model))
    throw new SnapshotError(
      snapshot,
      `a snapshot of model ${model}`,
      `one of model ${version}`,
      'give its model with --model',
    );
  if (manifest.schema > migrations.length)
    throw new SnapshotError(
      snapshot,
      `schema version ${migrations.length} at most`,
      `${manifest.schema}`,
      'install the newer Palimpsest that made it',
    );
  const dir = `${dataDir}.restoring`;
  rmSync(dir, { recursive: true, force: true });
  try {
    for (const { path, sha256 } of manifest.files) {
      const to = join(dir, path);
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(join(snapshot, path), to);
      const hash = await hashOf(to);
      if (hash !== sha256) throw new SnapshotError(to, `SHA-256 ${sha256}`, hash, 'is the disk sound? Try again');
    }
    if (existsSync(dataDir)) rmdirSync(dataDir);
    renameSync(dir, dataDir);
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return manifest;
}
