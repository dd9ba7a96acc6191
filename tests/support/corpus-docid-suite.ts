import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readDocids } from '../../corpus/docids/read.ts';
import { DuplicateDocidError } from '../../corpus/docids/scheme.ts';
import type { Docids } from '../../corpus/docids/scheme.ts';
import { UnknownDocidError } from '../../corpus/documents.ts';

const docids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }).filter(isDocid), {
  maxLength: 30,
});

function isDocid(text: string): boolean {
  return text.trim() !== '' && !/\p{Cc}/u.test(text);
}

/**
 * What every docid scheme promises. A scheme's test file hands its constructor to it, and what reads its tables back
 * where `readDocids` needs help to choose the tokens of docids to come.
 */
export function docidSchemeSuite(
  name: string,
  build: (docids: string[]) => Docids,
  read: (json: unknown) => Docids = readDocids,
): void {
  describe(`${name} docids keep the promises of every scheme`, () => {
    it('knows the docids it was built from, in their order', () => {
      fc.assert(
        fc.property(docids, (list) => {
          const table = build(list);
          assert.equal(table.size, list.length);
          assert.deepEqual(table.docids(), list);
          assert.ok(list.every((docid) => table.has(docid)));
        }),
      );
    });

    it('gives every docid its own tokens, and the tokens their docid', () => {
      fc.assert(
        fc.property(docids, (list) => {
          const table = build(list);
          const sequences = list.map((docid) => table.tokens(docid));
          assert.equal(new Set(sequences.map((tokens) => JSON.stringify(tokens))).size, list.length);
          assert.ok(sequences.every((tokens) => tokens.length > 0));
          assert.deepEqual(
            sequences.map((tokens) => table.docidOf(tokens)),
            list,
          );
        }),
      );
    });

    it('lets no docid end inside another', () => {
      fc.assert(
        fc.property(docids, docids, (list, more) => {
          const table = build(list);
          for (const docid of more) if (!table.has(docid)) table.add(docid);
          const sequences = new Set(table.docids().map((docid) => JSON.stringify(table.tokens(docid))));
          for (const docid of table.docids()) {
            const tokens = table.tokens(docid);
            for (let t = 1; t < tokens.length; t++) assert.ok(!sequences.has(JSON.stringify(tokens.slice(0, t))));
          }
        }),
      );
    });

    it('behaves as a set under additions and removals', () => {
      const edits = fc.array(fc.tuple(fc.boolean(), fc.constantFrom('a', 'b', 'c d', 'é', '1', '2')), {
        maxLength: 40,
      });
      fc.assert(
        fc.property(edits, (list) => {
          const table = build(['a', 'b']);
          const model = new Set(['a', 'b']);
          for (const [isAddition, docid] of list) {
            if (isAddition === model.has(docid)) {
              const expected = isAddition ? DuplicateDocidError : UnknownDocidError;
              assert.throws(() => (isAddition ? table.add(docid) : table.remove(docid)), expected);
            } else if (isAddition) {
              table.add(docid);
              model.add(docid);
            } else {
              table.remove(docid);
              model.delete(docid);
            }
          }
          assert.deepEqual(new Set(table.docids()), model);
          assert.equal(table.size, model.size);
        }),
      );
    });

    it('keeps the tokens of a docid while others come and go', () => {
      const table = build(['a', 'b', 'c']);
      const before = table.tokens('b');
      table.remove('a');
      table.add('d');
      table.remove('c');
      assert.deepEqual(table.tokens('b'), before);
    });

    it('forgets the tokens of a removed docid', () => {
      const table = build(['a', 'b']);
      const tokens = table.tokens('a');
      table.remove('a');
      assert.equal(table.docidOf(tokens), undefined);
      assert.throws(() => table.tokens('a'), UnknownDocidError);
    });

    it('is as it was after an addition is undone, and behaves the same after a trip through JSON', () => {
      const table = build(['a', 'b', 'c', 'd']);
      table.remove('b');
      const copy = read(JSON.parse(JSON.stringify(table)));
      assert.equal(copy.scheme, table.scheme);
      assert.deepEqual(copy.toJSON(), table.toJSON());
      for (const either of [table, copy]) {
        either.add('e');
        either.remove('e');
        either.add('f');
      }
      assert.deepEqual(copy.toJSON(), table.toJSON());
      assert.deepEqual(copy.tokens('f'), table.tokens('f'));
    });

    it('refuses a docid twice', () => {
      assert.throws(() => build(['a', 'b', 'a']), { name: 'DuplicateDocidError', docid: 'a' });
    });
  });
}
