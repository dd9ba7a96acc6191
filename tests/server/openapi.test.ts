import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { get, post, startTestServer } from '../support/server.ts';

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
      '/tasks/{id}/cancel',
      '/info',
      '/livez',
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
