import { describeJson } from './documents.ts';

/**
 * A condition on the metadata of documents, as it comes in a request. Every entry must hold:
 *
 *     { category: 'history', year: { gte: 1900, lt: 1950 }, tags: ['war', 'peace'], 'author.name': { exists: true } }
 *     { or: [{ category: 'arts' }, { not: { year: { lt: 2000 } } }] }
 *
 * A key is a dotted path into the metadata; `and`, `or` and `not` are taken, and so is all that begins with `$`, as
 * operators do elsewhere. A field that holds a list answers for each
 * of its elements: `tags: 'war'` holds when one of them is 'war'; `ne` and `nin` are the exact opposites of `eq` and `in`,
 * so they hold where the field is missing. Values of different types are never equal and never ordered.
 */
export interface MetadataFilter {
  [field: string]: FieldCondition | MetadataFilter | MetadataFilter[] | undefined;
}

export type FilterScalar = string | number | boolean;

/** A scalar: equals. A list: any of. An object: every operator in it. */
export type FieldCondition = FilterScalar | FilterScalar[] | FieldOperators;

export interface FieldOperators {
  eq?: FilterScalar;
  ne?: FilterScalar;
  in?: FilterScalar[];
  nin?: FilterScalar[];
  gt?: number | string;
  gte?: number | string;
  lt?: number | string;
  lte?: number | string;
  /** Whether the field is there and is not null. */
  exists?: boolean;
}

/** A filter that says nothing clear. */
export class InvalidFilterError extends Error {
  override readonly name = 'InvalidFilterError';
  /** Where in the filter: `filter.or[1].year.gte`. */
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

/** A filter after parsing: what both the SQL compiler and the matcher in memory walk. */
export type Condition =
  | { kind: 'and' | 'or'; parts: Condition[] }
  | { kind: 'not'; part: Condition }
  | { kind: 'exists'; path: string[] }
  | { kind: 'any'; path: string[]; values: FilterScalar[] }
  | { kind: 'order'; path: string[]; comparison: Comparison; bound: number | string };

export type Comparison = 'gt' | 'gte' | 'lt' | 'lte';

/**
 * SQLite takes 32,766 bound parameters a statement and expressions 1,000 deep, and each condition of a long AND or OR is
 * one level deeper. Far fewer are far more than enough.
 */
const maxValues = 10_000;
const maxConditions = 500;
const maxDepth = 16;

/** @throws InvalidFilterError */
export function parseFilter(filter: MetadataFilter): Condition {
  const budget = { values: maxValues, conditions: maxConditions };
  return parseObject(filter, 'filter', budget, 0);
}

interface Budget {
  values: number;
  conditions: number;
}

/** Counts a condition: a field with one operator, a filter in a list, an and, or or not. */
function spendCondition(budget: Budget, at: string): void {
  if (--budget.conditions < 0)
    throw new InvalidFilterError(at, `at most ${maxConditions} conditions in a filter`, 'more');
}

function parseObject(filter: unknown, at: string, budget: Budget, depth: number): Condition {
  if (!isObject(filter)) throw new InvalidFilterError(at, 'an object of field conditions', describeJson(filter));
  if (depth > maxDepth) throw new InvalidFilterError(at, `at most ${maxDepth} levels of and, or and not`, 'more');
  if (depth > 0) spendCondition(budget, at);
  const parts: Condition[] = [];
  for (const [key, value] of Object.entries(filter)) {
    if (value === undefined) continue;
    const here = `${at}.${key}`;
    if (key === 'and' || key === 'or') {
      spendCondition(budget, here);
      if (!Array.isArray(value) || value.length === 0)
        throw new InvalidFilterError(here, 'a list of at least one filter', describeJson(value));
      parts.push({
        kind: key,
        parts: value.map((item, i) => parseObject(item, `${here}[${i}]`, budget, depth + 1)),
      });
    } else if (key === 'not') {
      parts.push({ kind: 'not', part: parseObject(value, here, budget, depth + 1) });
    } else {
      parts.push(...parseField(parsePath(key, here), value, here, budget));
    }
  }
  return { kind: 'and', parts };
}

/** The dotted path as keys. A `$` is meant for an operator. Quotes and backslashes have no agreed escape in SQLite's JSON paths, so they are refused. */
function parsePath(field: string, at: string): string[] {
  if (field.startsWith('$'))
    throw new InvalidFilterError(at, `and, or, not, or a field with one of ${known}`, `'${field}'`);
  const path = field.split('.');
  if (path.some((key) => key === '') || /["\\\u0000-\u001f]|\p{Surrogate}/u.test(field))
    throw new InvalidFilterError(at, 'a dotted path of keys without quotes or backslashes', `'${field}'`);
  return path;
}

type OperatorParser = (path: string[], value: unknown, at: string, budget: Budget) => Condition;

const operators: { [O in keyof Required<FieldOperators>]: OperatorParser } = {
  eq: (path, value, at, budget) => ({ kind: 'any', path, values: [parseScalar(value, at, budget)] }),
  ne: (path, value, at, budget) => ({
    kind: 'not',
    part: { kind: 'any', path, values: [parseScalar(value, at, budget)] },
  }),
  in: (path, value, at, budget) => ({ kind: 'any', path, values: parseScalars(value, at, budget) }),
  nin: (path, value, at, budget) => ({
    kind: 'not',
    part: { kind: 'any', path, values: parseScalars(value, at, budget) },
  }),
  gt: order('gt'),
  gte: order('gte'),
  lt: order('lt'),
  lte: order('lte'),
  exists: (path, value, at) => {
    if (typeof value !== 'boolean') throw new InvalidFilterError(at, 'true or false', describeJson(value));
    return value ? { kind: 'exists', path } : { kind: 'not', part: { kind: 'exists', path } };
  },
};

const known = Object.keys(operators).join(', ');

function order(comparison: Comparison): OperatorParser {
  return (path, value, at, budget) => {
    const bound = parseScalar(value, at, budget);
    if (typeof bound === 'boolean') throw new InvalidFilterError(at, 'a number or a string', describeJson(bound));
    return { kind: 'order', path, comparison, bound };
  };
}

function parseField(path: string[], value: unknown, at: string, budget: Budget): Condition[] {
  if (!isObject(value)) {
    spendCondition(budget, at);
    return [operators[Array.isArray(value) ? 'in' : 'eq'](path, value, at, budget)];
  }
  const entries = Object.entries(value).filter(([, operand]) => operand !== undefined);
  if (entries.length === 0) throw new InvalidFilterError(at, `at least one of ${known}`, 'an empty object');
  return entries.map(([operator, operand]) => {
    spendCondition(budget, `${at}.${operator}`);
    if (!Object.hasOwn(operators, operator))
      throw new InvalidFilterError(`${at}.${operator}`, `one of the operators ${known}`, `'${operator}'`);
    return operators[operator as keyof FieldOperators](path, operand, `${at}.${operator}`, budget);
  });
}

function parseScalars(value: unknown, at: string, budget: Budget): FilterScalar[] {
  if (!Array.isArray(value)) throw new InvalidFilterError(at, 'a list of values', describeJson(value));
  return value.map((item, i) => parseScalar(item, `${at}[${i}]`, budget));
}

function parseScalar(value: unknown, at: string, budget: Budget): FilterScalar {
  if (value === null) throw new InvalidFilterError(at, 'a value; for null or missing say {exists: false}', 'null');
  const scalar = typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number';
  if (!scalar || (typeof value === 'number' && !Number.isFinite(value)))
    throw new InvalidFilterError(at, 'a string, a finite number or a boolean', describeJson(value));
  if (typeof value === 'string' && /\0|\p{Surrogate}/u.test(value))
    throw new InvalidFilterError(at, 'well-formed Unicode without U+0000', JSON.stringify(value.slice(0, 60)));
  if (--budget.values < 0) throw new InvalidFilterError(at, `at most ${maxValues} values in a filter`, 'more');
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
