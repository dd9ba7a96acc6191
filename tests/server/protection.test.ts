import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MadeKeyView } from '../../server/admin-schemas.ts';
import type { Problem } from '../../server/schemas.ts';
import { adminKey, asAdmin, bearer, get, post, startTestServer, type Answer } from '../support/server.ts';

describe('requests in a minute', () => {
  it('are counted by address, and refused beyond the limit', async () => {
    const { url } = await startTestServer({ perMinute: 3 });
    const answers: Answer<Problem>[] = [];
    for (const path of ['/info', '/nope', '/documents', '/retrieve?query=a', '/info'])
      answers.push(await get<Problem>(url + path));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 404, 200, 200, 429],
    );
    const { headers, body } = answers[4];
    assert.equal(body.code, 'rate_limited');
    assert.match(body.detail, /expected at most 3 requests in a minute from .*127\.0\.0\.1, got more/);
    const seconds = Number(headers.get('retry-after'));
    assert.ok(seconds >= 1 && seconds <= 60);
    assert.match(headers.get('ratelimit-policy')!, /q=3; w=60/);
    for (const path of ['/livez', '/healthz', '/readyz', '/']) assert.equal((await get(url + path)).status, 200, path);
    const metrics = await get<string>(`${url}/metrics`, { headers: asAdmin });
    assert.match(metrics.body, /palimpsest_http_rate_limited_total\{by="address"\} 1/);
  });

  it('are counted by key where one came, each its own, and wrong keys by address', async () => {
    const { url } = await startTestServer({ perMinute: 3 });
    const body = { name: 'slow', scope: 'read', perMinute: 1 };
    const { secret } = (await post<MadeKeyView>(`${url}/keys`, body, asAdmin)).body;
    const ask = async (key: string) => (await get(`${url}/info`, { headers: bearer(key) })).status;
    assert.deepEqual([await ask(secret), await ask(secret)], [200, 429]);
    assert.deepEqual([await ask(adminKey), await ask(adminKey), await ask(adminKey)], [200, 200, 429]); // one made the key
    const wrong = async () => (await get(`${url}/keys`, { headers: bearer('nobody-knows-this-key') })).status;
    assert.deepEqual([await wrong(), await wrong(), await wrong(), await wrong()], [401, 401, 401, 429]);
  });

  it('are not counted where nobody asked for that', async () => {
    const { url } = await startTestServer();
    const answers = await Promise.all(Array.from({ length: 300 }, () => get(`${url}/info`)));
    assert.ok(answers.every(({ status, headers }) => status === 200 && !headers.has('ratelimit')));
  });

  it('take the address from as many proxies as there are, and from no others', async () => {
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    const behind = await startTestServer({ perMinute: 1, proxies: 1 });
    const ask = async (address: string) => (await get(`${behind.url}/info`, from(address))).status;
    assert.deepEqual([await ask('10.0.0.1'), await ask('10.0.0.2'), await ask('10.0.0.1')], [200, 200, 429]);
    assert.equal(await ask('6.6.6.6, 10.0.0.2'), 429); // the first one is what a caller says
    const alone = await startTestServer({ perMinute: 1 });
    assert.equal((await get(`${alone.url}/info`, from('10.0.0.1'))).status, 200);
    assert.equal((await get(`${alone.url}/info`, from('10.0.0.2'))).status, 429);
  });
});

describe('pages of other origins', () => {
  const origin = 'https://app.example';
  const preflight = { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT' } };

  it('may not call unless they are named', async () => {
    const { url } = await startTestServer();
    const { headers } = await get(`${url}/info`, { headers: { origin } });
    assert.equal(headers.get('access-control-allow-origin'), null);
    assert.equal((await get(`${url}/documents/d1`, preflight)).headers.get('access-control-allow-origin'), null);
  });

  it('may call where they are named', async () => {
    const { url } = await startTestServer({ corsOrigins: [origin, 'https://other.example'] });
    const { headers } = await get(`${url}/info`, { headers: { origin } });
    assert.equal(headers.get('access-control-allow-origin'), origin);
    assert.equal(headers.get('access-control-allow-credentials'), null);
    assert.match(headers.get('access-control-expose-headers')!, /ETag,.*X-Request-Id/);
    const allowed = await get(`${url}/documents/d1`, preflight);
    assert.deepEqual(
      [allowed.status, allowed.headers.get('access-control-allow-methods')],
      [204, 'GET,POST,PUT,DELETE'],
    );
    const stranger = await get(`${url}/info`, { headers: { origin: 'https://evil.example' } });
    assert.equal(stranger.headers.get('access-control-allow-origin'), null);
    assert.equal(stranger.headers.get('vary')?.includes('Origin'), true);
  });

  it('may call from anywhere with *', async () => {
    const { url } = await startTestServer({ corsOrigins: ['*'] });
    assert.equal((await get(`${url}/info`, { headers: { origin } })).headers.get('access-control-allow-origin'), '*');
  });
});

describe('the log in JSON', () => {
  it('has an object for each request, with its id, and neither queries nor secrets', async () => {
    const server = await startTestServer({ logFormat: 'json' });
    const { url } = server;
    await get(`${url}/retrieve?query=private+words`, { headers: { 'x-request-id': 'r-1' } });
    await get(`${url}/documents/d1`, { headers: { 'x-request-id': 'r-2', ...asAdmin } });
    await post(`${url}/keys`, { name: 'k', scope: 'read' }, { ...asAdmin, 'x-request-id': 'r-3' });
    await get(`${url}/edits`, { headers: { 'x-request-id': 'r-4', ...bearer('nobody-knows-this-key') } });
    await server.close();
    const records = server.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      records.map(({ level, requestId, method, route, status, key }) => [level, requestId, method, route, status, key]),
      [
        ['info', 'r-1', 'GET', '/retrieve', 200, undefined],
        ['info', 'r-2', 'GET', '/documents/:docid', 200, 'environment'],
        ['info', 'r-3', 'POST', '/keys', 201, 'environment'],
        ['info', 'r-4', 'GET', '/edits', 401, undefined],
      ],
    );
    for (const { time, ms, msg } of records) {
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 600_000);
      assert.equal(typeof ms, 'number');
      assert.match(String(msg), /^(GET|POST) \/\w+/);
    }
    for (const word of ['private', 'nobody-knows', adminKey, 'palimpsest_'])
      assert.equal(server.lines.join('\n').includes(word), false, word);
  });

  it('tells failures with the id of their request', async () => {
    const server = await startTestServer({ logFormat: 'json' });
    await server.index.close();
    await post(`${server.url}/retrieve`, { query: 'a' }, { 'x-request-id': 'r-9' });
    const failure = server.lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .find(({ level }) => level === 'error')!;
    assert.deepEqual([failure.requestId, failure.code], ['r-9', 'model_unavailable']);
    assert.match(String(failure.msg), /^POST \/retrieve r-9: inference pool: closed/);
  });
});
