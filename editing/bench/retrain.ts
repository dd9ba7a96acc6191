/** @file The yardstick of an edited model: one trained on the same documents. */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { Document, JudgedQuery } from '../../corpus/documents.ts';
import { openStore } from '../../corpus/store.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { openDecoder } from '../../models/open-decoder.ts';
import { indexCorpus } from '../../models/training/index-corpus.ts';
import type { IndexProgress } from '../../models/training/run.ts';
import { modelSizes, SIZES } from '../../models/training/sizes.ts';
import { measure } from './measure.ts';
import { editedDocuments, type BenchCorpus, type BenchEdit, type BenchPlan } from './plan.ts';

/** A model that is no yardstick for the edits: it lacks documents, or nobody knows how to train one like the base. */
export class RetrainError extends Error {
  override readonly name = 'RetrainError';
  readonly dir: string;
  constructor(dir: string, expected: string, actual: string, advice: string) {
    super(`${dir}: expected ${expected}, got ${actual}; ${advice}`);
    this.dir = dir;
  }
}

/**
 * Which document each row of a retrained model stands for after the edits. A model trained on the whole corpus has the new
 * content of a changed document under the docid it came with: that row stands for the changed docid. Rows of documents
 * that the edits leave no place for stand for none, and are not answered.
 *
 * @throws RetrainError  when a document has no row
 */
export function docidsAfter(folder: ModelFolder, documents: readonly Document[], edits: readonly BenchEdit[]) {
  const rows = folder.genir?.docids ?? [];
  const there = new Set(rows);
  const alias = new Map<string, string>();
  for (const edit of edits)
    if (edit.kind === 'change' && there.has(edit.content.docid)) alias.set(edit.docid, edit.content.docid);
  const standsFor = new Map(documents.map(({ docid }) => [alias.get(docid) ?? docid, docid]));
  const missing = [...standsFor].filter(([docid]) => !there.has(docid));
  if (missing.length)
    throw new RetrainError(
      folder.dir,
      `a model trained with the ${documents.length} documents after the edits`,
      `one without ${missing.length} of them, ${missing[0][0]} for one`,
      'train it on the whole corpus with index, or give run',
    );
  return rows.map((docid) => standsFor.get(docid) ?? null);
}

/** @throws RetrainError */
export async function measureRetrained(dir: string, corpus: BenchCorpus, plan: BenchPlan, threads: number) {
  const folder = readModelFolder(dir);
  const docids = docidsAfter(folder, editedDocuments(corpus.base, plan.edits), plan.edits);
  const decoder = await openDecoder(folder, { threads });
  try {
    const allowed = Uint8Array.from(docids, (docid) => (docid === null ? 0 : 1));
    return await measure({ model: decoder, docids, allowed }, plan);
  } finally {
    await decoder.close();
  }
}

/** How `index` made the base. */
const trainingSchema = z.looseObject({
  size: z.enum(modelSizes),
  steps: z.int().positive(),
  seed: z.int().nonnegative(),
  from: z.string().nullish(),
});

export interface RetrainOptions {
  readonly base: ModelFolder;
  readonly corpus: BenchCorpus;
  readonly plan: BenchPlan;
  /** Where the model goes; one that is there already and knows the same documents is taken. */
  readonly out: string;
  readonly threads: number;
  readonly onProgress: (progress: IndexProgress) => void;
}

/**
 * Trains as the base was trained, on the documents after the edits, with the queries that the edits were given.
 *
 * @throws RetrainError  when the base does not say how it was trained
 */
export async function retrain({ base, corpus, plan, out, threads, onProgress }: RetrainOptions): Promise<void> {
  const record = trainingSchema.safeParse(base.genir?.training);
  if (!record.success)
    throw new RetrainError(
      base.dir,
      'a model that says how index trained it',
      'none of size, steps and seed in genir.json',
      'train one yourself and give its folder',
    );
  const { size, steps, seed, from } = record.data;
  const documents = editedDocuments(corpus.base, plan.edits);
  const fingerprint = fingerprintOf(documents);
  if (existsSync(out) && readModelFolder(out).genir?.corpus.fingerprint === fingerprint) return;
  const layers = base.config.num_decoder_layers;
  await indexCorpus(
    {
      ...(base.genir?.corpus.name !== undefined && { name: base.genir.corpus.name }),
      ...{
        fingerprint,
        documents,
        train: queriesAfter(corpus.train, plan.edits),
        dev: staying(corpus.dev, plan.edits),
      },
    },
    {
      ...{ out, size, steps, seed, threads, onProgress, resume: false },
      ...(from ? { from } : layers !== SIZES[size].num_decoder_layers && { decoderLayers: layers }),
    },
  );
}

function fingerprintOf(documents: readonly Document[]): string {
  const store = openStore(':memory:');
  try {
    store.transaction(() => documents.forEach((document) => store.insert(document)));
    return store.fingerprint();
  } finally {
    store.close();
  }
}

/** Queries that only documents which stay as they are answer. */
function staying(queries: readonly JudgedQuery[], edits: readonly BenchEdit[]): JudgedQuery[] {
  const edited = new Set(edits.map(({ docid }) => docid));
  return queries.filter(({ relevant }) => !relevant.some((docid) => edited.has(docid)));
}

/** Those, and the queries given with the edits. */
const queriesAfter = (train: readonly JudgedQuery[], edits: readonly BenchEdit[]): JudgedQuery[] => [
  ...staying(train, edits),
  ...edits.flatMap((edit) =>
    edit.kind === 'delete'
      ? []
      : edit.queries.map((text, i) => ({ id: `given to ${edit.docid}, ${i}`, text, relevant: [edit.docid] })),
  ),
];
