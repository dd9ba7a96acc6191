/** What the log of edits starts from: drawn without a lock, written at once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openStore } from '../../corpus/store.ts';
import { bankQueries, readBase } from '../../editing/log-base.ts';
import { openBase } from '../../editing/open-base.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { editWorld, fewQueries } from '../support/edit-world.ts';

const { path, folder } = editWorld(tempFolder());
const begin = { model: 'a model', config: folder.config, layers: [1], settings: fewQueries };
const docids = folder.genir!.docids;

describe('the base of a log', () => {
  it('lets others write while its queries are drawn, and is written as it was drawn', () => {
    const [store, other] = [openStore(path), openStore(path)];
    const open = openBase(store, begin, docids);
    assert.ok(!store.database.inTransaction);
    assert.equal(readBase(other), undefined);
    other.database.exec('DELETE FROM qrels');
    const base = open();
    assert.deepEqual([base.model, base.layers, base.settings.bank], ['a model', [1], fewQueries.bank]);
    const texts = bankQueries(other).map(({ text }) => text);
    assert.ok(texts.length >= fewQueries.bank.size);
    assert.ok(
      texts.some((text) => text.startsWith('what about')),
      'train queries that are gone by now',
    );
    store.close();
    other.close();
  });

  it('is the one that is there, where another process was first', () => {
    const [store, other] = [openStore(editWorld(tempFolder()).path), openStore(path)];
    const late = openBase(store, begin, docids);
    const first = openBase(store, begin, docids)();
    const bank = bankQueries(store);
    assert.deepEqual(late(), first);
    assert.deepEqual(bankQueries(store), bank);
    assert.throws(openBase(other, { ...begin, layers: [0] }, docids), { name: 'ForeignEditsError' });
    store.close();
    other.close();
  });
});
