import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endToken, naiveDocids, naiveMaker } from '../../corpus/docids/naive.ts';
import { codesOf, PathDocids } from '../../corpus/docids/paths.ts';
import { readDocids } from '../../corpus/docids/read.ts';
import { docidSchemeSuite } from '../support/corpus-docid-suite.ts';

/** A tokenizer of single letters that, as T5's, marks where a text begins and does not tell "A" from "a". */
const letters = (text: string): string[] =>
  ['▁', ...text.toLowerCase()].map((letter) => (letter === ' ' ? '▁' : letter));

docidSchemeSuite(
  'naive',
  (docids) => naiveDocids(docids, letters),
  (json) => readDocids(json, naiveMaker(letters)),
);

const rowsOf = (table: PathDocids) => table.toJSON().rows.map(({ docid, path }) => `${docid}: ${path}`);

describe('naive docids', () => {
  it('are the pieces of the identifier, ended', () => {
    const table = naiveDocids(['a1', 'a12'], letters);
    assert.deepEqual(rowsOf(table), ['a1: ▁ a 1 </s>', 'a12: ▁ a 1 2 </s>']);
    assert.deepEqual(table.tokens('a1'), ['▁', 'a', '1', endToken]);
  });

  it('number identifiers that the tokenizer does not tell apart', () => {
    const table = naiveDocids(['Ab', 'ab', 'ab 2'], letters);
    assert.deepEqual(rowsOf(table), ['Ab: ▁ a b </s>', 'ab: ▁ a b ▁ 2 </s>', 'ab 2: ▁ a b ▁ 2 ▁ 2 </s>']);
    table.add('AB');
    assert.equal(table.tokens('AB').join(' '), '▁ a b ▁ 3 </s>');
  });
});

describe('a table of docid paths', () => {
  const documents = [
    ['a', ['x', 'y']],
    ['b', ['x', 'z', 'w']],
    ['c', ['v']],
  ] as const;
  const build = (): PathDocids => PathDocids.of('semantic', documents);

  it('keeps the number and the path of what is removed for when it comes back', () => {
    const table = build();
    assert.equal(table.remove('a'), 0);
    assert.equal(table.rows, 3);
    assert.deepEqual(
      [table.rowOf('a'), table.docidOfRow(0), table.docidOf(['x', 'y'])],
      [undefined, undefined, undefined],
    );
    assert.equal(table.isFree(['x', 'y']), false);
    assert.throws(() => table.add('d', ['x', 'y']), { name: 'PathConflictError', shorter: 'd', longer: 'a' });
    assert.equal(table.add('d', ['x', 'u']), 3);
    assert.equal(table.nextRow('a'), 0);
    assert.deepEqual(
      [table.isFree(['x', 'y'], 'a'), table.isFree(['x', 'y'], 'd'), table.isFree(['x'], 'a')],
      [true, false, false],
    );
    assert.equal(table.add('a'), 0);
    assert.deepEqual(table.docids(), ['a', 'b', 'c', 'd']);
    assert.deepEqual(table.tokens('a'), ['x', 'y']);
  });

  it('moves a docid to another path and back, and nobody gets what it had', () => {
    const table = build();
    const move = (path: string[]): void => {
      table.remove('b');
      table.add('b', path);
    };
    move(['x', 'u']);
    move(['t']);
    assert.deepEqual(
      [table.docidOf(['t']), table.docidOf(['x', 'u']), table.docidOf(['x', 'z', 'w'])],
      ['b', undefined, undefined],
    );
    assert.deepEqual(table.toJSON().rows[1], { docid: 'b', path: 't', former: ['x z w', 'x u'] });
    const read = readDocids(JSON.parse(JSON.stringify(table))) as PathDocids;
    for (const either of [table, read])
      for (const path of [
        ['x', 'u'],
        ['x', 'z', 'w'],
        ['x', 'z'],
      ])
        assert.equal(either.isFree(path), false);
    move(['x', 'u']);
    assert.deepEqual(table.toJSON().rows[1], { docid: 'b', path: 'x u', former: ['x z w', 't'] });
    assert.equal(table.rowOf('b'), 1);
  });

  it('says what follows a prefix', () => {
    const table = build();
    assert.deepEqual(table.following([]), ['x', 'v']);
    assert.deepEqual(table.following(['x']), ['y', 'z']);
    assert.deepEqual(
      [table.following(['v']), table.following(['q']), table.following(['x', 'q'])],
      [undefined, undefined, undefined],
    );
    table.remove('b');
    assert.deepEqual(table.following(['x']), ['y']);
  });

  it('names both docids of paths of which one ends inside the other, and the place', () => {
    const conflict = { name: 'PathConflictError', shorter: 'a', longer: 'b', position: 2 };
    const conflicting = [['a', ['x', 'y']], ['b', ['x', 'y', 'z']]] as const; // prettier-ignore
    assert.throws(() => PathDocids.of('lexical', conflicting), conflict);
    assert.throws(() => PathDocids.of('lexical', conflicting), /that of 'a' ending after token 2 of that of 'b'/);
    const rows = conflicting.map(([docid, path]) => ({ docid, path: path.join(' ') }));
    assert.throws(() => readDocids({ scheme: 'lexical', rows }), conflict);
  });

  it('refuses names with blanks, empty paths, and docids without a path to give', () => {
    const table = build();
    for (const path of [[], ['x y'], ['']]) assert.throws(() => table.add('d', path), RangeError);
    assert.throws(() => table.add('d'), { name: 'PathNeededError', docid: 'd' });
    assert.deepEqual([table.rows, table.has('d')], [3, false]);
  });

  it('lists the vocabulary entries that are no words: those inside paths, then those at their ends', () => {
    const paths = [['<c1>', '<d0>'], ['the', '<c2>', '<d1>'], ['<c1>', 'the', 'cat']]; // prettier-ignore
    assert.deepEqual(
      codesOf(paths, (name) => !name.startsWith('<')),
      ['<c1>', '<c2>', '<d0>', '<d1>'],
    );
  });
});

describe('tables of docid paths from files', () => {
  const cases: [string, unknown, string][] = [
    ['a list that is none', { scheme: 'naive', rows: 'a' }, 'docids.rows'],
    ['a row that is none', { scheme: 'naive', rows: [['a', 'x']] }, 'docids.rows[0]'],
    ['a row without a path', { scheme: 'naive', rows: [{ docid: 'a' }] }, 'docids.rows[0].path'],
    ['a path with two blanks', { scheme: 'naive', rows: [{ docid: 'a', path: 'x  y' }] }, 'docids.rows[0].path'],
    ['an empty docid', { scheme: 'naive', rows: [{ docid: '', path: 'x' }] }, 'docids.rows[0].docid'],
    ['a docid twice', { scheme: 'naive', rows: [{ docid: 'a', path: 'x' }, { docid: 'a', path: 'y' }] }, 'docids.rows[1]'], // prettier-ignore
    ['another field', { scheme: 'naive', rows: [{ docid: 'a', path: 'x', is: 1 }] }, 'docids.rows[0]'],
    ['half removed', { scheme: 'naive', rows: [{ docid: 'a', path: 'x', removed: 0 }] }, 'docids.rows[0].removed'],
    [
      'a former number',
      { scheme: 'naive', rows: [{ docid: 'a', path: 'x', former: [1] }] },
      'docids.rows[0].former[0]',
    ],
    ['columns', { scheme: 'naive', rows: [], columns: 2 }, 'docids'],
  ];
  for (const [name, json, path] of cases)
    it(`refuses ${name}, saying where`, () => {
      assert.throws(() => readDocids(json), { name: 'InvalidDocidTableError', path });
    });
});
