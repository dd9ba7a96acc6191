/**
 * @file What searches answered from after some edit of the past. Rows and deltas are kept of the newest edit alone; of any
 * other they are found again from its set of entries, which gives the same bytes.
 */
import type { Store } from '../corpus/store.ts';
import type { ModelFolder } from '../models/folder.ts';
import { ForgottenError, liveAt } from './document-history.ts';
import { EditLog, type ActiveEntry } from './edit-log.ts';
import { EditModel } from './edit-model.ts';
import { EditedModel, type EditState } from './edited-model.ts';
import { versionBase } from './edited-version.ts';
import { decodeEntry } from './entry-codec.ts';
import { bankQueries, baseDocuments, readBase } from './log-base.ts';
import { newestVersion, publishedVersion, type PublishedVersion } from './published-version.ts';
import { QueryBank } from './query-bank.ts';
import { FoldedEditError } from './undo.ts';
import type { EditProgress } from './workbench.ts';

export interface PastVersion extends PublishedVersion {
  /** The number of the live document of each row, which it keeps when it is renamed; null where there is none. */
  readonly documents: readonly (number | null)[];
}

export interface PastOptions {
  readonly store: Store;
  readonly folder: ModelFolder;
  /** Of the editor's bank. */
  readonly cacheFile?: string | undefined;
  readonly onProgress?: ((progress: EditProgress) => void) | undefined;
}

/**
 * The versions of after some edits, 0 being the model as it was trained.
 *
 * @throws UnknownEditError, FoldedEditError
 * @throws ForgottenError  where a document that was in the model then was forgotten since
 */
export async function pastVersions(options: PastOptions, seqs: readonly number[]): Promise<PastVersion[]> {
  const { store, folder } = options;
  const log = new EditLog(store);
  for (const seq of seqs) {
    if (seq > 0) log.edit(seq);
    if (seq < log.folded) throw new FoldedEditError('version', seq, log.folded);
  }
  const solver = new Solver(options, log);
  try {
    const versions: PastVersion[] = [];
    for (const seq of seqs) {
      const named = liveAt(store, seq);
      versions.push(withDocuments(seq === log.last ? newest(options) : await past(seq, new Set(named.keys())), named));
    }
    return versions;
  } finally {
    await solver.close();
  }

  async function past(seq: number, live: ReadonlySet<string>): Promise<PublishedVersion> {
    const active = log.setAt(seq);
    const { rows, deltas } = active.length
      ? await solver.state(active)
      : { rows: new Map<string, never>(), deltas: [] };
    return publishedVersion({ seq, base: versionBase(folder), live, active, rows, deltas });
  }
}

/**
 * The newest version as its entries in force alone make it, solved anew: nothing that was deleted since the base has a part in
 * it. The same bytes as the published one.
 */
export async function newestSolvedAnew(options: PastOptions): Promise<PublishedVersion> {
  const { store, folder } = options;
  const log = new EditLog(store);
  const active = log.setAt();
  if (!active.length) return newest(options);
  const solver = new Solver(options, log);
  try {
    const { rows, deltas } = await solver.state(active);
    const live = new Set(store.liveDocids());
    return publishedVersion({ seq: log.last, base: versionBase(folder), live, active, rows, deltas });
  } finally {
    await solver.close();
  }
}

const newest = ({ store, folder }: PastOptions): PublishedVersion => newestVersion(store, versionBase(folder));

function withDocuments(version: PublishedVersion, named: ReadonlyMap<string, number>): PastVersion {
  const { model, docids } = version;
  const documents = docids.map((docid, row) => (docid !== null && model.live[row] ? named.get(docid)! : null));
  return { ...version, documents };
}

/** Solves sets of entries, with a model and a bank that are opened for the first of them. */
class Solver {
  private readonly options: PastOptions;
  private readonly log: EditLog;
  private opened: { model: EditModel; bank: QueryBank } | undefined;

  constructor(options: PastOptions, log: EditLog) {
    this.options = options;
    this.log = log;
  }

  /** @throws ForgottenError */
  async state(active: readonly ActiveEntry[]): Promise<EditState> {
    const entries = active.map(({ id, docid }) => {
      const payload = this.log.payload(id);
      if (!payload) throw new ForgottenError(this.log.last, docid ?? id);
      return decodeEntry(payload);
    });
    const { model, bank } = (this.opened ??= await this.open());
    const edited = await EditedModel.open(model, bank, readBase(this.options.store)!.settings, entries);
    return edited.state;
  }

  async close(): Promise<void> {
    await this.opened?.model.close();
  }

  private async open(): Promise<{ model: EditModel; bank: QueryBank }> {
    const { store, folder, cacheFile, onProgress } = this.options;
    const model = await EditModel.open(folder);
    try {
      const bank = await QueryBank.open(model, bankQueries(store), baseDocuments(store, folder.genir!.docids), {
        ...(cacheFile !== undefined && { cacheFile }),
        onProgress: (done, total) => onProgress?.({ done, total, message: 'reading the queries of the bank' }),
      });
      return { model, bank };
    } catch (error) {
      await model.close();
      throw error;
    }
  }
}
