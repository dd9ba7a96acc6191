/**
 * @file From operations to what an edit consists of: steps of documents, entries to be made, entries that come into force or
 * leave it. Nothing is computed or written here.
 */
import { checkDocument, UnknownDocidError, type Document } from '../corpus/documents.ts';
import { DocidTakenError, type Store } from '../corpus/store.ts';
import type { DocumentImage, DocumentStep } from './document-history.ts';
import type { ActiveEntry, EditLog } from './edit-log.ts';
import type { DocumentSource } from './entry.ts';
import { baseRowOf } from './log-base.ts';
import { VersionConflictError, type Operation, type OperationKind } from './operations.ts';

/** A document entry that has to be made; it gets its id when it is. */
export interface PlannedDocument extends Omit<DocumentSource, 'id' | 'replaces'> {
  readonly replaces: { readonly row: number } | { readonly entry: string } | undefined;
}

export interface EditPlan {
  readonly steps: readonly DocumentStep[];
  /** Documents that become what they were. */
  readonly restores: readonly DocumentImage[];
  readonly documents: readonly PlannedDocument[];
  /** Base rows that lose their documents. */
  readonly removals: readonly { readonly row: number; readonly docid: string }[];
  readonly renames: readonly {
    readonly of: { readonly row: number } | { readonly entry: string };
    readonly docid: string;
    readonly to: string;
  }[];
  /** Entries that come into force again. */
  readonly begins: readonly ActiveEntry[];
  /** Entries that are in force no longer. */
  readonly ends: readonly string[];
  /** Documents of which nothing shall stay. */
  readonly forgets: readonly { readonly docid: string; readonly row: number | undefined }[];
}

/** What the model has of a document. */
interface Held {
  readonly entry: ActiveEntry | undefined;
  readonly rename: ActiveEntry | undefined;
  /** Its row in the base model, unless that is removed. */
  readonly baseRow: number | undefined;
}

/** An edit that does nothing. */
export const nothing: EditPlan = {
  steps: [],
  restores: [],
  documents: [],
  removals: [],
  renames: [],
  begins: [],
  ends: [],
  forgets: [],
};

export class Planner {
  private readonly store: Store;
  private readonly log: EditLog;
  /** Docids of the base model, by row. */
  private readonly docids: readonly string[];

  constructor(store: Store, log: EditLog, docids: readonly string[]) {
    this.store = store;
    this.log = log;
    this.docids = docids;
  }

  /**
   * @param operations  that `checkRequest` found nothing wrong with
   * @throws DocidTakenError, UnknownDocidError, VersionConflictError, InvalidDocumentError
   */
  plan(operations: readonly Operation[]): EditPlan {
    return joinPlans(operations.map((operation, i) => this.planOne(operation, `operations[${i}]`)));
  }

  private planOne<K extends OperationKind>(operation: Extract<Operation, { kind: K }>, where: string): EditPlan {
    const planner = this.planners[operation.kind] as (of: typeof operation, where: string) => Partial<EditPlan>;
    return { ...nothing, ...planner(operation, where) };
  }

  private readonly planners: {
    readonly [K in OperationKind]: (of: Extract<Operation, { kind: K }>, where: string) => Partial<EditPlan>;
  } = {
    add: ({ document: { docid, title = '', text, metadata = {} }, queries }) => {
      if (this.store.document(docid)?.state === 'live') throw new DocidTakenError(docid);
      return {
        steps: [{ kind: 'insert', docid, content: { title, text, metadata } }],
        documents: [{ docid, title, text, ...(queries && { queries }), replaces: undefined }],
      };
    },

    delete: ({ docid, forget = false, expectedVersion }, where) => {
      const known = this.store.document(docid);
      const forgets = forget ? [{ docid, row: baseRowOf(this.store, docid) }] : [];
      if (forget && known?.state === 'deleted') return { forgets };
      this.live(docid, expectedVersion, where);
      const held = this.held(docid);
      return {
        steps: [{ kind: 'delete', docid }],
        removals: held.baseRow === undefined ? [] : [{ row: held.baseRow, docid }],
        ends: idsOf(held),
        forgets,
      };
    },

    change: ({ docid, document, queries, expectedVersion }, where) => {
      const before = this.live(docid, expectedVersion, where);
      const { title = before.title, text = before.text, metadata = before.metadata } = document;
      checkDocument({ docid, title, text, metadata });
      const steps: DocumentStep[] = [{ kind: 'update', docid, content: { title, text, metadata } }];
      if (title === before.title && text === before.text && !queries) return { steps };
      const held = this.held(docid);
      const row = held.baseRow;
      const replaces = held.entry ? { entry: held.entry.id } : row === undefined ? undefined : { row };
      return {
        steps,
        documents: [{ docid, title, text, ...(queries && { queries }), replaces }],
        removals: row === undefined ? [] : [{ row, docid }],
        ends: idsOf(held),
      };
    },

    rename: ({ docid, to, expectedVersion }, where) => {
      this.live(docid, expectedVersion, where);
      if (this.store.document(to)?.state === 'live') throw new DocidTakenError(to);
      const { entry, rename, baseRow } = this.held(docid);
      const of = entry ? { entry: entry.id } : baseRow === undefined ? undefined : { row: baseRow };
      const first = entry ? entry.docid : baseRow === undefined ? to : this.docids[baseRow];
      return {
        steps: [{ kind: 'rename', docid, to }],
        renames: of && first !== to ? [{ of, docid, to }] : [],
        ends: rename ? [rename.id] : [],
      };
    },
  };

  private live(docid: string, expectedVersion: number | undefined, where: string): Document {
    const document = this.store.document(docid);
    if (document?.state !== 'live') throw new UnknownDocidError(`${where}.docid`, docid);
    if (expectedVersion !== undefined && expectedVersion !== document.version)
      throw new VersionConflictError(docid, expectedVersion, document.version);
    return document;
  }

  private held(docid: string): Held {
    const active = this.log.entriesOf(this.store.numberOf(docid)!);
    const of = (kind: ActiveEntry['kind']): ActiveEntry | undefined => active.find((entry) => entry.kind === kind);
    return {
      entry: of('document'),
      rename: of('rename'),
      baseRow: of('removal') ? undefined : baseRowOf(this.store, docid),
    };
  }
}

const idsOf = ({ entry, rename }: Held): string[] => [entry, rename].flatMap((one) => one?.id ?? []);

function joinPlans(plans: readonly EditPlan[]): EditPlan {
  const join = <K extends keyof EditPlan>(part: K): EditPlan[K][number][] => plans.flatMap((plan) => [...plan[part]]);
  return {
    steps: join('steps'),
    restores: join('restores'),
    documents: join('documents'),
    removals: join('removals'),
    renames: join('renames'),
    begins: join('begins'),
    ends: join('ends'),
    forgets: join('forgets'),
  };
}
