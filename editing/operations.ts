/**
 * @file What can be asked of an index, and what becomes of it. Checked here as far as the request alone tells.
 */
import { createHash } from 'node:crypto';
import { checkDocument, identifierProblem, InvalidDocumentError, type NewDocument } from '../corpus/documents.ts';
import type { EditFigures } from './gate.ts';

export type Operation =
  | { readonly kind: 'add'; readonly document: NewDocument; readonly queries?: readonly string[] }
  | {
      readonly kind: 'delete';
      readonly docid: string;
      readonly expectedVersion?: number;
      /** Erases all that the document ever said, so that the deletion cannot be undone. @default false */
      readonly forget?: boolean;
    }
  | {
      readonly kind: 'change';
      readonly docid: string;
      /** What is left out stays as it is. */
      readonly document: Partial<Omit<NewDocument, 'docid'>>;
      readonly queries?: readonly string[];
      readonly expectedVersion?: number;
    }
  | { readonly kind: 'rename'; readonly docid: string; readonly to: string; readonly expectedVersion?: number };
export type OperationKind = Operation['kind'];

export interface EditRequest {
  /** One edit: all of them or none. Each document once. */
  readonly operations: readonly Operation[];
  readonly author?: string;
  /** Of the request that asks, in the log of the server. */
  readonly requestId?: string;
  /** The same request under the same key is done once, however often it comes. */
  readonly idempotencyKey?: string;
  /** Tells what would come of it, and changes nothing. @default false */
  readonly dryRun?: boolean;
  /** The largest fall of Success@1 on canaries that is taken. @default `defaultBudget` in gate.ts */
  readonly budget?: number;
}

export interface EditOutcome {
  /** The number of the edit; null of a dry run and of one that was refused. */
  readonly seq: number | null;
  /** Whether it costs old documents no more than the budget. */
  readonly accepted: boolean;
  /** The largest fall of Success@1 on canaries that it may cost; null: any. */
  readonly budget: number | null;
  readonly figures: EditFigures;
  /** By the docids of after the edit. The version is null where nothing was changed. */
  readonly documents: readonly { readonly docid: string; readonly version: number | null }[];
  readonly seconds: number;
  /** Written for entries, rows and deltas. */
  readonly bytes: number;
}

/** What the log keeps of an operation: texts are in the documents. */
export interface OperationSummary {
  readonly kind: OperationKind | 'undo' | 'revert';
  readonly docid?: string;
  /** Of a rename. */
  readonly renamedTo?: string;
  /** Of an undo the edit, of a revert the edit after which everything was as it is now. */
  readonly seq?: number;
  readonly forget?: true;
}

export type EditKind = 'edit' | 'undo' | 'revert';

export interface EditRecord {
  readonly seq: number;
  readonly kind: EditKind;
  readonly author: string | null;
  /** ISO 8601 */
  readonly at: string;
  readonly operations: readonly OperationSummary[];
  /** Edits that it took back. */
  readonly undoes: readonly number[];
  /** The edit that took it back; null while it is in force. */
  readonly undoneBy: number | null;
  /** Part of the base model by now (`compact.ts`), so that it cannot be undone. */
  readonly folded: boolean;
  readonly figures: EditFigures;
  readonly seconds: number;
  readonly bytes: number;
}

/** A request that no index could do. */
export class InvalidOperationError extends Error {
  override readonly name = 'InvalidOperationError';
  /** Where in the request: `operations[3].docid`. */
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
  constructor(path: string, expected: string, actual: string) {
    super(`${path}: expected ${expected}, got ${actual}`);
    this.path = path;
    this.expected = expected;
    this.actual = actual;
  }
}

/** The document was changed since the caller saw it. */
export class VersionConflictError extends Error {
  override readonly name = 'VersionConflictError';
  readonly docid: string;
  readonly expected: number;
  readonly actual: number;
  constructor(docid: string, expected: number, actual: number) {
    super(`document '${docid}': expected version ${expected}, got ${actual}; read it again and repeat the edit`);
    this.docid = docid;
    this.expected = expected;
    this.actual = actual;
  }
}

/** A key that stands for another request. */
export class IdempotencyKeyError extends Error {
  override readonly name = 'IdempotencyKeyError';
  readonly key: string;
  constructor(key: string, actual: 'another request' | 'a request about a document that was forgotten') {
    super(`idempotency key '${key}': expected the request that it came with first, got ${actual}; take a new key`);
    this.key = key;
  }
}

/** An edit is one transaction and one solve: whatever is larger comes in several. */
export const editLimits = { operations: 1000, textLength: 1_000_000, queries: 1000, keyLength: 255 } as const;

/** The docid of an operation, and of a rename the new one too. */
export function operationDocids(operation: Operation): string[] {
  if (operation.kind === 'add') return [operation.document.docid];
  return operation.kind === 'rename' ? [operation.docid, operation.to] : [operation.docid];
}

/** @throws InvalidOperationError, InvalidDocumentError */
export function checkRequest({ operations, idempotencyKey, budget }: EditRequest): void {
  const { length } = operations;
  if (length < 1 || length > editLimits.operations)
    throw new InvalidOperationError('operations', `1 to ${editLimits.operations} of them`, `${length}`);
  if (idempotencyKey !== undefined && (idempotencyKey === '' || idempotencyKey.length > editLimits.keyLength))
    throw new InvalidOperationError(
      'idempotencyKey',
      `1 to ${editLimits.keyLength} characters`,
      `${idempotencyKey.length}`,
    );
  if (budget !== undefined && !(budget >= 0 && budget <= 1))
    throw new InvalidOperationError('budget', 'a share from 0 to 1', String(budget));
  const seen = new Map<string, number>();
  for (const [i, operation] of operations.entries()) {
    const path = `operations[${i}]`;
    for (const docid of operationDocids(operation)) {
      const problem = identifierProblem(docid);
      if (problem) throw new InvalidDocumentError(`${path}.docid`, problem.expected, problem.actual);
      const earlier = seen.get(docid);
      if (earlier !== undefined)
        throw new InvalidOperationError(
          `${path}.docid`,
          'each docid once in an edit',
          `'${docid}', which operations[${earlier}] names too; send them one after the other`,
        );
      seen.set(docid, i);
    }
    if ('document' in operation) checkText(path, operation);
  }
}

function checkText(path: string, operation: Extract<Operation, { kind: 'add' | 'change' }>): void {
  if (operation.kind === 'add') checkDocument(operation.document);
  const { title = '', text = '' } = operation.document;
  for (const [name, value] of Object.entries({ title, text }))
    if (value.length > editLimits.textLength)
      throw new InvalidDocumentError(
        `${path}.document.${name}`,
        `at most ${editLimits.textLength} characters`,
        `${value.length}; make several documents of it`,
      );
  const { queries = [] } = operation;
  if (queries.length > editLimits.queries)
    throw new InvalidOperationError(`${path}.queries`, `at most ${editLimits.queries}`, `${queries.length}`);
}

/** Two requests are the same when they ask for the same; who asks and under which key is no part of it. */
export function requestHash(request: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(request)))
    .digest('hex');
}

/** With the fields of every object in the order of their names, so that equal values have equal JSON. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, sorted(item)]),
  );
}

export function summaryOf(operation: Operation): OperationSummary {
  const [docid, renamedTo] = operationDocids(operation);
  return {
    kind: operation.kind,
    docid,
    ...(renamedTo !== undefined && { renamedTo }),
    ...(operation.kind === 'delete' && operation.forget && { forget: true }),
  };
}
