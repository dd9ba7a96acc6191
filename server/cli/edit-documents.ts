/** @file Documents to edit, as options or files have them. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { NewDocument } from '../../corpus/documents.ts';
import { ImportError } from '../../corpus/import-error.ts';
import { identifierField, optionalTextField, metadataField, type JsonObject } from '../../corpus/json-lines.ts';
import { readJsonLines } from '../../corpus/json-lines.ts';
import { docidFields } from '../../corpus/jsonl.ts';
import { UsageError } from './command.ts';

export interface GivenDocument {
  readonly document: NewDocument;
  readonly queries?: readonly string[];
}

const fields = new Set<string>([...docidFields, 'title', 'text', 'metadata', 'queries']);

/**
 * Documents of a JSON file (one object or a list of them) or a JSONL file: docid (also `id`, `_id`), title, text, metadata,
 * queries.
 *
 * @throws ImportError
 */
export function readDocuments(path: string): GivenDocument[] {
  const name = basename(path);
  if (/\.(jsonl|ndjson)$/i.test(path))
    return [...readJsonLines({ path, name })].map(({ line, object }) => given({ file: name, line }, object));
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw new ImportError({ file: name }, 'JSON, or JSON lines in a file that ends in .jsonl', actual, { cause });
  }
  const list = Array.isArray(json) ? (json as unknown[]) : [json];
  return list.map((object, i) => {
    const place = { file: list.length > 1 ? `${name}[${i}]` : name };
    if (typeof object !== 'object' || object === null || Array.isArray(object))
      throw new ImportError(place, 'an object', JSON.stringify(object) ?? 'nothing');
    return given(place, object as JsonObject);
  });
}

function given(place: { file: string; line?: number }, object: JsonObject): GivenDocument {
  const extra = Object.keys(object).find((name) => !fields.has(name));
  if (extra !== undefined)
    throw new ImportError(place, `only ${[...fields].join(', ')} (others under 'metadata')`, `'${extra}'`);
  const [field, ...others] = docidFields.filter((name) => object[name] !== undefined);
  if (field === undefined || others.length) throw new ImportError(place, `one of ${docidFields.join(', ')}`, 'not one');
  const document: NewDocument = {
    docid: identifierField(place, object, field),
    title: optionalTextField(place, object, 'title'),
    text: optionalTextField(place, object, 'text'),
    metadata: metadataField(place, object),
  };
  const { queries } = object;
  if (queries === undefined) return { document };
  if (!Array.isArray(queries) || !queries.every((query) => typeof query === 'string'))
    throw new ImportError(place, `a list of strings in 'queries'`, JSON.stringify(queries));
  return { document, queries };
}

/** One query a line; empty lines say nothing. @throws UsageError */
export function readQueries(path: string): string[] {
  const queries = readText(path, '--queries')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  if (!queries.length) throw new UsageError(`--queries ${path}: expected one query a line, got none`);
  return queries;
}

/** @throws UsageError */
export function readText(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${option} ${path}: expected a text file, got ${actual}`);
  }
}
