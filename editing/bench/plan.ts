/**
 * @file What an edit benchmark does to a model, and the questions that tell what became of it: both drawn from a corpus by a
 * seed.
 */
import { UnknownDocidError, type Document, type JudgedQuery } from '../../corpus/documents.ts';
import { drawAnswers } from '../../corpus/hold-out.ts';
import { createRng, shuffle } from '../../corpus/random.ts';

/** The documents that there are, and what is asked about them. */
export interface BenchCorpus {
  /** Those of the model, by row. */
  readonly base: readonly Document[];
  /** Those it was trained without. */
  readonly heldOut: readonly Document[];
  readonly train: readonly JudgedQuery[];
  readonly dev: readonly JudgedQuery[];
  readonly test: readonly JudgedQuery[];
}

export interface BenchCounts {
  readonly add: number;
  readonly delete: number;
  readonly change: number;
}

/** What a document is to become; `queries` are those given along with it. */
export type BenchEdit =
  | { readonly kind: 'add'; readonly docid: string; readonly content: Document; readonly queries: readonly string[] }
  | { readonly kind: 'change'; readonly docid: string; readonly content: Document; readonly queries: readonly string[] }
  | { readonly kind: 'delete'; readonly docid: string };

/**
 * Questions are told apart by what happens to the documents that answer them. Those of deleted documents, and those that
 * only the former text of a changed one answers, should no longer lead there.
 */
export const questionGroups = ['old', 'new', 'changed', 'obsolete', 'deleted'] as const;
export type QuestionGroup = (typeof questionGroups)[number];

/** A test query, with the documents of its group that answer it, by the docids they have after the edits. */
export interface Question extends JudgedQuery {
  /** Which of the edits it is about; null for old ones. */
  readonly edit: number | null;
}

export interface BenchPlan {
  readonly seed: number;
  /** In the order in which they are made. */
  readonly edits: readonly BenchEdit[];
  readonly questions: Readonly<Record<QuestionGroup, readonly Question[]>>;
}

export interface PlanOptions {
  readonly seed: number;
  /** New documents come without queries. */
  readonly textOnly: boolean;
}

/** A corpus with fewer documents to edit than are asked for. */
export class TooFewDocumentsError extends Error {
  override readonly name = 'TooFewDocumentsError';
  constructor(what: string, wanted: number, there: number) {
    super(`${what}: expected at least ${wanted} that test queries ask for, got ${there}; edit fewer`);
  }
}

/**
 * Draws documents that test queries ask for. A change gives a document of the model the content of a held-out one, whose
 * questions it then has to answer in place of its own.
 *
 * @throws TooFewDocumentsError
 */
export function drawPlan(corpus: BenchCorpus, counts: BenchCounts, { seed, textOnly }: PlanOptions): BenchPlan {
  const fresh = drawn(corpus.heldOut, corpus.test, seed, counts.add + counts.change, 'documents outside the model');
  const known = drawn(corpus.base, corpus.test, seed, counts.delete + counts.change, 'documents of the model');
  const given = queriesByDocid(corpus.train);
  const queriesOf = ({ docid }: Document): string[] => (textOnly ? [] : (given.get(docid) ?? []));
  const edits: BenchEdit[] = [
    ...fresh.slice(0, counts.add).map((content): BenchEdit => {
      return { kind: 'add', docid: content.docid, content, queries: queriesOf(content) };
    }),
    ...known.slice(0, counts.delete).map(({ docid }): BenchEdit => ({ kind: 'delete', docid })),
    ...known.slice(counts.delete).map(({ docid }, i): BenchEdit => {
      const content = fresh[counts.add + i];
      return { kind: 'change', docid, content, queries: queriesOf(content) };
    }),
  ];
  const order = shuffle(edits, createRng(seed));
  return { seed, edits: order, questions: questionsOf(corpus, order) };
}

/** The first `count` documents of a drawn order of those that queries ask for. */
function drawn(
  documents: readonly Document[],
  queries: readonly JudgedQuery[],
  seed: number,
  count: number,
  what: string,
): Document[] {
  const byDocid = new Map(documents.map((document) => [document.docid, document]));
  const asked = drawAnswers(queries, seed).flatMap((docid) => byDocid.get(docid) ?? []);
  if (asked.length < count) throw new TooFewDocumentsError(what, count, asked.length);
  return asked.slice(0, count);
}

/** The texts of the queries that a document alone answers. */
export function queriesByDocid(queries: readonly JudgedQuery[]): Map<string, string[]> {
  const texts = new Map<string, string[]>();
  for (const { text, relevant } of queries) {
    if (relevant.length !== 1) continue;
    const list = texts.get(relevant[0]);
    if (list) list.push(text);
    else texts.set(relevant[0], [text]);
  }
  return texts;
}

interface Role {
  readonly group: QuestionGroup;
  /** After the edits. */
  readonly docid: string;
  readonly edit: number | null;
}

/** Every test query in one group: that of the first of its documents by the order of `questionGroups`. */
function questionsOf(corpus: BenchCorpus, edits: readonly BenchEdit[]): BenchPlan['questions'] {
  const roles = new Map<string, Role>(
    corpus.base.map(({ docid }) => [docid, { group: 'old', docid, edit: null }] as const),
  );
  edits.forEach((one, edit) => {
    const { docid } = one;
    if (one.kind === 'delete') roles.set(docid, { group: 'deleted', docid, edit });
    else if (one.kind === 'add') roles.set(docid, { group: 'new', docid, edit });
    else {
      roles.set(docid, { group: 'obsolete', docid, edit });
      roles.set(one.content.docid, { group: 'changed', docid, edit });
    }
  });
  const groups: Record<QuestionGroup, Question[]> = { old: [], new: [], changed: [], obsolete: [], deleted: [] };
  for (const { id, text, relevant } of corpus.test) {
    const known = relevant.flatMap((docid) => roles.get(docid) ?? []);
    const group = questionGroups.find((name) => known.some((role) => role.group === name));
    if (group === undefined) continue;
    const own = known.filter((role) => role.group === group);
    groups[group].push({ id, text, relevant: own.map(({ docid }) => docid), edit: own[0].edit });
  }
  return groups;
}

/**
 * The corpus after all edits, as a model trained on it would be given it: documents under the docids they have then.
 *
 * @throws UnknownDocidError  for an edit of a document that is not in the base
 */
export function editedDocuments(base: readonly Document[], edits: readonly BenchEdit[]): Document[] {
  const documents = new Map(base.map((document) => [document.docid, document]));
  for (const edit of edits) {
    if (edit.kind !== 'add' && !documents.has(edit.docid)) throw new UnknownDocidError('edits', edit.docid);
    if (edit.kind === 'delete') documents.delete(edit.docid);
    else documents.set(edit.docid, { ...edit.content, docid: edit.docid });
  }
  return [...documents.values()];
}
