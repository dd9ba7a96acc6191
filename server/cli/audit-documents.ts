/** @file The documents of an audit: those that were deleted, those that never were there, and what is asked about each. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Split } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { shuffle, type Rng } from '../../corpus/random.ts';
import { openStore } from '../../corpus/store.ts';
import type { AuditDocument } from '../../editing/deletion/audit-case.ts';
import { readModelFolder } from '../../models/folder.ts';
import { builtinCorpus, builtinModel, nameOf } from '../paths.ts';
import { UsageError } from './command.ts';

export interface MaterialOptions {
  readonly model?: string;
  readonly corpus?: string;
  readonly controls?: string;
}

export interface Material {
  /** Documents that the model was trained with. */
  readonly documents: readonly AuditDocument[];
  /** Others, of the corpus and of the one beside it. */
  readonly beside: readonly AuditDocument[];
}

/** Additions of the built-in corpus. */
export const builtinAdditions = join(builtinCorpus, 'additions');

export function readMaterial({ model = builtinModel, corpus = builtinCorpus, controls }: MaterialOptions): Material {
  const trained = new Set(readModelFolder(model).genir?.docids);
  const all = readDocuments(corpus);
  const others = controls ?? (corpus === builtinCorpus && existsSync(builtinAdditions) ? builtinAdditions : undefined);
  return {
    documents: all.filter(({ docid }) => trained.has(docid)),
    beside: [...all, ...(others === undefined ? [] : readDocuments(others))].filter(({ docid }) => !trained.has(docid)),
  };
}

const LEAST_CONTROLS = 4;
/** At most. */
const CONTROLS = 100;

/** Never-indexed documents that the deleted ones are compared with. @throws UsageError */
export function drawControls(
  never: readonly AuditDocument[],
  { corpus = builtinCorpus }: MaterialOptions,
  rng: Rng,
): AuditDocument[] {
  const asked = never.filter(({ heldOut }) => heldOut.length);
  if (asked.length < LEAST_CONTROLS)
    throw new UsageError(
      `${nameOf(corpus)}: expected documents with queries that the model never had, to compare with, got ${asked.length}; give some with --controls`,
    );
  return drawn(asked, CONTROLS, rng);
}

export const drawn = (documents: readonly AuditDocument[], count: number, rng: Rng): AuditDocument[] =>
  shuffle([...documents], rng).slice(0, count);

/** The documents of these docids. @throws UsageError */
export function named(documents: readonly AuditDocument[], docids: readonly string[]): AuditDocument[] {
  const byDocid = new Map(documents.map((one) => [one.docid, one]));
  return docids.map((docid) => {
    const found = byDocid.get(docid);
    if (found) return found;
    throw new UsageError(
      `--docid ${docid}: expected a document of the corpus, as it was before the deletion, got another; give --corpus and --model as they were then`,
    );
  });
}

/** Documents of a corpus: train queries are known, the others held out; one in five of the known where there are no others. */
export function readDocuments(path: string): AuditDocument[] {
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
