import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { banner } from '../../server/banner.ts';
import { storeFile } from '../../server/data-folder.ts';
import { AdminKeyError } from '../../server/keys/errors.ts';
import { Keys } from '../../server/keys/keys.ts';
import { permits, scopes, type Scope } from '../../server/keys/scope.ts';
import type { Problem } from '../../server/schemas.ts';
import { startServer } from '../../server/serve.ts';
import { asAdmin, bearer, get, post, startTestServer, tinyWorld, type TestServer } from '../support/server.ts';

const keyPattern = /palimpsest_[\w-]{43}/;
const cancelling = (url: string, headers: Record<string, string> = {}) =>
  get<Problem>(`${url}/tasks/1/cancel`, { method: 'POST', headers });

describe('the first admin key', () => {
  it('is made and shown at the first start, and never again', async () => {
    const world = tinyWorld();
    const first = await startTestServer({ ...world, adminKey: undefined });
    const [key] = keyPattern.exec(banner(first))!;
    assert.equal(first.newAdminKey, key);
    assert.equal((await cancelling(first.url, bearer(key))).status, 404); // let in: there is no such task
    await first.close();
    const second = await startTestServer({ ...world, adminKey: undefined });
    assert.equal(second.newAdminKey, undefined);
    assert.doesNotMatch(banner(second), keyPattern);
    assert.equal((await cancelling(second.url, bearer(key))).status, 404);
  });

  it('is kept as a hash only', async () => {
    const world = tinyWorld();
    const server = await startTestServer({ ...world, adminKey: undefined });
    const key = server.newAdminKey!;
    const stored = server.index.store.database.prepare('SELECT name, scope, hash FROM api_keys').all();
    assert.deepEqual(stored, [{ name: 'admin', scope: 'admin', hash: createHash('sha256').update(key).digest() }]);
    await server.close();
    for (const end of ['', '-wal']) {
      const bytes = readFileSync(join(world.dataDir, `${storeFile}${end}`), { flag: 'a+' });
      assert.equal(bytes.includes(key.slice('palimpsest_'.length)), false);
    }
    assert.doesNotMatch(server.lines.join('\n'), keyPattern);
  });

  it('is not made where the start fails, nor where the environment gives one', async () => {
    const world = tinyWorld();
    const given = await startTestServer({ ...world, adminKey: 'given-by-the-environment' });
    assert.equal(given.newAdminKey, undefined);
    assert.equal((await cancelling(given.url, bearer('given-by-the-environment'))).status, 404);
    await given.close();
    const made = await startTestServer({ ...world, adminKey: undefined });
    assert.match(made.newAdminKey!, keyPattern);
    assert.equal((await cancelling(made.url, bearer('given-by-the-environment'))).status, 401);
  });

  it('must be long, and must fit into a header', async () => {
    const options = { ...tinyWorld(), port: 0, host: '127.0.0.1', log: () => {} };
    for (const adminKey of [
      'short',
      'fifteen-letters',
      'x'.repeat(257),
      'with a space in it',
      'with-an-umlaut-ä-in-it',
    ])
      await assert.rejects(startServer({ ...options, adminKey }), (error: Error) => {
        assert.ok(error instanceof AdminKeyError);
        assert.match(error.message, /^PALIMPSEST_ADMIN_KEY: expected 16 to 256 .*openssl/);
        assert.equal(error.message.includes(adminKey), false);
        return true;
      });
  });
});

describe('a call that needs a key', () => {
  let server: TestServer;
  let keyOf: (scope: Scope) => string;
  before(async () => {
    server = await startTestServer();
    const insert = server.index.store.database.prepare('INSERT INTO api_keys (name, scope, hash) VALUES (?, ?, ?)');
    keyOf = (scope) => `the-secret-of-scope-${scope}`;
    for (const scope of scopes) insert.run(scope, scope, createHash('sha256').update(keyOf(scope)).digest());
  });

  it('is refused without one, with a challenge', async () => {
    for (const headers of [{}, { authorization: 'Basic YWRtaW46YWRtaW4=' }, { authorization: 'Bearer' }] as Record<
      string,
      string
    >[]) {
      const { status, headers: answered, body } = await cancelling(server.url, headers);
      assert.deepEqual([status, body.code], [401, 'unauthorized']);
      assert.equal(answered.get('www-authenticate'), 'Bearer realm="palimpsest"');
      assert.match(body.detail, /Authorization: Bearer KEY.*PALIMPSEST_ADMIN_KEY/);
    }
  });

  it('is refused with an unknown one, which is not repeated', async () => {
    for (const key of [
      `${keyOf('admin')}x`,
      keyOf('admin').slice(0, -1),
      keyOf('admin').toUpperCase(),
      'x'.repeat(5000),
    ]) {
      const { status, headers, body } = await cancelling(server.url, bearer(key));
      assert.deepEqual([status, body.code], [401, 'unauthorized']);
      assert.equal(headers.get('www-authenticate'), 'Bearer realm="palimpsest", error="invalid_token"');
      assert.equal(JSON.stringify(body).includes(key), false);
    }
  });

  it('is let in from its scope on', async () => {
    const rows: [string, Scope][] = [
      ['/tasks/1/cancel', 'edit'],
      ['/analysis', 'admin'],
    ];
    for (const [path, needed] of rows)
      for (const scope of scopes) {
        const answer = await post<Problem>(server.url + path, { unknown: 1 }, bearer(keyOf(scope)));
        const permitted = permits(scope, needed);
        assert.equal([404, 400].includes(answer.status), permitted, `${path} ${scope}`);
        if (permitted) continue;
        assert.deepEqual([answer.status, answer.body.code], [403, 'insufficient_scope']);
        const challenge = `Bearer realm="palimpsest", error="insufficient_scope", scope="${needed}"`;
        assert.equal(answer.headers.get('www-authenticate'), challenge);
      }
  });

  it('is refused before its body is read', async () => {
    const large = `{"x": "${'x'.repeat(300_000)}"}`;
    assert.equal((await post(`${server.url}/analysis`, large)).status, 401);
    assert.equal((await post(`${server.url}/analysis`, large, asAdmin)).status, 413);
    assert.equal((await post(`${server.url}/analysis`, '{', bearer('wrong-wrong-wrong-wrong'))).status, 401);
  });

  it('takes the name of the scheme in any case', async () => {
    assert.equal((await cancelling(server.url, { authorization: `bearer  ${keyOf('edit')} ` })).status, 404);
  });

  it('finds the key among several', () => {
    const keys = new Keys(server.index.store);
    for (const scope of scopes) assert.deepEqual(keys.find(keyOf(scope)), { name: scope, scope, perMinute: null });
    assert.equal(keys.find(''), undefined);
  });
});

describe('looking', () => {
  const looks = ['/retrieve?query=a', '/documents', '/documents/d1', '/analysis/latest', '/tasks', '/tasks/1', '/info'];

  it('needs no key, and does not mind a wrong one', async () => {
    const { url } = await startTestServer();
    for (const path of looks)
      for (const headers of [{}, bearer('nobody-knows-this-key')] as Record<string, string>[])
        assert.ok([200, 404].includes((await get(url + path, { headers })).status), path);
    assert.equal((await post(`${url}/retrieve`, { query: 'a' })).status, 200);
  });

  it('needs one where search is locked; what a monitor and a browser ask first stays open', async () => {
    const server = await startTestServer({ lockSearch: true });
    server.index.store.database
      .prepare('INSERT INTO api_keys (name, scope, hash) VALUES (?, ?, ?)')
      .run('reader', 'read', createHash('sha256').update('only-for-reading').digest());
    for (const path of looks) {
      assert.equal((await get(server.url + path)).status, 401, path);
      const { status } = await get(server.url + path, { headers: bearer('only-for-reading') });
      assert.ok([200, 404].includes(status), path);
    }
    assert.equal((await post(`${server.url}/retrieve`, { query: 'a' })).status, 401);
    for (const path of ['/livez', '/readyz', '/', '/docs', '/openapi.json'])
      assert.equal((await get(server.url + path)).status, 200, path);
    assert.match(banner(server), /locked +searches too need a key/);
  });
});
