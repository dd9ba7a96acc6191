/**
 * @file The one who edits: takes requests one after the other, tries each on the model, and commits it. What is not
 * committed leaves no trace, in memory neither.
 */
import { join } from 'node:path';
import type { Store } from '../corpus/store.ts';
import type { ModelFolder } from '../models/folder.ts';
import { modelVersion } from '../models/model-version.ts';
import { checkLast, commitEdit, driftKey, type Commit, type Committed } from './edit-commit.ts';
import { DocumentHistory } from './document-history.ts';
import { checkCircuit } from './circuit-edits.ts';
import { EditLog, type ActiveEntry, type EditQuery } from './edit-log.ts';
import { EditModel } from './edit-model.ts';
import { versionBase } from './edited-version.ts';
import { Planner, type EditPlan } from './edit-plan.ts';
import { checkModel, readBase } from './log-base.ts';
import { openBase } from './open-base.ts';
import { checkRequest, IdempotencyKeyError, requestHash, summaryOf, operationDocids } from './operations.ts';
import type { EditKind, EditOutcome, EditRecord, EditRequest, OperationSummary } from './operations.ts';
import { DEFAULT_PRESET, settingsFor, type EditSettings } from './presets.ts';
import { publishedVersion, readPublished, type PublishedVersion } from './published-version.ts';
import type { CommitOptions, SharedStore } from './stream/shared-store.ts';
import { planRevert, planUndo } from './undo.ts';
import { Workbench, type EditProgress } from './workbench.ts';

export interface EditorOptions {
  /** A connection that may write. Nobody else may write documents. */
  readonly store: Store;
  readonly folder: ModelFolder;
  /** The same store, where it follows a stream: commits go there first. */
  readonly shared?: SharedStore | undefined;
  /** Folder for what can be computed again, and is kept to open sooner. */
  readonly dataDir?: string | undefined;
  /** Those of the log where left out; the default ones where it has none yet. */
  readonly settings?: EditSettings | undefined;
  /** Cores that one run may use. @default 1 */
  readonly threads?: number | undefined;
  /** The model's circuit answers searches. Figures of edits are of the whole model all the same. @default false */
  readonly circuit?: boolean | undefined;
  readonly onProgress?: ((progress: EditProgress) => void) | undefined;
}

export interface UndoOptions {
  readonly author?: string;
  readonly requestId?: string;
  readonly idempotencyKey?: string;
  readonly dryRun?: boolean;
}

export interface RunOptions {
  /** Looked at between two steps, until the edit is committed. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EditProgress) => void) | undefined;
}

/** What the base weights make of the bank's queries. */
export const bankFile = 'query-bank.bin';

/** What the three kinds of edits differ in. */
interface Task {
  readonly kind: EditKind;
  readonly operations: readonly OperationSummary[];
  readonly author: string | undefined;
  readonly requestId: string | undefined;
  readonly key: string | undefined;
  /** What is asked for, as far as it makes a request the same. */
  readonly request: unknown;
  readonly dryRun: boolean;
  readonly budget: number | null | undefined;
  /** Docids for an outcome that changed nothing. */
  readonly docids: readonly string[];
  plan(): { readonly plan: EditPlan; readonly undoes: readonly number[] };
}

export class Editor {
  private readonly store: Store;
  private readonly shared: SharedStore | undefined;
  private readonly log: EditLog;
  private readonly history: DocumentHistory;
  private readonly docids: readonly string[];
  private readonly planner: Planner;
  private readonly bench: Workbench;
  private active: ReadonlyMap<string, ActiveEntry>;
  private live: Set<string>;
  private published: PublishedVersion;
  private turn: Promise<unknown> = Promise.resolve();

  private constructor({ store, shared }: EditorOptions, log: EditLog, bench: Workbench, published: PublishedVersion) {
    this.store = store;
    this.shared = shared;
    this.log = log;
    this.history = new DocumentHistory(store);
    this.docids = bench.model.folder.genir!.docids;
    this.planner = new Planner(store, log, this.docids);
    this.bench = bench;
    this.active = new Map(log.setAt().map((entry) => [entry.id, entry]));
    this.live = new Set(store.liveDocids());
    this.published = published;
  }

  /**
   * @throws NotAnIndexError, NoInteractionStageError
   * @throws CircuitEditError   where the circuit answers, and does without a layer that edits change
   * @throws ForeignEditsError  where the store has edits of another model, or made with other settings
   */
  static async open(options: EditorOptions): Promise<Editor> {
    const { store, shared, folder, dataDir, settings, threads = 1, onProgress } = options;
    const version = await modelVersion(folder.dir);
    checkModel(store, version);
    const model = await EditModel.open(folder, { threads });
    try {
      const genir = folder.genir!;
      const { docids } = genir;
      const intended = settings ?? readBase(store)?.settings ?? settingsFor(DEFAULT_PRESET, docids.length, genir);
      if (options.circuit && intended.weights) checkCircuit(folder, model.layers);
      const begin = { model: version, config: folder.config, layers: model.layers, settings, genir };
      const base = await committed(shared, openBase(store, begin, docids), { kind: 'base' });
      const log = new EditLog(store);
      const drift = Number(store.readMeta(driftKey) ?? 0);
      const cacheFile = dataDir && join(dataDir, bankFile);
      const bench = await Workbench.open({ store, log, model, settings: base.settings, drift, cacheFile, onProgress });
      return new Editor(options, log, bench, readPublished(store, { version, base: versionBase(folder) }));
    } catch (error) {
      await model.close();
      throw error;
    }
  }

  /** What searches should answer from. */
  get version(): PublishedVersion {
    return this.published;
  }

  /**
   * Does all operations of a request as one edit. Where they would cost old documents more than the budget, nothing is
   * done, and the outcome says so.
   *
   * @throws InvalidOperationError, InvalidDocumentError, DocidTakenError, UnknownDocidError, VersionConflictError
   * @throws NothingToIndexError, IdempotencyKeyError, StoreFullError, ForeignEditError, or the reason of `signal`
   */
  edit(request: EditRequest, options: RunOptions = {}): Promise<EditOutcome> {
    const { operations, author, requestId, idempotencyKey, dryRun = false, budget } = request;
    return this.run(options, () => {
      checkRequest(request);
      return {
        kind: 'edit',
        operations: operations.map(summaryOf),
        author,
        requestId,
        key: idempotencyKey,
        request: { operations, budget },
        dryRun,
        budget,
        docids: operations.map((operation) => operationDocids(operation).at(-1)!),
        plan: () => ({ plan: this.planner.plan(operations), undoes: [] }),
      };
    });
  }

  /**
   * Takes one edit back, also in the middle of the history. An undo can be undone.
   *
   * @throws UnknownEditError, AlreadyUndoneError, UndoConflictError, ForgottenError, IdempotencyKeyError, StoreFullError
   */
  undo(seq: number, options: UndoOptions & RunOptions = {}): Promise<EditOutcome> {
    return this.run(options, () => this.backwards('undo', seq, options, () => planUndo(this.log, this.history, seq)));
  }

  /**
   * Takes back all edits after one; 0 is before the first.
   *
   * @throws InvalidOperationError, ForgottenError, IdempotencyKeyError, StoreFullError
   */
  revert(to: number, options: UndoOptions & RunOptions = {}): Promise<EditOutcome> {
    return this.run(options, () => this.backwards('revert', to, options, () => planRevert(this.log, this.history, to)));
  }

  /** Newest first. */
  edits(query: EditQuery = {}): EditRecord[] {
    return this.log.edits(query);
  }

  /** Waits for what was asked for, then lets the model go. The store stays open: it is its owner's. */
  async close(): Promise<void> {
    await this.turn;
    await this.bench.model.close();
  }

  private backwards(
    kind: 'undo' | 'revert',
    seq: number,
    { author, requestId, idempotencyKey, dryRun = false }: UndoOptions,
    plan: Task['plan'],
  ): Task {
    const operation: OperationSummary = { kind, seq };
    const request = { kind, seq };
    const back = { author, requestId, key: idempotencyKey, request, dryRun, budget: null, docids: [] };
    return { kind, operations: [operation], ...back, plan };
  }

  /** One after the other. */
  private run(options: RunOptions, task: () => Task): Promise<EditOutcome> {
    const run = this.turn.then(() => this.perform(task(), options));
    this.turn = run.catch(() => undefined);
    return run;
  }

  private async perform(task: Task, { signal, onProgress }: RunOptions): Promise<EditOutcome> {
    const startMs = performance.now();
    signal?.throwIfAborted();
    const { kind, operations, author = null, requestId = null, key = null, budget } = task;
    const request = key === null ? null : requestHash(task.request);
    const earlier = key === null ? undefined : this.log.keyed(key);
    if (earlier) return sameRequest(key!, request!, earlier);
    const last = this.published.model.editSeq;
    checkLast(this.store, this.log, last);
    const { plan, undoes } = task.plan();
    const trial = await this.bench.try(plan, { budget, signal, onProgress });
    if (!trial.accepted || task.dryRun)
      return {
        seq: null,
        accepted: trial.accepted,
        budget: trial.budget,
        figures: trial.figures,
        documents: task.docids.map((docid) => ({ docid, version: null })),
        seconds: (performance.now() - startMs) / 1000,
        bytes: 0,
      };
    const edit = { kind, author, requestId, at: new Date().toISOString(), key, request, operations };
    const commit: Commit = { edit, last, plan, trial, undoes, startMs };
    const forgets = plan.forgets.length > 0;
    const done = await committed(
      this.shared,
      () => commitEdit(this.store, this.log, commit, this.active, this.docids.length),
      {
        kind: 'edit',
        forgets,
        ends: ({ outcome }) => (key === null ? undefined : { key, result: JSON.stringify(outcome) }),
      },
    );
    this.bench.adopt(trial);
    this.remember(plan, done);
    if (forgets) this.store.forgetLog();
    return done.outcome;
  }

  private remember({ steps, restores }: EditPlan, { outcome, active }: Committed): void {
    this.active = active;
    if (restores.length) this.live = new Set(this.store.liveDocids());
    for (const step of steps) {
      if (step.kind === 'delete' || step.kind === 'rename') this.live.delete(step.docid);
      else this.live.add(step.docid);
      if (step.kind === 'rename') this.live.add(step.to);
    }
    const { rows, deltas } = this.bench.state;
    const base = versionBase(this.bench.model.folder);
    this.published = publishedVersion({
      seq: outcome.seq!,
      base,
      live: this.live,
      active: active.values(),
      rows,
      deltas,
    });
  }
}

/** Where the store follows a stream, the transaction goes there first. */
const committed = async <T>(shared: SharedStore | undefined, body: () => T, options: CommitOptions<T>): Promise<T> =>
  shared ? shared.commit(body, options) : body();

/** @throws IdempotencyKeyError */
function sameRequest(key: string, request: string, earlier: NonNullable<ReturnType<EditLog['keyed']>>): EditOutcome {
  if (earlier.request === null) throw new IdempotencyKeyError(key, 'a request about a document that was forgotten');
  if (earlier.request !== request) throw new IdempotencyKeyError(key, 'another request');
  return earlier.outcome;
}
