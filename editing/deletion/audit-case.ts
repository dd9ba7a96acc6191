/**
 * @file What an audit is made of: the model before and after a deletion, the documents that should be gone, documents that
 * never were there to compare them with, and what is left lying about.
 */
import { createRng, shuffle } from '../../corpus/random.ts';
import type { FloatTensor } from '../../models/session.ts';
import type { BaseCorpus } from '../base-corpus.ts';
import { DEFAULT_PRESET, presets } from '../presets.ts';
import { takeRows } from '../../models/tensor-rows.ts';
import type { AuditedModel, Seen } from './audited-model.ts';

export interface AuditDocument {
  readonly docid: string;
  readonly title: string;
  readonly text: string;
  /** Queries that a model may have been trained with. */
  readonly known: readonly string[];
  /** Queries that nobody learnt from. */
  readonly heldOut: readonly string[];
}

export interface AuditCase {
  /** The model that has the documents: trained with them, or edited. */
  readonly before: AuditedModel;
  /** The model as it is now. */
  readonly after: AuditedModel;
  /** A model without them: trained without, or, of documents that edits added, one that they were never added to. */
  readonly without?: AuditedModel | undefined;
  /** Of documents that edits added: the model from before all edits, which everybody may have. */
  readonly base?: AuditedModel | undefined;
  /** Of documents that edits added: the model as it is now, with the controls added in the same way. */
  readonly withControls?: AuditedModel | undefined;
  readonly deleted: readonly AuditDocument[];
  /** Documents that none of the models ever had. */
  readonly controls: readonly AuditDocument[];
  /** Documents that remain. */
  readonly others: readonly AuditDocument[];
  /** Makes rephrasings. */
  readonly corpus: BaseCorpus;
  /** What is left of each deleted document outside the weights; empty where there is nowhere to look. */
  readonly traces: readonly TracesOf[];
  readonly seed: number;
}

/** A place that a document may have left something in, and how many such things are there. */
export interface Trace {
  readonly place: string;
  readonly count: number;
}
export interface TracesOf {
  readonly docid: string;
  readonly traces: readonly Trace[];
}

/** Real queries that a model may have learnt from, pseudo-queries, real queries that nobody learnt from. */
export type QueryPart = 'known' | 'drawn' | 'heldOut';

/** Queries of a list of documents, and which of them each is about. */
export interface Asked {
  readonly documents: readonly AuditDocument[];
  /** [Q] */
  readonly of: Int32Array;
  /** [Q] */
  readonly parts: readonly QueryPart[];
  readonly seen: Seen;
}

/** What the models make of all that is asked in an audit, read once. */
export interface Evidence {
  readonly case: AuditCase;
  /** float32 [n, D] the deleted documents' rows before. */
  readonly oldRows: FloatTensor;
  readonly deleted: { readonly before: Asked; readonly after: Asked; readonly without?: Asked };
  readonly controls: { readonly before: Asked; readonly after: Asked; readonly without?: Asked };
  /** Known queries of documents that remain, of which row solves must not steal any. */
  readonly old: { readonly after: Asked; readonly without?: Asked };
  /** Queries of documents that remain, from which nobody learnt. */
  readonly others: { readonly before: Asked; readonly after: Asked; readonly without?: Asked };
  /** Rephrasings. */
  readonly rephrased: { readonly deleted: Asked; readonly controls: Asked };
}

/** Rephrasings of each document. */
export const REPHRASINGS = 20;
/** Pseudo-queries of each document beside its known queries: as many as a document has that is added. */
const DRAWN = presets[DEFAULT_PRESET].queries.solved;
/** Old queries in all. */
const OLD = 6000;

/** A document with its queries of each part. */
type Questions = { readonly document: AuditDocument } & { readonly [P in QueryPart]: readonly string[] };

export async function gather(audit: AuditCase): Promise<Evidence> {
  const { before, after, without, deleted, controls, others, corpus, seed } = audit;
  const plain = (document: AuditDocument): Questions => {
    const { known, heldOut } = document;
    return { document, known, drawn: corpus.pseudoQueries('known', document, DRAWN, new Set(known)), heldOut };
  };
  const rephrased = (document: AuditDocument): Questions => {
    const drawn = corpus.pseudoQueries('audit', document, REPHRASINGS, new Set(document.known));
    return { document, known: [], drawn, heldOut: [] };
  };
  const held = (document: AuditDocument): Questions => ({ document, known: [], drawn: [], heldOut: document.heldOut });
  const rng = createRng(seed);
  const each = Math.max(1, Math.floor(OLD / others.length));
  const old = shuffle([...others], rng)
    .slice(0, OLD)
    .map((document): Questions => {
      return { document, known: shuffle([...document.known], rng).slice(0, each), drawn: [], heldOut: [] };
    });
  const inOneWithout = async (questions: readonly Questions[]) => without && { without: await ask(without, questions) };
  const inBoth = async (questions: readonly Questions[]) => ({
    after: await ask(after, questions),
    ...(await inOneWithout(questions)),
  });
  const inAll = async (questions: readonly Questions[]) => ({
    before: await ask(before, questions),
    ...(await inBoth(questions)),
  });
  return {
    case: audit,
    oldRows: takeRows(
      before.rows,
      deleted.map(({ docid }) => before.rowOf.get(docid)!),
    ),
    deleted: await inAll(deleted.map(plain)),
    controls: await inAll(controls.map(plain)),
    old: await inBoth(old),
    others: await inAll(others.map(held)),
    rephrased: {
      deleted: await ask(after, deleted.map(rephrased)),
      controls: await ask(after, controls.map(rephrased)),
    },
  };
}

async function ask(model: AuditedModel, questions: readonly Questions[]): Promise<Asked> {
  const parts = ['known', 'drawn', 'heldOut'] as const;
  const queries = questions.flatMap((one, of) =>
    parts.flatMap((part) => one[part].map((text) => ({ text, of, part }))),
  );
  return {
    documents: questions.map(({ document }) => document),
    of: Int32Array.from(queries, ({ of }) => of),
    parts: queries.map(({ part }) => part),
    seen: await model.see(queries.map(({ text }) => text)),
  };
}

/** Places of each document's queries of some parts; of all where none are named. */
export function queriesOf({ documents, of, parts }: Asked, ...wanted: readonly QueryPart[]): number[][] {
  const lists = documents.map((): number[] => []);
  of.forEach((document, q) => {
    if (!wanted.length || wanted.includes(parts[q])) lists[document].push(q);
  });
  return lists;
}
