import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import type { NewDocument } from '../../corpus/documents.ts';
import { openStore } from '../../corpus/store.ts';
import type { Store } from '../../corpus/store.ts';
import { workshop } from '../support/corpus-temp.ts';

const { dir, newStore, newFolder } = workshop();

const whale: NewDocument = {
  docid: 'whale',
  title: 'Blue whale',
  text: 'The largest animal that ever lived.',
  metadata: { category: 'animals', mass: 150 },
};
const oak: NewDocument = { docid: 'oak', title: 'Oak', text: 'Oaks are trees; acorns are eaten by animals.' };
const iron: NewDocument = { docid: 'iron', title: 'Iron', text: 'A metal.', metadata: { category: 'matter' } };

function filled(): Store {
  const store = newStore();
  for (const document of [whale, oak, iron]) store.insert(document);
  return store;
}

describe('documents in the store', () => {
  it('come back as they went in', () => {
    assert.deepEqual(filled().document('whale'), { ...whale, version: 1, state: 'live' });
    assert.deepEqual(filled().document('oak'), { ...oak, metadata: {}, version: 1, state: 'live' });
    assert.equal(filled().document('elm'), undefined);
  });

  it('come back as they went in, whatever the Unicode', () => {
    const store = newStore();
    const text = fc.string({ unit: 'binary', maxLength: 20 }).map((some) => `x${some}`);
    const metadata = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 3 });
    fc.assert(
      fc.property(text, text, metadata, (title, body, meta) => {
        const plain = JSON.parse(JSON.stringify(meta).replaceAll('\\u0000', '')) as Record<string, unknown>;
        const put = store.put({ docid: 'd', title, text: body, metadata: plain });
        assert.deepEqual(store.document('d'), put);
        assert.deepEqual([put.title, put.text, put.metadata], [title, body, plain]);
      }),
      { numRuns: 200 },
    );
  });

  it('count their versions, deletion and return included', () => {
    const store = filled();
    assert.equal(store.update('oak', { text: 'A tree.' }).version, 2);
    assert.deepEqual(store.document('oak'), { ...oak, text: 'A tree.', metadata: {}, version: 2, state: 'live' });
    assert.equal(store.put({ ...oak, title: 'Quercus' }).version, 3);
    assert.deepEqual([store.delete('oak').version, store.document('oak')?.state], [4, 'deleted']);
    assert.equal(store.document('oak')?.title, 'Quercus');
    assert.deepEqual([store.insert(oak).version, store.document('oak')?.state], [5, 'live']);
  });

  it('keep number, judgements and place when they are renamed', () => {
    const store = filled();
    store.putQuery({ id: 'q', text: 'what are acorns' });
    store.putQrel({ queryId: 'q', docid: 'oak', score: 1 }, 'test');
    const number = store.numberOf('oak');
    assert.deepEqual(store.rename('oak', 'quercus'), {
      ...{ ...oak, docid: 'quercus', metadata: {} },
      ...{ version: 2, state: 'live' },
    });
    assert.deepEqual([store.numberOf('oak'), store.numberOf('quercus')], [undefined, number]);
    assert.deepEqual(store.liveDocids(), ['whale', 'quercus', 'iron']);
    assert.deepEqual(store.queries('test')[0].relevant, ['quercus']);
    assert.deepEqual(store.searchBm25('acorns', 3)[0].docid, 'quercus');
    assert.equal(store.rename('quercus', 'oak', 7).version, 7);
    assert.equal(store.insert({ docid: 'quercus', text: 'again' }, 4).version, 4);
    store.delete('iron');
    const numbers = ['oak', 'iron'].map((docid) => store.numberOf(docid));
    for (const [docid, to] of [
      ['oak', 'iron'],
      ['iron', 'oak'],
    ]) {
      store.rename(docid, to); // and back
      assert.deepEqual([store.document(to)?.state, store.document(docid)?.state], ['live', 'deleted']);
    }
    assert.deepEqual(
      ['oak', 'iron'].map((docid) => store.numberOf(docid)),
      numbers,
    );
    for (const taken of ['whale', 'oak'])
      assert.throws(() => store.rename('oak', taken), { name: 'DocidTakenError', docid: taken });
    assert.throws(() => store.rename('iron', 'fe'), { name: 'UnknownDocidError' });
    assert.throws(() => store.rename('oak', 'a\tb'), { name: 'InvalidDocumentError', path: 'docid' });
  });

  it('leave no byte in the files once they are erased', () => {
    const store = filled();
    const path = store.database.name;
    const secret = 'zyzzogeton';
    const long = Array.from({ length: 3000 }, (_, i) => `${secret}${i}`).join(' ');
    const said = (): boolean => [path, `${path}-wal`].some((file) => readFileSync(file).includes(secret));
    store.insert({ docid: 'bug', text: long, metadata: { kind: secret } });
    store.putQuery({ id: 'alone', text: `what is a ${secret}` });
    store.putQuery({ id: 'shared', text: 'which animals are there' });
    store.putQrel({ queryId: 'alone', docid: 'bug', score: 1 }, 'test');
    for (const docid of ['bug', 'whale']) store.putQrel({ queryId: 'shared', docid, score: 1 }, 'test');
    assert.throws(() => store.erase('bug'), { name: 'UnknownDocidError' });
    store.update('bug', { title: secret });
    store.delete('bug');
    assert.ok(said());
    store.erase('bug');
    assert.ok(store.forgetLog());
    assert.ok(!said());
    assert.deepEqual(store.allQueries(), [{ id: 'shared', text: 'which animals are there' }]);
    assert.deepEqual(store.document('bug'), {
      ...{ docid: 'bug', title: '', text: '', metadata: {} },
      ...{ version: 3, state: 'deleted' },
    });
    assert.equal(store.insert({ docid: 'bug', text: 'another' }).version, 4);
    assert.deepEqual(store.searchBm25('another', 1)[0].docid, 'bug');
  });

  it('are refused a taken docid, and changes of what is not live', () => {
    const store = filled();
    assert.throws(() => store.insert(oak), { name: 'DocidTakenError', docid: 'oak' });
    store.delete('oak');
    for (const change of [() => store.update('oak', { title: 'x' }), () => store.delete('oak')])
      assert.throws(change, { name: 'UnknownDocidError', docid: 'oak' });
    assert.throws(() => store.delete('elm'), { name: 'UnknownDocidError', docid: 'elm' });
  });

  const invalid: [string, NewDocument, string][] = [
    ['an empty docid', { ...oak, docid: ' ' }, 'docid'],
    ['a docid with a tab', { ...oak, docid: 'a\tb' }, 'docid'],
    ['a docid of 513 characters', { ...oak, docid: 'a'.repeat(513) }, 'docid'],
    ['half a surrogate pair', { ...oak, text: 'a\ud800b' }, 'text'],
    ['nothing to read', { docid: 'x', title: ' ', text: '' }, 'text'],
    ['infinite metadata', { ...oak, metadata: { a: { b: [1, Infinity] } } }, 'metadata.a.b[1]'],
    ['a U+0000 in metadata', { ...oak, metadata: { a: 'x\0' } }, 'metadata.a'],
    ['metadata that is a list', { ...oak, metadata: [] as never }, 'metadata'],
    ['metadata that is no JSON', { ...oak, metadata: { a: () => 1 } }, 'metadata.a'],
  ];
  for (const [name, document, path] of invalid)
    it(`are refused with ${name}`, () => {
      const store = newStore();
      assert.throws(() => store.insert(document), { name: 'InvalidDocumentError', path });
      assert.equal(store.count('all'), 0);
    });

  it('are paged in insertion order, with a total', () => {
    const store = newStore();
    const docids = Array.from({ length: 10 }, (_, i) => `d${9 - i}`);
    for (const [i, docid] of docids.entries()) store.insert({ docid, text: 'x', metadata: { odd: i % 2 === 1 } });
    store.delete('d9');
    const page = (request: Parameters<Store['documents']>[0]): [string[], number] => {
      const { documents, total } = store.documents(request);
      return [documents.map((document) => document.docid), total];
    };
    assert.deepEqual(page({ limit: 3 }), [['d8', 'd7', 'd6'], 9]);
    assert.deepEqual(page({ limit: 3, offset: 7 }), [['d1', 'd0'], 9]);
    assert.deepEqual(page({ limit: 2, after: 'd7' }), [['d6', 'd5'], 9]);
    assert.deepEqual(page({ limit: 2, filter: { odd: true }, offset: 1 }), [['d6', 'd4'], 5]);
    assert.deepEqual(page({ limit: 5, state: 'deleted' }), [['d9'], 1]);
    assert.deepEqual(page({ limit: 1, state: 'all' }), [['d9'], 10]);
    assert.deepEqual(page({ limit: 0 }), [[], 9]);
    assert.throws(() => page({ limit: 1, after: 'zz' }), { name: 'UnknownDocidError' });
    for (const limit of [-1, 0.5, NaN]) assert.throws(() => page({ limit }), { name: 'StoreArgumentError' });
  });

  it('can be walked through while they are changed', () => {
    const store = newStore();
    store.transaction(() => {
      for (let i = 0; i < 600; i++) store.insert({ docid: `d${i}`, text: 'x' });
    });
    const seen: string[] = [];
    for (const { docid } of store.eachDocument()) {
      seen.push(docid);
      if (docid === 'd0') store.delete('d599');
      if (docid === 'd300') store.put({ docid: 'd300', text: 'changed' });
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 599 }, (_, i) => `d${i}`),
    );
  });

  it('have a fingerprint of what is live, and of its order', () => {
    const store = filled();
    const lines = [whale, oak, iron].map(({ docid, title, text }) => `${JSON.stringify([docid, title, text])}\n`);
    assert.equal(store.fingerprint(), createHash('sha256').update(lines.join('')).digest('hex'));
    const before = store.fingerprint();
    store.insert({ docid: 'elm', text: 'A tree.' });
    assert.notEqual(store.fingerprint(), before);
    store.delete('elm');
    assert.equal(store.fingerprint(), before);
  });
});

describe('full-text search', () => {
  const docids = (store: Store, query: string): string[] => store.searchBm25(query, 10).map(({ docid }) => docid);

  it('scores as BM25 by hand', () => {
    // Three documents of 4, 2 and 6 words, mean 4; "tree" is in one of three, twice.
    const store = newStore();
    store.insert({ docid: 'a', title: 'one', text: 'two three four' });
    store.insert({ docid: 'b', title: 'five', text: 'six' });
    store.insert({ docid: 'c', title: 'tree', text: 'tree seven eight nine ten' });
    const idf = Math.log((3 - 1 + 0.5) / (1 + 0.5));
    const expected = (idf * 2 * 2.2) / (2 + 1.2 * (0.25 + (0.75 * 6) / 4));
    const [{ docid, score }] = store.searchBm25('Trees?', 10);
    assert.equal(docid, 'c');
    assert.ok(Math.abs(score - expected) < 1e-9, `${score} is not ${expected}`);
  });

  it('finds any of the words in title or text, stemmed, best first', () => {
    const store = filled();
    assert.deepEqual(docids(store, 'animal trees'), ['oak', 'whale']);
    assert.deepEqual(docids(store, 'IRON'), ['iron']);
    assert.deepEqual(docids(store, 'zebra'), []);
    assert.equal(store.searchBm25('animal', 1).length, 1);
    assert.throws(() => store.searchBm25('animal', 0), { name: 'StoreArgumentError' });
  });

  it('follows every change of a document', () => {
    const store = filled();
    store.update('iron', { text: 'Rust eats it.' });
    assert.deepEqual([docids(store, 'metal'), docids(store, 'rust')], [[], ['iron']]);
    store.delete('iron');
    assert.deepEqual([docids(store, 'rust'), docids(store, 'iron')], [[], []]);
    store.put({ docid: 'iron', title: 'Fe', text: 'An element.' });
    assert.deepEqual([docids(store, 'rust'), docids(store, 'fe')], [[], ['iron']]);
    store.delete('iron');
    store.update('oak', { metadata: { a: 1 } });
    store.database.exec(`INSERT INTO documents_fts (documents_fts) VALUES ('integrity-check')`);
    assert.deepEqual(docids(store, 'animals').sort(), ['oak', 'whale']);
  });

  it('finds what brute force finds after random changes', () => {
    const word = fc.constantFrom('ox', 'fig', 'hut', 'jam');
    const text = fc.array(word, { minLength: 1, maxLength: 4 }).map((list) => list.join(' '));
    const change = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(text));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), word, (changes, asked) => {
        const store = openStore(':memory:');
        const model = new Map<string, string>();
        for (const [docid, content] of changes) {
          if (content !== null) store.put({ docid, text: content });
          else if (model.has(docid)) store.delete(docid);
          if (content === null) model.delete(docid);
          else model.set(docid, content);
        }
        const expected = [...model].filter(([, content]) => content.split(' ').includes(asked));
        assert.deepEqual(docids(store, asked).sort(), expected.map(([docid]) => docid).sort());
        store.close();
      }),
      { numRuns: 60 },
    );
  });

  it('takes any text as words', () => {
    const store = filled();
    const hostile = [
      '"',
      '""',
      'NOT',
      'oak AND',
      '(((',
      'title:oak',
      'oa*',
      '^oak',
      '-oak',
      'NEAR(oak iron)',
      "'; DROP",
    ];
    for (const query of [...hostile, '\0', '҈', '', ' ', '{oak}', 'a"b'])
      assert.doesNotThrow(() => docids(store, query));
    assert.deepEqual(docids(store, 'title : "oak" NOT oak'), ['oak']);
    assert.deepEqual(docids(store, '!? ...'), []);
    assert.deepEqual(docids(store, `${Array.from({ length: 20_000 }, (_, i) => `w${i}`).join(' ')} metal`), ['iron']);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (query) => void docids(store, query)),
      { numRuns: 300 },
    );
  });
});

describe('queries and judgements', () => {
  it('come back by split', () => {
    const store = filled();
    for (const id of ['q1', 'q2', 'q3']) store.putQuery({ id, text: `text of ${id}` });
    store.putQrel({ queryId: 'q2', docid: 'iron', score: 1 }, 'train');
    store.putQrel({ queryId: 'q2', docid: 'whale', score: 2 }, 'train');
    store.putQrel({ queryId: 'q1', docid: 'oak', score: 0 }, 'train');
    store.putQrel({ queryId: 'q1', docid: 'oak', score: 1 }, 'test');
    assert.deepEqual(store.queries('train'), [
      { id: 'q1', text: 'text of q1', relevant: [] },
      { id: 'q2', text: 'text of q2', relevant: ['whale', 'iron'] },
    ]);
    assert.deepEqual(store.queries('dev'), []);
    assert.deepEqual(store.qrels('test'), [{ queryId: 'q1', docid: 'oak', score: 1 }]);
    assert.equal(store.allQueries().length, 3);
    assert.deepEqual(store.query('q3'), { id: 'q3', text: 'text of q3' });
  });

  it('are refused where they point at nothing', () => {
    const store = filled();
    store.putQuery({ id: 'q', text: 'x' });
    assert.throws(() => store.putQrel({ queryId: 'q', docid: 'elm', score: 1 }, 'dev'), { name: 'UnknownDocidError' });
    assert.throws(() => store.putQrel({ queryId: 'p', docid: 'oak', score: 1 }, 'dev'), { name: 'UnknownQueryError' });
    assert.throws(() => store.putQrel({ queryId: 'q', docid: 'oak', score: 0.5 }, 'dev'), {
      name: 'StoreArgumentError',
    });
  });
});

describe('the file of a store', () => {
  it('keeps what is written, durably', () => {
    const path = join(dir, 'kept.db');
    const store = openStore(path);
    assert.deepEqual(
      ['journal_mode', 'synchronous', 'foreign_keys', 'busy_timeout'].map((name) =>
        store.database.pragma(name, { simple: true }),
      ),
      ['wal', 2, 1, 5000],
    );
    store.insert(oak);
    store.writeMeta('a', '1');
    store.writeMeta('b', '2');
    store.writeMeta('a', undefined);
    const reader = openStore(path, { readonly: true });
    assert.equal(reader.document('oak')?.title, 'Oak');
    assert.throws(() => reader.insert(iron), { code: 'SQLITE_READONLY' });
    store.close();
    reader.close();
    const again = openStore(path);
    assert.deepEqual([again.count(), again.readMeta('a'), again.readMeta('b')], [1, undefined, '2']);
    again.close();
  });

  it('takes a transaction whole or not at all', () => {
    const store = filled();
    const failing = (): void =>
      store.transaction(() => {
        store.delete('oak');
        store.insert({ docid: 'elm', text: 'A tree.' });
        throw new Error('no');
      });
    assert.throws(failing, /no/);
    assert.deepEqual([store.count(), store.document('oak')?.version, store.has('elm')], [3, 1, false]);
    store.transaction(() => {
      store.delete('oak');
      assert.throws(failing); // the inner one alone is taken back: 'oak' is no longer live there
    });
    assert.equal(store.document('oak')?.state, 'deleted');
  });

  it('is refused when a newer version made it', () => {
    const path = join(dir, 'newer.db');
    openStore(path).close();
    const database = new Database(path);
    database.pragma('user_version = 99');
    database.close();
    for (const readonly of [true, false])
      assert.throws(() => openStore(path, { readonly }), { name: 'StoreVersionError', found: 99, path });
    const check = new Database(path);
    assert.equal(check.pragma('user_version', { simple: true }), 99);
    check.close();
  });

  it('is refused, and left alone, when it is something else', () => {
    const folder = newFolder({
      'notes.txt': 'These are notes, not a database, and long enough to be looked at.',
      empty: '',
    });
    const other = join(folder, 'other.db');
    const database = new Database(other);
    database.exec('CREATE TABLE documents (x)');
    database.close();
    for (const name of ['notes.txt', 'other.db']) {
      const before = readFileSync(join(folder, name));
      assert.throws(() => openStore(join(folder, name)), { name: 'StoreOpenError' });
      assert.deepEqual(readFileSync(join(folder, name)), before);
    }
    assert.throws(() => openStore(join(folder, 'missing.db'), { readonly: true }), /missing or cannot be opened/);
    assert.throws(() => openStore(join(folder, 'no/such/folder.db')), { name: 'StoreOpenError' });
    assert.throws(() => openStore(join(folder, 'empty'), { readonly: true }), /an empty file/);
    assert.throws(() => openStore(folder), { name: 'StoreOpenError' });
  });

  it('is refused when it is cut short', () => {
    const path = join(dir, 'whole.db');
    const store = openStore(path);
    for (let i = 0; i < 200; i++) store.insert({ docid: `d${i}`, text: 'some words '.repeat(100) });
    store.close();
    const cut = join(dir, 'cut.db');
    copyFileSync(path, cut);
    writeFileSync(cut, readFileSync(cut).subarray(0, 1000));
    assert.throws(() => openStore(cut), { name: 'StoreOpenError' });
  });

  it(
    'is refused for writing where it may not be written',
    { skip: process.getuid?.() === 0 && 'root may write' },
    () => {
      const path = join(dir, 'locked.db');
      openStore(path).close();
      chmodSync(path, 0o444);
      assert.throws(() => openStore(path), { name: 'StoreOpenError' });
    },
  );
});
