import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { startEditServer } from '../support/edit-server.ts';
import { asAdmin, get, post, startTestServer } from '../support/server.ts';

interface OpenApi {
  openapi: string;
  paths: Record<
    string,
    Record<
      string,
      {
        operationId: string;
        security?: object[];
        responses: Record<string, { content?: Record<string, { schema: object }> }>;
      }
    >
  >;
  components: { schemas: Record<string, object>; securitySchemes: object };
}

describe('GET /openapi.json', () => {
  let url: string;
  let api: OpenApi;
  let ajv: Ajv2020;
  before(async () => {
    ({ url } = await startTestServer());
    api = (await get<OpenApi>(`${url}/openapi.json`)).body;
    ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(api, 'api');
  });

  const named = (name: string): ValidateFunction => ajv.compile({ $ref: `api#/components/schemas/${name}` });
  const schemaOf = (path: string, method: string, status: number, type: string): ValidateFunction => {
    const key = `paths/${path.replaceAll('/', '~1')}/${method}/responses/${status}/content/${type.replace('/', '~1')}/schema`;
    return ajv.compile({ $ref: `api#/${encodeURI(key)}` });
  };

  it('describes every path in OpenAPI 3.1, each operation under a name of its own', () => {
    assert.equal(api.openapi, '3.1.0');
    assert.deepEqual(Object.keys(api.paths), [
      '/retrieve',
      '/documents',
      '/documents/import',
      '/documents/{docid}',
      '/documents/{docid}/rename',
      '/edits',
      '/edits/revert',
      '/edits/{seq}',
      '/edits/{seq}/undo',
      '/evaluate',
      '/analysis',
      '/analysis/latest',
      '/analysis/latest/report.html',
      '/analysis/latest/report.json',
      '/tasks',
      '/tasks/{id}',
      '/tasks/{id}/results',
      '/tasks/{id}/cancel',
      '/keys',
      '/keys/{name}',
      '/keys/{name}/rotate',
      '/audit',
      '/snapshots',
      '/snapshots/{name}',
      '/compact',
      '/exports',
      '/exports/{name}',
      '/exports/{name}/{file}',
      '/info',
      '/metrics',
      '/livez',
      '/healthz',
      '/readyz',
    ]);
    const ids = Object.values(api.paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId));
    assert.equal(new Set(ids).size, ids.length);
    for (const name of Object.keys(api.components.schemas)) named(name);
  });

  it('says of each operation whether it needs a key, and of what scope', () => {
    assert.deepEqual(api.components.securitySchemes, { bearer: { type: 'http', scheme: 'bearer' } });
    const securityOf = (path: string, method: string): unknown => api.paths[path][method].security;
    assert.equal(securityOf('/livez', 'get'), undefined);
    assert.deepEqual(securityOf('/retrieve', 'post'), [{}, { bearer: ['read'] }]);
    assert.deepEqual(securityOf('/tasks/{id}/cancel', 'post'), [{ bearer: ['edit'] }]);
    assert.deepEqual(securityOf('/analysis', 'post'), [{ bearer: ['admin'] }]);
    for (const { security, responses } of Object.values(api.paths).flatMap((item) => Object.values(item)))
      assert.equal('401' in responses, security !== undefined);
  });

  it('refers to nothing that is not there', () => {
    for (const [, name] of JSON.stringify(api).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g))
      assert.ok(name in api.components.schemas, name);
  });

  it('describes the answers that come', async () => {
    const wanted: [string, string, string, unknown?][] = [
      ['/retrieve', 'post', '/retrieve', { query: 'a river', includeDocument: true }],
      ['/retrieve', 'post', '/retrieve', { queries: ['a river', 'comet'], mode: 'hybrid', includeScores: false }],
      ['/retrieve', 'get', '/retrieve?query=a'],
      ['/documents', 'get', '/documents?limit=3'],
      ['/documents/{docid}', 'get', '/documents/d1'],
      ['/info', 'get', '/info'],
      ['/livez', 'get', '/livez'],
      ['/readyz', 'get', '/readyz'],
      ['/retrieve', 'post', '/retrieve', { query: '', more: 1 }],
      ['/documents/{docid}', 'get', '/documents/nobody'],
    ];
    for (const [path, method, address, sent] of wanted) {
      const { status, headers, body } = sent ? await post(url + address, sent) : await get(url + address);
      const validate = schemaOf(path, method, status, headers.get('content-type')!.split(';')[0]);
      assert.ok(validate(body), `${method} ${address}: ${JSON.stringify(validate.errors)}`);
    }
  });

  it('describes what edits answer', async () => {
    const { url } = await startEditServer();
    const send = (method: string, address: string, body?: unknown, headers: Record<string, string> = {}) =>
      get(url + address, {
        method,
        headers: { ...asAdmin, ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    const content = { text: 'A kettle boils water.' };
    const wanted: [string, string, string, number, unknown?, Record<string, string>?][] = [
      ['/documents', 'post', '/documents?budget=1', 201, { docid: 'n1', ...content, queries: ['one', 'two', 'three'] }],
      ['/documents', 'post', '/documents?budget=1', 409, { docid: 'n1', ...content }],
      ['/documents', 'post', '/documents?budget=1', 200, { operations: [{ kind: 'delete', docid: 'd3' }] }],
      ['/documents', 'post', '/documents?budget=1&dryRun=true', 200, { docid: 'n2', ...content }],
      ['/documents', 'post', '/documents?budget=1&wait=0', 202, { docid: 'n3', ...content }],
      ['/documents', 'post', '/documents', 401, { docid: 'n4', ...content }, { authorization: '' }],
      ['/documents/{docid}', 'put', '/documents/d1?budget=1', 200, content],
      ['/documents/{docid}', 'put', '/documents/n5?budget=1', 201, content],
      ['/documents/{docid}', 'put', '/documents/d1?budget=1', 412, content, { 'if-match': '"9-x"' }],
      ['/documents/{docid}', 'delete', '/documents/d2?budget=1', 200],
      ['/documents/{docid}', 'delete', '/documents/d2?budget=1', 404],
      ['/documents/{docid}/rename', 'post', '/documents/d4/rename?budget=1', 200, { to: 'e4' }],
      ['/edits', 'get', '/edits', 200],
      ['/edits/{seq}', 'get', '/edits/1', 200],
      ['/edits/{seq}/undo', 'post', '/edits/1/undo', 200],
      ['/edits/{seq}/undo', 'post', '/edits/1/undo', 409],
      ['/edits/revert', 'post', '/edits/revert', 200, { to: 0 }],
      ['/edits', 'get', '/edits', 200],
      ['/evaluate', 'post', '/evaluate?wait=60', 200, {}],
    ];
    for (const [path, method, address, status, sent, extra] of wanted) {
      const { status: answered, headers, body } = await send(method.toUpperCase(), address, sent, extra);
      assert.equal(answered, status, `${method} ${address}: ${JSON.stringify(body)}`);
      const validate = schemaOf(path, method, status, headers.get('content-type')!.split(';')[0]);
      assert.ok(validate(body), `${method} ${address}: ${JSON.stringify(validate.errors)}`);
    }
    const lines = await get<string>(`${url}/documents/import?budget=1`, {
      method: 'POST',
      headers: { ...asAdmin, 'content-type': 'application/x-ndjson' },
      body: `${JSON.stringify({ docid: 'n6', ...content })}\n{`,
    });
    const validate = schemaOf('/documents/import', 'post', 200, 'application/x-ndjson');
    for (const line of lines.body.trim().split('\n')) assert.ok(validate(JSON.parse(line)), line);
  });

  it('describes the documents that are taken, and no others', async () => {
    const { url } = await startEditServer();
    const validate = named('DocumentsRequest');
    const document = { docid: 'x', text: 'A text.' };
    const requests = [
      document,
      { ...document, title: 'T', metadata: { a: [1] }, queries: ['a'] },
      {
        operations: [
          { kind: 'add', document },
          { kind: 'rename', docid: 'd1', to: 'e1' },
        ],
      },
      { operations: [{ kind: 'change', docid: 'd1', document: { title: 'T' }, expectedVersion: 1 }] },
      { operations: [{ kind: 'delete', docid: 'd1', forget: true }] },
      {},
      { docid: 'x' },
      { text: 'a' },
      { ...document, more: 1 },
      { ...document, metadata: [] },
      { ...document, queries: [] },
      { ...document, operations: [{ kind: 'delete', docid: 'd1' }] },
      { operations: [] },
      { operations: [{ kind: 'delete', docid: 'd1', to: 'e1' }] },
      { operations: [{ kind: 'move', docid: 'd1' }] },
      { operations: [{ kind: 'change', docid: 'd1', document: { docid: 'e1' } }] },
    ];
    for (const request of requests) {
      const { status, body } = await post(`${url}/documents?budget=1&dryRun=true`, request, asAdmin);
      assert.equal(validate(request), status === 200, JSON.stringify([request, body]));
    }
  });

  it('describes the requests that are taken, and no others', async () => {
    const validate = named('RetrieveRequest');
    const requests = [
      { query: 'a', k: 3, mode: 'bm25', filter: { category: 'arts' }, allow: ['d1'], deny: [] },
      { queries: ['a', 'b'], includeDocument: true, includeScores: false },
      { query: 'a', queries: ['b'] },
      {},
      { query: 'a', k: 0 },
      { query: 'a', k: 1001 },
      { query: '' },
      { query: ' ' },
      { query: 'a', more: 1 },
      { query: 'a', mode: 'dense' },
      { queries: [] },
    ];
    for (const request of requests) {
      const { status } = await post(`${url}/retrieve`, request);
      assert.equal(validate(request), status === 200, JSON.stringify(request));
    }
  });
});
