import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { importBeir } from '../../corpus/beir.ts';
import { importCsv } from '../../corpus/csv.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { ImportError } from '../../corpus/import-error.ts';
import type { ImportProgress } from '../../corpus/import.ts';
import { importJsonl } from '../../corpus/jsonl.ts';
import { openStore } from '../../corpus/store.ts';
import type { Store } from '../../corpus/store.ts';
import { sharedData, skipWithout } from '../support/corpus-shared.ts';
import { workshop } from '../support/corpus-temp.ts';

const { dir, newStore, newFolder } = workshop();

type Files = { [name: string]: string | Buffer };

const lines = (...objects: unknown[]): string => objects.map((object) => `${JSON.stringify(object)}\n`).join('');
const qrels = (...rows: string[]): string => ['query-id\tcorpus-id\tscore', ...rows, ''].join('\n');

const small = {
  'corpus.jsonl': lines(
    { _id: 'd1', title: 'One', text: 'first text', metadata: { category: 'a' } },
    { _id: 'd2', text: 'second text', url: 'http://x' },
    { _id: 3, title: null, text: 'third text' },
  ),
  'queries.jsonl': lines(
    { _id: 'q1', text: 'first?', answer: 'x' },
    { _id: 'q2', text: 'second?' },
    { _id: 'q3', text: 'unjudged' },
  ),
  'qrels/train.tsv': qrels('q1\td1\t1', 'q1\td2\t0'),
  'qrels/test.tsv': qrels('q2\td2\t1', 'q2\td2\t1'),
} satisfies Files;

/** Imports into a store that holds a document already, and checks that a failure left only that. */
function failure(run: (store: Store) => unknown): ImportError {
  const store = newStore();
  store.insert({ docid: 'there before', text: 'x' });
  const before = store.fingerprint();
  let error: unknown;
  try {
    run(store);
  } catch (thrown) {
    error = thrown;
  }
  assert.ok(error instanceof ImportError, `expected an ImportError, got ${String(error)}`);
  assert.equal(store.fingerprint(), before);
  assert.deepEqual([store.count('all'), store.allQueries().length, store.readMeta('import')], [1, 0, undefined]);
  assert.deepEqual(store.searchBm25('first text', 5), []);
  return error;
}

describe('a BEIR folder', () => {
  it('is imported with its counts', () => {
    const store = newStore();
    const counts = importBeir(store, newFolder({ ...small, 'qrels/README': 'x' }));
    assert.deepEqual(counts, {
      documents: 3,
      queries: 3,
      qrels: { train: 2, dev: 0, test: 1 },
      repeatedQrels: 1,
      ignored: ['qrels/README'],
    });
    assert.deepEqual(store.document('d1')?.metadata, { category: 'a' });
    assert.deepEqual(store.document('d2')?.metadata, { url: 'http://x' });
    assert.deepEqual([store.document('3')?.title, store.document('3')?.text], ['', 'third text']);
    assert.deepEqual(store.queries('train'), [{ id: 'q1', text: 'first?', relevant: ['d1'] }]);
    assert.equal(store.query('q3')?.text, 'unjudged');
    const record = JSON.parse(store.readMeta('import')!) as { fingerprint: string; counts: unknown };
    assert.deepEqual([record.fingerprint, record.counts], [store.fingerprint(), counts]);
  });

  it('may hold nothing but documents', () => {
    const counts = importCorpus(newStore(), newFolder({ 'corpus.jsonl': small['corpus.jsonl'] }));
    assert.deepEqual([counts.documents, counts.queries, counts.qrels.train], [3, 0, 0]);
  });

  it('may have a byte order mark, CRLF, blank lines and no last line end', () => {
    const dressed = Object.fromEntries(
      Object.entries(small).map(([name, text]) => [name, `\ufeff${text.replaceAll('\n', '\r\n\r\n').trimEnd()}`]),
    );
    const [plain, other] = [newStore(), newStore()];
    const counts = importBeir(plain, newFolder(small));
    assert.deepEqual(importBeir(other, newFolder(dressed)), counts);
    assert.equal(other.fingerprint(), plain.fingerprint());
    assert.deepEqual(other.qrels('test'), plain.qrels('test'));
  });

  it('may have lines that span the chunks they are read in', () => {
    const long = 'é'.repeat(700_000); // 1.4 MB each, the chunks are 1 MiB
    const store = newStore();
    importBeir(
      store,
      newFolder({
        'corpus.jsonl': lines({ _id: 'a', text: long }, { _id: 'b', text: 'x' }, { _id: 'c', text: `x${long}` }),
      }),
    );
    assert.deepEqual(
      ['a', 'b', 'c'].map((docid) => store.document(docid)?.text),
      [long, 'x', `x${long}`],
    );
  });

  it('reports its progress up to the last byte', () => {
    const seen: ImportProgress[] = [];
    importBeir(newStore(), newFolder(small), { onProgress: (progress) => seen.push(progress) });
    assert.deepEqual(
      seen.map(({ file }) => file),
      ['corpus.jsonl', 'queries.jsonl', 'qrels/train.tsv', 'qrels/test.tsv'],
    );
    assert.equal(seen.at(-1)?.bytes, seen.at(-1)?.totalBytes);
  });

  const bad: [string, Files, string, RegExp][] = [
    ['JSON cut short', { 'corpus.jsonl': small['corpus.jsonl'].slice(0, -9) }, 'corpus.jsonl:3', /expected a JSON object, got '\{"_id":3.*not valid JSON/],
    ['a list for an object', { 'corpus.jsonl': `${small['corpus.jsonl']}[1]\n` }, 'corpus.jsonl:4', /got a list/],
    ['no _id', { 'corpus.jsonl': lines({ text: 'x' }) }, 'corpus.jsonl:1', /a string in '_id', got nothing/],
    ['an empty _id', { 'corpus.jsonl': lines({ _id: '', text: 'x' }) }, 'corpus.jsonl:1', /docid to be a non-empty string/],
    ['a number for a text', { 'corpus.jsonl': lines({ _id: 'a', text: 7 }) }, 'corpus.jsonl:1', /'text', got the number 7/],
    ['nothing to read', { 'corpus.jsonl': lines({ _id: 'a' }) }, 'corpus.jsonl:1', /a title or a text/],
    ['metadata that is a list', { 'corpus.jsonl': lines({ _id: 'a', text: 'x', metadata: [] }) }, 'corpus.jsonl:1', /'metadata', got a list/],
    ['half a surrogate pair', { 'corpus.jsonl': '{"_id":"a","text":"\\ud800"}\n' }, 'corpus.jsonl:1', /text to be well-formed/],
    ['no document', { 'corpus.jsonl': '\n' }, 'corpus.jsonl', /at least one document, got none/],
    ['a docid twice', { 'corpus.jsonl': small['corpus.jsonl'] + lines({ _id: '3', text: 'x' }) }, 'corpus.jsonl:4', /'3', which line 3 has/],
    ['a docid the store has', { 'corpus.jsonl': lines({ _id: 'there before', text: 'x' }) }, 'corpus.jsonl:1', /a new docid/],
    ['a query id twice', { 'queries.jsonl': lines({ _id: 'q1', text: 'a' }, { _id: 'q1', text: 'b' }) }, 'queries.jsonl:2', /'q1', which line 1 has/],
    ['an empty query', { 'queries.jsonl': lines({ _id: 'q1', text: ' ' }) }, 'queries.jsonl:1', /a query in 'text'/],
    ['judgements without a header', { 'qrels/train.tsv': 'q1\td1\t1\n' }, 'qrels/train.tsv:1', /the header/],
    ['judgements in an empty file', { 'qrels/train.tsv': '' }, 'qrels/train.tsv', /the header/],
    ['a judgement of two columns', { 'qrels/train.tsv': qrels('q1\td1') }, 'qrels/train.tsv:2', /between tabs/],
    ['a judgement by blanks', { 'qrels/train.tsv': qrels('q1 0 d1 1') }, 'qrels/train.tsv:2', /between tabs/],
    ['a score that is no number', { 'qrels/test.tsv': qrels('q1\td1\t1', 'q1\td2\thigh') }, 'qrels/test.tsv:3', /whole number as score, got 'high'/],
    ['an unknown document', { 'qrels/test.tsv': qrels('q1\td1\t1', 'q1\tnope\t1') }, 'qrels/test.tsv:3', /document in corpus.jsonl, got 'nope'/],
    ['an unknown query', { 'qrels/test.tsv': qrels('nope\td1\t1') }, 'qrels/test.tsv:2', /query in queries.jsonl, got 'nope'/],
    ['two scores for one pair', { 'qrels/test.tsv': qrels('q1\td1\t1', 'q1\td1\t2') }, 'qrels/test.tsv:3', /where line 2 has 1/],
    ['Latin-1', { 'corpus.jsonl': Buffer.from(small['corpus.jsonl'].replace('second', 'sécond'), 'latin1') }, 'corpus.jsonl:2', /UTF-8 text/],
    ['a cut UTF-8 character', { 'queries.jsonl': Buffer.concat([Buffer.from(small['queries.jsonl']), Buffer.from('é').subarray(0, 1)]) }, 'queries.jsonl:4', /UTF-8 text/],
  ]; // prettier-ignore
  for (const [name, change, place, message] of bad)
    it(`is refused whole with ${name}`, () => {
      const error = failure((store) => importBeir(store, newFolder({ ...small, ...change })));
      assert.equal(error.message.slice(0, place.length + 11), `${place}: expected `);
      assert.match(error.message, message);
    });

  it('is refused whole for line 73,112', () => {
    const many = Array.from({ length: 73_111 }, (_, i) => `{"_id":"d${i}","text":"first text"}\n`);
    const folder = newFolder({
      'corpus.jsonl': `${many.join('')}{"_id": "broken, "text": ""}\n${lines({ _id: 'e', text: 'x' })}`,
    });
    const error = failure((store) => importBeir(store, folder));
    assert.deepEqual([error.file, error.line, error.expected], ['corpus.jsonl', 73_112, 'a JSON object']);
  });

  it('is refused when it is none', () => {
    assert.match(failure((store) => importBeir(store, join(dir, 'nowhere'))).message, /none there/);
    assert.match(failure((store) => importBeir(store, newFolder({ a: '' }))).message, /a corpus.jsonl/);
    const odd = newFolder({ a: '' });
    mkdirSync(join(odd, 'corpus.jsonl'));
    assert.match(failure((store) => importBeir(store, odd)).message, /expected a file/);
  });

  it('leaves the store as it was when the process is killed in the middle', async () => {
    const path = join(dir, 'killed.db');
    const store = openStore(path);
    store.insert({ docid: 'there before', text: 'x' });
    const before = store.fingerprint();
    const many = Array.from({ length: 20_000 }, (_, i) => `{"_id":"d${i}","text":"first text"}\n`);
    const folder = newFolder({ 'corpus.jsonl': many.join('') });
    const script = `
      import { openStore } from ${JSON.stringify(new URL('../../corpus/store.ts', import.meta.url).href)};
      import { importBeir } from ${JSON.stringify(new URL('../../corpus/beir.ts', import.meta.url).href)};
      import { writeSync } from 'node:fs';
      importBeir(openStore(${JSON.stringify(path)}), ${JSON.stringify(folder)}, {
        onProgress: ({ records }) => { if (records === 10000) { writeSync(1, 'half'); for (;;); } },
      });`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.deepEqual([store.fingerprint(), store.count('all')], [before, 1]);
    store.close();
    const again = openStore(path);
    assert.equal(again.fingerprint(), before);
    assert.equal(importBeir(again, folder).documents, 20_000);
    again.close();
  });
});

describe('a full disk', () => {
  it('is said so, and leaves the store as it was', () => {
    const store = newStore();
    store.insert({ docid: 'there before', text: 'x' });
    const before = store.fingerprint();
    const pages = store.database.pragma('page_count', { simple: true }) as number;
    store.database.pragma(`max_page_count = ${pages + 20}`); // SQLite's own way to meet the end of the disk
    const many = Array.from({ length: 5000 }, (_, i) => `{"_id":"d${i}","text":"first text"}\n`);
    const folder = newFolder({ 'corpus.jsonl': many.join('') });
    assert.throws(() => importBeir(store, folder), {
      name: 'StoreFullError',
      message: /full disk; nothing was changed/,
    });
    assert.deepEqual([store.fingerprint(), store.count('all')], [before, 1]);
    store.database.pragma('max_page_count = 1000000');
    assert.equal(importBeir(store, folder).documents, 5000);
  });
});

describe('a JSONL file of documents', () => {
  it('is imported under any of the names of a docid', () => {
    const text = lines(
      { docid: 'a', title: 'A', text: 'x', metadata: { n: 1 } },
      { id: 'b', text: 'y' },
      { _id: 'c', text: 'z' },
    );
    const store = newStore();
    assert.equal(importCorpus(store, join(newFolder({ 'docs.jsonl': text }), 'docs.jsonl')).documents, 3);
    assert.deepEqual(store.document('a'), {
      docid: 'a',
      title: 'A',
      text: 'x',
      metadata: { n: 1 },
      version: 1,
      state: 'live',
    });
  });

  const bad: [string, string, RegExp][] = [
    ['fields it would lose', lines({ id: 'a', text: 'x' }, { id: 'b', text: 'x', year: 1, url: 'u' }), /^docs.jsonl:2: .*under 'metadata'.*'year', 'url'/],
    ['two docids', lines({ id: 'a', docid: 'b', text: 'x' }), /one of docid, id, _id, got 'docid', 'id'/],
    ['no docid', lines({ text: 'x' }), /one of docid, id, _id, got nothing/],
    ['no text', lines({ id: 'a', title: 'x' }), /a string in 'text', got nothing/],
    ['a docid twice', lines({ id: 'a', text: 'x' }, { docid: 'a', text: 'y' }), /^docs.jsonl:2: .*which line 1 has/],
    ['plain text', 'hello\n', /^docs.jsonl:1: expected a JSON object, got 'hello'/],
  ]; // prettier-ignore
  for (const [name, text, message] of bad)
    it(`is refused whole with ${name}`, () => {
      const path = join(newFolder({ 'docs.jsonl': text }), 'docs.jsonl');
      assert.match(failure((store) => importJsonl(store, path)).message, message);
    });
});

describe('a CSV file of documents', () => {
  it('is imported with its other columns as metadata', () => {
    const text =
      'id,title,text,year,code,ok,note\r\n1,"A ""quoted"" title","two\r\nlines, one comma",1999,007,true,\r\n2,,plain,-0.5,1e3,no,x y\r\n';
    const store = newStore();
    assert.equal(importCorpus(store, join(newFolder({ 'docs.csv': `\ufeff${text}` }), 'docs.csv')).documents, 2);
    const [first, second] = store.documents({ limit: 2 }).documents;
    assert.deepEqual([first.title, first.text], ['A "quoted" title', 'two\nlines, one comma']);
    assert.deepEqual(first.metadata, { year: 1999, code: '007', ok: true });
    assert.deepEqual(second.metadata, { year: -0.5, code: '1e3', ok: 'no', note: 'x y' });
  });

  it('may go by tabs, where a quote is a plain character', () => {
    const path = join(newFolder({ 'docs.tsv': 'docid\ttext\nd1\t"odd quote, and comma\nd2\tx\n' }), 'docs.tsv');
    const store = newStore();
    assert.equal(importCorpus(store, path).documents, 2);
    assert.equal(store.document('d1')?.text, '"odd quote, and comma');
    const semicolons = join(newFolder({ 'docs.csv': 'id;text\na;"x;y"\n' }), 'docs.csv');
    importCsv(store, semicolons, { delimiter: ';' });
    assert.equal(store.document('a')?.text, 'x;y');
  });

  const bad: [string, string, RegExp][] = [
    ['nothing in it', '', /^docs.csv: expected a header row/],
    ['a header alone', 'id,text\n', /at least one document/],
    ['no docid column', 'name,text\na,b\n', /^docs.csv:1: expected one column of docid, id, _id/],
    ['two docid columns', 'id,docid,text\na,b,c\n', /one column of/],
    ['no text column', 'id,title\na,b\n', /a column 'text'/],
    ['a column twice', 'id,text,text\na,b,c\n', /every column name once, got 'text'/],
    ['a column without a name', 'id,text,\na,b,c\n', /a name for every column/],
    ['a short row', 'id,text,year\na,"x\ny",1\nb,x\n', /^docs.csv:4: expected 3 columns as in the header, got 2/],
    ['a long row', 'id,text\na,b,c\n', /^docs.csv:2: expected 2 columns as in the header, got 3/],
    ['a quote that never closes', 'id,text\na,"b\nc,d\ne,f\n', /^docs.csv:2: .*a quoted field that never ends/],
    ['a stray quote', 'id,text\na,b\nc,d "e" f\n', /^docs.csv:3: .*a quote inside an unquoted field/],
    ['characters behind a quote', 'id,text\na,"b" c\n', /^docs.csv:2: .*behind a closing quote/],
    ['a docid twice', 'id,text\na,b\n"a",c\n', /^docs.csv:3: .*which line 2 has/],
    ['an empty docid', 'id,text\n,b\n', /^docs.csv:2: expected docid to be a non-empty string/],
  ];
  for (const [name, text, message] of bad)
    it(`is refused whole with ${name}`, () => {
      const path = join(newFolder({ 'docs.csv': text }), 'docs.csv');
      assert.match(failure((store) => importCsv(store, path)).message, message);
    });

  it('does not read on forever behind a quote that never closes', () => {
    const rows = Array.from({ length: 400_000 }, (_, i) => `d${i},some more text`);
    const path = join(newFolder({ 'docs.csv': `id,text\na,"b\n${rows.join('\n')}\n` }), 'docs.csv');
    assert.match(failure((store) => importCsv(store, path)).message, /^docs.csv:2: expected records of at most/);
  });
});

describe('a path', () => {
  it('that is no corpus is refused', () => {
    const folder = newFolder({ 'a.parquet': 'x' });
    assert.match(failure((store) => importCorpus(store, join(folder, 'a.parquet'))).message, /got another file/);
    assert.match(failure((store) => importCorpus(store, join(folder, 'b.parquet'))).message, /got nothing there/);
    assert.match(
      failure((store) => importCorpus(store, join(folder, 'b.jsonl'))).message,
      /a readable file, got none there/,
    );
  });
});

describe('the built-in corpus', () => {
  const builtin = fileURLToPath(new URL('../../corpus/builtin', import.meta.url));
  it('is imported as any other', { skip: !existsSync(join(builtin, 'corpus.jsonl')) && 'not in this checkout' }, () => {
    const store = newStore();
    const counts = importCorpus(store, builtin);
    assert.ok(counts.documents >= 1000 && counts.qrels.dev > 0 && counts.repeatedQrels === 0);
    const described = store.documents({ limit: 1, filter: { category: { exists: true } } });
    assert.equal(described.total, counts.documents);
  });
});

describe('real data', () => {
  it('mix16k is imported with the counts of its own record', { skip: skipWithout('mix16k') }, () => {
    const store = newStore();
    const counts = importBeir(store, sharedData('mix16k')!);
    assert.deepEqual([counts.documents, counts.queries], [16_671, 76_888]);
    assert.deepEqual([store.queries('train').length, store.queries('test').length], [61_173, 15_715]);
  });
});
