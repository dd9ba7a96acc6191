/** Documents added, changed, renamed and deleted over HTTP, and edits taken back: a real editor on a tiny random model. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStore, type Store } from '../../corpus/store.ts';
import type { EditsResponse, EditView } from '../../server/edit-schemas.ts';
import { currentModel } from '../../server/data-folder.ts';
import type { EditOutcome } from '../../editing/operations.ts';
import type { DocumentView, Problem, RetrieveResponse, TaskView } from '../../server/schemas.ts';
import { editableWorld, startEditServer, type EditableWorld } from '../support/edit-server.ts';
import { writeTinyModel } from '../support/tiny-model.ts';
import { asAdmin, get, post, startTestServer, tempFolder, type Answer, type TestServer } from '../support/server.ts';

let server: TestServer & EditableWorld;
let url: string;
before(async () => {
  server = await startEditServer();
  url = server.url;
});

const program = fileURLToPath(new URL('../../server/cli/main.ts', import.meta.url));

type Edited = EditOutcome & Problem & TaskView;
type Headers = Record<string, string>;

const budget = 'budget=1';
const send =
  (method: string) =>
  (path: string, body?: unknown, headers: Headers = {}): Promise<Answer<Edited>> =>
    get<Edited>(url + path, {
      method,
      headers: { 'content-type': 'application/json', ...asAdmin, ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
const [add, put, remove] = [send('POST'), send('PUT'), send('DELETE')];
const read = (docid: string) => get<DocumentView & Problem>(`${url}/documents/${docid}`);
const found = async (query: string, mode = 'genir'): Promise<string[]> =>
  (await post<RetrieveResponse>(`${url}/retrieve`, { query, mode, k: 100 })).body.candidates.map(({ docid }) => docid);
const last = async (): Promise<number> => (await get<EditsResponse>(`${url}/edits`, { headers: asAdmin })).body.last;
/** Asserts that nothing was edited meanwhile. */
async function unchanged(body: () => Promise<void>): Promise<void> {
  const was = await last();
  await body();
  assert.equal(await last(), was);
}

const lantern = {
  docid: 'lantern',
  title: 'The lantern',
  text: 'A lantern gives light when the night is dark at sea.',
};

describe('POST /documents', () => {
  it('adds a document, which is found from then on', async () => {
    const { status, headers, body } = await add(`/documents?${budget}`, { ...lantern, metadata: { year: 1900 } });
    assert.equal(status, 201, JSON.stringify(body));
    assert.equal(headers.get('location'), '/documents/lantern');
    assert.deepEqual([body.accepted, body.documents], [true, [{ docid: 'lantern', version: 1 }]]);
    assert.equal(body.figures.heldOut.count, 2);
    const { headers: stored, body: document } = await read('lantern');
    assert.deepEqual(document, { ...lantern, metadata: { year: 1900 }, version: 1 });
    assert.equal(stored.get('etag'), headers.get('etag'));
    assert.ok((await found(lantern.text)).includes('lantern'));
    const { body: answer } = await post<RetrieveResponse>(`${url}/retrieve`, {
      query: 'light',
      filter: { year: { gte: 1900 } },
    });
    assert.deepEqual([answer.editSeq, answer.candidates.map(({ docid }) => docid)], [body.seq, ['lantern']]);
  });

  it('takes queries of the caller', async () => {
    const queries = ['who rings at noon', 'what is made of bronze', 'a thing in a tower', 'it swings'];
    const { status, body } = await add(`/documents?${budget}`, {
      docid: 'bell',
      text: 'A bell hangs in a tower.',
      queries,
    });
    assert.equal(status, 201);
    assert.ok(body.figures.heldOut.count > 0);
  });

  it('refuses a docid that a document has', () =>
    unchanged(async () => {
      for (const docid of ['d1', 'lantern']) {
        const { status, body } = await add(`/documents?${budget}`, { docid, text: 'Another.' });
        assert.deepEqual([status, body.code], [409, 'docid_taken'], JSON.stringify(body));
      }
    }));

  it('refuses what does not fit, and says where', () =>
    unchanged(async () => {
      const wrong: [unknown, string][] = [
        [{}, 'docid'],
        [{ docid: 'x' }, 'text'],
        [{ docid: 'x', text: 3 }, 'text'],
        [{ docid: 'x', text: 'a', more: 1 }, 'more'],
        [{ docid: 'x', text: 'a', queries: [' '] }, 'queries[0]'],
        [{ docid: 'x', text: 'a', metadata: [] }, 'metadata'],
        [{ docid: 'x', text: 'a'.repeat(1_000_001) }, 'text'],
        [{ docid: 'x', text: 'a', operations: [] }, 'operations'],
        [{ docid: 'x', text: 'a', operations: [{ kind: 'delete', docid: 'd1' }] }, 'docid'],
        [{ operations: [{ kind: 'move', docid: 'd1' }] }, 'operations[0].kind'],
        [{ operations: [{ kind: 'delete' }] }, 'operations[0].docid'],
        [
          {
            operations: [
              { kind: 'delete', docid: 'd1' },
              { kind: 'rename', docid: 'd1', to: 'e1' },
            ],
          },
          'operations[1].docid',
        ],
        [{ docid: 'x', title: '', text: ' ' }, 'text'],
        [{ docid: 'x\ny', text: 'a' }, 'operations[0].docid'],
      ];
      for (const [body, path] of wrong) {
        const answer = await add(`/documents?${budget}`, body);
        const told = JSON.stringify(answer.body);
        assert.deepEqual([answer.status, answer.body.code], [400, 'invalid_request'], told);
        assert.ok(
          answer.body.errors.some((error) => error.path === path),
          told,
        );
      }
      for (const query of ['dryRun=yes', 'budget=2', 'budget=-1', 'wait=61', 'wait=x', 'more=1'])
        assert.equal((await add(`/documents?${query}`, lantern)).status, 400, query);
      assert.equal((await add('/documents', '{')).body.code, 'malformed_json');
      assert.equal((await add('/documents', lantern, { 'content-type': 'text/plain' })).status, 415);
    }));

  it('refuses five megabytes of text, and a body that is larger than any', () =>
    unchanged(async () => {
      const { status, body } = await add('/documents', { docid: 'x', text: 'word '.repeat(1 << 20) });
      assert.deepEqual([status, body.errors[0].path], [400, 'text']);
      const larger = await add('/documents', `"${'x'.repeat(17 << 20)}"`);
      assert.deepEqual([larger.status, larger.body.code], [413, 'body_too_large']);
      assert.match(larger.body.detail, /at most 16777216 bytes/);
    }));

  it('needs a key', async () => {
    for (const [method, path] of [
      ['POST', '/documents'],
      ['PUT', '/documents/d1'],
      ['DELETE', '/documents/d1'],
      ['POST', '/documents/d1/rename'],
      ['POST', '/documents/import'],
      ['GET', '/edits'],
      ['GET', '/edits/1'],
      ['POST', '/edits/1/undo'],
      ['POST', '/edits/revert'],
    ])
      assert.equal((await get(url + path, { method })).status, 401, `${method} ${path}`);
  });

  it('tells what would come of an edit, without making it', () =>
    unchanged(async () => {
      const kettle = { docid: 'kettle', text: 'A kettle boils water for tea.' };
      const { status, body } = await add(`/documents?dryRun=true&${budget}`, kettle);
      assert.deepEqual([status, body.seq, body.accepted], [200, null, true]);
      assert.deepEqual(body.documents, [{ docid: 'kettle', version: null }]);
      assert.equal((await read('kettle')).status, 404);
      assert.ok(!(await found('kettle', 'bm25')).includes('kettle'));
    }));

  it('makes several operations as one edit, or none of them', async () => {
    const was = await last();
    const { status, body } = await add(`/documents?${budget}`, {
      operations: [
        { kind: 'add', document: { docid: 'whistle', text: 'A whistle makes a loud note.' } },
        { kind: 'change', docid: 'd2', document: { title: 'Another title' }, expectedVersion: 1 },
        { kind: 'delete', docid: 'd3' },
        { kind: 'rename', docid: 'd4', to: 'e4' },
      ],
    });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual([body.seq, body.documents.map(({ docid }) => docid)], [was + 1, ['whistle', 'd2', 'd3', 'e4']]);
    assert.equal((await read('d2')).body.title, 'Another title');
    for (const docid of ['d3', 'd4']) assert.equal((await read(docid)).status, 404);
    const documents = await found('ice');
    assert.ok(documents.includes('e4') && documents.includes('whistle') && !documents.includes('d3'));
    await unchanged(async () => {
      const half = await add(`/documents?${budget}`, {
        operations: [
          { kind: 'delete', docid: 'd5' },
          { kind: 'delete', docid: 'nobody' },
        ],
      });
      assert.deepEqual([half.status, half.body.code], [400, 'unknown_docid']);
      const stale = await add(`/documents?${budget}`, {
        operations: [{ kind: 'change', docid: 'd2', document: { text: 'x' }, expectedVersion: 1 }],
      });
      assert.deepEqual([stale.status, stale.body.code], [412, 'precondition_failed']);
      assert.equal((await read('d5')).status, 200);
    });
  });

  it('refuses an edit beyond its budget, with the figures', async () => {
    // Of a random model every canary is wrong: what is beyond any budget is told by the editor's own tests.
    const { EditRefusedError } = await import('../../server/edits.ts');
    const { lineFaultOf } = await import('../../server/http-error.ts');
    const canaries = { count: 200, before: 0.9, after: 0.85 };
    const figures = { canaries, heldOut: { count: 2, before: 0, after: 1 }, drift: { before: 0, after: 0.1 } };
    const refused = new EditRefusedError({
      ...{ seq: null, accepted: false, budget: 0.01, figures, documents: [], seconds: 0, bytes: 0 },
    });
    assert.match(
      refused.message,
      /at most 1\.00 points of Success@1, got 90\.00 % → 85\.00 % on 200 of their queries; /,
    );
    assert.deepEqual([lineFaultOf(refused).status, lineFaultOf(refused).code], [422, 'edit_refused']);
  });
});

describe('an idempotency key', () => {
  it('makes a request that is sent twice one edit, answered twice', async () => {
    const send = () =>
      add(`/documents?${budget}`, { docid: 'kite', text: 'A kite flies.' }, { 'idempotency-key': 'kite-1' });
    const [first, second] = await Promise.all([send(), send()]);
    const third = await send();
    for (const { status, body } of [second, third]) assert.deepEqual([status, body], [201, first.body]);
    const other = await add(
      `/documents?${budget}`,
      { docid: 'drum', text: 'A drum.' },
      { 'idempotency-key': 'kite-1' },
    );
    assert.deepEqual([other.status, other.body.code], [422, 'idempotency_key_reused']);
    const bad = await add(`/documents?${budget}`, { docid: 'drum', text: 'A drum.' }, { 'idempotency-key': 'a b' });
    assert.deepEqual([bad.status, bad.body.errors[0].path], [400, 'Idempotency-Key']);
  });

  it('answers a repeated change, rename and deletion, though the document is another one by now', async () => {
    const was = await last();
    const { headers } = await read('kite');
    const changing = { 'if-match': headers.get('etag')!, 'idempotency-key': 'kite-2' };
    for (let i = 0; i < 2; i++) {
      const { status, body } = await put(`/documents/kite?${budget}`, { text: 'A kite of paper.' }, changing);
      assert.deepEqual([status, body.seq], [200, was + 1], JSON.stringify(body));
      const renamed = await add(
        `/documents/kite/rename?${budget}`,
        { to: 'paper-kite' },
        { 'idempotency-key': 'kite-3' },
      );
      assert.deepEqual([renamed.status, renamed.body.seq], [200, was + 2]);
      const gone = await remove(`/documents/paper-kite?${budget}`, undefined, { 'idempotency-key': 'kite-4' });
      assert.deepEqual([gone.status, gone.body.seq], [200, was + 3]);
    }
    const plain = { 'idempotency-key': 'kite-5' };
    for (let i = 0; i < 2; i++)
      assert.equal((await put(`/documents/kite?${budget}`, { text: 'A kite again.' }, plain)).status, 201);
  });
});

describe('PUT /documents/:docid', () => {
  it('changes a document as a whole', async () => {
    const { status, headers, body } = await put(`/documents/d0?${budget}`, {
      text: 'A kettle boils water for tea over a fire of wood.',
    });
    assert.deepEqual([status, body.documents], [200, [{ docid: 'd0', version: 2 }]], JSON.stringify(body));
    const { body: document, headers: stored } = await read('d0');
    assert.equal(headers.get('etag'), stored.get('etag'));
    assert.deepEqual([document.title, document.metadata, document.version], ['', {}, 2]);
    assert.ok((await found('kettle', 'bm25')).includes('d0'));
    assert.ok((await found('tea over a fire')).includes('d0'));
  });

  it('adds one that is not there, also under a docid that needs escaping', async () => {
    const { status, headers } = await put(`/documents/a%2Fb%20%C3%A9?${budget}`, { text: 'A drum is beaten.' });
    assert.deepEqual([status, headers.get('location')], [201, '/documents/a%2Fb%20%C3%A9']);
    assert.equal((await read('a%2Fb%20%C3%A9')).body.docid, 'a/b é');
  });

  it('minds If-Match and If-None-Match', () =>
    unchanged(async () => {
      const { headers } = await read('d1');
      const etag = headers.get('etag')!;
      const content = { text: 'A drum.' };
      const refused: [string, Headers][] = [
        ['d1', { 'if-match': '"7-abcdefabcdef"' }],
        ['d1', { 'if-match': `W/${etag}` }],
        ['d1', { 'if-match': etag.replace('1-', '2-') }],
        ['d1', { 'if-none-match': '*' }],
        ['d1', { 'if-none-match': etag }],
        ['nobody', { 'if-match': '*' }],
        ['nobody', { 'if-match': etag }],
      ];
      for (const [docid, conditions] of refused) {
        const { status, body } = await put(`/documents/${docid}?${budget}`, content, conditions);
        assert.deepEqual([status, body.code], [412, 'precondition_failed'], JSON.stringify([docid, conditions]));
      }
      for (const path of ['/documents/d1', '/documents/d1/rename'])
        assert.equal(
          (
            await send(path.endsWith('rename') ? 'POST' : 'DELETE')(
              path,
              path.endsWith('rename') ? { to: 'x' } : undefined,
              { 'if-match': '"7-a"' },
            )
          ).status,
          412,
        );
    }));

  it('makes it where the conditions hold', async () => {
    const etag = (await read('d1')).headers.get('etag')!;
    const first = await put(`/documents/d1?${budget}`, { text: 'A drum is loud.' }, { 'if-match': `"x", ${etag}` });
    assert.equal(first.status, 200);
    const stale = await put(`/documents/d1?${budget}`, { text: 'A drum is soft.' }, { 'if-match': etag });
    assert.equal(stale.status, 412);
    const made = await put(`/documents/flute?${budget}`, { text: 'A flute.' }, { 'if-none-match': '*' });
    assert.equal(made.status, 201);
  });

  it('lets one of two that change the same version win', async () => {
    const etag = (await read('d8')).headers.get('etag')!;
    const change = (text: string) => put(`/documents/d8?${budget}`, { text }, { 'if-match': etag });
    const answers = await Promise.all([change('A horn is blown.'), change('A harp is plucked.')]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412]);
  });
});

describe('DELETE and rename', () => {
  it('lets nothing come out under the old name', async () => {
    const { status, headers } = await add(`/documents/d5/rename?${budget}`, { to: 'harbour' });
    assert.deepEqual([status, headers.get('location')], [200, '/documents/harbour']);
    const documents = await found('ships shelter from wind');
    assert.ok(documents.includes('harbour') && !documents.includes('d5'));
    assert.equal((await remove(`/documents/harbour?${budget}`)).status, 200);
    for (const mode of ['genir', 'bm25', 'hybrid'])
      assert.ok(!(await found('ships shelter from wind', mode)).includes('harbour'));
    assert.equal((await read('harbour')).status, 404);
  });

  it('answer 404 for a document that is not there, 409 for a docid that is', async () => {
    for (const docid of ['nobody', 'harbour', 'd5']) {
      const gone = await remove(`/documents/${docid}`);
      assert.deepEqual([gone.status, gone.body.code], [404, 'document_not_found']);
      assert.equal((await add(`/documents/${docid}/rename`, { to: 'x' })).status, 404);
    }
    const taken = await add('/documents/d7/rename', { to: 'd6' });
    assert.deepEqual([taken.status, taken.body.code], [409, 'docid_taken']);
    assert.equal((await add('/documents/d7/rename', { to: '' })).status, 400);
  });

  it('erase what is to be forgotten, so that it cannot come back', async () => {
    const secret = 'Quicksilver is stored in the seventh cellar.';
    await add(`/documents?${budget}`, { docid: 'secret', text: secret });
    const { status, body } = await remove(`/documents/secret?forget=true&${budget}`);
    assert.equal(status, 200, JSON.stringify(body));
    const { readFileSync } = await import('node:fs');
    const { database } = server.index.store;
    for (const file of [database.name, `${database.name}-wal`])
      assert.equal(readFileSync(file).toString('latin1').toLowerCase().includes('quicksilver'), false, file);
    const undo = await add(`/edits/${body.seq}/undo`);
    assert.deepEqual([undo.status, undo.body.code], [409, 'not_undoable']);
  });
});

describe('what is forgotten', () => {
  /** Rare words, and pieces of them: the full-text index keeps of a word what the word before it has not. */
  const words = ['zyzzogeton', 'xylophagous', 'quomodocunquizing'];
  const pieces = ['yzzogeto', 'ylophago', 'omodocunquiz'];
  const filesThatSay = (dir: string): string[] =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter((file) => {
        const bytes = readFileSync(file).toString('latin1').toLowerCase();
        return pieces.some((piece) => bytes.includes(piece));
      });
  const text = `A ${words[0]} and a ${words[1]} thing, ${words[2]} all day.`;
  const forget = (at: string, docid: string) =>
    get<Edited>(`${at}/documents/${docid}?forget=true&${budget}`, { method: 'DELETE', headers: asAdmin });
  /** A reader of its own, as a backup is, that began before. */
  function readerOf(path: string): Store {
    const store = openStore(path, { readonly: true });
    store.database.exec('BEGIN');
    store.count();
    return store;
  }

  it('is in no byte of the data folder, once nobody reads what was there before', async () => {
    const own = await startEditServer();
    const { dataDir } = own;
    await post(`${own.url}/documents?${budget}`, { docid: 'beetle', text, queries: [`who is ${words[2]}`] }, asAdmin);
    await post(`${own.url}/documents?${budget}`, { docid: 'other', text: 'A violin and the sea.' }, asAdmin);
    const put = { method: 'PUT', headers: { 'content-type': 'application/json', ...asAdmin } };
    const changed = JSON.stringify({ title: words[1], text: `A ${words[0]} again.` });
    await get(`${own.url}/documents/beetle?${budget}`, { ...put, body: changed });
    await post(`${own.url}/documents/beetle/rename?${budget}`, { to: 'bug' }, asAdmin);
    await Promise.all(words.map((query) => post(`${own.url}/retrieve`, { query, mode: 'hybrid' })));
    assert.notDeepEqual(filesThatSay(dataDir), []);

    const reader = readerOf(own.index.store.database.name);
    assert.equal((await forget(own.url, 'bug')).status, 200);
    assert.notDeepEqual(filesThatSay(dataDir), []); // the reader's snapshot
    assert.equal((await post(`${own.url}/retrieve`, { query: 'the sea' })).status, 200); // nobody waits for it
    reader.close();
    for (let i = 0; filesThatSay(dataDir).length && i < 300; i++) await delay(20);
    assert.deepEqual(filesThatSay(dataDir), []);
    await own.close();
    assert.deepEqual(filesThatSay(dataDir), []);
  });

  it('goes at the next start where the server ended before its log could be emptied', async () => {
    const own = await startEditServer();
    await post(`${own.url}/documents?${budget}`, { docid: 'beetle', text }, asAdmin);
    const reader = readerOf(own.index.store.database.name);
    assert.equal((await forget(own.url, 'beetle')).status, 200);
    await own.close();
    assert.notDeepEqual(filesThatSay(own.dataDir), []);
    reader.close();
    const { modelDir, corpus, dataDir } = own;
    const next = await startTestServer({ modelDir, corpus, dataDir });
    assert.deepEqual(filesThatSay(dataDir), []);
    assert.equal((await get(`${next.url}/documents/beetle`)).status, 404);
  });
});

describe('the history', () => {
  const edits = (parameters = '') => get<EditsResponse>(`${url}/edits?${parameters}`, { headers: asAdmin });

  it('lists edits, newest first, by pages and by document', async () => {
    const { body } = await edits('limit=1000');
    assert.deepEqual(
      body.edits.map(({ seq }) => seq),
      Array.from({ length: body.last }, (_, i) => body.last - i),
    );
    const [first] = body.edits.slice(-1);
    assert.deepEqual(
      [first.kind, first.author, first.operations],
      ['edit', 'environment', [{ kind: 'add', docid: 'lantern' }]],
    );
    assert.match(first.at, /^\d{4}-.*Z$/);
    const page = await edits(`limit=2&before=${body.last - 1}`);
    assert.deepEqual(page.body.edits, body.edits.slice(2, 4));
    const some = await edits('docid=kite');
    assert.ok(some.body.edits.length >= 3);
    const one = await get<EditView>(`${url}/edits/1`, { headers: asAdmin });
    assert.deepEqual(one.body, first);
    for (const seq of ['0', '99999', 'x', '1.5']) {
      const { status, body } = await get<Problem>(`${url}/edits/${seq}`, { headers: asAdmin });
      assert.deepEqual([status, body.code], [404, 'edit_not_found']);
    }
    assert.equal((await edits('limit=1001')).status, 400);
    assert.doesNotMatch(JSON.stringify(body), /gives light/);
  });

  it('takes an edit back once', async () => {
    const { body } = await add(`/documents?${budget}`, { docid: 'anchor', text: 'An anchor holds a ship.' });
    const undo = await add(`/edits/${body.seq}/undo`);
    assert.deepEqual([undo.status, undo.body.seq], [200, body.seq! + 1]);
    assert.equal((await read('anchor')).status, 404);
    const twice = await add(`/edits/${body.seq}/undo`);
    assert.deepEqual([twice.status, twice.body.code], [409, 'not_undoable']);
    const redo = await add(`/edits/${undo.body.seq}/undo`);
    assert.equal(redo.status, 200);
    assert.equal((await read('anchor')).status, 200);
    assert.equal((await add('/edits/99999/undo')).status, 404);
    const dry = await add(`/edits/${body.seq}/undo?dryRun=true`);
    assert.deepEqual([dry.status, dry.body.seq], [200, null], JSON.stringify(dry.body));
  });

  it('goes back to before the first edit, and the model answers as it did', async () => {
    const fresh = await startTestServer({ modelDir: server.modelDir, corpus: server.corpus });
    const ask = async (at: string) =>
      (await post<RetrieveResponse>(`${at}/retrieve`, { query: 'molten rock', k: 100 })).body;
    const { status, body } = await add('/edits/revert', { to: 0 });
    // One edit erased what it took away: nothing goes back behind that.
    assert.deepEqual([status, body.code], [409, 'not_undoable'], JSON.stringify(body));
    const own = await startEditServer();
    const before = await ask(own.url);
    for (let i = 0; i < 3; i++)
      await post(`${own.url}/documents?${budget}`, { docid: `n${i}`, text: `A drum number ${i} is loud.` }, asAdmin);
    assert.notDeepEqual((await ask(own.url)).candidates, before.candidates);
    const back = await post<Edited>(`${own.url}/edits/revert`, { to: 0 }, asAdmin);
    assert.equal(back.status, 200, JSON.stringify(back.body));
    const after = await ask(own.url);
    assert.deepEqual(after.candidates, before.candidates);
    assert.deepEqual(after.candidates, (await ask(fresh.url)).candidates);
    for (const to of [-1, 1.5, 'x', undefined])
      assert.equal((await post(`${own.url}/edits/revert`, { to }, asAdmin)).status, 400);
    assert.equal((await post(`${own.url}/edits/revert`, { to: 99 }, asAdmin)).status, 400);
  });

  it('survives a restart', async () => {
    const world = await editableWorld();
    const first = await startTestServer(world);
    await post(`${first.url}/documents?${budget}`, lantern, asAdmin);
    const ask = async (at: string) =>
      (await post<RetrieveResponse>(`${at}/retrieve`, { query: 'a light', k: 100, includeDocument: true })).body;
    const { candidates, editSeq } = await ask(first.url);
    assert.equal(editSeq, 1);
    await first.close();
    const second = await startTestServer({ ...world, workers: 2 });
    const again = await ask(second.url);
    assert.deepEqual([again.editSeq, again.candidates], [1, candidates]);
    const next = await post<Edited>(`${second.url}/documents?${budget}`, { docid: 'bell', text: 'A bell.' }, asAdmin);
    assert.deepEqual([next.status, next.body.seq], [201, 2]);
  });

  it('is explained: as the newest version ranks, added documents among the others', async () => {
    const world = await editableWorld();
    const own = await startTestServer(world);
    const added = await post<Edited>(`${own.url}/documents?${budget}`, lantern, asAdmin);
    assert.equal(added.status, 201);
    const gone = await get<Edited>(`${own.url}/documents/d4?${budget}`, { method: 'DELETE', headers: asAdmin });
    assert.equal(gone.body.seq, 2);
    for (const query of ['a light on a lantern', 'the sea']) {
      const { status, body } = await post<RetrieveResponse>(`${own.url}/retrieve`, { query, k: 20, explain: true });
      assert.deepEqual([status, body.editSeq, body.candidates.length], [200, 2, 10]);
      const [best] = body.candidates;
      for (const { docid, rank, score, explanation } of body.candidates.slice(0, 5)) {
        assert.deepEqual([explanation!.editSeq, explanation!.docid, explanation!.docidRank], [2, docid, rank]);
        assert.ok(Math.abs(explanation!.logit - best.explanation!.logit - (score! - best.score!)) < 1e-3);
      }
      const { candidates } = (
        await post<RetrieveResponse>(`${own.url}/retrieve`, { query, allow: ['lantern'], explain: true })
      ).body;
      assert.equal(candidates[0].explanation!.docid, 'lantern');
    }
    await own.close();
    const command = ['explain', '--query', 'the sea', '--docid', 'lantern', '--json'];
    const where = ['--model', world.modelDir, '--data', world.dataDir];
    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', program, ...command, ...where], {
      encoding: 'utf8',
    });
    const told = JSON.parse(stdout) as { editSeq: number; docid: string };
    assert.deepEqual([told.editSeq, told.docid], [2, 'lantern']);
  });
});

describe('edits that compact made part of the base model', () => {
  it('are marked, and refuse to be taken back; later ones do not', async () => {
    const world = await editableWorld();
    const first = await startTestServer(world);
    for (const docid of ['oar', 'sail'])
      await post(`${first.url}/documents?${budget}`, { docid, text: `The ${docid} of a boat.` }, asAdmin);
    await first.close();
    const where = ['--model', world.modelDir, '--data', world.dataDir];
    const compacted = spawnSync(process.execPath, ['--import', 'tsx', program, 'compact', ...where]);
    assert.equal(compacted.status, 0, String(compacted.stderr));

    const second = await startTestServer({ ...world, modelDir: await currentModel(world.dataDir, world.modelDir) });
    await post(`${second.url}/documents?${budget}`, { docid: 'mast', text: 'A mast is tall.' }, asAdmin);
    const { edits } = (await get<EditsResponse>(`${second.url}/edits`, { headers: asAdmin })).body;
    assert.deepEqual(
      edits.map(({ seq, folded }) => [seq, folded]),
      [
        [3, false],
        [2, true],
        [1, true],
      ],
    );
    assert.equal((await get<EditView>(`${second.url}/edits/1`, { headers: asAdmin })).body.folded, true);
    const refused: [string, object | undefined, RegExp][] = [
      ['/edits/2/undo', undefined, /edit 2: expected an edit after 2, up to which "compact" folded all edits/],
      ['/edits/revert', { to: 1 }, /revert to 1: expected an edit after 2/],
    ];
    for (const [path, body, message] of refused) {
      const answer = await post<Problem>(second.url + path, body ?? {}, asAdmin);
      assert.deepEqual([answer.status, answer.body.code], [409, 'not_undoable']);
      assert.match(answer.body.detail, message);
    }
    assert.equal(second.index.editSeq, 3);
    assert.equal((await post<Edited>(`${second.url}/edits/3/undo`, {}, asAdmin)).status, 200);
    await second.close();
  });
});

describe('an edit that takes its time', () => {
  it('is answered with a task, which ends with the outcome', async () => {
    const { status, headers, body } = await add(`/documents?wait=0&${budget}`, { docid: 'oar', text: 'An oar rows.' });
    assert.equal(status, 202, JSON.stringify(body));
    assert.equal(headers.get('location'), `/tasks/${body.id}`);
    const { operations, idempotencyKey } = body.input as { operations: unknown; idempotencyKey: string };
    assert.deepEqual([body.kind, operations], ['edit', [{ kind: 'add', docid: 'oar' }]]);
    assert.match(idempotencyKey, /^[0-9a-f-]{36}$/);
    const { body: task } = await get<TaskView>(`${url}/tasks/${body.id}?wait=60`);
    assert.equal(task.state, 'succeeded', JSON.stringify(task));
    assert.deepEqual((task.result as EditOutcome).documents, [{ docid: 'oar', version: 1 }]);
    const failed = await add(`/documents?wait=0&${budget}`, { docid: 'oar', text: 'An oar.' });
    const { body: end } = await get<TaskView>(`${url}/tasks/${failed.body.id}?wait=60`);
    assert.deepEqual([end.state, end.error?.code], ['failed', 'docid_taken']);
  });

  it('can be cancelled before it is made', async () => {
    const operations = Array.from({ length: 400 }, (_, i) => ({
      kind: 'add',
      document: { docid: `many${i}`, text: `A rope of ${i} yards holds a ship.` },
    }));
    const was = await last();
    const long = add(`/documents?wait=0&${budget}`, { operations });
    const waiting = add(`/documents?wait=0&${budget}`, { docid: 'sail', text: 'A sail.' });
    const ids = (await Promise.all([waiting, long])).map(({ body }) => body.id);
    for (const id of ids) assert.equal((await add(`/tasks/${id}/cancel`)).status, 202);
    for (const id of ids) assert.equal((await get<TaskView>(`${url}/tasks/${id}?wait=60`)).body.state, 'cancelled');
    assert.equal(await last(), was);
    assert.equal((await read('many1')).status, 404);
  });

  it('is refused where too many wait', async () => {
    const own = await startEditServer();
    const many = Array.from({ length: 30 }, (_, i) =>
      post<Problem>(`${own.url}/documents?${budget}`, { docid: `n${i}`, text: `A drum number ${i}.` }, asAdmin),
    );
    const statuses = (await Promise.all(many)).map(({ status }) => status);
    assert.ok(statuses.includes(429));
    assert.equal(statuses.filter((status) => status === 201).length, own.index.editSeq);
  });
});

describe('a model that cannot be edited', () => {
  it('is told: one that was not analysed', async () => {
    const modelDir = writeTinyModel(join(tempFolder(), 'plain'));
    const plain = await startTestServer({ modelDir, corpus: server.corpus });
    const { status, body } = await post<Problem>(`${plain.url}/documents`, lantern, asAdmin);
    assert.deepEqual([status, body.code], [409, 'not_editable'], JSON.stringify(body));
    assert.match(body.detail, /analy/);
    assert.equal((await get(`${plain.url}/documents/d1`)).status, 200);
    rmSync(modelDir, { recursive: true });
  });
});
