/**
 * @file What edits did to documents, with what each of them was before: enough to take any edits back.
 */
import type { DocumentState, Metadata } from '../corpus/documents.ts';
import { DocidTakenError, type Store } from '../corpus/store.ts';

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

/** A document at some time, under the number that it always has. */
export interface DocumentImage {
  readonly number: number;
  /** Null where it was not there. */
  readonly was: (Content & { readonly docid: string; readonly state: DocumentState }) | null;
}

/** A document that was live before an edit, or is after it, under its docid of then. */
export interface TouchedDocument {
  readonly docid: string;
  readonly version: number;
}

/** What a document would need to be as it was before was erased. */
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

interface BeforeRow {
  seq: number;
  document: number;
  docid: string;
  docid_before: string | null;
  state_before: DocumentState | null;
  forgotten: number;
  before: string | null;
}

export class DocumentHistory {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** Takes a step, and writes down what was there before. Within a transaction of the caller. */
  take(seq: number, step: DocumentStep): TouchedDocument[] {
    const { store } = this;
    const docids = step.kind === 'rename' ? [step.docid, step.to] : [step.docid];
    const before = docids.flatMap((docid) => store.numberOf(docid) ?? []).map((number) => this.imageOf(number));
    const number = store.numberOf(this.change(step))!;
    if (!before.length) before.push({ number, was: null });
    return this.write(seq, before);
  }

  /** Makes documents what they were. Within a transaction of the caller. */
  restore(seq: number, images: readonly DocumentImage[]): TouchedDocument[] {
    const { store } = this;
    const changing = images.filter((image) => !this.isAs(image));
    const wanted = new Set(changing.flatMap(({ was }) => was?.docid ?? []));
    const numbers = new Set(changing.map(({ number }) => number));
    for (const docid of wanted) {
      const holder = store.numberOf(docid);
      if (holder === undefined || numbers.has(holder)) continue;
      if (store.document(docid)!.state === 'live') throw new DocidTakenError(docid);
      numbers.add(holder); // a deleted document makes room
      changing.push({ number: holder, was: null });
    }
    const before = changing.map(({ number }) => this.imageOf(number));
    const spare = before.map(({ was }) => was!.docid).filter((docid) => !wanted.has(docid));
    const restored = changing.map(({ number, was }, i) => {
      if (was) return { number, ...was };
      const now = before[i].was!;
      const place = Math.max(0, spare.indexOf(now.docid));
      return { number, ...now, docid: spare.splice(place, 1)[0], state: 'deleted' as const };
    });
    store.restore(restored.map((document) => ({ ...document, version: this.lastVersion(document.docid) + 1 })));
    return this.write(seq, before);
  }

  /**
   * What documents were before an edit, or before the first of some that touched them.
   *
   * @throws ForgottenError
   */
  before(from: number, to: number): DocumentImage[] {
    const rows = this.store.database
      .prepare(
        `SELECT seq, document, docid, docid_before, state_before, forgotten, before FROM edit_documents
          WHERE id IN (SELECT min(id) FROM edit_documents WHERE seq BETWEEN ? AND ? GROUP BY document) ORDER BY document`,
      )
      .all(from, to) as BeforeRow[];
    return rows.map(({ seq, document, docid, docid_before, state_before, forgotten, before }) => {
      if (forgotten) throw new ForgottenError(seq, docid);
      if (docid_before === null) return { number: document, was: null };
      const content = JSON.parse(before!) as Content;
      return { number: document, was: { ...content, docid: docid_before, state: state_before! } };
    });
  }

  /** Erases what a deleted document ever said, in every edit. */
  forget(docid: string): void {
    const number = this.store.numberOf(docid);
    this.store.erase(docid);
    this.store.database
      .prepare('UPDATE edit_documents SET before = NULL, forgotten = 1 WHERE document = ?')
      .run(number);
  }

  /** The highest version that a document of this docid ever had; 0 of none. */
  private lastVersion(docid: string): number {
    return this.store.database
      .prepare('SELECT ifnull(max(version), 0) FROM edit_documents WHERE docid = :docid OR docid_before = :docid')
      .pluck()
      .get({ docid }) as number;
  }

  /** @returns the docid afterwards */
  private change(step: DocumentStep): string {
    const { store } = this;
    switch (step.kind) {
      case 'insert':
        return store.insert({ docid: step.docid, ...step.content }, this.lastVersion(step.docid) + 1).docid;
      case 'update':
        return store.update(step.docid, step.content).docid;
      case 'delete':
        return store.delete(step.docid).docid;
      case 'rename':
        return store.rename(step.docid, step.to, this.lastVersion(step.to) + 1).docid;
    }
  }

  private imageOf(number: number): DocumentImage {
    const { docid, state, title, text, metadata } = this.store.numbered(number)!;
    return { number, was: { docid, state, title, text, metadata } };
  }

  /** A document that was not there is now a deleted one. */
  private isAs({ number, was }: DocumentImage): boolean {
    const now = this.imageOf(number).was!;
    if (!was) return now.state === 'deleted';
    return JSON.stringify(Object.entries(now).sort()) === JSON.stringify(Object.entries(was).sort());
  }

  private write(seq: number, before: readonly DocumentImage[]): TouchedDocument[] {
    const insert = this.store.database.prepare(
      `INSERT INTO edit_documents (seq, document, docid, version, docid_before, state_before, before)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    return before.flatMap(({ number, was }) => {
      const { docid, version, state } = this.store.numbered(number)!;
      const content = was && JSON.stringify({ title: was.title, text: was.text, metadata: was.metadata });
      insert.run(seq, number, docid, version, was?.docid ?? null, was?.state ?? null, content);
      return state === 'live' || was?.state === 'live' ? { docid, version } : [];
    });
  }
}

/** The live documents of after an edit: their numbers by their docids of then. */
export function liveAt(store: Store, seq: number): Map<string, number> {
  const rows = store.database
    .prepare(
      `SELECT d.id AS number, ifnull(e.docid_before, d.docid) AS docid FROM documents AS d
         LEFT JOIN edit_documents AS e ON e.id = (SELECT min(id) FROM edit_documents WHERE document = d.id AND seq > ?)
        WHERE iif(e.id IS NULL, d.state, e.state_before) = 'live' ORDER BY d.id`,
    )
    .all(seq) as { number: number; docid: string }[];
  return new Map(rows.map(({ docid, number }) => [docid, number]));
}
