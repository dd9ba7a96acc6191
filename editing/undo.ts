/** @file Taking edits back: one of them, or all after one. Both are edits themselves. */
import type { DocumentHistory } from './document-history.ts';
import { ForgottenError } from './document-history.ts';
import type { ActiveEntry, EditLog } from './edit-log.ts';
import { nothing, type EditPlan } from './edit-plan.ts';
import { InvalidOperationError, type EditRecord } from './operations.ts';

/** The edit is not in force any more. */
export class AlreadyUndoneError extends Error {
  override readonly name = 'AlreadyUndoneError';
  readonly seq: number;
  readonly by: number;
  constructor(seq: number, by: number) {
    super(`edit ${seq}: expected one that is in force, got one that edit ${by} took back; undo ${by} to have it again`);
    this.seq = seq;
    this.by = by;
  }
}

/** A later edit builds on the one that should be undone. */
export class UndoConflictError extends Error {
  override readonly name = 'UndoConflictError';
  readonly seq: number;
  readonly by: number;
  readonly docid: string;
  constructor(seq: number, by: number, docid: string) {
    super(
      `edit ${seq}: expected documents that nobody touched since, got '${docid}', which edit ${by} did; undo ${by} first, or revert to ${seq - 1}`,
    );
    this.seq = seq;
    this.by = by;
    this.docid = docid;
  }
}

/** The edit is part of the base model by now. */
export class FoldedEditError extends Error {
  override readonly name = 'FoldedEditError';
  readonly seq: number;
  readonly folded: number;
  constructor(what: string, seq: number, folded: number) {
    super(
      `${what} ${seq}: expected an edit after ${folded}, up to which "compact" folded all edits into the base model; change the documents by new edits`,
    );
    this.seq = seq;
    this.folded = folded;
  }
}

/** What is taken back, and how. */
export interface UndoPlan {
  readonly plan: EditPlan;
  /** Newest first. */
  readonly undoes: readonly number[];
}

/**
 * Documents as they were, and the set of entries without what the edit brought and with what it ended.
 *
 * @throws UnknownEditError, FoldedEditError, AlreadyUndoneError, ForgottenError, UndoConflictError
 */
export function planUndo(log: EditLog, history: DocumentHistory, seq: number): UndoPlan {
  const edit = log.edit(seq);
  if (seq <= log.folded) throw new FoldedEditError('edit', seq, log.folded);
  checkRemembered(edit);
  if (edit.undoneBy !== null) throw new AlreadyUndoneError(seq, edit.undoneBy);
  const restores = history.before(seq, seq);
  const later = log.laterEdit(seq);
  if (later) throw new UndoConflictError(seq, later.seq, later.docid);
  const { began, ended } = log.changed(seq);
  const begins = ended.map((id) => log.entry(id)!);
  return { plan: { ...nothing, restores, begins, ends: began }, undoes: [seq] };
}

/**
 * Documents and entries as they were after edit `to`, 0 being before the first.
 *
 * @throws InvalidOperationError, FoldedEditError, ForgottenError
 */
export function planRevert(log: EditLog, history: DocumentHistory, to: number): UndoPlan {
  const { last } = log;
  if (!Number.isInteger(to) || to < 0 || to > last)
    throw new InvalidOperationError('revert', `the number of an edit, 0 to ${last}`, String(to));
  if (to < log.folded) throw new FoldedEditError('revert to', to, log.folded);
  const undoes = Array.from({ length: last - to }, (_, i) => last - i);
  for (const seq of undoes) checkRemembered(log.edit(seq));
  const restores = history.before(to + 1, last);
  const then = new Map(log.setAt(to).map((entry): [string, ActiveEntry] => [entry.id, entry]));
  const now = new Map(log.setAt(last).map((entry): [string, ActiveEntry] => [entry.id, entry]));
  const begins = [...then.values()].filter(({ id }) => !now.has(id));
  const ends = [...now.keys()].filter((id) => !then.has(id));
  return { plan: { ...nothing, restores, begins, ends }, undoes };
}

function checkRemembered({ seq, operations }: EditRecord): void {
  const forgotten = operations.find(({ forget }) => forget);
  if (forgotten) throw new ForgottenError(seq, forgotten.docid!);
}
