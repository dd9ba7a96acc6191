import type { Metadata } from './documents.ts';
import { parseFilter } from './filter.ts';
import type { Comparison, Condition, FilterScalar, MetadataFilter } from './filter.ts';

/** Whether a document's metadata meets a filter; agrees with `compileFilter` on every metadata the store accepts. */
export function matches(filter: MetadataFilter, metadata: Metadata): boolean {
  return holds(parseFilter(filter), metadata);
}

function holds(condition: Condition, metadata: Metadata): boolean {
  switch (condition.kind) {
    case 'and':
      return condition.parts.every((part) => holds(part, metadata));
    case 'or':
      return condition.parts.some((part) => holds(part, metadata));
    case 'not':
      return !holds(condition.part, metadata);
    case 'exists':
      return (lookUp(metadata, condition.path) ?? null) !== null;
    case 'any':
      return scalarsAt(metadata, condition.path).some((value) => condition.values.includes(value));
    case 'order': {
      const { comparison, bound } = condition;
      return scalarsAt(metadata, condition.path).some(
        (value) => typeof value === typeof bound && comparisons[comparison](compare(value, bound)),
      );
    }
  }
}

const comparisons: { [C in Comparison]: (sign: number) => boolean } = {
  gt: (sign) => sign > 0,
  gte: (sign) => sign >= 0,
  lt: (sign) => sign < 0,
  lte: (sign) => sign <= 0,
};

/** Numbers by value; strings by code point, as SQLite's BINARY collation orders UTF-8 (and `<` on strings does not). */
function compare(a: FilterScalar, b: FilterScalar): number {
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return Number(a) - Number(b);
}

function lookUp(metadata: Metadata, path: string[]): unknown {
  let value: unknown = metadata;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined;
    value = (value as Metadata)[key];
  }
  return value;
}

/** What a field holds: its scalar, or the scalars of its list; nothing where it is missing, null or an object. */
function scalarsAt(metadata: Metadata, path: string[]): FilterScalar[] {
  const value = lookUp(metadata, path);
  const values: unknown[] = Array.isArray(value) ? value : [value];
  return values.filter((item): item is FilterScalar => ['string', 'number', 'boolean'].includes(typeof item));
}
