import { describeJson, excerpt } from './documents.ts';
import { ImportError } from './import-error.ts';
import type { FilePlace } from './import-error.ts';
import { readLines } from './lines.ts';
import type { Line, SourceFile } from './lines.ts';

export type JsonObject = Record<string, unknown>;

/** A line of a JSONL file with its object. */
export interface JsonLine extends Line {
  object: JsonObject;
}

/** The objects of a JSONL file, one a line; blank lines are passed over. @throws ImportError */
export function* readJsonLines(file: SourceFile): Generator<JsonLine, void, undefined> {
  for (const line of readLines(file)) {
    if (line.text.trim() === '') continue;
    yield { ...line, object: parseObject({ file: file.name, line: line.line }, line.text) };
  }
}

function parseObject(place: FilePlace, text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ImportError(place, 'a JSON object', `${excerpt(text)}, which is not valid JSON`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ImportError(place, 'a JSON object', describeJson(value));
  return value as JsonObject;
}

/** An identifier: a string, or a whole number written as one. @throws ImportError */
export function identifierField(place: FilePlace, object: JsonObject, field: string): string {
  const value = object[field];
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value !== 'string') throw new ImportError(place, `a string in '${field}'`, describeJson(value));
  return value;
}

/** @throws ImportError */
export function textField(place: FilePlace, object: JsonObject, field: string): string {
  const value = object[field];
  if (typeof value !== 'string') throw new ImportError(place, `a string in '${field}'`, describeJson(value));
  return value;
}

/** A string, or the empty one where the field is missing or null. @throws ImportError */
export function optionalTextField(place: FilePlace, object: JsonObject, field: string): string {
  return (object[field] ?? null) === null ? '' : textField(place, object, field);
}

/** An object, or an empty one where the field is missing or null. @throws ImportError */
export function metadataField(place: FilePlace, object: JsonObject): JsonObject {
  const value = object.metadata ?? {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw new ImportError(place, `an object in 'metadata'`, describeJson(value));
  return value as JsonObject;
}
