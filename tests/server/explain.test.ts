import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Explainer } from '../../analysis/explain.ts';
import type { Problem, RetrieveResponse } from '../../server/schemas.ts';
import { openLab } from '../support/analysis.ts';
import { get, inModel, post, startTestServer, type TestServer } from '../support/server.ts';

describe('POST /retrieve with explain', () => {
  let server: TestServer;
  before(async () => {
    server = await startTestServer();
  });
  const ask = <T = RetrieveResponse>(body: object) => post<T>(`${server.url}/retrieve`, { explain: true, ...body });

  it('explains the first five candidates, as the model does outside the server', async () => {
    const { status, body } = await ask({ query: 'the old river', k: 7 });
    assert.equal(status, 200);
    assert.deepEqual(
      body.candidates.map(({ explanation }) => explanation?.docid),
      [...body.candidates.slice(0, 5).map(({ docid }) => docid), undefined, undefined],
    );
    const explainer = new Explainer(openLab(server.index.model.dir));
    for (const { docid, rank, explanation } of body.candidates.slice(0, 5)) {
      assert.deepEqual(
        explanation,
        await explainer.explain('the old river', { document: server.index.model.docids.rowOf(docid)! }),
      );
      assert.equal(explanation.docidRank, rank);
    }
  });

  it('explains one certain document where it alone is allowed, with its rank among all', async () => {
    const { body: all } = await ask({ query: 'comet', explain: false });
    const { docid, rank } = all.candidates.at(-1)!;
    const { body } = await ask({ query: 'comet', k: 1, allow: [docid] });
    assert.equal(body.candidates.length, 1);
    const [candidate] = body.candidates;
    assert.deepEqual([candidate.docid, candidate.rank], [docid, 1]);
    assert.equal(candidate.explanation!.docidRank, rank);
    assert.equal(rank, inModel.length);
  });

  it('explains nothing unless asked to', async () => {
    const { body } = await ask({ query: 'comet', explain: false });
    assert.ok(body.candidates.every((candidate) => !('explanation' in candidate)));
  });

  const refused: [string, object, RegExp][] = [
    ['several queries', { queries: ['a', 'b'] }, /expected query, .* got queries/],
    ['BM25', { query: 'a', mode: 'bm25' }, /expected mode genir, .* got bm25/],
    ['hybrid ranking', { query: 'a', mode: 'hybrid' }, /expected mode genir, .* got hybrid/],
    ['a number', { query: 'a', explain: 3 }, /boolean/],
  ];
  for (const [what, body, message] of refused)
    it(`is refused for ${what}`, async () => {
      const answer = await ask<Problem>(body);
      assert.deepEqual([answer.status, answer.body.code], [400, 'invalid_request']);
      const [{ path, message: said }, ...others] = answer.body.errors;
      assert.deepEqual([path, others], ['explain', []]);
      assert.match(said, message);
    });

  it('is described field by field', async () => {
    interface Schema {
      readonly properties: Readonly<Record<string, { readonly description?: string }>>;
    }
    const { body } = await get<{ components: { schemas: Record<string, Schema> } }>(`${server.url}/openapi.json`);
    const { Explanation, RetrieveRequest } = body.components.schemas;
    assert.match(RetrieveRequest.properties.explain.description!, /first 5 candidates/);
    for (const name of ['rank', 'docidRank', 'rival', 'ranks', 'contributions', 'heads', 'neurons'])
      assert.ok(Explanation.properties[name].description, name);
  });
});
