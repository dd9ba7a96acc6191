/** The only place that knows which status an error means. Bodies are problems of RFC 9457. */
import Sqlite from 'better-sqlite3';
import type { ErrorRequestHandler } from 'express';
import { z } from 'zod';
import { AnalysisError } from '../analysis/analysis-process.ts';
import { ExplainerBusyError, ExplainerError } from '../analysis/explainer-thread.ts';
import { describeJson, InvalidDocumentError, UnknownDocidError } from '../corpus/documents.ts';
import { InvalidFilterError } from '../corpus/filter.ts';
import { DocidTakenError, StoreFullError } from '../corpus/store.ts';
import { CircuitEditError } from '../editing/circuit-edits.ts';
import { EditorError } from '../editing/crossing-errors.ts';
import { ForgottenError } from '../editing/document-history.ts';
import { UnknownEditError } from '../editing/edit-log.ts';
import type { EditFigures } from '../editing/gate.ts';
import { NothingToFoldError } from '../editing/compact.ts';
import { ForeignEditsError } from '../editing/log-base.ts';
import { IdempotencyKeyError, InvalidOperationError, VersionConflictError } from '../editing/operations.ts';
import { StreamConflictError, StreamUnavailableError } from '../editing/stream/edit-stream.ts';
import { AlreadyUndoneError, FoldedEditError, UndoConflictError } from '../editing/undo.ts';
import { PoolError, QueueFullError } from '../models/pool.ts';
import { EditRefusedError } from './edits.ts';
import { KeyRequiredError, ScopeError } from './keys/authorize.ts';
import { KeyExistsError, KeyNotFoundError, LastAdminKeyError } from './keys/errors.ts';
import { RateLimitError } from './rate-limit.ts';
import { SearcherError, SharedIndexError, StandbyError } from './replication/role.ts';
import { NotReadyError, type Method } from './route.ts';
import type { Problem } from './schemas.ts';
import { CircuitCompactionError } from './folding/compact-served.ts';
import { ExportExistsError, ExportNotFoundError } from './folding/exports.ts';
import { ImportStoppedError, ImportTooLargeError } from './imports/errors.ts';
import { SnapshotNotFoundError } from './snapshots/remove.ts';
import { TaskEndedError, TaskNotFoundError, TaskQueueFullError, TaskResultsError } from './tasks/errors.ts';
import { TasksClosedError } from './tasks/errors.ts';
import type { TaskFault } from './tasks/task.ts';

export type FieldError = Problem['errors'][number];

/** A request that does not fit its schema. */
export class ValidationError extends Error {
  override readonly name = 'ValidationError';
  readonly errors: readonly FieldError[];
  constructor(errors: readonly FieldError[]) {
    super(`request: ${errors.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; ')}`);
    this.errors = errors;
  }
}

export class RouteNotFoundError extends Error {
  override readonly name = 'RouteNotFoundError';
  constructor(path: string) {
    super(`${path}: expected a path of this server, got another; /docs lists them`);
  }
}

export class MethodNotAllowedError extends Error {
  override readonly name = 'MethodNotAllowedError';
  readonly allowed: readonly string[];
  constructor(path: string, method: string, methods: readonly Method[]) {
    const allowed = methods.map((one) => one.toUpperCase());
    super(`${path}: expected ${allowed.join(' or ')}, got ${method}`);
    this.allowed = allowed;
  }
}

export class DocumentNotFoundError extends Error {
  override readonly name = 'DocumentNotFoundError';
  readonly docid: string;
  constructor(docid: string) {
    super(`documents: expected the docid of a document of this corpus, got '${docid}'`);
    this.docid = docid;
  }
}

/** The document is not the one that the request is about. */
export class PreconditionError extends Error {
  override readonly name = 'PreconditionError';
  constructor(docid: string, expected: string, actual: string) {
    super(`document '${docid}': expected ${expected}, got ${actual}; read it again and repeat the edit`);
  }
}

/** No analysis of this server has come to its end. */
export class AnalysisNotFoundError extends Error {
  override readonly name = 'AnalysisNotFoundError';
  constructor() {
    super('analysis: expected one that has come to its end, got none; start one with POST /analysis');
  }
}

export class MediaTypeError extends Error {
  override readonly name = 'MediaTypeError';
  constructor(expected: string, actual: string | undefined) {
    super(`request: expected the content type ${expected}, got ${actual ?? 'none'}`);
  }
}

interface Kind {
  readonly status: number;
  /** Stable: clients compare it. */
  readonly code: string;
  readonly title: string;
}

const kinds = {
  invalidRequest: { status: 400, code: 'invalid_request', title: 'The request does not fit' },
  malformedJson: { status: 400, code: 'malformed_json', title: 'The body is not JSON' },
  malformedRequest: { status: 400, code: 'malformed_request', title: 'The request cannot be read' },
  invalidFilter: { status: 400, code: 'invalid_filter', title: 'The filter says nothing clear' },
  unknownDocid: { status: 400, code: 'unknown_docid', title: 'A docid is not in the corpus' },
  unauthorized: { status: 401, code: 'unauthorized', title: 'A key is needed' },
  insufficientScope: { status: 403, code: 'insufficient_scope', title: 'The key does not permit this' },
  documentNotFound: { status: 404, code: 'document_not_found', title: 'No such document' },
  analysisNotFound: { status: 404, code: 'analysis_not_found', title: 'No analysis yet' },
  taskNotFound: { status: 404, code: 'task_not_found', title: 'No such task' },
  snapshotNotFound: { status: 404, code: 'snapshot_not_found', title: 'No such snapshot' },
  exportNotFound: { status: 404, code: 'export_not_found', title: 'No such export' },
  noResults: { status: 404, code: 'no_results', title: 'The task has no results by line' },
  keyNotFound: { status: 404, code: 'key_not_found', title: 'No such key' },
  routeNotFound: { status: 404, code: 'route_not_found', title: 'No such path' },
  methodNotAllowed: { status: 405, code: 'method_not_allowed', title: 'The path has no such method' },
  docidTaken: { status: 409, code: 'docid_taken', title: 'Another document has the docid' },
  notUndoable: { status: 409, code: 'not_undoable', title: 'The edit cannot be taken back' },
  notEditable: { status: 409, code: 'not_editable', title: 'The model cannot be edited as it is' },
  exportExists: { status: 409, code: 'export_exists', title: 'Another export has the name' },
  nothingToFold: { status: 409, code: 'nothing_to_fold', title: 'There are no edits to fold' },
  keyNameTaken: { status: 409, code: 'key_name_taken', title: 'Another key has the name' },
  lastAdminKey: { status: 409, code: 'last_admin_key', title: 'There is no other admin key' },
  taskEnded: { status: 409, code: 'task_ended', title: 'The task has ended' },
  notTheEditor: { status: 409, code: 'not_the_editor', title: 'Another server edits' },
  notAlone: { status: 409, code: 'not_alone', title: 'Other servers have the same index' },
  precondition: { status: 412, code: 'precondition_failed', title: 'The document is another one' },
  bodyTooLarge: { status: 413, code: 'body_too_large', title: 'The body is too large' },
  mediaType: { status: 415, code: 'unsupported_media_type', title: 'The body has another type' },
  editRefused: { status: 422, code: 'edit_refused', title: 'The edit would do too much harm' },
  nothingToIndex: { status: 422, code: 'nothing_to_index', title: 'No query can be made of the text' },
  keyReused: { status: 422, code: 'idempotency_key_reused', title: 'The key belongs to another request' },
  queueFull: { status: 429, code: 'queue_full', title: 'Too many queries wait' },
  rateLimited: { status: 429, code: 'rate_limited', title: 'Too many requests' },
  taskQueueFull: { status: 429, code: 'task_queue_full', title: 'Too many tasks wait' },
  analysisFailed: { status: 500, code: 'analysis_failed', title: 'The model cannot be analysed' },
  internal: { status: 500, code: 'internal_error', title: 'The server failed' },
  notReady: { status: 503, code: 'not_ready', title: 'The server is not ready' },
  editNotFound: { status: 404, code: 'edit_not_found', title: 'No such edit' },
  editorUnavailable: { status: 503, code: 'editor_unavailable', title: 'Nothing can be edited now' },
  importStopped: { status: 503, code: 'import_stopped', title: 'Lines cannot be added now' },
  storeBusy: { status: 503, code: 'store_busy', title: 'Something else is being written' },
  diskFull: { status: 507, code: 'disk_full', title: 'The disk is full' },
  modelUnavailable: { status: 503, code: 'model_unavailable', title: 'The model does not answer' },
} as const satisfies Record<string, Kind>;

/** All kinds of problems there are. */
export const problemKinds: readonly Kind[] = Object.values(kinds);

interface Answer {
  readonly kind: Kind;
  /** The error's message where left out. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  readonly figures?: EditFigures;
  readonly headers?: Readonly<Record<string, string>>;
}

type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

const row = <E extends Error>(type: ErrorClass<E>, answer: (error: E) => Answer) => ({
  type,
  answer: answer as (error: Error) => Answer,
});

const retrySoon = { 'Retry-After': '1' };
/** Seconds until a loading model, the server that follows a closing one, or the end of a task is likely. */
const retryLater = { 'Retry-After': '5' };

const fieldAnswer = (path: string, expected: string, actual: string): Answer => ({
  kind: kinds.invalidRequest,
  errors: [{ path, message: `expected ${expected}, got ${actual}` }],
});

/** Errors of classes that only the editing thread loads, by their names. */
const editorKinds: { readonly [name: string]: Kind | undefined } = {
  EntryFormatError: kinds.notEditable,
  NoInteractionStageError: kinds.notEditable,
  MergeError: kinds.notEditable,
  NotAtomicError: kinds.notEditable,
  NothingToIndexError: kinds.nothingToIndex,
};

const nothingToFold = 'compaction: expected edits to fold, got none since the last compaction; nothing is to be done';

function editorAnswer({ name }: EditorError): Answer {
  if (name === 'NothingToFoldError') return { kind: kinds.nothingToFold, detail: nothingToFold };
  const kind = editorKinds[name];
  if (kind) return { kind };
  return {
    kind: kinds.editorUnavailable,
    detail:
      'editor: expected the edit to be made, got none; try again in a moment, the reason is in the log of the server',
    headers: retryLater,
  };
}

const answers = [
  row(ValidationError, ({ errors }) => ({ kind: kinds.invalidRequest, errors })),
  row(KeyRequiredError, ({ challenge }) => ({
    kind: kinds.unauthorized,
    headers: { 'WWW-Authenticate': challenge },
  })),
  row(ScopeError, ({ challenge }) => ({ kind: kinds.insufficientScope, headers: { 'WWW-Authenticate': challenge } })),
  row(InvalidFilterError, ({ path, expected, actual }) => ({
    kind: kinds.invalidFilter,
    errors: [{ path, message: `expected ${expected}, got ${actual}` }],
  })),
  row(InvalidDocumentError, ({ path, expected, actual }) => fieldAnswer(path, expected, actual)),
  row(InvalidOperationError, ({ path, expected, actual }) => fieldAnswer(path, expected, actual)),
  row(DocidTakenError, () => ({ kind: kinds.docidTaken })),
  row(PreconditionError, () => ({ kind: kinds.precondition })),
  row(VersionConflictError, () => ({ kind: kinds.precondition })),
  row(IdempotencyKeyError, () => ({ kind: kinds.keyReused })),
  row(EditRefusedError, ({ figures }) => ({ kind: kinds.editRefused, figures })),
  row(UnknownEditError, () => ({ kind: kinds.editNotFound })),
  row(AlreadyUndoneError, () => ({ kind: kinds.notUndoable })),
  row(UndoConflictError, () => ({ kind: kinds.notUndoable })),
  row(FoldedEditError, () => ({ kind: kinds.notUndoable })),
  row(ForgottenError, () => ({ kind: kinds.notUndoable })),
  row(ForeignEditsError, () => ({ kind: kinds.notEditable })),
  row(CircuitEditError, () => ({ kind: kinds.notEditable })),
  row(StoreFullError, () => ({
    kind: kinds.diskFull,
    detail: 'disk: expected room to write, got none; nothing was changed: free some space and try again',
  })),
  row(SearcherError, () => ({ kind: kinds.notTheEditor })),
  row(SharedIndexError, () => ({ kind: kinds.notAlone })),
  row(StandbyError, () => ({ kind: kinds.editorUnavailable, headers: retryLater })),
  row(StreamConflictError, () => ({ kind: kinds.editorUnavailable, headers: retryLater })),
  row(StreamUnavailableError, () => ({
    kind: kinds.editorUnavailable,
    detail:
      'database: expected an answer, got none; whether the edit was made is not known: repeat it under the same Idempotency-Key',
    headers: retryLater,
  })),
  row(EditorError, editorAnswer),
  row(UnknownDocidError, () => ({ kind: kinds.unknownDocid })),
  row(DocumentNotFoundError, () => ({ kind: kinds.documentNotFound })),
  row(AnalysisNotFoundError, () => ({ kind: kinds.analysisNotFound })),
  row(AnalysisError, () => ({ kind: kinds.analysisFailed })),
  row(RouteNotFoundError, () => ({ kind: kinds.routeNotFound })),
  row(MethodNotAllowedError, ({ allowed }) => ({
    kind: kinds.methodNotAllowed,
    headers: { Allow: allowed.join(', ') },
  })),
  row(MediaTypeError, () => ({ kind: kinds.mediaType })),
  row(QueueFullError, () => ({ kind: kinds.queueFull, headers: retrySoon })),
  row(RateLimitError, ({ retryAfterSeconds }) => ({
    kind: kinds.rateLimited,
    headers: { 'Retry-After': String(retryAfterSeconds) },
  })),
  row(ExplainerBusyError, () => ({ kind: kinds.queueFull, headers: retrySoon })),
  row(KeyNotFoundError, () => ({ kind: kinds.keyNotFound })),
  row(KeyExistsError, () => ({ kind: kinds.keyNameTaken })),
  row(LastAdminKeyError, () => ({ kind: kinds.lastAdminKey })),
  row(TaskNotFoundError, () => ({ kind: kinds.taskNotFound })),
  row(CircuitCompactionError, () => ({ kind: kinds.notEditable })),
  row(NothingToFoldError, () => ({ kind: kinds.nothingToFold, detail: nothingToFold })),
  row(ExportExistsError, () => ({ kind: kinds.exportExists })),
  row(ExportNotFoundError, () => ({ kind: kinds.exportNotFound })),
  row(SnapshotNotFoundError, () => ({ kind: kinds.snapshotNotFound })),
  row(TaskResultsError, () => ({ kind: kinds.noResults })),
  row(ImportTooLargeError, () => ({ kind: kinds.bodyTooLarge })),
  row(ImportStoppedError, () => ({ kind: kinds.importStopped })),
  row(TaskEndedError, () => ({ kind: kinds.taskEnded })),
  row(TaskQueueFullError, () => ({ kind: kinds.taskQueueFull, headers: retryLater })),
  row(TasksClosedError, () => ({ kind: kinds.notReady, headers: retryLater })),
  row(NotReadyError, () => ({ kind: kinds.notReady, headers: retryLater })),
  row(PoolError, () => ({
    kind: kinds.modelUnavailable,
    detail: 'model: expected an answer, got none; try again in a moment, the reason is in the log of the server',
    headers: retryLater,
  })),
  row(ExplainerError, () => ({
    kind: kinds.modelUnavailable,
    detail:
      'model: expected an explanation, got none; try again in a moment or ask without explain, the reason is in the log of the server',
    headers: retryLater,
  })),
];

/** What express and its body parser throw, told by their `type` or, without one, by their status. */
const expressSchema = z.object({
  status: z.int().min(400).max(499),
  type: z.string().optional(),
  message: z.string(),
  /** Bytes of a body that was too large. */
  limit: z.number().optional(),
});

function answerOfExpress(error: unknown): Answer | undefined {
  const parsed = expressSchema.safeParse(error);
  if (!parsed.success) return undefined;
  const { status, type, message, limit } = parsed.data;
  if (type === 'entity.parse.failed')
    return { kind: kinds.malformedJson, detail: `request: expected a body of JSON, got ${message}` };
  if (status === 413)
    return {
      kind: kinds.bodyTooLarge,
      detail: `request: expected a body of at most ${limit} bytes, got more; send less at a time`,
    };
  if (status === 415) return { kind: kinds.mediaType, detail: `request: ${message}` };
  return { kind: kinds.malformedRequest, detail: `request: ${message}` };
}

/** Another connection, the editing thread's say, held the store's lock for longer than this one waits. */
function answerOfStore(error: unknown): Answer | undefined {
  if (!(error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY'))) return undefined;
  return {
    kind: kinds.storeBusy,
    detail:
      'store: expected a turn to write, got none in time, since something else is being written; try again in a moment, an edit under the same Idempotency-Key',
    headers: retryLater,
  };
}

function answerOf(error: unknown): Answer | undefined {
  const found = error instanceof Error ? answers.find(({ type }) => error instanceof type)?.answer(error) : undefined;
  return found ?? answerOfStore(error) ?? answerOfExpress(error);
}

/** An error as one line of an import tells it. */
export function lineFaultOf(error: unknown): { status: number; code: string; detail: string; errors: FieldError[] } {
  const { kind, detail, errors = [] } = answerOf(error) ?? { kind: kinds.internal };
  const message = kind === kinds.internal ? internalDetail : String((error as Error).message);
  return { status: kind.status, code: kind.code, detail: detail ?? message, errors: [...errors] };
}

const internalDetail = 'server: an unexpected error; its log has more under the request id';

/** What a task says of the error that ended it. */
export function faultOf(error: unknown): TaskFault {
  const known = answerOf(error);
  const message = error instanceof Error ? error.message || error.name : String(error);
  return { code: (known?.kind ?? kinds.internal).code, message: known?.detail ?? message };
}

/** The errors of a schema, one for each field, named as a JavaScript programmer would reach them: `queries[3]`. */
export function validationError({ issues }: z.ZodError): ValidationError {
  const errors = issues.flatMap((issue): FieldError[] => {
    const path = fieldPath(issue.path);
    if (issue.code !== 'unrecognized_keys') return [{ path, message: withInput(issue) }];
    return issue.keys.map((key) => ({
      path: fieldPath([...issue.path, key]),
      message: 'unknown field; see /docs for the fields',
    }));
  });
  return new ValidationError(errors);
}

/** Zod's message, and what came where that is short; `safeParse` must have been told to report inputs. */
function withInput({ code, message, input }: z.core.$ZodIssue): string {
  return code === 'custom' || message.includes(', received ') ? message : `${message}, got ${describeJson(input)}`;
}

function fieldPath(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`)).join('');
}

/** Writes problems. What is our own fault goes to `log` with its stack, and to the client without. */
export function problemHandler(log: (line: string, fields?: object) => void): ErrorRequestHandler {
  return (error: unknown, request, response, next) => {
    if (response.headersSent) return next(error);
    const requestId = String(response.getHeader('x-request-id'));
    const known = answerOf(error);
    const {
      kind,
      errors = [],
      figures,
      headers = {},
      ...rest
    } = known ?? { kind: kinds.internal, detail: internalDetail };
    const message = error instanceof Error ? error.message : String(error);
    if (kind.status >= 500 && !(error instanceof NotReadyError)) {
      const said = known || !(error instanceof Error) ? message : (error.stack ?? message);
      log(`${request.method} ${request.path} ${requestId}: ${said}`, { requestId, code: kind.code });
    }
    const body: Problem = {
      type: `/docs#${kind.code}`,
      title: kind.title,
      status: kind.status,
      detail: rest.detail ?? message,
      instance: request.path,
      code: kind.code,
      errors: [...errors],
      ...(figures && { figures }),
      requestId,
    };
    response.status(kind.status).set(headers).type('application/problem+json').send(JSON.stringify(body));
  };
}
