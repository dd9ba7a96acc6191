/** @file The task of adding documents that lie on the disk, which goes on where it stopped. */
import { setTimeout as delay } from 'node:timers/promises';
import type { EditOutcome } from '../../editing/operations.ts';
import type { Sender } from '../audit/actor.ts';
import { addition } from '../document-edits.ts';
import type { EditService } from '../edits.ts';
import type { ImportLine } from '../edit-schemas.ts';
import { TaskQueueFullError } from '../tasks/errors.ts';
import type { TaskRegistry, Work } from '../tasks/registry.ts';
import { addLines } from './add-lines.ts';
import { failuresInRow, ImportStoppedError } from './errors.ts';
import type { ReadDocument } from './lines.ts';
import { importInput, type Imported, type ImportInput } from './input.ts';
import { ImportFiles, tidyImports, type ResultsFile } from './spool.ts';

const askAgainMs = 200;

export interface ImportPlace {
  readonly dataDir: string;
  /** At the time of each edit: a compaction puts another in its place. */
  readonly edits: () => EditService;
  readonly log: (line: string) => void;
}

/**
 * Every edit has a key of its lines, so that one that was committed before the process died, and not noted, is found
 * again and not made twice. Groups of lines are the same whenever they are read.
 */
export function importWork(input: ImportInput, { dataDir, edits, log }: ImportPlace): Work {
  const { file, batch, budget } = input;
  const files = new ImportFiles(dataDir, file);
  return async (signal, report): Promise<Imported> => {
    const add = async ({ name, requestId }: Sender, reads: readonly ReadDocument[]): Promise<EditOutcome> => {
      const idempotencyKey = `import:${file}:${reads[0].line}-${reads.at(-1)!.line}`;
      const operations = reads.map(({ document }) => addition(document));
      const asked = { author: name, requestId, idempotencyKey };
      const request = { operations, ...asked, ...(budget !== undefined && { budget }) };
      for (;;) {
        try {
          return await edits().edit(request, { signal });
        } catch (error) {
          if (!(error instanceof TaskQueueFullError)) throw error;
          await delay(askAgainMs, undefined, { signal });
        }
      }
    };
    const results = await files.openResults();
    try {
      const failures = new FailuresInRow();
      const tell = (): void =>
        report({
          done: results.lines,
          total: input.lines,
          message: `${results.lines} of ${input.lines} lines, ${results.failed} failed`,
        });
      tell();
      let first = 0;
      for await (const { sender, reads } of files.groups(batch)) {
        const known = Math.min(reads.length, Math.max(0, results.lines - first));
        first += reads.length;
        if (known === reads.length) continue;
        const adding = { add: (some: readonly ReadDocument[]) => add(sender, some), log, signal };
        // A group with some results was refused as a whole.
        for await (const lines of addLines(reads.slice(known), adding, known > 0)) {
          await results.add(lines);
          tell();
          failures.count(lines);
        }
        signal.throwIfAborted();
      }
      return imported(results);
    } finally {
      await results.close();
      if (isOver(signal)) await files.dropLines();
    }
  };
}

/** Not where the server closes: the next one goes on. */
const isOver = ({ aborted, reason }: AbortSignal): boolean =>
  !aborted || (reason as { state?: unknown }).state === 'cancelled';

const imported = ({ lines, failed }: ResultsFile): Imported => ({ lines, added: lines - failed, failed });

class FailuresInRow {
  private inRow = 0;

  /** @throws ImportStoppedError */
  count(lines: readonly ImportLine[]): void {
    for (const line of lines) {
      this.inRow = line.status >= 500 ? this.inRow + 1 : 0;
      if (this.inRow === failuresInRow) throw new ImportStoppedError(line.line, line.detail);
    }
  }
}

/** Lets imports go on that an earlier process left behind, and removes files that belong to no task. */
export function resumeImports(tasks: TaskRegistry, place: ImportPlace): void {
  tasks.resume('import', ({ input }) => {
    const { data } = importInput.safeParse(input);
    return data && new ImportFiles(place.dataDir, data.file).exists ? importWork(data, place) : undefined;
  });
  tidyImports(place.dataDir, new Set(tasks.inputs('import').map((input) => (input as ImportInput).file)));
}
