import { accessSync, constants, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The place for the model cannot take one. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
}

/** Finds out before hours of training what would keep the model from being written after them. */
export function checkOutput(out: string): void {
  const expected = `${out}: expected a place for a model folder, got`;
  if (existsSync(out) && !statSync(out).isDirectory())
    throw new OutputError(`${expected} a file; give another folder as --out`);
  if (existsSync(out) && isMountPoint(realpathSync(out))) {
    const advice = 'a model takes its place by renaming, which a mount point refuses: give a folder inside it as --out';
    throw new OutputError(`${expected} a mount point; ${advice}`);
  }
  try {
    mkdirSync(dirname(out), { recursive: true });
    accessSync(dirname(out), constants.W_OK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OutputError(`${expected} ${reason}; give another folder as --out`, { cause });
  }
}

/** @param dir  without symbolic links */
const isMountPoint = (dir: string): boolean => dir === dirname(dir) || statSync(dir).dev !== statSync(dirname(dir)).dev;
