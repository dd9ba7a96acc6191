/**
 * @file What an edit does, measured before it happens: canaries, old queries that no edit is solved against, and the edit's
 * own held-out queries. Every query is scored against all rows in force.
 */
import { tensor, type FloatTensor } from '../models/session.ts';
import type { EditModel, Observed, Scores } from './edit-model.ts';
import type { EditState } from './edited-model.ts';
import { observeHeldOut, type DocumentEntry, type Entry } from './entry.ts';
import type { QueryBank } from './query-bank.ts';

/** Success@1 of the same queries before and after an edit; 0 of no queries. */
export interface BeforeAfter {
  readonly count: number;
  readonly before: number;
  readonly after: number;
}

export interface EditFigures {
  /** Old queries. Those of documents that are gone afterwards are not counted. */
  readonly canaries: BeforeAfter;
  /** The edit's held-out queries. Before it, a document that is added answers none. */
  readonly heldOut: BeforeAfter;
  /** ‖ΔW‖ / ‖W‖ */
  readonly drift: { readonly before: number; readonly after: number };
}

/** @param entries  that come with the edit */
export async function measure(
  model: EditModel,
  bank: QueryBank,
  before: EditState,
  after: EditState,
  entries: readonly Entry[],
): Promise<EditFigures> {
  const gone = (p: number): boolean => after.dead.has(bank.canaries.rowOf[p]);
  const places = Array.from(bank.canaries.rowOf.keys()).filter((p) => !gone(p));
  const share = (right: Uint8Array): number =>
    places.length ? places.reduce((sum, p) => sum + right[p], 0) / places.length : 0;
  const canaries = {
    count: places.length,
    before: share(await canariesRight(model, bank, before)),
    after: share(await canariesRight(model, bank, after)),
  };
  const documents = entries.filter((entry): entry is DocumentEntry => entry.kind === 'document');
  const count = documents.reduce((sum, { heldOut }) => sum + heldOut.length, 0);
  const heldOut = {
    count,
    before: count ? (await heldOutRight(model, before, documents)) / count : 0,
    after: count ? (await heldOutRight(model, after, documents)) / count : 0,
  };
  return { canaries, heldOut, drift: { before: before.drift, after: after.drift } };
}

/** What any edit may cost canaries of their Success@1, however small it is: some of them turn by chance. */
const LEAST_BUDGET = 0.01;

/**
 * The largest fall of Success@1 on canaries that an edit may cost where its request names none; null: any. More documents make
 * the task harder for every method, also for a model trained with them: where N documents take the share 1 − s of the
 * queries from their right ones, m more of the kind take (1 − s) m / N. What brings no document is an order, and is done.
 *
 * @param documents  N, before the edit
 * @param fresh      m, added or changed ones
 */
export const defaultBudget = ({ canaries }: EditFigures, documents: number, fresh: number): number | null =>
  fresh ? LEAST_BUDGET + ((1 - canaries.before) * fresh) / Math.max(1, documents) : null;

/** Whether the edit costs old queries at most `budget` of their Success@1. */
export const accept = ({ canaries: { before, after } }: EditFigures, budget: number | null): boolean =>
  budget === null || before - after <= budget;

/** The best row of every query: base rows 0 … N−1, then those of the state's documents in its order. [Q] */
export async function bestRows(model: EditModel, state: EditState, observed: Observed): Promise<Int32Array> {
  const [N, D] = model.rows.shape;
  const states = await model.restate(observed, state.deltas);
  const base = await baseScores(model, state, observed, states);
  const added = await model.scoresOf(states, addedRows(state, D));
  return base.rivals.map((row, q) => (added.best[q] > base.best[q] ? N + added.rivals[q] : row));
}

/** Of states without deltas: as long as no base document goes, edits of rows change nothing here. */
const unedited = new WeakMap<Observed, { readonly dead: string; readonly scores: Scores }>();

async function baseScores(
  model: EditModel,
  { dead, deltas }: EditState,
  observed: Observed,
  states: FloatTensor,
): Promise<Scores> {
  const which = [...dead].sort((a, b) => a - b).join();
  const known = deltas.length ? undefined : unedited.get(observed);
  if (known?.dead === which) return known.scores;
  const scores = await model.scores(states, undefined, dead);
  if (!deltas.length) unedited.set(observed, { dead: which, scores });
  return scores;
}

/** float32 [M, D] */
function addedRows({ rows }: EditState, D: number): FloatTensor {
  const data = new Float32Array(rows.size * D);
  let at = 0;
  for (const row of rows.values()) {
    data.set(row, at);
    at += D;
  }
  return tensor(data, [rows.size, D]);
}

/** Of states that were measured: one that is in force is the next edit's state before. */
const known = new WeakMap<EditState, Uint8Array>();

/** [Q] 1 where a canary's document is first. */
async function canariesRight(model: EditModel, bank: QueryBank, state: EditState): Promise<Uint8Array> {
  let right = known.get(state);
  if (!right) {
    const best = await bestRows(model, state, bank.canaries.observed);
    right = Uint8Array.from(best, (row, p) => Number(row === bank.canaries.rowOf[p]));
    known.set(state, right);
  }
  return right;
}

/** How many of the documents' held-out queries lead to them, or to the row that they take the place of. */
async function heldOutRight(model: EditModel, state: EditState, documents: readonly DocumentEntry[]): Promise<number> {
  const N = model.rows.shape[0];
  const places = new Map([...state.rows.keys()].map((id, i) => [id, N + i]));
  let right = 0;
  for (const entry of documents) {
    const row = places.get(entry.id) ?? entry.replaces;
    if (row < 0 || !entry.heldOut.length) continue;
    for (const best of await bestRows(model, state, await observeHeldOut(model, entry))) if (best === row) right++;
  }
  return right;
}
