import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { openStore } from '../../corpus/store.ts';
import type { KeysResponse, KeyView, MadeKeyView } from '../../server/admin-schemas.ts';
import type { AuditResponse } from '../../server/audit/audit-schemas.ts';
import { commandLine } from '../../server/audit/audit-log.ts';
import { storeFile } from '../../server/data-folder.ts';
import { Keys } from '../../server/keys/keys.ts';
import type { Problem, TaskView } from '../../server/schemas.ts';
import { startEditServer } from '../support/edit-server.ts';
import {
  adminKey,
  asAdmin,
  bearer,
  get,
  post,
  startTestServer,
  tempFolder,
  type TestServer,
} from '../support/server.ts';

let server: TestServer;
let url: string;
before(async () => {
  server = await startTestServer();
  url = server.url;
});

const make = (body: object) => post<MadeKeyView & Problem>(`${url}/keys`, body, asAdmin);
const rotate = (name: string, body: object) => post<MadeKeyView & Problem>(`${url}/keys/${name}/rotate`, body, asAdmin);
const revoke = (name: string) => get<Problem>(`${url}/keys/${name}`, { method: 'DELETE', headers: asAdmin });
const list = async () => (await get<KeysResponse>(`${url}/keys`, { headers: asAdmin })).body.keys;
/** GET /edits needs a key that may read. */
const statusWith = async (secret: string) => (await get(`${url}/edits`, { headers: bearer(secret) })).status;

describe('POST /keys', () => {
  it('makes a key that is valid at once, and shows its secret only then', async () => {
    const { status, headers, body } = await make({ name: 'search-app', scope: 'read', perMinute: 600 });
    assert.equal(status, 201);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('location'), '/keys/search-app');
    const { secret, ...key } = body;
    assert.match(secret, /^palimpsest_[\w-]{43}$/);
    assert.equal(await statusWith(secret), 200);
    const shown = (await list()).find(({ name }) => name === 'search-app');
    assert.deepEqual({ ...shown, lastUsedAt: null }, key);
    const one = await get<KeyView>(`${url}/keys/search-app`, { headers: asAdmin });
    assert.equal(JSON.stringify(one.body).includes(secret), false);
    const hashes = server.index.store.database.prepare("SELECT hash FROM api_keys WHERE name = 'search-app'").pluck();
    assert.deepEqual(hashes.get(), createHash('sha256').update(secret).digest());
  });

  it('notes the hour of the last use', async () => {
    const { body } = await make({ name: 'used', scope: 'read' });
    assert.equal(body.lastUsedAt, null);
    await statusWith(body.secret);
    const { lastUsedAt } = (await list()).find(({ name }) => name === 'used')!;
    assert.match(lastUsedAt!, /^\d{4}-\d\d-\d\dT\d\d:00:00\.000Z$/);
    assert.ok(Math.abs(Date.now() - Date.parse(lastUsedAt!)) < 2 * 3600 * 1000);
  });

  it('refuses names that are taken, and what no key can be', async () => {
    await make({ name: 'twice', scope: 'read' });
    for (const name of ['twice', 'environment']) {
      const { status, body } = await make({ name, scope: 'edit' });
      assert.deepEqual([status, body.code], [409, 'key_name_taken']);
    }
    const wrong: [object, string][] = [
      [{ name: 'a b', scope: 'read' }, 'name'],
      [{ name: '', scope: 'read' }, 'name'],
      [{ name: 'x', scope: 'root' }, 'scope'],
      [{ name: 'x', scope: 'read', expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
      [{ name: 'x', scope: 'read', expiresAt: 'tomorrow' }, 'expiresAt'],
      [{ name: 'x', scope: 'read', perMinute: 0 }, 'perMinute'],
      [{ name: 'x', scope: 'read', secret: 'mine' }, 'secret'],
    ];
    for (const [body, path] of wrong) {
      const answer = await make(body);
      assert.deepEqual([answer.status, answer.body.errors[0].path], [400, path], JSON.stringify(body));
    }
  });

  it('takes a key of scope admin', async () => {
    const { body } = await make({ name: 'only-edit', scope: 'edit' });
    for (const [path, method] of [
      ['/keys', 'GET'],
      ['/keys', 'POST'],
      ['/keys/only-edit', 'GET'],
      ['/keys/only-edit', 'DELETE'],
      ['/keys/only-edit/rotate', 'POST'],
      ['/audit', 'GET'],
    ]) {
      assert.equal((await get(url + path, { method })).status, 401, path);
      assert.equal((await get(url + path, { method, headers: bearer(body.secret) })).status, 403, path);
    }
  });
});

describe('a key that ends', () => {
  it('is valid until then, and told to have expired', async () => {
    const { body } = await make({
      name: 'short',
      scope: 'read',
      expiresAt: new Date(Date.now() + 3600_000).toISOString(),
    });
    assert.equal(await statusWith(body.secret), 200);
    const past = new Date(Date.now() - 1).toISOString();
    server.index.store.database.prepare("UPDATE api_keys SET expires = ? WHERE name = 'short'").run(past);
    const answer = await get<Problem>(`${url}/edits`, { headers: bearer(body.secret) });
    assert.equal(answer.status, 401);
    assert.match(answer.body.detail, /got one that has expired/);
    assert.match(answer.headers.get('www-authenticate')!, /invalid_token/);
  });

  it('does not count as an admin key at the next start', () => {
    const store = openStore(join(tempFolder(), 'store.sqlite'));
    const keys = new Keys(store);
    assert.match(keys.makeFirst(commandLine)!, /^palimpsest_/);
    assert.equal(keys.makeFirst(commandLine), undefined);
    store.database.prepare('UPDATE api_keys SET expires = ?').run(new Date(Date.now() - 1).toISOString());
    assert.match(keys.makeFirst(commandLine)!, /^palimpsest_/);
    assert.deepEqual(
      keys.list().map(({ name }) => name),
      ['admin', 'admin-2'],
    );
    store.close();
  });
});

describe('POST /keys/{name}/rotate', () => {
  it('makes another secret; the one before is valid for the time of grace, and no longer', async () => {
    const first = (await make({ name: 'turning', scope: 'read' })).body.secret;
    const { status, body } = await rotate('turning', {});
    assert.equal(status, 200);
    const day = Date.parse(body.previousUntil!) - Date.now();
    assert.ok(day > 23.9 * 3600_000 && day <= 24 * 3600_000);
    assert.deepEqual([await statusWith(first), await statusWith(body.secret)], [200, 200]);
    const past = new Date(Date.now() - 1).toISOString();
    server.index.store.database.prepare("UPDATE api_keys SET previous_until = ? WHERE name = 'turning'").run(past);
    assert.deepEqual([await statusWith(first), await statusWith(body.secret)], [401, 200]);
    const third = (await rotate('turning', { graceSeconds: 0 })).body;
    assert.equal(third.previousUntil, null);
    assert.deepEqual([await statusWith(body.secret), await statusWith(third.secret)], [401, 200]);
  });

  it('keeps one secret before, not two', async () => {
    const first = (await make({ name: 'often', scope: 'read' })).body.secret;
    const second = (await rotate('often', {})).body.secret;
    const third = (await rotate('often', {})).body.secret;
    assert.deepEqual(await Promise.all([first, second, third].map(statusWith)), [401, 200, 200]);
  });

  it('answers 404 for a key that is not there', async () => {
    for (const name of ['nobody', 'environment']) {
      const { status, body } = await rotate(name, {});
      assert.deepEqual([status, body.code], [404, 'key_not_found']);
    }
  });
});

describe('DELETE /keys/{name}', () => {
  it('ends a key at once, and its secrets of before', async () => {
    const first = (await make({ name: 'gone', scope: 'read' })).body.secret;
    const second = (await rotate('gone', {})).body.secret;
    assert.equal((await revoke('gone')).status, 204);
    assert.deepEqual([await statusWith(first), await statusWith(second)], [401, 401]);
    assert.deepEqual([(await revoke('gone')).status, (await revoke('gone')).body.code], [404, 'key_not_found']);
  });

  it('refuses to leave nobody who could make another', async () => {
    const alone = await startTestServer({ adminKey: undefined });
    const headers = bearer(alone.newAdminKey!);
    const refused = await get<Problem>(`${alone.url}/keys/admin`, { method: 'DELETE', headers });
    assert.deepEqual([refused.status, refused.body.code], [409, 'last_admin_key']);
    await post(`${alone.url}/keys`, { name: 'second', scope: 'admin' }, headers);
    assert.equal((await get(`${alone.url}/keys/admin`, { method: 'DELETE', headers })).status, 204);
    assert.equal((await get(`${alone.url}/keys`, { headers })).status, 401);
  });
});

describe('GET /audit', () => {
  it('tells who did what, edits with their figures, newest first', async () => {
    const { url } = await startEditServer();
    const audit = async (parameters = '') =>
      (await get<AuditResponse>(`${url}/audit?${parameters}`, { headers: asAdmin })).body.entries;
    const { secret } = (await post<MadeKeyView>(`${url}/keys`, { name: 'writer', scope: 'edit' }, asAdmin)).body;
    const asWriter = { ...bearer(secret), 'x-request-id': 'the-request' };
    const added = await post(`${url}/documents?budget=1`, { docid: 'n1', text: 'A kettle boils water.' }, asWriter);
    assert.equal(added.status, 201);
    await post(`${url}/evaluate?wait=0`, { queries: [{ query: 'a secret question', relevant: ['d1'] }] }, asWriter);
    await get(`${url}/keys/writer`, { method: 'DELETE', headers: asAdmin });
    const entries = await audit();
    assert.deepEqual(
      entries.map(({ actor, action, subject }) => [actor, action, subject]),
      [
        ['environment', 'key.revoke', 'writer'],
        ['writer', 'evaluation.start', '1'],
        ['writer', 'edit', '1'],
        ['environment', 'key.create', 'writer'],
      ],
    );
    const [, evaluation, edit, creation] = entries;
    assert.deepEqual([evaluation.requestId, edit.requestId], ['the-request', 'the-request']);
    assert.deepEqual(evaluation.details, { queries: 1 });
    assert.deepEqual(edit.details, { operations: [{ kind: 'add', docid: 'n1' }] });
    assert.deepEqual(Object.keys(edit.figures!), ['canaries', 'heldOut', 'drift']);
    assert.deepEqual(creation.details, { scope: 'edit' });
    assert.equal(JSON.stringify(entries).includes(secret), false);
    assert.equal(JSON.stringify(entries).includes('secret question'), false);

    const actions = async (parameters: string) => (await audit(parameters)).map(({ action }) => action);
    assert.deepEqual(await actions('actor=writer'), ['evaluation.start', 'edit']);
    assert.deepEqual(await actions('action=key.create'), ['key.create']);
    assert.deepEqual(await actions('limit=2'), ['key.revoke', 'evaluation.start']);
    assert.deepEqual(await actions(`limit=2&before=${evaluation.id}`), ['edit', 'key.create']);
    assert.deepEqual(await actions(`before=${creation.id}`), []);
    assert.equal((await get(`${url}/audit?before=x`, { headers: asAdmin })).status, 400);
  });
});

describe('the id of a request', () => {
  it('joins its edits with the log of requests, and is that of the first where it is repeated', async () => {
    const server = await startEditServer({ logFormat: 'json' });
    const { url, lines } = server;
    const as = (id: string) => ({ ...asAdmin, 'x-request-id': id });
    const body = { docid: 'n1', text: 'A kettle boils water.' };
    for (const id of ['first', 'again'])
      await post(`${url}/documents?budget=1`, body, { ...as(id), 'idempotency-key': 'once' });
    await post(`${url}/edits/1/undo`, {}, as('undone'));
    const send = (id: string, docids: readonly string[], parameters: string) =>
      get<TaskView>(`${url}/documents/import?budget=1&${parameters}`, {
        method: 'POST',
        headers: { ...as(id), 'content-type': 'application/x-ndjson' },
        body: docids.map((docid) => `${JSON.stringify({ ...body, docid })}\n`).join(''),
      });
    await send('imported', ['n2', 'n3'], 'batch=1');
    const task = (await send('task', ['n4', 'n5'], 'batch=2&task=true')).body;
    await get(`${url}/tasks/${task.id}?wait=60`, { headers: asAdmin });
    await post(`${url}/edits/revert`, { to: 3 }, as('reverted'));
    const { entries } = (await get<AuditResponse>(`${url}/audit`, { headers: asAdmin })).body;
    await server.close();
    const logged = lines.map((line) => JSON.parse(line) as { requestId: string; route?: string });
    assert.deepEqual(
      entries
        .filter(({ action }) => ['edit', 'undo', 'revert'].includes(action))
        .map(({ requestId }) => [requestId, logged.find((line) => line.requestId === requestId)?.route]),
      [
        ['reverted', '/edits/revert'],
        ['task', '/documents/import'],
        ['imported', '/documents/import'],
        ['imported', '/documents/import'],
        ['undone', '/edits/:seq/undo'],
        ['first', '/documents'],
      ],
    );
  });
});

describe('no secret', () => {
  it('is in the log of a run, nor in the files of its data folder', async () => {
    const { dataDir, lines, ...run } = await startEditServer();
    const made = (await post<MadeKeyView>(`${run.url}/keys`, { name: 'leaky', scope: 'edit' }, asAdmin)).body.secret;
    const turned = (await post<MadeKeyView>(`${run.url}/keys/leaky/rotate`, {}, asAdmin)).body.secret;
    const unknown = `palimpsest_${'x'.repeat(43)}`;
    for (const secret of [made, turned, unknown, adminKey])
      for (const path of ['/edits', '/keys', '/nope', '/documents/%ff', `/documents?q=${secret.slice(0, 5)}`]) {
        await get(run.url + path, { headers: bearer(secret) });
        await post(run.url + path, '{', bearer(secret));
      }
    await run.close();
    const written = [
      lines.join('\n'),
      ...['', '-wal'].map((end) => readFileSync(join(dataDir, storeFile + end), { encoding: 'latin1', flag: 'a+' })),
    ];
    for (const text of written)
      for (const secret of [made, turned, unknown, adminKey]) assert.equal(text.includes(secret.slice(-20)), false);
  });
});
