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
import { furtherOf, ownAmong, strengthOf, strongest, takenBy, type Neighbour } from './neighbours.ts';
import type { EditSettings, RowSettings } from './presets.ts';
import type { QueryBank } from './query-bank.ts';
import { prefixKey, type Prefix } from './reading.ts';
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

/** The neighbours of documents above the threshold, in any order, as far as anybody asked for them. */
type Links = Map<string, readonly Neighbour[]>;

interface Computed {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly links: Links;
}

/** A set of entries, and what is different from the one in force. */
interface Changed extends Computed {
  readonly added: ReadonlySet<string>;
  /** Documents whose neighbours are others than before, each with those that it lost. */
  readonly moved: ReadonlyMap<string, readonly Neighbour[]>;
}

export class EditedModel {
  private readonly model: EditModel;
  private readonly bank: QueryBank;
  private readonly settings: EditSettings;
  private readonly weights: WeightEdits;
  private current: Computed & { readonly state: EditState };
  /** What a trial found beside its state. */
  private readonly tried = new WeakMap<EditState, Computed>();
  private readonly nearDocuments = new WeakMap<DocumentEntry, readonly number[]>();

  private constructor(model: EditModel, bank: QueryBank, settings: EditSettings) {
    this.model = model;
    this.bank = bank;
    this.settings = settings;
    this.weights = new WeightEdits(model, bank, settings.weights);
    const base: EditState = { rows: new Map(), prefixes: new Map(), dead: new Set(), deltas: [], drift: 0 };
    this.current = { entries: new Map(), links: new Map(), state: base };
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
      edited.current = { entries: new Map(add.map((entry) => [entry.id, entry])), links: new Map(), state: known };
    else edited.apply({ add }, await edited.trial({ add }));
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
    const changed = this.changed(change);
    await this.bank.prepare(this.model, this.prefixes(changed));
    const state = await this.solve(changed);
    this.tried.set(state, changed);
    return state;
  }

  /**
   * Makes a change happen.
   *
   * @param state  of a trial of this change since the last one that happened
   * @throws EditChangeError
   */
  apply(change: EditChange, state: EditState): void {
    const { entries, links } = this.tried.get(state) ?? this.changed(change);
    this.current = { entries, links, state };
  }

  private changed({ add = [], remove = [] }: EditChange): Changed {
    const entries = new Map(this.current.entries);
    const links = new Map(this.current.links);
    /** Lists of this change alone, which others may be added to. */
    const fresh = new Map<string, Neighbour[]>();
    const moved = new Map<string, readonly Neighbour[]>();
    const added = new Set<string>();
    for (const id of remove) {
      const leaving = entries.get(id);
      if (!leaving) throw new EditChangeError(id, 'one in force', 'none of this id');
      entries.delete(id);
      if (leaving.kind !== 'document') continue;
      for (const { id: other, strength } of links.get(id) ?? this.linked(leaving, entries)) {
        const list = links.get(other);
        if (list) links.set(other, list.filter((neighbour) => neighbour.id !== id)); // prettier-ignore
        moved.set(other, [...(moved.get(other) ?? []), { id, strength }]);
      }
      links.delete(id);
      moved.delete(id);
    }
    for (const entry of add) {
      if (entries.has(entry.id)) throw new EditChangeError(entry.id, 'one not in force', 'one that is');
      if (entry.kind === 'document') {
        const found = this.linked(entry, entries);
        links.set(entry.id, found);
        fresh.set(entry.id, found);
        for (const { id: other, strength } of found) {
          const list = links.get(other);
          if (list && fresh.get(other) !== list) {
            fresh.set(other, [...list]);
            links.set(other, fresh.get(other)!);
          }
          if (list) fresh.get(other)!.push({ id: entry.id, strength });
          moved.set(other, moved.get(other) ?? []);
        }
        added.add(entry.id);
      }
      entries.set(entry.id, entry);
    }
    return { entries, links, moved, added };
  }

  /** The neighbours of a document among others. */
  private linked(entry: DocumentEntry, others: ReadonlyMap<string, Entry>): Neighbour[] {
    const found: Neighbour[] = [];
    for (const other of others.values()) {
      if (other.kind !== 'document' || other.id === entry.id) continue;
      const strength = strengthOf(entry, other);
      if (strength >= this.settings.neighbours.least) found.push({ id: other.id, strength });
    }
    return found;
  }

  private async solve(changed: Changed): Promise<EditState> {
    const { entries } = changed;
    const dead = deadRows(entries.values());
    const isDeadAsBefore = sameRows(dead, this.current.state.dead);
    const rows = new Map<string, Float32Array>();
    const prefixes = new Map<string, Prefix>();
    for (const [id, entry] of sorted(entries)) {
      if (entry.kind !== 'document') continue;
      prefixes.set(id, entry.prefix);
      const known = this.current.entries.get(id) === entry ? this.current.state.rows.get(id) : undefined;
      rows.set(
        id,
        known && this.isAsBefore(entry, changed, isDeadAsBefore ? undefined : dead)
          ? known
          : this.finalRow(entry, changed, dead),
      );
    }
    const deltas = await this.weights.deltas(pairsByLayer(entries));
    return { rows, prefixes, dead, deltas, drift: this.drift(deltas) };
  }

  /**
   * Whether all is the same that a document's final row depends on beside its entry.
   *
   * @param dead  undefined where they are the same
   */
  private isAsBefore(entry: DocumentEntry, changed: Changed, dead: ReadonlySet<number> | undefined): boolean {
    if (dead && this.gone(entry, dead).join() !== this.gone(entry, this.current.state.dead).join()) return false;
    const lost = changed.moved.get(entry.id);
    if (!lost) return true;
    const after = this.neighbours(entry, changed);
    const before = [...after.filter(({ id }) => !changed.added.has(id)), ...lost];
    const namesOf = (list: readonly Neighbour[]): string => this.strongest(list).join('\n');
    return namesOf(before) === namesOf(after);
  }

  private neighbours(entry: DocumentEntry, { entries, links }: Computed): readonly Neighbour[] {
    let list = links.get(entry.id);
    if (!list) links.set(entry.id, (list = this.linked(entry, entries)));
    return list;
  }

  private strongest(list: readonly Neighbour[]): string[] {
    return strongest(list, this.settings.neighbours.most).map(({ id }) => id);
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
    let known = this.nearDocuments.get(entry);
    if (!known) {
      const documents = new Set(Array.from(entry.own.rivals, (row) => this.model.documentOf(row)));
      for (const document of takenBy(entry, this.bank)) documents.add(document);
      this.nearDocuments.set(entry, (known = [...documents].sort((a, b) => a - b)));
    }
    return known;
  }

  /** Those of documents that may have to be solved again. */
  private prefixes({ entries, moved, added }: Changed): Prefix[] {
    const isDeadAsBefore = sameRows(deadRows(entries.values()), this.current.state.dead);
    const isStale = ({ id }: Entry): boolean => !isDeadAsBefore || moved.has(id) || added.has(id);
    return prefixesOf([...entries.values()].filter(isStale));
  }

  private finalRow(entry: DocumentEntry, changed: Computed, dead: ReadonlySet<number>): Float32Array {
    const gone = this.gone(entry, dead);
    const neighbours = this.strongest(this.neighbours(entry, changed));
    if (!neighbours.length && !gone.length) return entry.provisional;
    const others = neighbours.map((id) => changed.entries.get(id) as DocumentEntry);
    const question = {
      prior: entry.prior,
      prefix: entry.prefix,
      own: ownAmong(
        entry,
        others,
        this.model.rows.data,
        this.model.ownRows(gone.filter((d) => this.isUnder(entry, d))),
      ),
      further: furtherOf(entry, others),
      aside: new Set(entry.replaces < 0 ? gone : [...gone, entry.replaces]),
    };
    const start = { row: entry.provisional, touched: entry.touched };
    return solveRow(this.model, this.bank, rowSettings(this.settings.rows, entry), question, start).row;
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
