import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, it } from 'node:test';
import { openStore } from '../../../corpus/store.ts';
import { rowBytes, searchFiles, searchStore, textsOf } from '../../../editing/deletion/trace-search.ts';
import { readModelFolder } from '../../../models/folder.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { writeTinyModel } from '../../support/tiny-model.ts';

const document = {
  docid: 'gone',
  title: 'A lighthouse',
  text: 'The lighthouse of the northern cape burns whale oil. Its keeper counts the ships at dusk every single day.',
  known: ['who counts ships at the northern cape lighthouse'],
  heldOut: [],
};
const needles = textsOf(document).map((text) => Buffer.from(text));

describe('traces in a store', () => {
  it('are found while a document is only deleted, and are not once it is erased', () => {
    const dir = tempFolder();
    const store = openStore(join(dir, 'store.sqlite'));
    store.insert({ docid: 'stays', text: 'The lighthouse of the southern cape is lit by gas.' });
    store.insert(document);
    store.putQuery({ id: 'q', text: document.known[0] });
    store.putQrel({ queryId: 'q', docid: 'gone', score: 1 }, 'train');
    const places = (): string[] => searchStore(store, document).map(({ place }) => place);
    assert.deepEqual(places(), ['table documents', 'table queries', 'full-text index']);
    store.delete('gone');
    assert.deepEqual(places(), ['table documents', 'table queries']);
    assert.ok(searchFiles(dir, needles).length > 0);
    store.erase('gone');
    assert.ok(store.forgetLog());
    assert.deepEqual(places(), []);
    assert.deepEqual(searchFiles(dir, needles), []);
    store.close();
  });
});

describe('traces in files', () => {
  it('are found in pages that SQLite has given up', () => {
    const dir = tempFolder();
    const database = new Database(join(dir, 'loose.sqlite'));
    database.pragma('secure_delete = OFF');
    database.exec('CREATE TABLE t (x TEXT)');
    const insert = database.prepare('INSERT INTO t VALUES (?)');
    for (let i = 0; i < 100; i++) insert.run(document.text);
    database.exec('DELETE FROM t');
    database.close();
    assert.deepEqual(
      searchFiles(dir, needles).map(({ place }) => place),
      ['loose.sqlite'],
    );
  });

  it('are found across the ends of the pieces that are read', () => {
    const dir = tempFolder();
    const needle = needles[0];
    const file = Buffer.alloc(4 * 2 ** 20 + 100);
    needle.copy(file, 4 * 2 ** 20 - 10);
    writeFileSync(join(dir, 'large.bin'), file);
    assert.deepEqual(searchFiles(dir, [needle]), [{ place: 'large.bin', count: 1 }]);
  });

  it('are the bytes of a row in the file of a model, and none where the row was overwritten', () => {
    const dir = writeTinyModel(join(tempFolder(), 'model'));
    const folder = readModelFolder(dir);
    const { data, shape } = folder.tensor('shared.weight');
    const at = (folder.genir!.firstDocidToken + 3) * shape[1];
    const row = data.slice(at, at + shape[1]);
    assert.deepEqual(
      searchFiles(dir, rowBytes(row)).map(({ place }) => place),
      ['model.safetensors'],
    );
    const path = join(dir, 'model.safetensors');
    const bytes = readFileSync(path);
    for (const piece of rowBytes(row)) {
      const found = bytes.indexOf(piece);
      if (found >= 0) bytes.fill(0, found, found + piece.length);
    }
    writeFileSync(path, bytes);
    assert.deepEqual(searchFiles(dir, rowBytes(row)), []);
  });
});
