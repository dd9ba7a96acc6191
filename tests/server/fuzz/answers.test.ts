/** What the fuzzer would find. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { OpenApi } from '../../../server/generate/document.ts';
import { openApiDocument } from '../../../server/openapi.ts';
import { packageVersion } from '../../../server/paths.ts';
import { routes } from '../../../server/routes/index.ts';
import { AnswerCheck } from './answers.ts';
import { lanesOf, resolve, type FuzzRequest } from './requests.ts';

const document = openApiDocument(routes, packageVersion) as unknown as OpenApi;
const check = new AnswerCheck(document);

const request = (template: string | undefined, more: Partial<FuzzRequest> = {}): FuzzRequest => ({
  ...{ method: 'GET', path: template ?? '/nowhere', template, headers: {}, waitSeconds: 0, ...more },
});
const json = (status: number, body: unknown, type = 'application/json') => ({
  ...{ status, type, body: JSON.stringify(body), ms: 1 },
});
const problem = {
  ...{ type: '/docs#x', title: 'X', status: 404, detail: 'x', instance: '/', code: 'x', errors: [], requestId: 'a' },
};
const problemType = 'application/problem+json';

describe('an answer', () => {
  it('is as declared', () => {
    assert.equal(check.fault(request('/livez'), json(200, { status: 'ok' })), undefined);
    assert.equal(check.fault(request('/keys/{name}'), json(404, problem, problemType)), undefined);
    assert.equal(check.fault(request(undefined), json(404, problem, problemType)), undefined);
    const notReady = { status: 'loading', checks: { model: 'a', store: 'ok', version: 'ok', replica: 'ok' } };
    assert.equal(check.fault(request('/readyz'), json(503, notReady)), undefined);
  });

  it('is not: a failure, a status, a type, a body', () => {
    const wrong: [FuzzRequest, ReturnType<typeof json>, RegExp][] = [
      [request('/livez'), json(500, problem, problemType), /status 500/],
      [request(undefined), json(502, problem, problemType), /status 502/],
      [request('/livez'), json(404, problem, problemType), /status 404 is not declared/],
      [request('/livez'), json(200, { status: 'ok' }, 'text/html'), /a body of text\/html is not declared/],
      [request('/livez'), json(200, { status: 'fine' }), /\/status must be equal to one of/],
      [request('/livez'), json(200, { status: 'ok', more: 1 }), /must NOT have additional properties/],
      [request('/keys/{name}'), json(404, { ...problem, code: 1 }, problemType), /\/code must be string/],
      [request('/livez'), { ...json(200, 0), body: '{' }, /expected JSON, got "{"/],
      [request('/keys/{name}', { method: 'DELETE' }), json(204, {}), /a body of application\/json where none/],
    ];
    for (const [asked, answer, fault] of wrong) assert.match(check.fault(asked, answer) ?? 'none', fault);
  });

  it('is wrong where the document refuses what was sent', () => {
    const accepted = json(200, { query: { text: 'a' }, candidates: [], modelVersion: 'a', editSeq: 0, tookMs: 1 });
    const asked = (sent: unknown): FuzzRequest => request('/retrieve', { method: 'POST', sent });
    assert.equal(check.fault(asked({ query: 'a', k: 3 }), accepted), undefined);
    for (const sent of [{ query: 'a', k: 0 }, { query: 'a', queries: ['a'] }, { query: 'a', more: 1 }, null])
      assert.match(check.fault(asked(sent), accepted) ?? 'none', /for a body that the document refuses/);
  });
});

describe('fuzzed requests', () => {
  const lanes = fc.sample(lanesOf(document, 'the-key'), { numRuns: 400, seed: 1 });
  const requests = lanes.flat(2);

  it('are the same for the same seed', () => {
    assert.deepEqual(fc.sample(lanesOf(document, 'the-key'), { numRuns: 400, seed: 1 }), lanes);
  });

  it('reach every operation but the costly ones, and paths that are not there', () => {
    const reached = new Set(requests.map(({ method, template }) => `${method} ${template}`));
    const all = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const rare = ['POST /analysis', 'POST /compact', 'POST /exports', 'POST /snapshots', 'POST /evaluate'];
    assert.deepEqual(
      all.filter((name) => !reached.has(name) && !rare.includes(name)),
      [],
    );
    assert.ok(requests.some(({ template }) => template === undefined));
  });

  it('have paths that can be sent', () => {
    for (const { path } of requests) assert.match(resolve(path, 7), /^[\x21-\x7e]+$/);
    assert.equal(resolve('/edits/~3/undo', 7), '/edits/4/undo');
    assert.equal(resolve('/edits/~9', 7), '/edits/1');
  });
});
