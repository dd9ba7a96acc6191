import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { DocumentsResponse, DocumentView, InfoResponse, Problem } from '../../server/schemas.ts';
import { documents, get, post, startTestServer, tinyWorld, writeCorpus, type TestServer } from '../support/server.ts';

let server: TestServer;
let url: string;
before(async () => {
  server = await startTestServer();
  url = server.url;
});

describe('GET /documents', () => {
  const list = (parameters: string) => get<DocumentsResponse>(`${url}/documents?${parameters}`);
  const docids = ({ body }: { body: DocumentsResponse }): string[] => body.documents.map(({ docid }) => docid);

  it('gives pages in the order of the corpus', async () => {
    const first = await list('limit=5');
    assert.deepEqual(docids(first), ['d0', 'd1', 'd2', 'd3', 'd4']);
    assert.deepEqual([first.body.total, first.body.offset, first.body.limit], [12, 0, 5]);
    assert.deepEqual(docids(await list('limit=5&offset=10')), ['d10', 'd11']);
    assert.deepEqual(docids(await list('limit=5&offset=100')), []);
  });

  it('filters, and finds words', async () => {
    const filter = encodeURIComponent(JSON.stringify({ category: 'nature' }));
    const filtered = await list(`filter=${filter}`);
    assert.deepEqual(docids(filtered), ['d0', 'd3', 'd6', 'd9']);
    assert.equal(filtered.body.total, 4);
    assert.deepEqual(docids(await list('q=volcano')), ['d3', 'd2']);
    assert.deepEqual(docids(await list(`q=volcano&filter=${filter}`)), ['d3']);
    assert.deepEqual(docids(await list('q=volcano&offset=1&limit=1')), ['d2']);
  });

  it('refuses parameters that say nothing clear', async () => {
    const wrong = {
      'limit=101': 'limit',
      'limit=x': 'limit',
      'offset=-1': 'offset',
      'page=2': 'page',
      'filter={': 'filter',
      'filter=[]': 'filter',
      'q=': 'q',
      'q=a&q=b': 'q',
    };
    for (const [parameters, path] of Object.entries(wrong)) {
      const { status, body } = await get<Problem>(`${url}/documents?${parameters}`);
      assert.equal(status, 400, parameters);
      assert.equal(body.errors[0].path, path, parameters);
    }
  });
});

describe('GET /documents/:docid', () => {
  it('gives a document with an ETag, and 304 while it stays the same', async () => {
    const { status, headers, body } = await get<DocumentView>(`${url}/documents/d3`);
    const { title, text, metadata } = documents[3];
    assert.equal(status, 200);
    assert.deepEqual(body, { docid: 'd3', title, text, metadata, version: 1 });
    const etag = headers.get('etag')!;
    assert.match(etag, /^"1-[\w-]{12}"$/);
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await get(`${url}/documents/d3`, { headers: { 'if-none-match': known } });
      assert.deepEqual([again.status, again.body, again.headers.get('etag')], [304, '', etag]);
    }
    assert.equal((await get(`${url}/documents/d3`, { headers: { 'if-none-match': '"1"' } })).status, 200);
    assert.notEqual((await get(`${url}/documents/d4`)).headers.get('etag'), etag);
  });

  it('gives the same ETag for the same document anywhere, another one for another text of the same version', async () => {
    const etagWith = async (text: string): Promise<string | null> => {
      const { dir, modelDir, dataDir } = tinyWorld();
      const corpus = writeCorpus(
        join(dir, 'corpus'),
        documents.map((document) => (document._id === 'd3' ? { ...document, text } : document)),
      );
      const other = await startTestServer({ modelDir, corpus, dataDir });
      return (await get(`${other.url}/documents/d3`)).headers.get('etag');
    };
    const etag = (await get(`${url}/documents/d3`)).headers.get('etag');
    assert.equal(await etagWith(documents[3].text), etag);
    assert.notEqual(await etagWith('Another text.'), etag);
  });

  it('answers 404 for a docid that no document has', async () => {
    for (const docid of ['nobody', 'a%2Fb', '%F0%9F%98%80', 'x'.repeat(5000)]) {
      const { status, body } = await get<Problem>(`${url}/documents/${docid}`);
      assert.deepEqual([status, body.code], [404, 'document_not_found']);
    }
  });

  it('answers 400 for a path that is no text', async () => {
    const { status, body } = await get<Problem>(`${url}/documents/%ff`);
    assert.deepEqual([status, body.code], [400, 'malformed_request']);
  });
});

describe('every answer', () => {
  it('has the request id that came, or a new one', async () => {
    const given = await get<Problem>(`${url}/nope`, { headers: { 'x-request-id': 'abc-1' } });
    assert.equal(given.headers.get('x-request-id'), 'abc-1');
    assert.equal(given.body.requestId, 'abc-1');
    for (const bad of ['a b', 'x'.repeat(200), '<script>']) {
      const made = await get(`${url}/livez`, { headers: { 'x-request-id': bad } });
      assert.match(made.headers.get('x-request-id')!, /^[0-9a-f-]{36}$/);
    }
  });

  it('has a policy that lets nothing inline and nothing foreign run', async () => {
    const { headers } = await get(`${url}/`);
    assert.match(headers.get('content-security-policy')!, /default-src 'none';script-src 'self'/);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('x-powered-by'), null);
  });

  it('is compressed for those who take that', async () => {
    const { headers } = await get(`${url}/openapi.json`, { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(headers.get('content-encoding'), 'gzip');
  });
});

describe('paths and methods', () => {
  it('answers an unknown path with a problem of all fields', async () => {
    const { status, body } = await get<Problem>(`${url}/nope?x=1`, { headers: { 'x-request-id': 'r' } });
    assert.equal(status, 404);
    assert.deepEqual(body, {
      type: '/docs#route_not_found',
      title: 'No such path',
      status: 404,
      detail: '/nope: expected a path of this server, got another; /docs lists them',
      instance: '/nope',
      code: 'route_not_found',
      errors: [],
      requestId: 'r',
    });
  });

  it('names the allowed methods where another is tried', async () => {
    for (const [method, path, allow] of [
      ['DELETE', '/retrieve', 'POST, GET'],
      ['POST', '/documents/d1', 'GET, PUT, DELETE'],
      ['PUT', '/', 'GET'],
    ]) {
      const { status, headers, body } = await get<Problem>(url + path, { method });
      assert.deepEqual([status, body.code, headers.get('allow')], [405, 'method_not_allowed', allow]);
    }
    const options = await get(`${url}/retrieve`, { method: 'OPTIONS' });
    assert.deepEqual([options.status, options.headers.get('allow')], [204, 'POST, GET']);
  });

  it('serves HEAD where it serves GET', async () => {
    assert.equal((await get(`${url}/documents/d1`, { method: 'HEAD' })).status, 200);
  });

  it('lets no path out of the folders of its pages', async () => {
    for (const path of [
      '/web/../app.ts',
      '/web/%2e%2e/app.ts',
      '/docs/assets/../../../package.json',
      '/web/..%2fapp.ts',
    ])
      assert.ok([403, 404].includes(await rawStatus(path)), path);
  });
});

/** The status of a path sent as it is; fetch would resolve its dots. */
function rawStatus(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    httpRequest({ port: server.port, host: '127.0.0.1', path }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    })
      .on('error', reject)
      .end();
  });
}

describe('operations', () => {
  it('is alive and ready', async () => {
    assert.deepEqual((await get(`${url}/livez`)).body, { status: 'ok' });
    const ready = await get(`${url}/readyz`);
    const checks = { model: 'ok', store: 'ok', version: 'ok', replica: 'ok' };
    assert.deepEqual([ready.status, ready.body], [200, { status: 'ready', checks }]);
  });

  it('tells what it is', async () => {
    const { body } = await get<InfoResponse>(`${url}/info`);
    assert.equal(body.name, 'palimpsest');
    assert.deepEqual([body.model.docids, body.model.liveDocids, body.corpus.documents], [10, 10, 12]);
    assert.deepEqual(body.corpus.categories, ['arts', 'everyday', 'nature']);
    assert.equal(body.runtime.node, process.versions.node);
    assert.match(body.runtime.onnxruntime, /^\d+\.\d+\.\d+$/);
    assert.equal(body.limits.queries, 64);
    const { body: answer } = await post(`${url}/retrieve`, { query: 'a' });
    assert.equal(body.model.version, answer.modelVersion);
  });

  it('serves the page and the reference with all their parts', async () => {
    for (const path of ['/', '/docs']) {
      const { status, headers, body } = await get<string>(url + path);
      assert.equal(status, 200);
      assert.match(headers.get('content-type')!, /^text\/html/);
      const parts = [...body.matchAll(/(?:src|href)="(\/(?:web|docs)\/[^"]+)"/g)].map(([, part]) => part);
      assert.ok(parts.length >= 3);
      for (const part of parts) assert.equal((await get(url + part)).status, 200, part);
      assert.doesNotMatch(body, /<script>|style="|https?:/);
    }
  });
});
