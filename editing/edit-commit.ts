/**
 * @file An edit on its way to the disk: documents, entries, rows, deltas and the line in the log, all in one transaction.
 */
import type { Store } from '../corpus/store.ts';
import type { WeightDelta } from '../models/decode.ts';
import { DocumentHistory } from './document-history.ts';
import type { ActiveEntry, EditLog, NewEdit, NewEntry } from './edit-log.ts';
import type { EditPlan } from './edit-plan.ts';
import { encodeEntry } from './entry-codec.ts';
import { forgetQueries } from './log-base.ts';
import type { EditOutcome } from './operations.ts';
import { noPrefix } from './reading.ts';
import type { NamedEntry, Trial } from './workbench.ts';

/** Name of the meta value with what of an `EditState` no table holds. */
export const driftKey = 'editing.drift';

/** The log has an edit that this editor did not make. */
export class ForeignEditError extends Error {
  override readonly name = 'ForeignEditError';
  constructor(path: string, expected: number, actual: number) {
    super(
      `${path}: expected edit ${expected} to be the last one, got ${actual}; another process edits here: stop it, or close this one and open it anew`,
    );
  }
}

/** @throws ForeignEditError */
export function checkLast(store: Store, log: EditLog, last: number): void {
  if (log.last !== last) throw new ForeignEditError(store.database.name, last, log.last);
}

export interface Commit {
  readonly edit: NewEdit;
  /** The last edit that the trial knew of. */
  readonly last: number;
  readonly plan: EditPlan;
  readonly trial: Trial;
  /** Edits that this one takes back, newest first. */
  readonly undoes: readonly number[];
  /** When the edit began, by `performance.now()`. */
  readonly startMs: number;
}

export interface Committed {
  readonly outcome: EditOutcome;
  readonly active: ReadonlyMap<string, ActiveEntry>;
}

/**
 * @param active    entries in force before
 * @param baseRows  N
 * @throws StoreFullError, ForeignEditError  and nothing is changed
 */
export function commitEdit(
  store: Store,
  log: EditLog,
  { edit, last, plan, trial, undoes, startMs }: Commit,
  active: ReadonlyMap<string, ActiveEntry>,
  baseRows: number,
): Committed {
  const history = new DocumentHistory(store);
  return store.transaction(() => {
    checkLast(store, log, last);
    const seq = log.append(edit);
    const documents = [
      ...plan.steps.flatMap((step) => history.take(seq, step)),
      ...history.restore(seq, plan.restores),
    ];
    const next = new Map(active);
    for (const id of plan.ends) {
      log.end(seq, id);
      next.delete(id);
    }
    let bytes = 0;
    const fresh = trial.entries.map(({ entry, docid }): ActiveEntry => {
      const { payload, ...about } = newEntry({ entry, docid }, store.numberOf(docid)!);
      log.writeEntry({ ...about, payload });
      bytes += payload.length;
      return { ...about, row: null }; // without the payload, which is many times as large
    });
    for (const entry of placed([...plan.begins, ...fresh], next.values(), baseRows)) {
      log.begin(seq, entry.id, entry.row);
      next.set(entry.id, entry);
    }
    bytes += writeWeights(log, trial);
    store.writeMeta(driftKey, String(trial.after.drift));
    if (undoes.length) log.markUndone(undoes, seq);
    for (const { docid, row } of plan.forgets) {
      history.forget(docid);
      log.forget(docid, seq);
      if (row !== undefined) forgetQueries(store, row);
    }
    const outcome: EditOutcome = {
      seq,
      accepted: true,
      budget: trial.budget,
      figures: trial.figures,
      documents,
      seconds: (performance.now() - startMs) / 1000,
      bytes,
    };
    log.finish(seq, outcome);
    return { outcome, active: next };
  });
}

function newEntry({ entry }: NamedEntry, document: number): NewEntry {
  const { id, kind } = entry;
  const payload = encodeEntry(entry);
  const about = { id, kind, document, payload, docid: null, baseRow: null, ofEntry: null, prefix: noPrefix };
  if (entry.kind === 'document') return { ...about, docid: entry.docid, prefix: entry.prefix };
  if (entry.kind === 'removal') return { ...about, baseRow: entry.row };
  const { of, docid } = entry;
  return 'row' in of ? { ...about, docid, baseRow: of.row } : { ...about, docid, ofEntry: of.entry };
}

/** Entries with rows: one that comes back has the row it had, where that is free, every other one the lowest free row. */
function placed(begins: readonly ActiveEntry[], others: Iterable<ActiveEntry>, baseRows: number): ActiveEntry[] {
  const taken = new Set<number | null>([...others].map(({ row }) => row));
  const isFormer = ({ kind, row }: ActiveEntry): boolean =>
    kind === 'document' && row !== null && taken.size < taken.add(row).size;
  const former = new Set(begins.filter(isFormer));
  let free = baseRows;
  return begins.map((entry) => {
    if (entry.kind !== 'document' || former.has(entry)) return entry;
    while (taken.has(free)) free++;
    taken.add(free);
    return { ...entry, row: free };
  });
}

/** Writes rows and deltas that are not what they were; tells how many bytes. */
function writeWeights(log: EditLog, { before, after }: Trial): number {
  let bytes = 0;
  for (const [id, values] of after.rows) {
    if (sameBytes(before.rows.get(id), values)) continue;
    log.writeRow(id, values);
    bytes += values.byteLength;
  }
  const deltaOf = new Map(before.deltas.map(({ weight, delta }) => [weight, delta]));
  const isSame = ({ weight, delta }: WeightDelta): boolean => sameBytes(deltaOf.get(weight), delta);
  if (after.deltas.length !== before.deltas.length || !after.deltas.every(isSame)) {
    log.writeDeltas(after.deltas);
    bytes += after.deltas.reduce((sum, { delta }) => sum + delta.byteLength, 0);
  }
  return bytes;
}

/** Floats compared as bytes: 0 is not −0. */
function sameBytes(a: Float32Array | undefined, b: Float32Array): boolean {
  if (a === b) return true;
  const bytes = (x: Float32Array): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  return a !== undefined && Buffer.compare(bytes(a), bytes(b)) === 0;
}
