/**
 * @file What an edit does, measured before it happens: canaries, old queries that no edit is solved against, and the edit's
 * own held-out queries. Every query is answered as it would be served.
 */
import { tensor, type FloatTensor } from '../models/session.ts';
import { bestRows, type BestRows } from './best-rows.ts';
import type { EditModel, Observed } from './edit-model.ts';
import type { EditState } from './edited-model.ts';
import { trialVersion } from './edited-version.ts';
import { NearRows } from './near-rows.ts';
import { observeHeldOut, type DocumentEntry, type Entry } from './entry.ts';
import { joinObserved, sliceObserved, type Answered, type QueryBank } from './query-bank.ts';

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
  const watched = canariesOf(model, bank);
  const gone = (p: number): boolean => after.dead.has(watched.rowOf[p]);
  const places = Array.from(watched.rowOf.keys()).filter((p) => !gone(p));
  const share = (right: Uint8Array): number =>
    places.length ? places.reduce((sum, p) => sum + right[p], 0) / places.length : 0;
  const canaries = {
    count: places.length,
    before: share(await canariesRight(model, watched, before)),
    after: share(await canariesRight(model, watched, after)),
  };
  const documents = entries.filter((entry): entry is DocumentEntry => entry.kind === 'document');
  const count = documents.reduce((sum, { heldOut }) => sum + heldOut.length, 0);
  const found = count ? await heldOutRight(model, [before, after], documents) : [0, 0];
  const heldOut = { count, before: found[0] / Math.max(1, count), after: found[1] / Math.max(1, count) };
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

/** Canaries that are looked at where each takes a search. */
const SEARCHED = 256;

const searched = new WeakMap<QueryBank, Answered>();

/** The canaries of a bank; some of them, spread over all, where answers take more than a look at scores. */
function canariesOf({ paths }: EditModel, bank: QueryBank): Answered {
  const { canaries } = bank;
  const count = canaries.rowOf.length;
  if (!paths || count <= SEARCHED) return canaries;
  let some = searched.get(bank);
  if (!some) {
    const places = Array.from({ length: SEARCHED }, (_, i) => Math.floor((i * count) / SEARCHED));
    const texts = places.map((p) => canaries.observed.texts[p]);
    some = {
      observed: { ...sliceObserved(canaries.observed, 0, 0), texts },
      rowOf: Int32Array.from(places, (p) => canaries.rowOf[p]),
    };
    searched.set(bank, some);
  }
  return some;
}

/** The best document of every query: base ones 0 … N−1, then those of the state in its order. [Q] */
export async function bestDocuments(model: EditModel, state: EditState, observed: Observed): Promise<Int32Array> {
  if (model.paths) {
    const found = await model.paths.documents(trialVersion(model, state), observed.texts, 1);
    return Int32Array.from(found, ({ rows }) => rows.at(0) ?? -1);
  }
  const [N, D] = model.rows.shape;
  const states = await model.restate(observed, state.deltas);
  const base = await bestBase(model, state, observed, states);
  const added = await bestRows(model, states, addedRows(state, D));
  return base.rivals.map((row, q) => (added.best[q] > base.best[q] ? N + added.rivals[q] : row));
}

/** What is known of queries while no base document goes: the best rows of their states without deltas, and those near. */
const unedited = new WeakMap<Observed, { readonly dead: string; found?: BestRows; near?: NearRows }>();

async function bestBase(
  model: EditModel,
  { dead, deltas }: EditState,
  observed: Observed,
  states: FloatTensor,
): Promise<BestRows> {
  const which = [...dead].sort((a, b) => a - b).join();
  let known = unedited.get(observed);
  const isNew = known?.dead !== which;
  if (!known || isNew) unedited.set(observed, (known = { dead: which }));
  const bias = model.without(dead);
  if (!deltas.length) return (known.found ??= await bestRows(model, states, model.rows, bias));
  // What is asked for once is sooner found than what would be near.
  if (isNew) return bestRows(model, states, model.rows, bias);
  known.near ??= await NearRows.of(model, observed.states, bias);
  return known.near.best(states);
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
const measured = new WeakMap<EditState, Uint8Array>();

/** [Q] 1 where a canary's document is first. */
async function canariesRight(model: EditModel, { observed, rowOf }: Answered, state: EditState): Promise<Uint8Array> {
  let right = measured.get(state);
  if (!right) {
    const best = await bestDocuments(model, state, observed);
    right = Uint8Array.from(best, (document, p) => Number(document === rowOf[p]));
    measured.set(state, right);
  }
  return right;
}

/** Documents whose held-out queries are looked at together. */
const TOGETHER = 64;

/** How many of the documents' held-out queries lead to them in each state, or to the one that they take the place of. */
async function heldOutRight(
  model: EditModel,
  states: readonly EditState[],
  documents: readonly DocumentEntry[],
): Promise<number[]> {
  const places = states.map(({ rows }) => new Map([...rows.keys()].map((id, i) => [id, model.documents + i])));
  const right = states.map(() => 0);
  const asked = documents.filter(({ heldOut }) => heldOut.length);
  for (let from = 0; from < asked.length; from += TOGETHER) {
    const group = asked.slice(from, from + TOGETHER);
    const all: Observed[] = [];
    for (const entry of group) all.push(await observeHeldOut(model, entry));
    const observed = joinObserved(all);
    for (const [i, state] of states.entries()) {
      const wanted = group.flatMap(({ id, replaces, heldOut }) => heldOut.map(() => places[i].get(id) ?? replaces));
      if (wanted.every((document) => document < 0)) continue;
      const best = await bestDocuments(model, state, observed);
      wanted.forEach((document, q) => (right[i] += Number(document >= 0 && best[q] === document)));
    }
  }
  return right;
}
