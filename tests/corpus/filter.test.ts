import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import type { Metadata } from '../../corpus/documents.ts';
import { matches } from '../../corpus/filter-match.ts';
import { compileFilter } from '../../corpus/filter-sql.ts';
import { InvalidFilterError } from '../../corpus/filter.ts';
import type { FieldCondition, MetadataFilter } from '../../corpus/filter.ts';

const database = new Database(':memory:');

/** What SQLite says about a filter on metadata stored as JSON text. */
function sqlMatches(filter: MetadataFilter, metadata: Metadata): boolean {
  const { sql, params } = compileFilter(filter, 'd.metadata');
  const select = database.prepare(`SELECT ${sql} FROM (SELECT ? AS metadata) AS d`).pluck();
  return select.get(...params, JSON.stringify(metadata)) === 1;
}

/** Both ways of evaluating agree, and this is their answer. */
function both(filter: MetadataFilter, metadata: Metadata): boolean {
  const answer = matches(filter, metadata);
  assert.equal(sqlMatches(filter, metadata), answer, `${JSON.stringify(filter)} on ${JSON.stringify(metadata)}`);
  return answer;
}

describe('metadata filters', () => {
  const book = {
    category: 'history',
    year: 1984,
    tags: ['war', 'peace'],
    author: { name: 'Ann', born: null },
    ok: true,
  };

  const holding: MetadataFilter[] = [
    {},
    { category: 'history' },
    { category: ['arts', 'history'] },
    { category: { eq: 'history', ne: 'arts' }, year: { gte: 1984, lt: 1985 } },
    { year: { gt: 1983.5 } },
    { tags: 'war' },
    { tags: { nin: ['love'] } },
    { 'author.name': { exists: true }, 'author.born': { exists: false } },
    { author: { exists: true } },
    { missing: { ne: 3 } },
    { missing: { nin: [3] } },
    { ok: true },
    { category: { gt: 'a', lte: 'history' } },
    { or: [{ year: 1 }, { not: { year: { lt: 1900 } } }] },
    { and: [{ ok: true }, { tags: 'peace' }] },
  ];
  for (const filter of holding) it(`hold: ${JSON.stringify(filter)}`, () => assert.equal(both(filter, book), true));

  const failing: MetadataFilter[] = [
    { category: 'arts' },
    { category: [] },
    { year: '1984' },
    { year: { gt: 1984 } },
    { year: { gt: '1' } },
    { ok: 1 },
    { ok: 'true' },
    { tags: { ne: 'war' } },
    { author: 'Ann' },
    { 'author.born': { ne: 'x' }, 'tags.0': 'war' },
    { missing: { lt: 3 } },
    { or: [{ year: 1 }, { ok: false }] },
    { not: {} },
  ];
  for (const filter of failing) it(`fail: ${JSON.stringify(filter)}`, () => assert.equal(both(filter, book), false));

  it('order strings by code point, as SQLite orders UTF-8', () => {
    // U+1F600 is two UTF-16 units that begin with U+D83D, below U+FF01 as units and above it as code points.
    assert.equal(both({ s: { gt: '\uff01' } }, { s: '\u{1f600}' }), true);
  });

  it('take SQL in a filter as plain text', () => {
    const attack = `x' OR 1=1 --`;
    assert.equal(both({ category: attack }, { category: 'history' }), false);
    assert.equal(both({ category: attack }, { category: attack }), true);
    assert.equal(both({ [attack]: 'a' }, { [attack]: 'a' }), true);
    assert.equal(both({ [`a) OR (1`]: { exists: true } }, {}), false);
  });

  it('mean the same in memory and in SQLite', () => {
    const key = fc.constantFrom('a', 'b', 'c', '__proto__', 'x y', 'é', '[0]', '$', '#-1');
    const scalar = fc.oneof(
      fc.constantFrom('', 'a', 'b', '1', 'true', '\u{1f600}', '\uff01'),
      fc.string({ unit: 'binary', maxLength: 3 }).map((text) => text.replaceAll('\0', '')),
      fc.constantFrom(0, 1, -1, 1.5, 1e15, 2 ** 53, 9223372036854774784, 1e300),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
    );
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        scalar,
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(key, tie('value'), { maxKeys: 3 }),
      ),
    })).value;
    const bound = scalar.filter((item) => typeof item !== 'boolean');
    const operators = fc
      .record(
        {
          eq: scalar,
          ne: scalar,
          in: fc.array(scalar, { maxLength: 3 }),
          nin: fc.array(scalar, { maxLength: 3 }),
          gt: bound,
          gte: bound,
          lt: bound,
          lte: bound,
          exists: fc.boolean(),
        },
        { requiredKeys: [] },
      )
      .filter((object) => Object.keys(object).length > 0);
    const field = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), operators);
    const path = fc
      .oneof(
        key,
        fc.tuple(key, key).map((keys) => keys.join('.')),
      )
      .filter((text) => !text.startsWith('$'));
    const filter = fc.letrec<{ filter: MetadataFilter; fields: MetadataFilter }>((tie) => ({
      fields: fc.dictionary(path, field, { maxKeys: 2 }),
      filter: fc.oneof(
        { maxDepth: 3, withCrossShrink: true },
        tie('fields'),
        fc.record({ or: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
        fc.record({ and: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
        fc.record({ not: tie('filter') }),
      ),
    })).filter;
    const metadata = fc.dictionary(key, value, { maxKeys: 4 }) as fc.Arbitrary<Metadata>;
    let held = 0;
    fc.assert(
      fc.property(filter, metadata, (one, other) => {
        if (both(one, other)) held++;
      }),
      { numRuns: 3000 },
    );
    assert.ok(held > 300 && held < 2700, `${held} of 3000 held: the generator is one-sided`);
  });

  const invalid: [unknown, string][] = [
    [{ a: null }, 'filter.a'],
    [{ a: {} }, 'filter.a'],
    [{ a: { like: 'x' } }, 'filter.a.like'],
    [{ $foo: 1 }, 'filter.$foo'],
    [{ $or: [{ a: 1 }] }, 'filter.$or'],
    [{ not: { '$a.b': 1 } }, 'filter.not.$a.b'],
    [{ a: { constructor: 'x' } }, 'filter.a.constructor'],
    [{ a: { in: 'x' } }, 'filter.a.in'],
    [{ a: { gt: true } }, 'filter.a.gt'],
    [{ a: { exists: 1 } }, 'filter.a.exists'],
    [{ a: [1, { b: 2 }] }, 'filter.a[1]'],
    [{ a: NaN }, 'filter.a'],
    [{ a: 'x\0y' }, 'filter.a'],
    [{ 'a..b': 1 }, 'filter.a..b'],
    [{ 'a"b': 1 }, 'filter.a"b'],
    [{ or: [] }, 'filter.or'],
    [{ or: [{ a: 1 }, 3] }, 'filter.or[1]'],
    [{ not: [{ a: 1 }] }, 'filter.not'],
    [[], 'filter'],
    ['a', 'filter'],
    [{ a: Array.from({ length: 10_001 }, (_, i) => i) }, 'filter.a[10000]'],
  ];
  for (const [filter, path] of invalid)
    it(`refuse ${JSON.stringify(filter).slice(0, 40)} and say where`, () => {
      const isRight = (error: unknown): boolean => error instanceof InvalidFilterError && error.path === path;
      assert.throws(() => matches(filter as MetadataFilter, {}), isRight);
      assert.throws(() => compileFilter(filter as MetadataFilter, 'd.metadata'), isRight);
    });

  it('name the operators there are where one is unknown', () => {
    const known =
      /: expected and, or, not, or a field with one of eq, ne, in, nin, gt, gte, lt, lte, exists, got '\$foo'$/;
    assert.throws(() => matches({ $foo: 1 }, {}), known);
  });

  const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
  const fields = (count: number, value: FieldCondition): MetadataFilter =>
    Object.fromEntries(many(count, (i) => [`f${i}`, value]));
  const long: { [shape: string]: (count: number) => MetadataFilter } = {
    fields: (count) => fields(count, { ne: 1 }),
    'fields with exists': (count) => fields(count, { exists: false }),
    lists: (count) => fields(count, ['a', 1, true]),
    'operators of fields': (count) => fields(count / 2, { gte: 0, lt: 9 }),
    'filters of or': (count) => ({ or: many(count / 2 - 1, (i) => ({ a: i })) }),
    'filters of and, empty': (count) => ({ and: many(count - 1, () => ({})) }),
    'nested ones': (count) => ({
      or: many(count / 5, (i) => ({ and: [{ not: { a: { exists: true } } }, {}], [`b${i}`]: 1 })).slice(0, count / 10),
    }),
  };
  for (const [shape, make] of Object.entries(long))
    it(`take 500 conditions and refuse very many: ${shape}`, () => {
      both(make(500), { a: 1, f3: 2 });
      for (const count of [1200, 20_000]) {
        const isRight = (error: unknown): boolean =>
          error instanceof InvalidFilterError && error.expected === 'at most 500 conditions in a filter';
        assert.throws(() => matches(make(count), {}), isRight);
        assert.throws(() => compileFilter(make(count), 'd.metadata'), isRight);
      }
    });

  it('take 500 conditions sixteen levels deep', () => {
    let nested: MetadataFilter = fields(400, 1);
    for (let i = 0; i < 16; i++) nested = { [i % 2 ? 'and' : 'or']: [nested, { a: 1 }] };
    assert.equal(both(nested, { a: 1 }), true);
  });

  it('refuse nesting without end, and take all values that are allowed', () => {
    let nested: MetadataFilter = { a: 1 };
    for (let i = 0; i < 16; i++) nested = { not: nested };
    assert.equal(both(nested, { a: 1 }), true);
    assert.throws(() => matches({ not: nested }, {}), InvalidFilterError);
    assert.equal(both({ a: Array.from({ length: 10_000 }, (_, i) => i) }, { a: 9999 }), true);
  });
});
