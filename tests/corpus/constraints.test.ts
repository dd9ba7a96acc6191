import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { allowedRows } from '../../corpus/constraints.ts';
import type { Constraint } from '../../corpus/constraints.ts';
import { AtomicDocids } from '../../corpus/docids/atomic.ts';
import { openStore } from '../../corpus/store.ts';

const store = openStore(':memory:');
for (const [i, docid] of ['a', 'b', 'c', 'd', 'e'].entries())
  store.insert({ docid, text: 'same words', metadata: { n: i } });
store.delete('d');
const table = new AtomicDocids(['e', 'x', 'c', 'd', 'a', 'b']); // an order of its own, and 'x' unknown to the store
table.remove('b');

const rows = (constraint?: Constraint): number[] => [...allowedRows(store, table, constraint)];

describe('the rows that may be retrieved', () => {
  it('are those of live documents', () => {
    assert.deepEqual(rows(), [1, 0, 1, 0, 1, 0]);
  });

  it('are narrowed by filter, allow and deny together', () => {
    assert.deepEqual(rows({ filter: { n: { gte: 2 } } }), [1, 0, 1, 0, 0, 0]);
    assert.deepEqual(rows({ allow: ['a', 'd', 'e'] }), [1, 0, 0, 0, 1, 0]);
    assert.deepEqual(rows({ deny: ['a', 'd'] }), [1, 0, 1, 0, 0, 0]);
    assert.deepEqual(rows({ filter: { n: { gte: 2 } }, allow: ['a', 'e', 'c'], deny: ['c'] }), [1, 0, 0, 0, 0, 0]);
    assert.deepEqual(rows({ allow: [] }), [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(rows({ deny: [] }), rows());
  });

  it('are the same that full-text search keeps to', () => {
    const docids = fc.option(fc.subarray(['a', 'b', 'c', 'd', 'e']), { nil: undefined });
    fc.assert(
      fc.property(docids, docids, fc.option(fc.integer({ min: 0, max: 5 })), (allow, deny, least) => {
        const constraint = {
          ...(allow && { allow }),
          ...(deny && { deny }),
          ...(least !== null && { filter: { n: { gte: least } } }),
        };
        const expected = ['a', 'b', 'c', 'e'].filter(
          (docid) =>
            (allow?.includes(docid) ?? true) &&
            !(deny?.includes(docid) ?? false) &&
            (least === null || 'abcde'.indexOf(docid) >= least),
        );
        assert.deepEqual(store.liveDocids(constraint), expected);
        const found = store.searchBm25('words', 10, constraint).map(({ docid }) => docid);
        assert.deepEqual(found, expected);
      }),
    );
  });

  it('cannot be asked for by docids that the corpus never had', () => {
    assert.throws(() => rows({ allow: ['a', 'zz'] }), { name: 'UnknownDocidError', docid: 'zz', message: /^allow: / });
    assert.throws(() => rows({ deny: [`' OR 1`] }), { name: 'UnknownDocidError', message: /^deny: / });
  });
});
