import { parseFilter } from './filter.ts';
import type { Comparison, Condition, FilterScalar, MetadataFilter } from './filter.ts';

/** A piece of SQL that is true or false, with the values of its question marks. */
export interface SqlCondition {
  sql: string;
  params: (string | number)[];
}

/**
 * A filter as a condition on the column `column` that holds JSON text. Nothing of the filter enters the SQL text: paths
 * and values are bound, operators come from the table below.
 *
 * @throws InvalidFilterError
 */
export function compileFilter(filter: MetadataFilter, column: 'd.metadata'): SqlCondition {
  return compile(parseFilter(filter), column);
}

function compile(condition: Condition, column: string): SqlCondition {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return join(
        condition.parts.map((part) => compile(part, column)),
        condition.kind,
      );
    case 'not': {
      const part = compile(condition.part, column);
      return { sql: `NOT ${part.sql}`, params: part.params };
    }
    case 'exists':
      // json_type is the name of a type, 'null' for null, and SQL's NULL where the path leads nowhere.
      return { sql: `(coalesce(json_type(${column}, ?), 'null') <> 'null')`, params: [jsonPath(condition.path)] };
    case 'any':
      return onScalars(condition.path, column, anyOf(condition.values));
    case 'order': {
      const { comparison, bound } = condition;
      const { value, types } = typeof bound === 'string' ? sqlText : sqlNumber;
      const sql = `(v.type IN ${types} AND ${value} ${comparisons[comparison]} ?)`;
      return onScalars(condition.path, column, { sql, params: [bound] });
    }
  }
}

const comparisons: { [C in Comparison]: string } = { gt: '>', gte: '>=', lt: '<', lte: '<=' };
const sqlText = { value: 'v.value', types: `('text')` };
// Large integers that JavaScript wrote as doubles become doubles again, so that both sides compare the same numbers.
const sqlNumber = { value: 'CAST(v.value AS REAL)', types: `('integer', 'real')` };

/** True when one of the field's scalars meets `test`, which speaks of `v.type` and `v.value`. */
function onScalars(path: string[], column: string, test: SqlCondition): SqlCondition {
  const where = jsonPath(path);
  return {
    // json_each gives a scalar as its one row and a list as its elements; an object's members are not its values.
    sql:
      `(coalesce(json_type(${column}, ?), 'object') <> 'object' AND ` +
      `EXISTS (SELECT 1 FROM json_each(${column}, ?) AS v WHERE ${test.sql}))`,
    params: [where, where, ...test.params],
  };
}

function anyOf(values: FilterScalar[]): SqlCondition {
  const texts = values.filter((value) => typeof value === 'string');
  const numbers = values.filter((value) => typeof value === 'number');
  const booleans = values.filter((value) => typeof value === 'boolean');
  const tests: SqlCondition[] = [];
  for (const [{ value, types }, list] of [
    [sqlText, texts],
    [sqlNumber, numbers],
  ] as const)
    if (list.length > 0)
      tests.push({
        sql: `(v.type IN ${types} AND ${value} IN (${list.map(() => '?').join(', ')}))`,
        params: [...list],
      });
  for (const value of new Set(booleans)) tests.push({ sql: `v.type = '${value ? 'true' : 'false'}'`, params: [] });
  return join(tests, 'or');
}

function join(parts: SqlCondition[], operator: 'and' | 'or'): SqlCondition {
  if (parts.length === 0) return { sql: operator === 'and' ? '1' : '0', params: [] };
  const sql = parts.map((part) => part.sql).join(operator === 'and' ? ' AND ' : ' OR ');
  return { sql: `(${sql})`, params: parts.flatMap((part) => part.params) };
}

function jsonPath(path: string[]): string {
  return `$${path.map((key) => `."${key}"`).join('')}`;
}
