/** Values for the schemas of the OpenAPI document: those that fit, and those that do not. */
import fc, { type Arbitrary } from 'fast-check';
import type { OpenApi, Schema } from '../../../server/generate/document.ts';

const word = fc.constantFrom(
  'kettle',
  'river',
  'stars',
  'glass',
  'music',
  'night',
  'the',
  'of',
  'boils',
  'schön',
  '🦑',
);
const sentence = fc.array(word, { minLength: 1, maxLength: 12 }).map((words) => words.join(' '));

/** Characters that programs stumble over: NUL, half of a surrogate pair, line separators, quotes, combining marks. */
const odd = fc.constantFrom(
  '\0',
  '\ud800',
  '\udc00',
  '\u2028',
  '\u202e',
  '"',
  "'",
  '%',
  '\\',
  '\r\n',
  '\t',
  '́',
  '﻿',
  '<',
);
const oddText = fc
  .array(fc.oneof(word, odd, fc.string({ unit: 'binary' })), { maxLength: 6 })
  .map((parts) => parts.join(''));
const text = fc.oneof({ weight: 6, arbitrary: sentence }, { weight: 1, arbitrary: oddText });

/** So few that requests meet the same documents and keys again, and that a long run does not fill the disk. */
const docid = fc.oneof(
  { weight: 6, arbitrary: fc.nat(9).map((n) => `d${n}`) },
  { weight: 6, arbitrary: fc.nat(9).map((n) => `n${n}`) },
  { weight: 1, arbitrary: fc.constantFrom('ü/ö', 'import', '..', '.', 'a b', '%', '__proto__', '\u2028', '') },
  { weight: 1, arbitrary: oddText.map((name) => name.slice(0, 3)) },
);
const keyName = fc.oneof(
  fc.nat(9).map((n) => `key${n}`),
  fc.constantFrom('environment', '.', '__proto__', ''),
);
const scalar = fc.oneof(fc.integer({ min: -2, max: 12 }), word, fc.boolean(), fc.constant(null));
const operators = fc.constantFrom('eq', 'ne', 'in', 'nin', 'gt', 'gte', 'lt', 'lte', 'exists', 'near');
const condition = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(operators, scalar, { maxKeys: 2 }),
);
const filter = fc.letrec<{ filter: unknown }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.dictionary(fc.constantFrom('number', 'category', 'a.b', '__proto__', ''), condition, { maxKeys: 2 }),
    fc.record({ or: fc.array(tie('filter'), { maxLength: 2 }) }),
    fc.record({ and: fc.array(tie('filter'), { maxLength: 2 }), not: tie('filter') }),
  ),
})).filter;

/** What fields mean, by their names: values that the schema alone would hardly ever hit. */
const known: Readonly<Record<string, Arbitrary<unknown>>> = {
  docid,
  to: docid,
  name: keyName,
  query: text,
  q: text,
  title: text,
  text,
  filter,
  metadata: fc.oneof(
    fc.dictionary(word, scalar, { maxKeys: 3 }),
    fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 2 }),
  ),
  allow: fc.array(docid, { maxLength: 4 }),
  deny: fc.array(docid, { maxLength: 4 }),
  relevant: fc.array(docid, { minLength: 1, maxLength: 2 }),
  queries: fc.array(text, { minLength: 1, maxLength: 4 }),
  k: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(1000)),
  wait: fc.constantFrom(0, 0, 0, 0, 1),
  budget: fc.constantFrom(0, 1, 1, 1, 0.01),
  before: fc.nat(30),
  after: fc.nat(30),
  explain: fc.integer({ min: 0, max: 40 }).map((n) => n === 0),
  graceSeconds: fc.constantFrom(0, 60),
  perMinute: fc.constant(1_000_000),
  expiresAt: fc.constantFrom('2099-01-01T00:00:00Z', '2099-01-01T00:00:00+02:00', '2001-01-01T00:00:00Z'),
  experiments: fc.constantFrom(['E2'], ['E7']),
  limit: fc.integer({ min: 0, max: 40 }),
  action: fc.constantFrom('edit', 'undo', 'key.create'),
};

/** Of these names some stand for numbers elsewhere: an edit that all later ones are taken back to, a page before one. */
const byName = (name: string, schema: Schema): Arbitrary<unknown> | undefined => {
  if ((name === 'to' || name === 'before') && schema.type === 'integer') return fc.nat(30);
  if (name === 'before') return fc.nat(30).map((n) => `edit-${n}`);
  if (name === 'queries' && schema.items?.type !== 'string') return undefined;
  return known[name];
};

/** Values of a schema that mostly fit it. */
export function valueOf(schema: Schema, { components }: Pick<OpenApi, 'components'>, depth = 0): Arbitrary<unknown> {
  const inside = (one: Schema): Arbitrary<unknown> => valueOf(one, { components }, depth + 1);
  const { $ref, properties, items, minimum = -1e6, maximum = 1e6 } = schema;
  if ($ref !== undefined) return inside(components.schemas[$ref.slice($ref.lastIndexOf('/') + 1)]);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (properties) return objectOf(schema, inside);
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return fc.oneof(...variants.map(inside));
  if (schema.type === 'array')
    return fc.array(items ? inside(items) : fc.jsonValue(), { minLength: schema.minItems ?? 0, maxLength: 4 });
  if (schema.type === 'boolean') return fc.boolean();
  const [least, most] = [Math.max(minimum, -1e6), Math.min(maximum, 1e6)];
  if (schema.type === 'integer')
    return fc.oneof(fc.integer({ min: least, max: Math.min(most, least + 30) }), fc.constantFrom(least, most));
  if (schema.type === 'number') return fc.double({ min: least, max: most, noNaN: true });
  return schema.type === 'string' ? text : fc.jsonValue({ maxDepth: 2 });
}

/** All that is required and some of the rest; where some fields exclude others, those of one kind. */
function objectOf({ properties = {}, required = [], oneOf = [] }: Schema, inside: (one: Schema) => Arbitrary<unknown>) {
  const values = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, byName(name, schema) ?? inside(schema)]),
  );
  const some = (needed: readonly string[], left: readonly string[]): Arbitrary<object> => {
    const taken = Object.fromEntries(Object.entries(values).filter(([name]) => !left.includes(name)));
    return fc.record(taken, { requiredKeys: needed.filter((name) => name in taken) });
  };
  if (oneOf.length === 0) return some(required, []);
  const kinds = oneOf.map((kind) => kind.required ?? []);
  const isBatch = (kind: readonly string[]): boolean => kind.includes('operations');
  return fc.oneof(
    ...kinds.map((kind) => {
      const others = kinds.flat().filter((name) => !kind.includes(name));
      const all = isBatch(kind) ? Object.keys(properties).filter((name) => !kind.includes(name)) : others;
      return some(kind, all);
    }),
  );
}

/** A value spoilt somewhere: a field gone, of another type, unknown, or far beyond its bounds. */
export function spoilt(value: unknown): Arbitrary<unknown> {
  const junk = fc.oneof(
    fc.constantFrom<unknown>(null, -1, 1e308, '', [], {}, true, 'x'.repeat(5000), Number.MAX_SAFE_INTEGER, '\ud800'),
    fc.jsonValue(),
  );
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return junk;
  const names = Object.keys(value);
  const field = fc.constantFrom(...(names.length > 0 ? names : ['x']));
  return fc.oneof(
    { weight: 1, arbitrary: junk },
    { weight: 3, arbitrary: fc.tuple(field, junk).map(([name, other]) => ({ ...value, [name]: other })) },
    { weight: 1, arbitrary: fc.tuple(fc.string(), junk).map(([name, other]) => ({ ...value, [name]: other })) },
    { weight: 2, arbitrary: field.map((name) => ({ ...value, [name]: undefined })) },
    {
      weight: 2,
      arbitrary: field.chain((name) =>
        spoilt((value as Record<string, unknown>)[name]).map((other) => ({ ...value, [name]: other })),
      ),
    },
  );
}
