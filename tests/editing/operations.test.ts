import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkRequest, editLimits, requestHash, summaryOf, type Operation } from '../../editing/operations.ts';

const add = (docid: string, text = 'some text'): Operation => ({ kind: 'add', document: { docid, text } });

describe('a request', () => {
  const bad: { name: string; operations: Operation[]; error: object }[] = [
    { name: 'nothing to do', operations: [], error: { name: 'InvalidOperationError', path: 'operations' } },
    {
      name: 'too much at once',
      operations: Array.from({ length: editLimits.operations + 1 }, (_, i) => add(`a${i}`)),
      error: { name: 'InvalidOperationError', path: 'operations', actual: `${editLimits.operations + 1}` },
    },
    { name: 'an empty text', operations: [add('a', ' ')], error: { name: 'InvalidDocumentError', path: 'text' } },
    {
      name: 'five megabytes of text',
      operations: [{ kind: 'change', docid: 'a', document: { text: 'x'.repeat(5_000_000) } }],
      error: { name: 'InvalidDocumentError', path: 'operations[0].document.text' },
    },
    {
      name: 'the same docid twice',
      operations: [add('a'), add('b'), { kind: 'rename', docid: 'c', to: 'a' }],
      error: { name: 'InvalidOperationError', path: 'operations[2].docid', actual: /^'a', which operations\[0\]/ },
    },
    {
      name: 'a renaming to the same docid',
      operations: [{ kind: 'rename', docid: 'a', to: 'a' }],
      error: { name: 'InvalidOperationError', path: 'operations[0].docid' },
    },
    {
      name: 'a docid that cannot be one',
      operations: [{ kind: 'delete', docid: 'a\tb' }],
      error: { name: 'InvalidDocumentError', path: 'operations[0].docid' },
    },
    {
      name: 'more queries than an edit takes',
      operations: [{ ...add('a'), queries: new Array<string>(editLimits.queries + 1).fill('q') } as Operation],
      error: { name: 'InvalidOperationError', path: 'operations[0].queries' },
    },
  ];
  for (const { name, operations, error } of bad)
    it(`is refused with ${name}`, () => assert.throws(() => checkRequest({ operations }), error));

  it('is refused with a key or a budget that can be none', () => {
    for (const idempotencyKey of ['', 'x'.repeat(256)])
      assert.throws(() => checkRequest({ operations: [add('a')], idempotencyKey }), { path: 'idempotencyKey' });
    for (const budget of [-0.1, 1.1, NaN])
      assert.throws(() => checkRequest({ operations: [add('a')], budget }), { path: 'budget' });
    checkRequest({ operations: [add('a')], idempotencyKey: 'k', budget: 0 });
  });

  it('is the same whatever the order of its fields, and another with another value', () => {
    const hash = requestHash({ operations: [{ kind: 'delete', docid: 'a' }], budget: 0.01 });
    assert.equal(requestHash({ budget: 0.01, operations: [{ docid: 'a', kind: 'delete' }] }), hash);
    assert.notEqual(requestHash({ budget: 0.02, operations: [{ docid: 'a', kind: 'delete' }] }), hash);
  });

  it('is summed up without its texts', () => {
    assert.deepEqual(summaryOf(add('a', 'secret')), { kind: 'add', docid: 'a' });
    assert.deepEqual(summaryOf({ kind: 'rename', docid: 'a', to: 'b' }), {
      kind: 'rename',
      docid: 'a',
      renamedTo: 'b',
    });
    assert.deepEqual(summaryOf({ kind: 'delete', docid: 'a', forget: true }), {
      ...{ kind: 'delete', docid: 'a' },
      forget: true,
    });
  });
});
