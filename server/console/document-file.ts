/** Documents of a file that a person chose: JSON by lines, or one JSON array. What they may hold the server says. */

export interface FileDocument {
  readonly docid: string;
  readonly title?: string;
  readonly text?: string;
  readonly [field: string]: unknown;
}

export interface ReadFile {
  /** Lines are counted from 1; of an array, its elements. */
  readonly documents: readonly { readonly line: number; readonly document: FileDocument }[];
  readonly faults: readonly { readonly line: number; readonly message: string }[];
}

export function readDocuments(text: string): ReadFile {
  const documents: { line: number; document: FileDocument }[] = [];
  const faults: { line: number; message: string }[] = [];
  for (const { line, value } of valuesOf(text.replace(/^\ufeff/, ''))) {
    const read = value instanceof Error ? value.message : documentOf(value);
    if (typeof read === 'string') faults.push({ line, message: read });
    else documents.push({ line, document: read });
  }
  return { documents, faults };
}

function valuesOf(text: string): { line: number; value: unknown }[] {
  if (text.trimStart().startsWith('[')) {
    const all = parsed(text);
    return Array.isArray(all) ? all.map((value: unknown, i) => ({ line: i + 1, value })) : [{ line: 1, value: all }];
  }
  return text.split('\n').flatMap((row, i) => (row.trim() === '' ? [] : [{ line: i + 1, value: parsed(row) }]));
}

/** The value, or the error. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}

/** The document, or what is wrong with it. */
function documentOf(value: unknown): FileDocument | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'expected a JSON object';
  const { _id, docid = _id, ...fields } = value as Record<string, unknown>;
  if (typeof docid !== 'string' || docid === '') return 'expected a docid (or _id), got none';
  return { docid, ...fields };
}
