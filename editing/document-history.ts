/**
 * @file What edits did to documents, step by step, with what was there before: enough to take every step back.
 */
import type { Metadata } from '../corpus/documents.ts';
import type { Store } from '../corpus/store.ts';

/** What a document says. */
export interface Content {
  readonly title: string;
  readonly text: string;
  readonly metadata: Metadata;
}

/** One change of one live document. */
export type DocumentStep =
  | { readonly kind: 'insert' | 'update'; readonly docid: string; readonly content: Content }
  | { readonly kind: 'delete'; readonly docid: string }
  | { readonly kind: 'rename'; readonly docid: string; readonly to: string };

/** A document after a step, under its docid of then. */
export interface SteppedDocument {
  readonly docid: string;
  readonly version: number;
}

/** What a step would need to be taken back was erased. */
export class ForgottenError extends Error {
  override readonly name = 'ForgottenError';
  readonly seq: number;
  readonly docid: string;
  constructor(seq: number, docid: string) {
    super(
      `edit ${seq}: expected what '${docid}' said before, got a document that was forgotten on request; add it anew if you still have it`,
    );
    this.seq = seq;
    this.docid = docid;
  }
}

interface StepRow {
  seq: number;
  kind: DocumentStep['kind'];
  docid: string;
  renamed_to: string | null;
  forgotten: number;
  before: string | null;
}

export class DocumentHistory {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** Takes a step, and writes down how to take it back. Within a transaction of the caller. */
  take(seq: number, step: DocumentStep): SteppedDocument {
    const { store } = this;
    const before = step.kind === 'update' || step.kind === 'delete' ? store.document(step.docid)! : null;
    const after = this.change(step);
    store.database
      .prepare(
        `INSERT INTO edit_documents (seq, kind, document, docid, renamed_to, version, before) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        seq,
        step.kind,
        store.numberOf(after.docid),
        step.docid,
        step.kind === 'rename' ? step.to : null,
        after.version,
        before && JSON.stringify({ title: before.title, text: before.text, metadata: before.metadata }),
      );
    return after;
  }

  /**
   * The steps that take back those of some edits.
   *
   * @param seqs  newest first
   * @throws ForgottenError
   */
  inverse(seqs: readonly number[]): DocumentStep[] {
    const select = this.store.database.prepare(
      'SELECT seq, kind, docid, renamed_to, forgotten, before FROM edit_documents WHERE seq = ? ORDER BY id DESC',
    );
    return seqs.flatMap((seq) => (select.all(seq) as StepRow[]).map(inverseOf));
  }

  /** Numbers and docids of the documents of an edit, for `laterEdit`. */
  touched(seq: number): { documents: number[]; docids: string[] } {
    const rows = this.store.database
      .prepare('SELECT document, docid, renamed_to FROM edit_documents WHERE seq = ? ORDER BY id')
      .all(seq) as { document: number; docid: string; renamed_to: string | null }[];
    return {
      documents: rows.map(({ document }) => document),
      docids: rows.flatMap(({ docid, renamed_to }) => (renamed_to === null ? [docid] : [docid, renamed_to])),
    };
  }

  /** The highest version that a document of this docid ever had; 0 of none. */
  lastVersion(docid: string): number {
    return this.store.database
      .prepare('SELECT ifnull(max(version), 0) FROM edit_documents WHERE docid = ? OR renamed_to = ?')
      .pluck()
      .get(docid, docid) as number;
  }

  /** Erases what a deleted document ever said, in every edit. */
  forget(docid: string): void {
    const number = this.store.numberOf(docid);
    this.store.erase(docid);
    this.store.database
      .prepare('UPDATE edit_documents SET before = NULL, forgotten = 1 WHERE document = ?')
      .run(number);
  }

  private change(step: DocumentStep): SteppedDocument {
    const { store } = this;
    switch (step.kind) {
      case 'insert':
        return store.insert({ docid: step.docid, ...step.content }, this.lastVersion(step.docid) + 1);
      case 'update':
        return store.update(step.docid, step.content);
      case 'delete':
        return store.delete(step.docid);
      case 'rename':
        return store.rename(step.docid, step.to, this.lastVersion(step.to) + 1);
    }
  }
}

function inverseOf({ seq, kind, docid, renamed_to, forgotten, before }: StepRow): DocumentStep {
  if (forgotten) throw new ForgottenError(seq, docid);
  switch (kind) {
    case 'insert':
      return { kind: 'delete', docid };
    case 'update':
      return { kind: 'update', docid, content: JSON.parse(before!) as Content };
    case 'delete':
      return { kind: 'insert', docid, content: JSON.parse(before!) as Content };
    case 'rename':
      return { kind: 'rename', docid: renamed_to!, to: docid };
  }
}
