/**
 * @file The model in memory, on which edits are tried before they happen.
 */
import { createHash } from 'node:crypto';
import type { QueryableText } from '../corpus/pseudo-queries.ts';
import type { Store } from '../corpus/store.ts';
import { decodeEntry } from './entry-codec.ts';
import { ForgottenError } from './document-history.ts';
import type { ActiveEntry, EditLog } from './edit-log.ts';
import type { EditModel } from './edit-model.ts';
import type { EditPlan, PlannedDocument } from './edit-plan.ts';
import { EditedModel, type EditChange, type EditState } from './edited-model.ts';
import { makeDocumentEntry, type DocumentEntry, type Entry } from './entry.ts';
import { accept, defaultBudget, measure, type EditFigures } from './gate.ts';
import { bankQueries, bankWithout, baseDocuments } from './log-base.ts';
import { sorted } from './operations.ts';
import type { EditSettings } from './presets.ts';
import { QueryBank, type BankQuery } from './query-bank.ts';
import { StoredEntries } from './stored-entries.ts';

export interface EditProgress {
  readonly done: number;
  readonly total: number;
  readonly message: string;
}

export interface WorkbenchOptions {
  readonly store: Store;
  readonly log: EditLog;
  readonly model: EditModel;
  readonly settings: EditSettings;
  /** Of the newest edit. */
  readonly drift: number;
  readonly cacheFile: string | undefined;
  readonly onProgress: ((progress: EditProgress) => void) | undefined;
}

export interface TrialOptions {
  /** The largest fall of Success@1 on canaries; `defaultBudget` where undefined, null: any. */
  readonly budget: number | null | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EditProgress) => void) | undefined;
}

/** An edit as it would be. */
export interface Trial {
  readonly accepted: boolean;
  readonly budget: number | null;
  readonly figures: EditFigures;
  /** That it brings, each with the docid of its document afterwards. */
  readonly entries: readonly NamedEntry[];
  readonly before: EditState;
  readonly after: EditState;
  /** What takes the place of the workbench's own, where queries left the bank. */
  readonly anew: Bench | undefined;
}

export interface NamedEntry {
  readonly entry: Entry;
  readonly docid: string;
}

interface Bench {
  readonly bank: QueryBank;
  readonly edited: EditedModel;
}

/** Times that an edit which costs too much is tried again, with less of it. */
const RETRIES = 2;
/** What old documents weigh more at each, and what the weights are asked to do less. */
const SMALLER = 4;

export class Workbench {
  readonly model: EditModel;
  private readonly options: WorkbenchOptions;
  private readonly settings: EditSettings;
  private readonly store: Store;
  private readonly log: EditLog;
  private readonly storedEntries: StoredEntries | undefined;
  private bench: Bench;

  private constructor(options: WorkbenchOptions, bench: Bench, storedEntries: StoredEntries | undefined) {
    this.options = options;
    this.storedEntries = storedEntries;
    this.model = options.model;
    this.settings = options.settings;
    this.store = options.store;
    this.log = options.log;
    this.bench = bench;
  }

  /** Takes the entries in force and their weights from the log: nothing is solved. */
  static async open(options: WorkbenchOptions): Promise<Workbench> {
    const { store, log, model, settings, drift } = options;
    const docids = model.folder.genir!.docids;
    const bank = await openBank(options, bankQueries(store), baseDocuments(store, docids));
    const active = log.setAt();
    const stored = storing(settings, log);
    const entries = active.map(({ id }) => {
      const entry = decodeEntry(log.payload(id)!);
      return stored?.of(entry) ?? entry;
    });
    const dead = new Set(active.flatMap(({ kind, baseRow }) => (kind === 'removal' ? [baseRow!] : [])));
    const prefixes = new Map(entries.flatMap((entry) => (entry.kind === 'document' ? [[entry.id, entry.prefix]] : [])));
    const known = { rows: log.rows(), prefixes, dead, deltas: log.deltas(), drift };
    const edited = await EditedModel.open(model, bank, settings, entries, known);
    return new Workbench(options, { bank, edited }, stored);
  }

  get state(): EditState {
    return this.bench.edited.state;
  }

  /** Documents in the model: base rows that are not gone, and added ones. */
  private get documents(): number {
    const { rows, dead } = this.state;
    return this.model.documents - dead.size + rows.size;
  }

  /**
   * Makes the entries of a plan and the model with them. Where old documents would lose too much, it is tried again with
   * rows that mind them more and weights that are moved less.
   *
   * @throws NothingToIndexError, ForgottenError, or the reason of `signal`
   */
  async try(plan: EditPlan, options: TrialOptions): Promise<Trial> {
    for (let retry = 0; ; retry++) {
      const trial = await this.tryOnce(plan, smaller(this.settings, retry), options);
      if (trial.accepted || retry === RETRIES || !plan.documents.length) return trial;
    }
  }

  /** After the trial's edit was committed. */
  adopt({ after, anew }: Trial): void {
    if (anew) this.bench = anew;
    else this.bench.edited.apply(after, (entries) => this.storedEntries?.inForce(entries) ?? entries);
  }

  private async tryOnce(plan: EditPlan, settings: EditSettings, options: TrialOptions): Promise<Trial> {
    const { signal, onProgress } = options;
    const entries: NamedEntry[] = [];
    for (const { row, docid } of plan.removals) {
      const id = this.idFor('r', docid, [row]);
      entries.push({ entry: this.stored(id) ?? { kind: 'removal', id, row, pairs: new Map() }, docid });
    }
    for (const { of, docid, to } of plan.renames) {
      const id = this.idFor('n', docid, [of, to]);
      entries.push({ entry: this.stored(id) ?? { kind: 'rename', id, of, docid: to }, docid: to });
    }
    const total = plan.documents.length + 1;
    for (const [done, document] of plan.documents.entries()) {
      signal?.throwIfAborted();
      onProgress?.({ done, total, message: `solving ${document.docid}` });
      entries.push({ entry: await this.documentEntry(document, settings), docid: document.docid });
    }
    signal?.throwIfAborted();
    onProgress?.({ done: total - 1, total, message: 'measuring' });
    const change: EditChange = {
      add: [...entries.map(({ entry }) => entry), ...plan.begins.map((entry) => this.payload(entry))],
      remove: plan.ends,
    };
    const anew = await this.benchWithout(plan, change);
    const before = anew ? { ...this.state } : this.state; // canaries that left are not to be looked up
    const isEmpty = !change.add!.length && !plan.ends.length;
    const after = anew?.edited.state ?? (isEmpty ? before : await this.bench.edited.trial(change));
    const bank = anew?.bank ?? this.bench.bank;
    const figures = await measure(this.model, bank, before, after, change.add!);
    signal?.throwIfAborted();
    const { budget = defaultBudget(figures, this.documents, plan.documents.length) } = options;
    return { accepted: accept(figures, budget), budget, figures, entries, before: this.state, after, anew };
  }

  private async documentEntry(document: PlannedDocument, settings: EditSettings): Promise<Entry> {
    const { replaces, ...source } = document;
    const id = this.idFor('d', document.docid, [document, settings]);
    const stored = this.stored(id);
    if (stored) return stored;
    const old =
      replaces && 'entry' in replaces
        ? { entry: this.bench.edited.entries.get(replaces.entry) as DocumentEntry }
        : replaces;
    return makeDocumentEntry(this.model, this.bench.bank, { id, ...source, ...(old && { replaces: old }) }, settings);
  }

  /**
   * An id that says what the entry is made from: the same edit after an undo brings the very same entry. A document that
   * was renamed may still have the one that belongs to its old docid.
   */
  private idFor(kind: 'd' | 'r' | 'n', docid: string, parts: readonly unknown[]): string {
    const number = this.store.numberOf(docid);
    for (let copy = 0; ; copy++) {
      const hash = createHash('sha256').update(JSON.stringify(sorted([parts, copy])));
      const id = `${kind}-${hash.digest('hex').slice(0, 20)}`;
      if (this.log.isFree(id, number)) return id;
    }
  }

  private stored(id: string): Entry | undefined {
    const payload = this.log.payload(id);
    return payload && decodeEntry(payload);
  }

  private payload({ id, docid }: ActiveEntry): Entry {
    const entry = this.stored(id);
    if (!entry) throw new ForgottenError(this.log.last, docid ?? id);
    return entry;
  }

  /** A bank without the queries of documents that are forgotten, and the model on it; undefined where it stays as it is. */
  private async benchWithout({ forgets }: EditPlan, change: EditChange): Promise<Bench | undefined> {
    const rows = new Set(forgets.flatMap(({ row }) => row ?? []));
    if (!rows.size) return undefined;
    const queries = [...rows].reduce(bankWithout, bankQueries(this.store));
    const documents = baseDocuments(this.store, this.model.folder.genir!.docids);
    for (const row of rows) documents[row] = { ...documents[row], title: '', text: '' };
    const bank = await openBank({ ...this.options, onProgress: undefined }, queries, documents);
    const ended = new Set(change.remove);
    const kept = [...this.bench.edited.entries.values()].filter(({ id }) => !ended.has(id));
    const entries = [...kept, ...change.add!];
    return { bank, edited: await EditedModel.open(this.model, bank, this.settings, entries) };
  }
}

/** Where entries in force are kept; in memory, as they are, for methods other than the ledger's, which ask for all at each edit. */
const storing = ({ weights }: EditSettings, log: EditLog): StoredEntries | undefined =>
  weights && weights.method !== 'ledger' ? undefined : new StoredEntries((id) => log.payload(id)!);

const openBank = (
  { model, cacheFile, onProgress }: WorkbenchOptions,
  queries: readonly BankQuery[],
  documents: readonly QueryableText[],
): Promise<QueryBank> =>
  QueryBank.open(model, queries, documents, {
    ...(cacheFile !== undefined && { cacheFile }),
    onProgress: (done, total) => onProgress?.({ done, total, message: 'reading the queries of the bank' }),
  });

/** Settings of the nth retry. */
function smaller(settings: EditSettings, retry: number): EditSettings {
  if (!retry) return settings;
  const { rows, weights } = settings;
  const factor = SMALLER ** retry;
  return {
    ...settings,
    rows: 'oldDocument' in rows ? { ...rows, oldDocument: rows.oldDocument * factor } : rows,
    weights: weights && { ...weights, target: { ...weights.target, margin: weights.target.margin / factor } },
  };
}
