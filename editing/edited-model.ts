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
import { furtherOf, ownAmong, strengthOf, strongest, type Neighbour } from './neighbours.ts';
import type { EditSettings, RowSettings } from './presets.ts';
import type { QueryBank } from './query-bank.ts';
import { solveRow } from './solve-row.ts';
import { WeightEdits } from './weight-edits.ts';

export interface EditChange {
  readonly add?: readonly Entry[];
  readonly remove?: readonly string[];
}

/** What the entries in force make of the base model. */
export interface EditState {
  /** The final row of each document entry, float32 [D], by id. */
  readonly rows: ReadonlyMap<string, Float32Array>;
  /** Base rows that are gone: removed, or replaced by an entry. */
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

/** What a document's final row depends on beside its entry. */
interface Surroundings {
  readonly neighbours: readonly string[];
  /** Dead base rows that it was solved against. */
  readonly gone: readonly number[];
}

type Links = ReadonlyMap<string, readonly Neighbour[]>;

interface Computed {
  readonly entries: ReadonlyMap<string, Entry>;
  /** All neighbours of each document above the threshold, in any order. */
  readonly links: Links;
}

export class EditedModel {
  private readonly model: EditModel;
  private readonly bank: QueryBank;
  private readonly settings: EditSettings;
  private readonly weights: WeightEdits;
  private current: Omit<Computed, 'links'> & { readonly links: Links | undefined; readonly state: EditState };
  /** What a trial found beside its state. */
  private readonly tried = new WeakMap<EditState, Computed>();

  /** @param known  the state of these entries, as an earlier model found it: nothing is solved again */
  constructor(
    model: EditModel,
    bank: QueryBank,
    settings: EditSettings,
    entries: Iterable<Entry> = [],
    known?: EditState,
  ) {
    this.model = model;
    this.bank = bank;
    this.settings = settings;
    this.weights = new WeightEdits(model, bank, settings.weights);
    const base: EditState = { rows: new Map(), dead: new Set(), deltas: [], drift: 0 };
    this.current = { entries: new Map(), links: new Map(), state: base };
    const add = [...entries];
    if (!add.length) return;
    if (known) {
      // Who is whose neighbour is looked up when something changes.
      this.current = { entries: new Map(add.map((entry) => [entry.id, entry])), links: undefined, state: known };
      return;
    }
    const computed = this.changed({ add });
    this.current = { ...computed, state: this.solve(computed) };
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
    const computed = this.changed(change);
    const state = this.solve(computed);
    this.tried.set(state, computed);
    return state;
  }

  /**
   * Makes a change happen.
   *
   * @param state  of a trial of this change since the last one that happened
   * @throws EditChangeError
   */
  apply(change: EditChange, state: EditState): void {
    const computed = this.tried.get(state) ?? this.changed(change);
    this.current = { ...computed, state };
  }

  private changed({ add = [], remove = [] }: EditChange): Computed {
    const entries = new Map(this.current.entries);
    const links = new Map(this.links());
    for (const id of remove) {
      if (!entries.delete(id)) throw new EditChangeError(id, 'one in force', 'none of this id');
      for (const { id: other } of links.get(id) ?? [])
        links.set(
          other,
          links.get(other)!.filter((neighbour) => neighbour.id !== id),
        );
      links.delete(id);
    }
    for (const entry of add) {
      if (entries.has(entry.id)) throw new EditChangeError(entry.id, 'one not in force', 'one that is');
      if (entry.kind === 'document') this.link(links, entry, entries.values());
      entries.set(entry.id, entry);
    }
    return { entries, links };
  }

  private links(): Links {
    if (this.current.links) return this.current.links;
    const links = new Map<string, readonly Neighbour[]>();
    const earlier: Entry[] = [];
    for (const entry of this.current.entries.values()) {
      if (entry.kind === 'document') this.link(links, entry, earlier);
      earlier.push(entry);
    }
    this.current = { ...this.current, links };
    return links;
  }

  /** Puts a document among others that are there. */
  private link(links: Map<string, readonly Neighbour[]>, entry: DocumentEntry, others: Iterable<Entry>): void {
    const found: Neighbour[] = [];
    for (const other of others) {
      if (other.kind !== 'document') continue;
      const strength = strengthOf(entry, other);
      if (strength < this.settings.neighbours.least) continue;
      found.push({ id: other.id, strength });
      links.set(other.id, [...links.get(other.id)!, { id: entry.id, strength }]);
    }
    links.set(entry.id, found);
  }

  private solve({ entries, links }: Computed): EditState {
    const dead = deadRows(entries.values());
    const rows = new Map<string, Float32Array>();
    for (const [id, entry] of sorted(entries)) {
      if (entry.kind !== 'document') continue;
      const around = this.surroundings(entry, links, dead);
      const before = this.current.entries.get(id);
      const known = this.current.state.rows.get(id);
      const same =
        known && before === entry && equal(around, this.surroundings(entry, this.links(), this.current.state.dead));
      rows.set(id, same ? known : this.finalRow(entry, around, entries));
    }
    const deltas = this.weights.deltas(pairsByLayer(entries));
    return { rows, dead, deltas, drift: this.drift(deltas) };
  }

  private surroundings(entry: DocumentEntry, links: Links, dead: ReadonlySet<number>): Surroundings {
    const { most } = this.settings.neighbours;
    const neighbours = strongest(links.get(entry.id) ?? [], most).map(({ id }) => id);
    if (!dead.size) return { neighbours, gone: [] };
    const near = new Set<number>(entry.own.rivals);
    for (const p of entry.touched) near.add(this.bank.rowOf[p]);
    const gone = [...dead].filter((row) => near.has(row) && row !== entry.replaces).sort((a, b) => a - b);
    return { neighbours, gone };
  }

  private finalRow(
    entry: DocumentEntry,
    { neighbours, gone }: Surroundings,
    entries: ReadonlyMap<string, Entry>,
  ): Float32Array {
    if (!neighbours.length && !gone.length) return entry.provisional;
    const others = neighbours.map((id) => entries.get(id) as DocumentEntry);
    const question = {
      prior: entry.prior,
      own: ownAmong(entry, others, this.model.rows.data, gone),
      further: furtherOf(entry, others),
      aside: new Set(entry.replaces < 0 ? gone : [...gone, entry.replaces]),
    };
    const start = { row: entry.provisional, touched: entry.touched };
    return solveRow(this.model, this.bank, rowSettings(this.settings.rows, entry), question, start).row;
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

/** With the weight of old documents that the entry was solved with. */
const rowSettings = (settings: RowSettings, { oldDocument }: DocumentEntry): RowSettings =>
  'oldDocument' in settings && oldDocument !== null ? { ...settings, oldDocument } : settings;

const squareSum = (values: Float32Array): number => values.reduce((sum, x) => sum + x * x, 0);

const sorted = (entries: ReadonlyMap<string, Entry>): [string, Entry][] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

/** Rows of removed documents, and of those that an entry takes the place of. */
function deadRows(entries: Iterable<Entry>): ReadonlySet<number> {
  const dead = new Set<number>();
  for (const entry of entries) {
    if (entry.kind === 'removal') dead.add(entry.row);
    if (entry.kind === 'document' && entry.replaces >= 0) dead.add(entry.replaces);
  }
  return dead;
}

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

const equal = (a: Surroundings, b: Surroundings): boolean =>
  a.neighbours.join('\n') === b.neighbours.join('\n') && a.gone.join() === b.gone.join();
