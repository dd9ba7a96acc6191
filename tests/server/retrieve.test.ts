import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { DocumentsResponse, Problem, RetrieveBatchResponse, RetrieveResponse } from '../../server/schemas.ts';
import { documents, get, inModel, post, startTestServer, type TestServer } from '../support/server.ts';

describe('POST /retrieve', () => {
  let server: TestServer;
  let url: string;
  before(async () => {
    server = await startTestServer();
    url = `${server.url}/retrieve`;
  });
  const ask = (body: object) => post<RetrieveResponse>(url, body);
  const docids = ({ body }: { body: RetrieveResponse }): string[] => body.candidates.map(({ docid }) => docid);

  it('answers with ranked candidates, the versions and the time taken', async () => {
    const { status, body, headers } = await ask({ query: 'a river', k: 3 });
    assert.equal(status, 200);
    assert.match(headers.get('content-type')!, /^application\/json/);
    assert.deepEqual(body.query, { text: 'a river' });
    assert.deepEqual(
      body.candidates.map(({ rank }) => rank),
      [1, 2, 3],
    );
    assert.ok(body.candidates[0].score! >= body.candidates[1].score!);
    assert.match(body.modelVersion, /^[0-9a-f]{12}$/);
    assert.equal(body.editSeq, 0);
    assert.ok(body.tookMs > 0);
  });

  it('gives log-probabilities over the live documents of the model', async () => {
    const { body } = await ask({ query: 'a river', k: 1000 });
    assert.deepEqual(body.candidates.map(({ docid }) => docid).sort(), [...inModel].sort());
    const sum = body.candidates.reduce((total, { score }) => total + Math.exp(score!), 0);
    assert.ok(Math.abs(sum - 1) < 1e-4, `probabilities add up to ${sum}`);
  });

  it('takes 10 candidates, scores and no documents when not told otherwise', async () => {
    const { body } = await ask({ query: 'a river' });
    assert.equal(body.candidates.length, 10);
    assert.deepEqual(Object.keys(body.candidates[0]), ['docid', 'rank', 'score']);
  });

  it('puts documents in and leaves scores out when told to', async () => {
    const { body } = await ask({ query: 'a river', includeDocument: true, includeScores: false });
    const [{ docid, document, score }] = body.candidates;
    const { title, text, metadata } = documents.find(({ _id }) => _id === docid)!;
    assert.deepEqual(document, { docid, title, text, metadata, version: 1 });
    assert.equal(score, undefined);
  });

  it('answers several queries in order, each as it would alone', async () => {
    const queries = ['a river', 'the old lantern', 'comet'];
    const { body } = await post<RetrieveBatchResponse>(url, { queries, k: 4 });
    assert.deepEqual(
      body.results.map(({ query }) => query.text),
      queries,
    );
    for (const { query, candidates } of body.results) {
      const alone = (await ask({ query: query.text, k: 4 })).body.candidates;
      assert.deepEqual(
        candidates.map(({ docid }) => docid),
        alone.map(({ docid }) => docid),
      );
    }
  });

  it('ranks by words alone in mode bm25, documents outside the model among them', async () => {
    const { body } = await ask({ query: 'compass', mode: 'bm25' });
    assert.deepEqual(docids({ body }), ['d11', 'd10']); // the title and text of d11; d10 mentions it
    assert.ok(body.candidates[0].score! > body.candidates[1].score!);
  });

  it('finds documents outside the model in mode hybrid, never in mode genir', async () => {
    const hybrid = await ask({ query: 'compass', mode: 'hybrid', k: 1000 });
    assert.ok(docids(hybrid).includes('d11'));
    assert.equal(hybrid.body.candidates.length, 12);
    assert.ok(!docids(await ask({ query: 'compass', k: 1000 })).includes('d11'));
  });

  it('answers a query without a word in every mode', async () => {
    for (const mode of ['genir', 'bm25', 'hybrid'])
      for (const query of [
        '?!',
        '☃',
        '\u0000',
        '\ud800',
        'AND OR NOT * ^ "',
        '東京',
        'x'.repeat(2000),
        'word '.repeat(400),
      ]) {
        const { status, body } = await ask({ query, mode });
        assert.equal(status, 200, `${mode} ${JSON.stringify(query.slice(0, 20))}: ${JSON.stringify(body)}`);
      }
  });

  for (const mode of ['genir', 'bm25', 'hybrid']) {
    const queries = ['a river', 'the text about a lantern and the comet', 'compass'];
    const allOf = async (constraint: object): Promise<Set<string>> => {
      const { status, body } = await post<RetrieveBatchResponse>(url, { queries, k: 1000, mode, ...constraint });
      assert.equal(status, 200, JSON.stringify(body));
      return new Set(body.results.flatMap(({ candidates }) => candidates.map(({ docid }) => docid)));
    };
    const where = (keep: (document: (typeof documents)[number]) => boolean): string[] =>
      documents.filter(keep).map(({ _id }) => _id);
    const isWithin = (found: Set<string>, permitted: string[]): void => {
      assert.ok(found.size > 0);
      assert.deepEqual(
        [...found].filter((docid) => !permitted.includes(docid)),
        [],
      );
    };

    it(`lets no document out that the filter excludes (${mode})`, async () => {
      isWithin(
        await allOf({ filter: { category: 'arts' } }),
        where(({ metadata }) => metadata.category === 'arts'),
      );
      isWithin(await allOf({ filter: { number: { gte: 3, lt: 7 } } }), ['d3', 'd4', 'd5', 'd6']);
      assert.deepEqual(await allOf({ filter: { category: 'no such' } }), new Set());
    });

    it(`lets only allowed documents out, and no denied one (${mode})`, async () => {
      isWithin(await allOf({ allow: ['d1', 'd10'] }), ['d1', 'd10']);
      isWithin(
        await allOf({ deny: ['d0', 'd1'] }),
        where(({ _id }) => !['d0', 'd1'].includes(_id)),
      );
      isWithin(await allOf({ allow: ['d1', 'd4', 'd7'], deny: ['d4'], filter: { category: 'arts' } }), ['d1', 'd7']);
      assert.deepEqual(await allOf({ allow: [] }), new Set());
    });
  }

  it('renormalises probabilities over the documents that a constraint leaves', async () => {
    const { body } = await ask({ query: 'a river', allow: ['d1', 'd2'] });
    const sum = body.candidates.reduce((total, { score }) => total + Math.exp(score!), 0);
    assert.ok(Math.abs(sum - 1) < 1e-4, `probabilities add up to ${sum}`);
  });

  const refused: [string, object, string, string][] = [
    ['an empty query', { query: '' }, 'query', 'invalid_request'],
    ['a query of white space', { query: ' \n' }, 'query', 'invalid_request'],
    ['a query of 100 kB', { query: 'x'.repeat(100_000) }, 'query', 'invalid_request'],
    ['a query that is no text', { query: 3 }, 'query', 'invalid_request'],
    ['neither query nor queries', {}, 'query', 'invalid_request'],
    ['query and queries', { query: 'a', queries: ['b'] }, 'query', 'invalid_request'],
    ['no queries', { queries: [] }, 'queries', 'invalid_request'],
    ['65 queries', { queries: Array(65).fill('a') }, 'queries', 'invalid_request'],
    ['an empty one among the queries', { queries: ['a', ''] }, 'queries[1]', 'invalid_request'],
    ['k of 0', { query: 'a', k: 0 }, 'k', 'invalid_request'],
    ['k of 10⁶', { query: 'a', k: 1e6 }, 'k', 'invalid_request'],
    ['k of 1.5', { query: 'a', k: 1.5 }, 'k', 'invalid_request'],
    ['k as text', { query: 'a', k: '5' }, 'k', 'invalid_request'],
    ['an unknown mode', { query: 'a', mode: 'dense' }, 'mode', 'invalid_request'],
    ['an unknown field', { query: 'a', topK: 3 }, 'topK', 'invalid_request'],
    ['a filter that is no object', { query: 'a', filter: 'x' }, 'filter', 'invalid_request'],
    [
      'a filter with an unknown operator',
      { query: 'a', filter: { number: { near: 3 } } },
      'filter.number.near',
      'invalid_filter',
    ],
    ['a filter that is an operator', { query: 'a', filter: { $foo: 1 } }, 'filter.$foo', 'invalid_filter'],
    ['an unknown docid in allow', { query: 'a', allow: ['d1', 'nobody'] }, 'nobody', 'unknown_docid'],
    ['5,005 candidates in all', { queries: Array(7).fill('a'), k: 715 }, 'k', 'invalid_request'],
    [
      '1,002 candidates with their documents',
      { queries: ['a', 'b'], k: 501, includeDocument: true },
      'k',
      'invalid_request',
    ],
    ['an unknown docid in deny', { query: 'a', deny: ['nobody'] }, 'nobody', 'unknown_docid'],
  ];
  for (const [what, body, path, code] of refused)
    it(`refuses ${what} and says where`, async () => {
      for (const mode of ['genir', 'bm25'] as const) {
        const answer = await post<Problem>(url, { mode, ...body });
        assert.equal(answer.status, 400);
        assert.match(answer.headers.get('content-type')!, /^application\/problem\+json/);
        assert.equal(answer.body.code, code);
        if (code === 'unknown_docid') assert.match(answer.body.detail, new RegExp(path));
        else
          assert.ok(
            answer.body.errors.some((error) => error.path === path),
            JSON.stringify(answer.body),
          );
        assert.ok(answer.body.detail.length < 600);
      }
    });

  it('takes a field named __proto__ in a filter by its word', async () => {
    const constraint = '"filter": {"__proto__": {"category": "arts"}}';
    const refusal = await post<Problem>(url, `{"query": "a", ${constraint}}`);
    assert.deepEqual([refusal.status, refusal.body.errors[0].path], [400, 'filter.__proto__.category']);
    const unmet = await post<RetrieveResponse>(url, '{"query": "a", "filter": {"__proto__": "arts"}}');
    assert.deepEqual([unmet.status, unmet.body.candidates], [200, []]);
    const list = `${server.url}/documents?filter=`;
    assert.equal((await get<DocumentsResponse>(`${list}{"__proto__": "arts"}`)).body.total, 0);
    assert.equal((await get(`${list}{"__proto__": {"category": "arts"}}`)).status, 400);
  });

  it('takes as many candidates as the limits allow, and names the limit that a larger call breaks', async () => {
    const ask = (queries: number, k: number, includeDocument: boolean) =>
      post<Problem>(url, { queries: Array(queries).fill('a'), k, includeDocument, mode: 'bm25' });
    assert.equal((await ask(5, 1000, false)).status, 200);
    assert.equal((await ask(1, 1000, true)).status, 200);
    const many = await ask(64, 1000, true);
    assert.equal(many.status, 400);
    assert.match(many.body.detail, /at most 1000 .*limits\.candidatesWithDocuments.*got 64000/);
    assert.match((await ask(6, 1000, false)).body.detail, /at most 5000 .*limits\.candidates\b.*got 6000/);
  });

  it('refuses a body that is not JSON, of another type, or too large', async () => {
    const malformed = await post<Problem>(url, '{"query": "a"');
    assert.deepEqual([malformed.status, malformed.body.code], [400, 'malformed_json']);
    const noObject = await post<Problem>(url, '3');
    assert.deepEqual([noObject.status, noObject.body.code], [400, 'invalid_request']);
    const empty = await post<Problem>(url, '');
    assert.deepEqual([empty.status, empty.body.code], [400, 'invalid_request']);
    const form = await post<Problem>(url, 'query=a', { 'content-type': 'application/x-www-form-urlencoded' });
    assert.deepEqual([form.status, form.body.code], [415, 'unsupported_media_type']);
    const large = await post<Problem>(url, { queries: ['x'.repeat(300_000)] });
    assert.deepEqual([large.status, large.body.code], [413, 'body_too_large']);
    const charset = await post<Problem>(url, '{}', { 'content-type': 'application/json; charset=klingon' });
    assert.deepEqual([charset.status, charset.body.code], [415, 'unsupported_media_type']);
  });

  it('also takes one query in the address', async () => {
    const { status, body } = await get<RetrieveResponse>(`${url}?query=a+river&k=2&mode=hybrid`);
    assert.equal(status, 200);
    assert.equal(body.candidates.length, 2);
    const refusal = await get<Problem>(`${url}?query=a&k=0&what=1`);
    assert.deepEqual(refusal.body.errors.map(({ path }) => path).sort(), ['k', 'what']);
  });

  it('logs nothing about requests that are the fault of clients', () => assert.deepEqual(server.lines, []));
});

describe('a full queue', () => {
  it('answers 429 and says when to come back', async () => {
    const server = await startTestServer({ maxQueue: 3 });
    const { status, headers, body } = await post<Problem>(`${server.url}/retrieve`, { queries: ['a', 'b', 'c', 'd'] });
    assert.deepEqual([status, body.code, headers.get('retry-after')], [429, 'queue_full', '1']);
    assert.equal((await post(`${server.url}/retrieve`, { queries: ['a', 'b', 'c'] })).status, 200);
  });
});
