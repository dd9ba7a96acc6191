/**
 * @file An edited model is a function of a set: of the entries in force, whatever the order in which they came and what came
 * and went besides. Undoing an edit is the set without it.
 *
 * Rows are found in two steps, so that added documents compete with each other all the same. An entry brings a provisional
 * row, solved against the base alone. Its final row is solved again with its strongest neighbours, who stand in with their
 * provisional rows as further rivals and with their queries as further old ones; documents without neighbours keep theirs.
 */
import type { WeightDelta } from '../models/decode.ts';
import type { EditModel } from './edit-model.ts';
import type { DocumentEntry, Entry } from './entry.ts';
import type { EditPairs } from './methods/method.ts';
import { Neighbourhoods, type Documents, type Lists } from './neighbourhoods.ts';
import { furtherOf, ownAmong, takenBy, type Neighbour } from './neighbours.ts';
import type { EditSettings, RowSettings } from './presets.ts';
import type { QueryBank } from './query-bank.ts';
import { prefixKey, type Prefix } from './reading.ts';
import { solveRows, type RowSearch } from './solve-row.ts';
import { WeightEdits } from './weight-edits.ts';

export interface EditChange {
  readonly add?: readonly Entry[];
  readonly remove?: readonly string[];
}

/** What the entries in force make of the base model. */
export interface EditState {
  /** The final row of each document entry, float32 [D], by id. */
  readonly rows: ReadonlyMap<string, Float32Array>;
  /** Under which it stands, by id. */
  readonly prefixes: ReadonlyMap<string, Prefix>;
  /** Base documents that are gone: removed, or replaced by an entry. */
  readonly dead: ReadonlySet<number>;
  readonly deltas: readonly WeightDelta[];
  /** ‖ΔW‖ / ‖W‖ over the edited layers; 0 without deltas. */
  readonly drift: number;
}

/** A change that does not fit the entries in force. */
export class EditChangeError extends Error {
  override readonly name = 'EditChangeError';
  readonly id: string;
  constructor(id: string, expected: string, actual: string) {
    super(`edited model: entry '${id}': expected ${expected}, got ${actual}; was this change applied before?`);
    this.id = id;
  }
}

interface Computed {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly lists: Lists;
}

export class EditedModel {
  private readonly model: EditModel;
  private readonly bank: QueryBank;
  private readonly settings: EditSettings;
  private readonly neighbourhoods: Neighbourhoods;
  private readonly weights: WeightEdits;
  private current: Computed & { readonly state: EditState };
  /** What a trial found beside its state. */
  private readonly tried = new WeakMap<EditState, Computed>();
  /** By the provisional row. */
  private readonly nearDocuments = new WeakMap<Float32Array, readonly number[]>();

  private constructor(model: EditModel, bank: QueryBank, settings: EditSettings) {
    this.model = model;
    this.bank = bank;
    this.settings = settings;
    this.neighbourhoods = new Neighbourhoods(model.lab, settings.neighbours);
    this.weights = new WeightEdits(model, bank, settings.weights);
    const base: EditState = { rows: new Map(), prefixes: new Map(), dead: new Set(), deltas: [], drift: 0 };
    this.current = { entries: new Map(), lists: new Map(), state: base };
  }

  /** @param known  the state of these entries, as an earlier model found it: nothing is solved again */
  static async open(
    model: EditModel,
    bank: QueryBank,
    settings: EditSettings,
    entries: Iterable<Entry> = [],
    known?: EditState,
  ): Promise<EditedModel> {
    const edited = new EditedModel(model, bank, settings);
    const add = [...entries];
    if (!add.length) return edited;
    if (known)
      edited.current = { entries: new Map(add.map((entry) => [entry.id, entry])), lists: new Map(), state: known };
    else edited.apply(await edited.trial({ add }));
    return edited;
  }

  get state(): EditState {
    return this.current.state;
  }

  get entries(): ReadonlyMap<string, Entry> {
    return this.current.entries;
  }

  /**
   * The state after a change, which does not happen.
   *
   * @throws EditChangeError
   */
  async trial(change: EditChange): Promise<EditState> {
    const before = this.current;
    const entries = changed(before.entries, change);
    const documents = documentsOf(entries);
    const lists = await this.neighbourhoods.changed(documentsOf(before.entries), before.lists, documents);
    const dead = deadRows(entries.values());
    const isDeadAsBefore = sameRows(dead, before.state.dead);
    const stale = [...documents.values()].filter(
      (entry) =>
        before.entries.get(entry.id) !== entry ||
        (!isDeadAsBefore && this.gone(entry, dead).join() !== this.gone(entry, before.state.dead).join()) ||
        !isSameList(before.lists.get(entry.id), lists.get(entry.id)),
    );
    await this.neighbourhoods.find(documents, lists, stale.map(({ id }) => id)); // prettier-ignore
    await this.bank.prepare(this.model, prefixesOf(stale));
    const solved = await this.finalRows(stale, { entries, lists }, dead);
    const ids = [...documents.keys()].sort();
    const rows = new Map(ids.map((id) => [id, solved.get(id) ?? before.state.rows.get(id)!]));
    const prefixes = new Map(ids.map((id) => [id, documents.get(id)!.prefix]));
    const deltas = await this.weights.deltas(pairsByLayer(entries));
    const state = { rows, prefixes, dead, deltas, drift: this.drift(deltas) };
    this.tried.set(state, { entries, lists });
    return state;
  }

  /**
   * Makes a change happen.
   *
   * @param state  of a trial since the last change that happened, or the one in force
   * @param keep   entries in force as they should be kept: the same ones, with their large parts elsewhere
   */
  apply(state: EditState, keep = (entries: Computed['entries']): Computed['entries'] => entries): void {
    if (state === this.current.state) return;
    const tried = this.tried.get(state);
    if (!tried) throw new RangeError('edited model: expected a state that was tried, got another one');
    this.tried.delete(state);
    this.current = { entries: keep(tried.entries), lists: tried.lists, state };
  }

  /** Dead base documents near another one, ascending. */
  private gone(entry: DocumentEntry, dead: ReadonlySet<number>): number[] {
    if (!dead.size) return [];
    return this.near(entry).filter((row) => dead.has(row) && row !== entry.replaces);
  }

  /**
   * Base documents whose end is worth another row for an added one, ascending: rivals of its queries, and those of whose
   * queries its provisional row would take a share. That of a document farther off would be the same without them.
   */
  private near(entry: DocumentEntry): readonly number[] {
    let known = this.nearDocuments.get(entry.provisional);
    if (!known) {
      const documents = new Set(Array.from(entry.own.rivals, (row) => this.model.documentOf(row)));
      for (const document of takenBy(entry, this.bank)) documents.add(document);
      this.nearDocuments.set(entry.provisional, (known = [...documents].sort((a, b) => a - b)));
    }
    return known;
  }

  /** By id. */
  private async finalRows(
    documents: readonly DocumentEntry[],
    computed: Computed,
    dead: ReadonlySet<number>,
  ): Promise<Map<string, Float32Array>> {
    const isAlone = (entry: DocumentEntry): boolean =>
      !computed.lists.get(entry.id)!.length && !this.gone(entry, dead).length;
    const others = documents.filter((entry) => !isAlone(entry));
    const solved = await solveRows(this.model, this.bank, this.searches(others, computed, dead));
    const rows = new Map(documents.map(({ id, provisional }) => [id, provisional]));
    others.forEach(({ id }, i) => rows.set(id, solved[i].row));
    return rows;
  }

  private *searches(
    documents: readonly DocumentEntry[],
    { entries, lists }: Computed,
    dead: ReadonlySet<number>,
  ): Generator<RowSearch> {
    for (const entry of documents) {
      const gone = this.gone(entry, dead);
      const neighbours = lists.get(entry.id)!.map(({ id }) => entries.get(id) as DocumentEntry);
      const goneRows = this.model.ownRows(gone.filter((document) => this.isUnder(entry, document)));
      yield {
        settings: rowSettings(this.settings.rows, entry),
        question: {
          prior: entry.prior,
          prefix: entry.prefix,
          own: ownAmong(entry, neighbours, this.model.rows.data, goneRows),
          further: furtherOf(entry, neighbours),
          aside: new Set(entry.replaces < 0 ? gone : [...gone, entry.replaces]),
        },
        start: { row: entry.provisional, touched: entry.touched },
      };
    }
  }

  private isUnder({ prefix }: DocumentEntry, document: number): boolean {
    return prefixKey(this.model.prefixOf(document)) === prefixKey(prefix);
  }

  private drift(deltas: readonly WeightDelta[]): number {
    let [change, all] = [0, 0];
    for (const { weight, delta } of deltas) {
      change += squareSum(delta);
      all += this.baseSquare(weight);
    }
    return all ? Math.sqrt(change / all) : 0;
  }

  private readonly squares = new Map<string, number>();

  private baseSquare(weight: string): number {
    let known = this.squares.get(weight);
    if (known === undefined) this.squares.set(weight, (known = squareSum(this.model.folder.tensor(weight).data)));
    return known;
  }
}

/** Of the documents among entries. */
export const prefixesOf = (entries: readonly Entry[]): Prefix[] =>
  entries.flatMap((entry) => (entry.kind === 'document' ? [entry.prefix] : []));

/** With the weight of old documents that the entry was solved with. */
const rowSettings = (settings: RowSettings, { oldDocument }: DocumentEntry): RowSettings =>
  'oldDocument' in settings && oldDocument !== null ? { ...settings, oldDocument } : settings;

function squareSum(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

/** @throws EditChangeError */
function changed(before: ReadonlyMap<string, Entry>, { add = [], remove = [] }: EditChange): Map<string, Entry> {
  const entries = new Map(before);
  for (const id of remove) if (!entries.delete(id)) throw new EditChangeError(id, 'one in force', 'none of this id');
  for (const entry of add) {
    if (entries.has(entry.id)) throw new EditChangeError(entry.id, 'one not in force', 'one that is');
    entries.set(entry.id, entry);
  }
  return entries;
}

const documentsOf = (entries: ReadonlyMap<string, Entry>): Documents =>
  new Map([...entries].flatMap(([id, entry]) => (entry.kind === 'document' ? [[id, entry] as const] : [])));

/** Of the same documents in the same order; what is not known has not changed. */
const isSameList = (a: readonly Neighbour[] | undefined, b: readonly Neighbour[] | undefined): boolean =>
  a === b || (a?.length === b?.length && a!.every(({ id }, i) => id === b![i].id));

const sorted = (entries: ReadonlyMap<string, Entry>): [string, Entry][] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

/** Base documents that are removed, and of those that an entry takes the place of. */
function deadRows(entries: Iterable<Entry>): ReadonlySet<number> {
  const dead = new Set<number>();
  for (const entry of entries) {
    if (entry.kind === 'removal') dead.add(entry.row);
    if (entry.kind === 'document' && entry.replaces >= 0) dead.add(entry.replaces);
  }
  return dead;
}

const sameRows = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean =>
  a.size === b.size && [...a].every((row) => b.has(row));

function pairsByLayer(entries: ReadonlyMap<string, Entry>): Map<number, Map<string, EditPairs>> {
  const layers = new Map<number, Map<string, EditPairs>>();
  for (const [id, entry] of sorted(entries)) {
    if (entry.kind === 'rename') continue;
    for (const [layer, pairs] of entry.pairs) {
      const list = layers.get(layer) ?? new Map<string, EditPairs>();
      layers.set(layer, list.set(id, pairs));
    }
  }
  return layers;
}
