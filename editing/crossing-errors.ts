/** @file Errors on their way from the editing thread to the one that asked: class, message, fields and stack. */
import { InvalidDocumentError, UnknownDocidError } from '../corpus/documents.ts';
import { StoreOpenError, StoreVersionError } from '../corpus/open.ts';
import { DocidTakenError, StoreFullError } from '../corpus/store.ts';
import { ModelFolderError } from '../models/folder.ts';
import { CircuitEditError } from './circuit-edits.ts';
import { ForgottenError } from './document-history.ts';
import { ForeignEditError } from './edit-commit.ts';
import { UnknownEditError } from './edit-log.ts';
import { ForeignEditsError } from './log-base.ts';
import { IdempotencyKeyError, InvalidOperationError, VersionConflictError } from './operations.ts';
import { ForeignStreamError, StreamAccessError } from './stream/edit-stream.ts';
import { StreamConflictError, StreamUnavailableError } from './stream/edit-stream.ts';
import { AlreadyUndoneError, FoldedEditError, UndoConflictError } from './undo.ts';

export interface CrossingError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Those that can be sent. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The editing thread is closed, could not start, or died; or an error of a class that only it knows, under its name. */
export class EditorError extends Error {
  override name = 'EditorError';
}

/** Classes that lead to no onnxruntime, which the thread that asks does not need otherwise. */
const classes: readonly { readonly prototype: Error; readonly name: string }[] = [
  AlreadyUndoneError,
  CircuitEditError,
  DocidTakenError,
  FoldedEditError,
  ForeignEditError,
  ForeignEditsError,
  ForeignStreamError,
  ForgottenError,
  IdempotencyKeyError,
  InvalidDocumentError,
  InvalidOperationError,
  ModelFolderError,
  StoreFullError,
  StoreOpenError,
  StoreVersionError,
  StreamAccessError,
  StreamConflictError,
  StreamUnavailableError,
  UndoConflictError,
  UnknownDocidError,
  UnknownEditError,
  VersionConflictError,
];

export function sendable(error: unknown): CrossingError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined, fields: {} };
  const { name, message, stack } = error;
  const fields = Object.entries(error).filter(([key, value]) => key !== 'name' && isPlain(value));
  return { name, message, stack, fields: Object.fromEntries(fields) };
}

/** The error again: `instanceof` its class, or an `EditorError` of its name. */
export function received({ name, message, stack, fields }: CrossingError): Error {
  const error = new EditorError(message);
  const known = classes.find((one) => one.name === name);
  if (known) Object.setPrototypeOf(error, known.prototype);
  Object.assign(error, fields, { name });
  if (stack !== undefined) error.stack = stack;
  return error;
}

const isPlain = (value: unknown): boolean =>
  value === null || ['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value);
