import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AtomicDocids, atomicToken, docidOfAtomicToken } from '../../corpus/docids/atomic.ts';
import { readDocids, UnknownDocidSchemeError } from '../../corpus/docids/read.ts';
import { InvalidDocidTableError } from '../../corpus/docids/scheme.ts';
import { docidSchemeSuite } from '../support/corpus-docid-suite.ts';

docidSchemeSuite('atomic', (docids) => new AtomicDocids(docids));

describe('atomic docids', () => {
  it('names the token of a docid as the published checkpoints do', () => {
    assert.deepEqual(new AtomicDocids(['9124']).tokens('9124'), ['@DOC_ID_9124@']);
    assert.equal(docidOfAtomicToken('@DOC_ID_a@b@'), 'a@b');
    for (const token of ['the', '@DOC_ID_@', '@DOC_ID_x', '']) assert.equal(docidOfAtomicToken(token), undefined);
    assert.equal(docidOfAtomicToken(atomicToken('x y')), 'x y');
  });

  it('keeps rows where they are and gives the lowest free one to the next docid', () => {
    const table = new AtomicDocids(['a', 'b', 'c', 'd']);
    assert.equal(table.remove('c'), 2);
    assert.equal(table.remove('a'), 0);
    assert.deepEqual([table.rows, table.size], [4, 2]);
    assert.deepEqual([table.docidOfRow(0), table.docidOfRow(1), table.rowOf('d')], [undefined, 'b', 3]);
    assert.equal(table.add('e'), 0);
    assert.equal(table.add('f'), 2);
    assert.equal(table.add('g'), 4);
    assert.deepEqual(table.toJSON(), { scheme: 'atomic', rows: ['e', 'b', 'f', 'd', 'g'] });
  });

  it('puts a docid back into the row it had, and into no row that is taken', () => {
    const table = new AtomicDocids(['a', 'b', 'c']);
    table.remove('a');
    table.remove('c');
    assert.equal(table.add('c', 2), 2);
    assert.throws(() => table.add('x', 1), /expected a free row for 'x', got row 1/);
    assert.throws(() => table.add('x', 7), RangeError);
    assert.equal(table.has('x'), false);
  });
});

describe('docid tables from files', () => {
  const cases: [string, unknown, string][] = [
    ['a list that is none', { scheme: 'atomic', rows: 'a' }, 'docids.rows'],
    ['no list', { scheme: 'atomic' }, 'docids.rows'],
    ['a number for a docid', { scheme: 'atomic', rows: ['a', 3] }, 'docids.rows[1]'],
    ['an empty docid', { scheme: 'atomic', rows: [''] }, 'docids.rows[0]'],
    ['a docid twice', { scheme: 'atomic', rows: ['a', null, 'a'] }, 'docids.rows[2]'],
    ['another field', { scheme: 'atomic', rows: [], columns: 2 }, 'docids'],
  ];
  for (const [name, json, path] of cases)
    it(`refuses ${name}, saying where`, () => {
      assert.throws(() => readDocids(json), { name: 'InvalidDocidTableError', path });
    });

  it('refuses a scheme it does not know', () => {
    for (const json of [{ scheme: 'telepathic', rows: [] }, { rows: [] }, null, 'atomic', { scheme: 'toString' }])
      assert.throws(() => readDocids(json), UnknownDocidSchemeError);
    assert.throws(() => AtomicDocids.fromJSON({ scheme: 'naive', rows: [] }), InvalidDocidTableError);
  });
});
