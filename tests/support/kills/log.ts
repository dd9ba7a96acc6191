/** What clients were told of their edits, by the numbers of the edits. */
import assert from 'node:assert/strict';
import type { OperationSummary } from '../../../editing/operations.ts';
import { summaryOf } from '../../../editing/operations.ts';
import type { EditView } from '../../../server/edit-schemas.ts';
import type { Command } from '../edit-stream.ts';
import type { Answer } from '../server.ts';
import type { Asked } from './killed-server.ts';

export interface MadeEdit {
  readonly seq: number;
  readonly command: Command;
  /** How it was asked for, and the answer that counts; an import's edits are not asked for one by one. */
  readonly asked?: Asked;
  readonly answer?: Pick<Answer<unknown>, 'status' | 'body'>;
}

export class AcknowledgedEdits {
  readonly bySeq = new Map<number, MadeEdit>();

  add(made: MadeEdit): void {
    assert.ok(Number.isInteger(made.seq), `a number of an edit, not ${made.seq}`);
    assert.ok(!this.bySeq.has(made.seq), `edit ${made.seq} is acknowledged once`);
    this.bySeq.set(made.seq, made);
  }

  get last(): number {
    return Math.max(0, ...this.bySeq.keys());
  }

  /** Asserts that the log says of an edit what its client asked for. */
  check(edit: EditView): void {
    const { command } = this.bySeq.get(edit.seq)!;
    const operations: readonly OperationSummary[] =
      command.kind === 'undo' ? [command] : command.operations.map(summaryOf);
    assert.deepEqual([edit.kind, edit.operations], [command.kind, operations], `edit ${edit.seq}`);
  }
}
