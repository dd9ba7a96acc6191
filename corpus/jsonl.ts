import { basename } from 'node:path';
import { describeJson } from './documents.ts';
import { ImportError } from './import-error.ts';
import type { FilePlace } from './import-error.ts';
import { importDocuments } from './import.ts';
import type { ImportCounts, ImportOptions, SourceDocument } from './import.ts';
import { identifierField, metadataField, optionalTextField, readJsonLines, textField } from './json-lines.ts';
import type { JsonObject } from './json-lines.ts';
import type { SourceFile } from './lines.ts';
import type { Store } from './store.ts';

/** Names under which a file may keep its docids; a file uses one of them. */
export const docidFields = ['docid', 'id', '_id'] as const;

const fields = new Set<string>([...docidFields, 'title', 'text', 'metadata']);

/**
 * Documents as JSONL: `{"docid": "a", "title": "…", "text": "…", "metadata": {…}}`, docid also spelled `id` or `_id`.
 * A field of another name is refused, so that none is lost unseen; what belongs to the document goes under `metadata`.
 * @throws ImportError
 */
export function* readJsonlDocuments(file: SourceFile): Generator<SourceDocument, void, undefined> {
  for (const { line, bytes, object } of readJsonLines(file)) {
    const place = { file: file.name, line };
    const extra = Object.keys(object).filter((name) => !fields.has(name));
    if (extra.length > 0)
      throw new ImportError(place, `only ${[...fields].join(', ')} (others under 'metadata')`, nameList(extra));
    const document = {
      docid: identifierField(place, object, docidFieldOf(place, object)),
      title: optionalTextField(place, object, 'title'),
      text: textField(place, object, 'text'),
      metadata: metadataField(place, object),
    };
    yield { line, bytes, document };
  }
}

/** Imports a JSONL file of documents in one transaction. @throws ImportError */
export function importJsonl(store: Store, path: string, options: ImportOptions = {}): ImportCounts {
  const file = { path, name: basename(path) };
  return importDocuments(store, file, readJsonlDocuments(file), options);
}

function docidFieldOf(place: FilePlace, object: JsonObject): string {
  const present = docidFields.filter((name) => object[name] !== undefined);
  if (present.length === 1) return present[0];
  const actual = present.length === 0 ? describeJson(undefined) : nameList(present);
  throw new ImportError(place, `one of ${docidFields.join(', ')}`, actual);
}

function nameList(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}
