import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { listSnapshots, snapshotsFolder, unfinished } from './create.ts';

/** No snapshot of the data folder has the name. */
export class SnapshotNotFoundError extends Error {
  override readonly name = 'SnapshotNotFoundError';
  readonly snapshot: string;
  constructor(snapshot: string) {
    super(
      `snapshots: expected the name of a snapshot, got '${snapshot}'; GET /snapshots and "snapshot list" show them`,
    );
    this.snapshot = snapshot;
  }
}

/** The name of a folder; no path. */
const snapshotName = /^[\w-]+$/;

/** Removes a snapshot, also one that is damaged. It is not listed any more before the first file of it goes. @throws SnapshotNotFoundError */
export function removeSnapshot(dataDir: string, name: string): void {
  const dir = join(dataDir, snapshotsFolder, name);
  if (!snapshotName.test(name) || !existsSync(dir)) throw new SnapshotNotFoundError(name);
  const going = `${dir}.${process.pid}${unfinished}`;
  renameSync(dir, going);
  rmSync(going, { recursive: true, force: true });
}

/** Keeps the newest snapshots, so many of them. @returns the names of the others */
export function keepSnapshots(dataDir: string, kept: number): string[] {
  const names = listSnapshots(dataDir)
    .slice(kept)
    .map(({ name }) => name);
  for (const name of names) removeSnapshot(dataDir, name);
  return names;
}

/** What a process left half made or half removed that is no more. */
export function tidySnapshots(dataDir: string): void {
  const all = join(dataDir, snapshotsFolder);
  if (!existsSync(all)) return;
  for (const name of readdirSync(all)) {
    const pid = new RegExp(`\\.(\\d+)\\${unfinished}$`).exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(all, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return pid !== process.pid; // of this process, a name that it had before it was restarted
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
