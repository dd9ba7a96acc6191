import { UnknownDocidError } from './documents.ts';
import type { MetadataFilter } from './filter.ts';
import { compileFilter } from './filter-sql.ts';
import type { SqlCondition } from './filter-sql.ts';
import type { Store } from './store.ts';

/** What a request may retrieve, beside "live": the documents that meet the filter, are allowed, and are not denied. */
export interface Constraint {
  filter?: MetadataFilter;
  /** Only these docids. */
  allow?: readonly string[];
  /** None of these docids. */
  deny?: readonly string[];
}

/** A docid ↔ row table as decoding needs it; `AtomicDocids` is one. */
export interface DocidRows {
  /** Number of rows, free ones included. */
  readonly rows: number;
  rowOf(docid: string): number | undefined;
}

/**
 * Which rows may be retrieved: 1 where the row's document is live and meets the constraint, 0 elsewhere (free rows,
 * documents the store does not have). A live document without a row has no place in the answer.
 *
 * @throws InvalidFilterError, UnknownDocidError
 */
export function allowedRows(store: Store, table: DocidRows, constraint: Constraint = {}): Uint8Array {
  const allowed = new Uint8Array(table.rows);
  for (const docid of store.liveDocids(constraint)) {
    const row = table.rowOf(docid);
    if (row !== undefined) allowed[row] = 1;
  }
  return allowed;
}

/**
 * The constraint as SQL on `documents AS d`. Lists travel as one JSON parameter each, however long.
 * `knows` tells whether the corpus has, or had, a docid: a list that names another one is a mistake of the caller.
 *
 * @throws InvalidFilterError, UnknownDocidError
 */
export function compileConstraint(constraint: Constraint, knows: (docid: string) => boolean): SqlCondition {
  const parts: SqlCondition[] = [{ sql: `d.state = 'live'`, params: [] }];
  for (const [list, operator] of [
    ['allow', 'IN'],
    ['deny', 'NOT IN'],
  ] as const) {
    const docids = constraint[list];
    if (docids === undefined) continue;
    const unknown = docids.find((docid) => !knows(docid));
    if (unknown !== undefined) throw new UnknownDocidError(list, unknown);
    parts.push({
      sql: `d.docid ${operator} (SELECT value FROM json_each(?))`,
      params: [JSON.stringify(docids)],
    });
  }
  if (constraint.filter) parts.push(compileFilter(constraint.filter, 'd.metadata'));
  return { sql: parts.map((part) => part.sql).join(' AND '), params: parts.flatMap((part) => part.params) };
}
