import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Explainer } from '../../analysis/explain.ts';
import { explanationText } from '../../server/cli/explanation-text.ts';
import type { Problem, RetrieveResponse } from '../../server/schemas.ts';
import { openLab } from '../support/analysis.ts';
import {
  get,
  inModel,
  post,
  startTestServer,
  tempFolder,
  writeCorpus,
  writeTinyModel,
  type TestServer,
} from '../support/server.ts';

const program = fileURLToPath(new URL('../../server/cli/main.ts', import.meta.url));

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

  it('says that the model cannot be opened for it, while searches go on', async () => {
    const modelDir = writeTinyModel(join(tempFolder(), 'model'));
    const other = await startTestServer({ modelDir });
    rmSync(modelDir, { recursive: true });
    const answer = await post<Problem>(`${other.url}/retrieve`, { query: 'a river', explain: true });
    assert.deepEqual([answer.status, answer.body.code], [503, 'model_unavailable']);
    assert.match(answer.body.detail, /expected an explanation, got none; try again in a moment or ask without explain/);
    assert.match(other.lines.at(-1)!, /expected a folder with config\.json/);
    assert.equal((await post(`${other.url}/retrieve`, { query: 'a river' })).status, 200);
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

describe('palimpsest explain', () => {
  const modelDir = writeTinyModel(join(tempFolder(), 'model'));
  const corpus = writeCorpus(join(tempFolder(), 'corpus'));
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', program, 'explain', '--model', modelDir, ...args], {
      encoding: 'utf8',
    });

  it('prints one JSON object, the explanation of the best document', async () => {
    const { status, stdout, stderr } = run('--query', 'the old river', '--json');
    assert.deepEqual([status, stderr, stdout.split('\n').length], [0, '', 2]);
    assert.deepEqual(JSON.parse(stdout), await new Explainer(openLab(modelDir)).explain('the old river'));
  });

  it('prints ASCII with the titles of documents where no terminal is', () => {
    const { status, stdout } = run('--query', 'the river', '--docid', 'd3', '--corpus', corpus);
    assert.equal(status, 0);
    assert.match(stdout, /^[\n\x20-\x7e]*$/);
    assert.match(
      stdout,
      /^the river\n {2}d3 {2}The volcano\n {2}rank \d+ of all documents, \d+ of the whole vocabulary; /,
    );
    assert.match(stdout, /(above|below) d\d {2}The \w+\n/);
    assert.match(stdout, /\n {2}0 {2}self-attention +\d+ +\d+ +[+-]\d+\.\d\d +#*\|#*\n {5}cross-attention/);
    assert.match(stdout, /\n {2}river +\d+ % #*/);
  });

  it('ends with 1 and one line for a docid that the model does not have', () => {
    const { status, stdout, stderr } = run('--query', 'the river', '--docid', 'd11');
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^palimpsest: .*: expected the docid of a document in the model, got 'd11'; .*\n$/);
  });
});

it('draws colours and blocks for a terminal, and is the same text', async () => {
  const explanation = await new Explainer(openLab(writeTinyModel(tempFolder()))).explain('the old river');
  const titles = new Map([[explanation.docid, 'A title']]);
  const [plain, coloured] = [false, true].map((isTerminal) => explanationText(explanation, { titles, isTerminal }));
  assert.match(plain, /A title/);
  assert.match(coloured, /\u001b\[38;5;208m█+\u001b\[0m/);
  assert.equal(coloured.replace(/\u001b\[[\d;]*m/g, '').replaceAll('█', '#'), plain);
});
