/** @file The models of an audit: opened as an auditor has them, in a data folder or made for the test. */
import { join } from 'node:path';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { createRng } from '../../corpus/random.ts';
import type { Store } from '../../corpus/store.ts';
import type { BaseCorpus } from '../../editing/base-corpus.ts';
import type { AuditCase, AuditDocument, TracesOf } from '../../editing/deletion/audit-case.ts';
import type { AuditedModel } from '../../editing/deletion/audited-model.ts';
import type { AuditResult } from '../../editing/deletion/audit.ts';
import type { DeletionMethod } from '../../editing/deletion/fresh-deletion.ts';
import { rowBytes, searchFiles, searchStore, textsOf } from '../../editing/deletion/trace-search.ts';
import type { PublishedVersion } from '../../editing/published-version.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { builtinCorpus, builtinModel } from '../paths.ts';
import { builtinAdditions, drawControls, drawn, named, readDocuments, type Material } from './audit-documents.ts';
import { UsageError, type Note } from './command.ts';
import { progressLines, readData } from './edit-session.ts';

export interface AuditOptions {
  readonly model?: string;
  readonly corpus?: string;
  readonly controls?: string;
  readonly docid?: readonly string[];
  readonly documents?: number;
  readonly method: DeletionMethod;
  readonly retrain?: string;
  readonly seed: number;
  readonly threads: number;
}

export type Use = (audit: AuditCase) => Promise<AuditResult>;

/** Deletes documents of a model as it is, and audits what would be published. */
export async function withTrained(
  options: AuditOptions,
  material: Material,
  note: Note,
  use: Use,
): Promise<AuditResult> {
  const { model: dir = builtinModel, docid, documents: count = 0, seed, threads } = options;
  const { EditModel } = await import('../../editing/edit-model.ts');
  const { drawBank, QueryBank } = await import('../../editing/query-bank.ts');
  const { presets, DEFAULT_PRESET } = await import('../../editing/presets.ts');
  const { deleteFresh } = await import('../../editing/deletion/fresh-deletion.ts');
  const folder = readModelFolder(dir);
  const rng = createRng(seed);
  const deleted = docid ? named(material.documents, docid) : drawn(material.documents, count, rng);
  const controls = drawControls(material.beside, options, rng);
  const model = await EditModel.open(folder, { threads });
  try {
    const byDocid = new Map(material.documents.map((one) => [one.docid, one]));
    const documents = folder.genir!.docids.map(
      (one) => byDocid.get(one) ?? { docid: one, title: '', text: '', known: [], heldOut: [] },
    );
    const train = documents.flatMap(({ docid: one, known }) =>
      known.map((text) => ({ id: '', text, relevant: [one] })),
    );
    const settings = presets[DEFAULT_PRESET];
    note(`reading ${settings.bank.size} queries`);
    const bank = await QueryBank.open(model, drawBank(documents, train, [], settings.bank), documents);
    note(`deleting ${deleted.length} documents`);
    const documentsGone = deleted.map((one) => ({ row: folder.genir!.docids.indexOf(one.docid), queries: one.known }));
    const published = await deleteFresh(model, bank, documentsGone, options.method);
    const folders = { before: { folder }, after: { folder: published }, without: retrainOf(options) };
    return await withModels(options, folder, folders, (models) =>
      use({
        ...{ ...models, deleted, controls, seed, traces: [], corpus: bank.corpus },
        others: minus(material.documents, deleted),
      }),
    );
  } finally {
    await model.close();
  }
}

/** One in so many of the documents to add is not, so that there are some to compare with. */
const KEPT_OUT = 5;

/** Adds documents by edits, deletes some of them again, and audits what would be published. */
export async function withAdded(
  options: AuditOptions & { readonly add: string | true },
  material: Material,
  note: Note,
  use: Use,
): Promise<AuditResult> {
  const {
    model: dir = builtinModel,
    corpus = builtinCorpus,
    controls: given,
    docid,
    documents: count = 0,
    seed,
    threads,
  } = options;
  const { addAndDelete } = await import('../../editing/deletion/fresh-addition.ts');
  const { onDisk } = await import('../../editing/deletion/published-folder.ts');
  const base = readModelFolder(dir);
  const rng = createRng(seed);
  const trained = new Set(base.genir?.docids);
  const all = readDocuments(options.add === true ? builtinAdditions : options.add).filter(
    (one) => !trained.has(one.docid),
  );
  const deleted = docid ? named(all, docid) : drawn(all, count, rng);
  const keptOut = given === undefined ? drawn(minus(all, deleted), Math.ceil(all.length / KEPT_OUT), rng) : [];
  const added = minus(all, keptOut);
  const controls = drawControls(given === undefined ? keptOut : minus(material.beside, added), options, rng);
  note(`adding ${added.length} documents, deleting ${deleted.length} of them`);
  const fill = (store: Store): void => void importCorpus(store, corpus);
  const made = await addAndDelete({
    ...{ folder: base, fill, added, deleted, controls, threads },
    onProgress: progressLines(note),
  });
  const folders = {
    ...{ before: onDisk(base, made.before), after: onDisk(base, made.after), without: onDisk(base, made.never) },
    ...{ base: { folder: base }, withControls: onDisk(base, made.withControls) },
  };
  const corpusOfBase = await baseCorpus(material);
  return withModels(options, base, folders, (models) =>
    use({
      ...{ ...models, deleted, controls, seed, traces: made.traces, corpus: corpusOfBase },
      others: minus([...material.documents, ...added], deleted),
    }),
  );
}

/** Audits a data folder as it is: weights as they lie on disk, with the edits that searches see. */
export function withDataFolder(
  options: AuditOptions & { readonly data: string },
  material: Material,
  note: Note,
  use: Use,
): Promise<AuditResult> {
  const { data, model: dir = builtinModel, docid = [], seed } = options;
  return readData({ data, model: dir }, async (store, served) => {
    const { newestVersion } = await import('../../editing/published-version.ts');
    const { versionBase } = await import('../../editing/edited-version.ts');
    const { onDisk } = await import('../../editing/deletion/published-folder.ts');
    const known = [...material.documents, ...material.beside];
    const deleted = named(known, docid);
    const back = deleted.find((one) => store.document(one.docid)?.state === 'live');
    if (back)
      throw new UsageError(`${data}: expected '${back.docid}' to be deleted, got a live document; delete it first`);
    const base = readModelFolder(served.dir);
    const after = onDisk(base, newestVersion(store, versionBase(base)));
    const never = material.beside.filter((one) => !store.has(one.docid));
    const controls = drawControls(never, options, createRng(seed));
    const around = await modelsBefore({ ...options, store, base }, deleted, controls, note);
    const corpusOfBase = await baseCorpus(material);
    return withModels(options, base, { ...around, after }, (models) =>
      use({
        ...{ ...models, deleted, controls, seed, corpus: corpusOfBase },
        traces: tracesOf(store, [data, served.dir], deleted, models.before),
        others: known.filter((one) => after.live.has(one.docid) && models.before.rowOf.has(one.docid)),
      }),
    );
  });
}

const minus = (documents: readonly AuditDocument[], gone: readonly AuditDocument[]): AuditDocument[] => {
  const docids = new Set(gone.map(({ docid }) => docid));
  return documents.filter(({ docid }) => !docids.has(docid));
};

/** Real queries of each document whose function words rephrasings are made with. */
const QUESTIONS = 4;

async function baseCorpus({ documents }: Material): Promise<BaseCorpus> {
  const { BaseCorpus } = await import('../../editing/base-corpus.ts');
  return new BaseCorpus(
    documents,
    documents.flatMap(({ known }) => known.slice(0, QUESTIONS)),
  );
}

/** What a deletion in a data folder is compared with. @throws UsageError */
async function modelsBefore(
  options: AuditOptions & { readonly data: string; readonly store: Store; readonly base: ModelFolder },
  deleted: readonly AuditDocument[],
  controls: readonly AuditDocument[],
  note: Note,
): Promise<Omit<Folders, 'after'>> {
  const { data, model: dir = builtinModel, store, base: folder } = options;
  const bases = [readModelFolder(dir), folder].map((one) => ({ folder: one, docids: new Set(one.genir?.docids) }));
  const [base] = bases;
  const trained = bases.find(({ docids }) => deleted.every(({ docid }) => docids.has(docid)));
  // What edits added and `compact` folded is in the weights for good: the model from before the edits tells it.
  if (trained) return { before: trained, without: retrainOf(options), ...(trained !== base && { base }) };
  const mixed = deleted.find(({ docid }) => bases.some(({ docids }) => docids.has(docid)));
  if (mixed)
    throw new UsageError(
      `--docid ${mixed.docid}: expected documents that edits added beside others of them, got one of the base model; audit it by itself`,
    );
  if (options.retrain !== undefined) throw new UsageError(`--retrain: ${NEVER_ADDED}`);
  const { versionsAround } = await import('../../editing/deletion/added-versions.ts');
  const { onDisk } = await import('../../editing/deletion/published-folder.ts');
  const { bankFile } = await import('../../editing/editor.ts');
  const around = { store, folder, cacheFile: join(data, bankFile), onProgress: progressLines(note) };
  const { before, never, withControls, isAddedAgain } = await versionsAround(around, deleted, controls);
  if (isAddedAgain)
    note('the version from before is forgotten or folded: the documents are added again, for the test alone');
  const opened = (version: PublishedVersion) => onDisk(folder, version);
  return { before: opened(before), without: opened(never), base, withControls: opened(withControls) };
}

/** Why a retrain does not belong beside documents that edits added. */
export const NEVER_ADDED =
  'expected documents that the model was trained with, got ones that edits added; they are compared with a model that they were never added to';

interface Opened {
  readonly folder: ModelFolder;
  /** Docids that decoding is constrained to; all where left out. */
  readonly live?: ReadonlySet<string>;
}

interface Folders {
  readonly before: Opened;
  readonly after: Opened;
  readonly without?: Opened | undefined;
  readonly base?: Opened | undefined;
  readonly withControls?: Opened | undefined;
}

const retrainOf = ({ retrain }: AuditOptions): Opened | undefined =>
  retrain === undefined ? undefined : { folder: readModelFolder(retrain) };

/** @param analysed  a folder with stages */
async function withModels<T>(
  { threads }: AuditOptions,
  analysed: ModelFolder,
  folders: Folders,
  use: (models: Pick<AuditCase, keyof Folders>) => Promise<T>,
): Promise<T> {
  const { AuditedModel, interactionLayers } = await import('../../editing/deletion/audited-model.ts');
  const layers = interactionLayers(analysed);
  const open = ({ folder, live }: Opened): AuditedModel =>
    new AuditedModel(folder, layers, { threads, ...(live && { live }) });
  const models = {
    before: open(folders.before),
    after: open(folders.after),
    without: folders.without && open(folders.without),
    base: folders.base && open(folders.base),
    withControls: folders.withControls && open(folders.withControls),
  };
  try {
    return await use(models);
  } finally {
    for (const model of Object.values(models)) await model?.close();
  }
}

function tracesOf(
  store: Store,
  dirs: readonly string[],
  deleted: readonly AuditDocument[],
  before: AuditedModel,
): TracesOf[] {
  const D = before.rows.shape[1];
  return deleted.map((document) => {
    const row = before.rowOf.get(document.docid)!;
    const texts = textsOf(document).map((text) => Buffer.from(text));
    const needles = [...texts, ...rowBytes(before.rows.data.slice(row * D, (row + 1) * D))];
    const files = dirs.filter((dir, i) => !dirs.slice(0, i).some((other) => dir.startsWith(join(other, '/'))));
    const traces = [...searchStore(store, document), ...files.flatMap((dir) => searchFiles(dir, needles))];
    return { docid: document.docid, traces };
  });
}
