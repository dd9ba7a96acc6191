import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeEntry } from '../../editing/entry-codec.ts';
import type { Entry } from '../../editing/entry.ts';
import { StoredEntries } from '../../editing/stored-entries.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { additions, openBench } from '../support/edit-bank.ts';

const { entry } = await openBench(tempFolder());
const made = await entry({ ...additions[0], docid: 'd1', replaces: { row: 1 } });

describe('an entry whose large parts lie in the store', () => {
  it('says what it said before, from what is in memory and from the store', () => {
    for (const most of [1e6, 0]) {
      const reads: string[] = [];
      const entries = new StoredEntries((id) => {
        reads.push(id);
        return encodeEntry(made);
      }, most);
      const stored = entries.of(made);
      assert.ok(stored.kind === 'document');
      assert.equal(entries.of(stored), stored);
      assert.equal(stored.provisional, made.provisional);
      const { queries, own, heldOut, obsolete, prior, touched } = made;
      assert.deepEqual(
        [stored.queries, stored.own, stored.heldOut, stored.obsolete, stored.prior, stored.touched],
        [queries, own, heldOut, obsolete, prior, touched],
      );
      const asked = reads.length;
      assert.equal(asked, most ? 0 : 6);
      const { keys, residuals, weights } = stored.pairs.get(1)!;
      assert.deepEqual({ keys, residuals, weights }, made.pairs.get(1));
      assert.equal(reads.length, asked + 1); // once for all three
    }
  });

  it('leaves memory when it is in force no more, and is read when asked for', () => {
    let reads = 0;
    const entries = new StoredEntries(() => {
      reads++;
      return encodeEntry(made);
    });
    const stored = entries.inForce(new Map([[made.id, made]])).get(made.id)!;
    assert.ok(stored.kind === 'document');
    assert.deepEqual([stored.prior, reads], [made.prior, 0]);
    assert.equal(entries.inForce(new Map()).size, 0);
    assert.deepEqual([stored.prior, reads], [made.prior, 1]);
  });

  it('is the entry itself where it is small', () => {
    const entries = new StoredEntries(() => assert.fail('nothing is read'));
    const removal: Entry = { kind: 'removal', id: 'r', row: 3, pairs: new Map() };
    assert.equal(entries.of(removal), removal);
  });
});
