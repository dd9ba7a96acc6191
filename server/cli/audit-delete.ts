import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Split } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { createRng, shuffle } from '../../corpus/random.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import type { AuditCase, AuditDocument, TracesOf } from '../../editing/deletion/audit-case.ts';
import type { AuditedModel } from '../../editing/deletion/audited-model.ts';
import type { AuditResult } from '../../editing/deletion/audit.ts';
import type { DeletionMethod } from '../../editing/deletion/fresh-deletion.ts';
import type { Finding } from '../../editing/deletion/finding.ts';
import { rowBytes, searchFiles, searchStore, textsOf } from '../../editing/deletion/trace-search.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { builtinCorpus, builtinModel, nameOf } from '../paths.ts';
import { defineCommand, integer, oneOf, UsageError, type Note } from './command.ts';
import { readData } from './edit-session.ts';
import { corpusOption, modelOption, threadsOption } from './shared-options.ts';

interface Options {
  model?: string;
  corpus?: string;
  controls?: string;
  data?: string;
  docid?: string[];
  documents?: number;
  method: DeletionMethod;
  retrain?: string;
  out?: string;
  seed: number;
  threads: number;
}

export interface Audited extends AuditResult {
  readonly model: string;
  readonly seconds: number;
}

const methods: readonly DeletionMethod[] = ['rows', 'words'];

/** Never-indexed documents that the deleted ones are compared with, at most. */
const CONTROLS = 100;

export const auditDelete = defineCommand<Options, Audited>({
  name: 'audit-delete',
  summary: 'try to find deleted documents in a model again, in every way known; exit code 1 where one succeeds',
  options: {
    model: { ...modelOption, description: 'the model that was trained with the documents (default: the built-in one)' },
    corpus: {
      ...corpusOption,
      description: 'documents and queries as they were before the deletion (default: the built-in corpus)',
    },
    controls: {
      flags: '--controls <path>',
      description:
        'corpus of documents that were never indexed (default: those of the corpus that the model was not trained with; with the built-in corpus its additions)',
      parse: (path) => resolve(path),
    },
    data: {
      flags: '--data <dir>',
      description: 'data folder that the documents were deleted in',
      parse: (path) => resolve(path),
    },
    docid: { flags: '--docid <ids...>', description: 'the deleted documents' },
    documents: {
      flags: '--documents <n>',
      description: 'delete so many documents for the test, drawn by the seed, without a data folder',
      parse: integer(1, 1e6),
    },
    method: {
      flags: '--method <method>',
      description: 'how --documents are deleted: rows (they go), words (what they left in words goes too)',
      parse: oneOf(methods),
      default: 'rows',
    },
    retrain: {
      flags: '--retrain <dir>',
      description: 'a model trained without the documents, to compare with',
      parse: (path) => resolve(path),
    },
    out: { flags: '--out <dir>', description: 'folder for audit.json and audit.txt', parse: (path) => resolve(path) },
    seed: { flags: '--seed <n>', description: 'of every draw', parse: integer(0, 1e9), default: 1 },
    threads: threadsOption,
  },
  async run(options, note) {
    const started = performance.now();
    checkOptions(options);
    const material = readMaterial(options);
    // Loads onnxruntime.
    const { runAudit } = await import('../../editing/deletion/audit.ts');
    const { data } = options;
    const say = (test: string): void => note(test);
    const result = await (data === undefined
      ? withFresh(options, material, note, (audit) => runAudit(audit, say))
      : withDataFolder({ ...options, data }, material, (audit) => runAudit(audit, say)));
    const seconds = Math.round(performance.now() - started) / 1000;
    const audited = { model: options.model ?? builtinModel, ...result, seconds };
    if (options.out !== undefined) writeReport(options.out, audited);
    return audited;
  },
  text: table,
  succeeded: ({ passed }) => passed,
});

function checkOptions({ data, docid = [], documents }: Options): void {
  if (data === undefined && documents === undefined)
    throw new UsageError('audit-delete: expected --data with --docid, or --documents, got neither');
  if (data !== undefined && documents !== undefined)
    throw new UsageError(
      'audit-delete: expected --data or --documents, got both; --documents deletes for the test alone',
    );
  if (data !== undefined && !docid.length)
    throw new UsageError('audit-delete: expected --docid with the deleted documents beside --data, got none');
}

interface Material {
  readonly documents: readonly AuditDocument[];
  /** Documents that the model was not trained with. */
  readonly never: readonly AuditDocument[];
}

function readMaterial({ model = builtinModel, corpus = builtinCorpus, controls }: Options): Material {
  const known = new Set(readModelFolder(model).genir?.docids);
  const all = readDocuments(corpus);
  const documents = all.filter(({ docid }) => known.has(docid));
  const additions = join(builtinCorpus, 'additions');
  const beside = controls ?? (corpus === builtinCorpus && existsSync(additions) ? additions : undefined);
  const never = [...all, ...(beside === undefined ? [] : readDocuments(beside))].filter(
    ({ docid, heldOut }) => !known.has(docid) && heldOut.length > 0,
  );
  if (never.length < 4)
    throw new UsageError(
      `${nameOf(corpus)}: expected documents with queries that the model was not trained with, to compare with, got ${never.length}; give some with --controls`,
    );
  return { documents, never };
}

/** Documents of a corpus: train queries are known, the others held out; one in five of the known where there are no others. */
function readDocuments(path: string): AuditDocument[] {
  const store = openStore(':memory:');
  try {
    importCorpus(store, path);
    const queries = (...splits: Split[]): Map<string, string[]> => {
      const lists = new Map<string, string[]>();
      for (const { text, relevant } of splits.flatMap((split) => store.queries(split)))
        for (const docid of relevant) lists.set(docid, [...(lists.get(docid) ?? []), text]);
      return lists;
    };
    const [train, others] = [queries('train'), queries('dev', 'test')];
    return store.liveDocids().map((docid) => {
      const { title, text } = store.document(docid)!;
      const [known, heldOut] = [train.get(docid) ?? [], others.get(docid) ?? []];
      const parted = heldOut.length ? { known, heldOut } : partOf(known);
      return { docid, title, text, ...parted };
    });
  } finally {
    store.close();
  }
}

const partOf = (queries: readonly string[]): Pick<AuditDocument, 'known' | 'heldOut'> => ({
  known: queries.filter((_, i) => i % 5 !== 4),
  heldOut: queries.filter((_, i) => i % 5 === 4),
});

type Use = (audit: AuditCase) => Promise<AuditResult>;

/** Deletes documents of a model as it is, and audits what would be published. */
async function withFresh(options: Options, material: Material, note: Note, use: Use): Promise<AuditResult> {
  const { model: dir = builtinModel, docid, documents: count = 0, seed, threads } = options;
  const { EditModel } = await import('../../editing/edit-model.ts');
  const { drawBank, QueryBank } = await import('../../editing/query-bank.ts');
  const { presets, DEFAULT_PRESET } = await import('../../editing/presets.ts');
  const { deleteFresh } = await import('../../editing/deletion/fresh-deletion.ts');
  const { interactionLayers } = await import('../../editing/deletion/audited-model.ts');
  const folder = readModelFolder(dir);
  const rng = createRng(seed);
  const deleted = docid
    ? docid.map((one) => find(material, one))
    : shuffle([...material.documents], rng).slice(0, count);
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
    const never = shuffle([...material.never], rng);
    note(`deleting ${deleted.length} documents`);
    const documentsGone = deleted.map((one) => ({ row: folder.genir!.docids.indexOf(one.docid), queries: one.known }));
    const published = await deleteFresh(model, bank, documentsGone, options.method);
    const gone = new Set(deleted.map((one) => one.docid));
    const layers = interactionLayers(folder);
    return await withModels(options, layers, { before: folder, after: published }, (models) =>
      use({
        ...{ ...models, deleted, seed, traces: [], corpus: bank.corpus },
        controls: never.slice(0, CONTROLS),
        others: material.documents.filter((one) => !gone.has(one.docid)),
      }),
    );
  } finally {
    await model.close();
  }
}

/** Audits a data folder as it is: weights as they lie on disk, with the edits that searches see. */
function withDataFolder(options: Options & { data: string }, material: Material, use: Use): Promise<AuditResult> {
  const { data, model: dir = builtinModel, docid = [], seed } = options;
  return readData({ data, model: dir }, async (store, served) => {
    const { BaseCorpus } = await import('../../editing/base-corpus.ts');
    const { newestVersion } = await import('../../editing/published-version.ts');
    const { versionBase } = await import('../../editing/edited-version.ts');
    const { interactionLayers } = await import('../../editing/deletion/audited-model.ts');
    const { onDisk } = await import('../../editing/deletion/published-folder.ts');
    const deleted = docid.map((one) => find(material, one));
    const back = deleted.find((one) => store.document(one.docid)?.state === 'live');
    if (back)
      throw new UsageError(`${data}: expected '${back.docid}' to be deleted, got a live document; delete it first`);
    const [before, base] = [readModelFolder(dir), readModelFolder(served.dir)];
    const { folder, live } = onDisk(base, newestVersion(store, versionBase(base)));
    const questions = material.documents.flatMap(({ known }) => known.slice(0, 4));
    const rng = createRng(seed);
    return withModels({ ...options, live }, interactionLayers(before), { before, after: folder }, (models) =>
      use({
        ...{ ...models, deleted, seed, corpus: new BaseCorpus(material.documents, questions) },
        traces: tracesOf(store, [data, served.dir], deleted, models.before),
        controls: shuffle([...material.never], rng).slice(0, CONTROLS),
        others: material.documents.filter((one) => live.has(one.docid) && models.before.rowOf.has(one.docid)),
      }),
    );
  });
}

type Models = Pick<AuditCase, 'before' | 'after' | 'retrain'>;

async function withModels<T>(
  { retrain, threads, live }: Options & { readonly live?: ReadonlySet<string> },
  layers: readonly number[],
  folders: { readonly before: ModelFolder; readonly after: ModelFolder },
  use: (models: Models) => Promise<T>,
): Promise<T> {
  const { AuditedModel } = await import('../../editing/deletion/audited-model.ts');
  const models: Models = {
    before: new AuditedModel(folders.before, layers, { threads }),
    after: new AuditedModel(folders.after, layers, { threads, ...(live && { live }) }),
    retrain: retrain === undefined ? undefined : new AuditedModel(readModelFolder(retrain), layers, { threads }),
  };
  try {
    return await use(models);
  } finally {
    for (const model of [models.before, models.after, models.retrain]) await model?.close();
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

/** @throws UsageError */
function find({ documents }: Material, docid: string): AuditDocument {
  const found = documents.find((one) => one.docid === docid);
  if (!found)
    throw new UsageError(
      `--docid ${docid}: expected a document of the corpus that the model was trained with, got another; give --corpus and --model as they were before the deletion`,
    );
  return found;
}

function writeReport(out: string, audited: Audited): void {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'audit.json'), `${JSON.stringify(audited, null, 2)}\n`);
  writeFileSync(join(out, 'audit.txt'), `${table(audited)}\n`);
}

function table({ model, deleted, controls, tests, passed, seconds }: Audited): string {
  const rows = tests.flatMap(({ test, findings, passed: isPassed }) => [
    [isPassed ? 'passed' : 'FAILED', test, '', '', ''],
    ...findings.map((one) => ['', `  ${one.what}`, number(one.value), bounds(one), one.against ?? '']),
  ]);
  const widths = [0, 1, 2, 3].map((c) => Math.max(...rows.map((cells) => cells[c].length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, c) => (c === 2 ? cell.padStart(widths[c]) : cell.padEnd(widths[c] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const failed = tests.filter((one) => !one.passed).map(({ test }) => test);
  const verdict = passed
    ? `all ${tests.length} tests passed`
    : `${failed.length} of ${tests.length} tests failed: ${failed.join(', ')}`;
  const head = `${nameOf(model)}: ${deleted.length} deleted, ${controls} never-indexed documents to compare with`;
  return [head, '', ...lines, '', `${verdict}  (${seconds.toFixed(1)} s)`].join('\n');
}

const number = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(3));

/** Failed ones are marked. */
function bounds({ least, most, passed }: Finding): string {
  const sides = [
    ...(least === undefined ? [] : [`≥ ${number(least)}`]),
    ...(most === undefined ? [] : [`≤ ${number(most)}`]),
  ];
  return sides.length ? `${passed ? ' ' : '!'} ${sides.join(', ')}` : '';
}
