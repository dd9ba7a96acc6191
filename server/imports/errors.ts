import { limits } from '../limits.ts';

/** A body of more than a task takes. Nothing of it was kept. */
export class ImportTooLargeError extends Error {
  override readonly name = 'ImportTooLargeError';
  constructor(limit: 'importBytes' | 'importLines') {
    const what = limit === 'importBytes' ? 'bytes' : 'lines';
    super(
      `request: expected at most ${limits[limit]} ${what} in one import (limits.${limit}), got more; send it in several parts`,
    );
  }
}

/** So many lines in a row that fail for no fault of theirs end an import: the others would fail too. */
export const failuresInRow = 3;

/** The server, not the lines, is at fault. */
export class ImportStoppedError extends Error {
  override readonly name = 'ImportStoppedError';
  constructor(line: number, detail: string | undefined) {
    super(
      `import: expected lines to be added, got ${failuresInRow} in a row that failed for no fault of theirs, the last one line ${line} (${detail}); mend that and send the file again: what is there already answers 409`,
    );
  }
}
