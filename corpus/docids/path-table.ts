import { describeJson, identifierProblem } from '../documents.ts';
import { InvalidDocidTableError } from './scheme.ts';
import type { DocidScheme, DocidTable } from './scheme.ts';

/** Schemes whose docids are paths of several tokens. */
export type PathScheme = Exclude<DocidScheme, 'atomic'>;

export interface PathDocidTable extends DocidTable {
  scheme: PathScheme;
  /** In the order of document numbers. */
  rows: PathRow[];
}

export interface PathRow {
  docid: string;
  /** Names of tokens, a blank between two. */
  path: string;
  /** Its path waits for it to come back. */
  removed?: true;
  /** Paths it had before, oldest first; nobody else gets them. */
  former?: string[];
}

const schemes = { naive: true, semantic: true, hashed: true, lexical: true } as const satisfies Record<
  PathScheme,
  true
>;

/** @throws InvalidDocidTableError */
export function checkPathTable(json: unknown): PathDocidTable {
  const { scheme, rows, ...others } = fieldsOf('docids', json);
  if (typeof scheme !== 'string' || !Object.hasOwn(schemes, scheme))
    throw new InvalidDocidTableError(
      'docids.scheme',
      `one of ${Object.keys(schemes).join(', ')}`,
      describeJson(scheme),
    );
  refuseOthers('docids', 'the fields scheme and rows', others);
  if (!Array.isArray(rows)) throw new InvalidDocidTableError('docids.rows', 'a list', describeJson(rows));
  const seen = new Map<string, number>();
  for (const [row, entry] of (rows as unknown[]).entries()) {
    const docid = checkRow(`docids.rows[${row}]`, entry);
    const earlier = seen.get(docid);
    if (earlier !== undefined)
      throw new InvalidDocidTableError(
        `docids.rows[${row}]`,
        'every docid once',
        `'${docid}', which row ${earlier} has`,
      );
    seen.set(docid, row);
  }
  return { scheme: scheme as PathScheme, rows: rows as PathRow[] };
}

function checkRow(where: string, json: unknown): string {
  const { docid, path, removed, former = [], ...others } = fieldsOf(where, json);
  refuseOthers(where, 'the fields docid, path, removed and former', others);
  if (typeof docid !== 'string') throw new InvalidDocidTableError(`${where}.docid`, 'a docid', describeJson(docid));
  const problem = identifierProblem(docid);
  if (problem) throw new InvalidDocidTableError(`${where}.docid`, problem.expected, problem.actual);
  if (removed !== undefined && removed !== true)
    throw new InvalidDocidTableError(`${where}.removed`, 'true or nothing', describeJson(removed));
  if (!Array.isArray(former))
    throw new InvalidDocidTableError(`${where}.former`, 'a list of paths', describeJson(former));
  const paths: [string, unknown][] = [
    ['path', path],
    ...former.map((one, i): [string, unknown] => [`former[${i}]`, one]),
  ];
  for (const [field, value] of paths)
    if (typeof value !== 'string' || value.split(' ').includes(''))
      throw new InvalidDocidTableError(
        `${where}.${field}`,
        'names of tokens, one blank between two',
        describeJson(value),
      );
  return docid;
}

function fieldsOf(where: string, json: unknown): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new InvalidDocidTableError(where, 'an object', describeJson(json));
  return json as Record<string, unknown>;
}

function refuseOthers(where: string, expected: string, others: Record<string, unknown>): void {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new InvalidDocidTableError(where, expected, `'${unknown}'`);
}
