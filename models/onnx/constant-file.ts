import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FilePlace } from '../weights.ts';

/** No room for the constants of a graph where temporary files go. */
export class ConstantFileError extends Error {
  override readonly name = 'ConstantFileError';
  readonly file: string;
  constructor(file: string, bytes: number, cause: unknown) {
    const actual = cause instanceof Error ? cause.message : String(cause);
    super(
      `${file}: expected room for ${bytes} more bytes, got ${actual}; make room, or name another folder with TMPDIR`,
      { cause },
    );
    this.file = file;
  }
}

const ALIGNMENT = 64;

/**
 * A temporary file for constants that are made one after the other, too many to hold them all in memory. What a session has
 * mapped of it stays when it is removed.
 */
export class ConstantFile {
  private readonly dir = mkdtempSync(join(tmpdir(), 'palimpsest-weights-'));
  private readonly file = join(this.dir, 'constants.bin');
  private readonly fd = openSync(this.file, 'w');
  private end = 0;

  /** A place for a constant, to be written in pieces. */
  reserve(byteLength: number): FilePlace {
    const offset = Math.ceil(this.end / ALIGNMENT) * ALIGNMENT;
    this.end = offset + byteLength;
    return { file: this.file, offset, byteLength };
  }

  /**
   * @param at  byte of the place where the piece begins
   * @throws ConstantFileError
   */
  write({ offset }: FilePlace, at: number, { buffer, byteOffset, byteLength }: Float32Array | Uint8Array): void {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    try {
      for (let done = 0; done < byteLength;)
        done += writeSync(this.fd, bytes, done, byteLength - done, offset + at + done);
    } catch (cause) {
      throw new ConstantFileError(this.file, byteLength, cause);
    }
  }

  remove(): void {
    closeSync(this.fd);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
