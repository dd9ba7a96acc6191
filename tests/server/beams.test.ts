/** Searching a model whose docids are paths: the width of the search, its limits, filters. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readRunFile } from '../../analysis/trec-files.ts';
import { MAX_BEAMS } from '../../models/beam/beams.ts';
import { SequenceDecoder } from '../../models/beam/sequence-decoder.ts';
import { readModelFolder } from '../../models/folder.ts';
import type { InfoResponse, Problem, RetrieveBatchResponse, RetrieveResponse } from '../../server/schemas.ts';
import { startPathServer, writePathModel } from '../support/path-server.ts';
import { WholeModel } from '../support/sequence-model.ts';
import { get, inModel, post, startTestServer, tempFolder, writeCorpus, type TestServer } from '../support/server.ts';

const query = 'a river and the old lantern';
const docids = ({ body }: { body: RetrieveResponse }): string[] => body.candidates.map(({ docid }) => docid);

describe('a server whose docids are paths', () => {
  let server: TestServer;
  let url: string;
  let decoder: SequenceDecoder;
  let whole: WholeModel;
  before(async () => {
    server = await startPathServer();
    url = `${server.url}/retrieve`;
    const folder = readModelFolder(server.index.model.dir);
    [decoder, whole] = [await SequenceDecoder.open(folder), await WholeModel.open(folder)];
  });
  after(async () => {
    await decoder.close();
    await whole.release();
  });
  const ask = (body: object) => post<RetrieveResponse>(url, { query, ...body });

  it('answers with the log-probabilities of whole paths, best first', async () => {
    const { status, body } = await ask({});
    assert.equal(status, 200);
    const scored = await Promise.all(
      inModel.map(async (docid, n) => ({ docid, score: await whole.score(query, whole.paths[n]) })),
    );
    scored.sort((a, b) => b.score - a.score);
    assert.deepEqual(
      body.candidates.map(({ docid }) => docid),
      scored.map(({ docid }) => docid),
    );
    body.candidates.forEach(({ score }, i) => assert.ok(Math.abs(score! - scored[i].score) < 1e-4));
  });

  it('follows as many prefixes as it is told, and never fewer than candidates', async () => {
    const queries = [query, 'comet', 'the mountain library', 'a glacier', 'violin of the bakery'];
    const found: string[] = [];
    for (const beams of [1, 2, 10]) {
      const lists: string[] = [];
      for (const text of queries) {
        const [{ rows }] = await decoder.retrieve([{ query: text, k: 1, beams }]);
        const answer = await post<RetrieveResponse>(url, { query: text, k: 1, beams });
        assert.deepEqual(docids(answer), [inModel[rows[0]]]);
        assert.deepEqual(docids(await get(`${url}?query=${encodeURIComponent(text)}&k=1&beams=${beams}`)), [
          inModel[rows[0]],
        ]);
        lists.push(inModel[rows[0]]);
      }
      found.push(lists.join());
    }
    assert.notEqual(found[0], found[2], 'one beam misses something');
    assert.equal((await ask({ k: 10, beams: 1 })).body.candidates.length, 10);
    assert.equal((await ask({ beams: MAX_BEAMS })).status, 200);
  });

  const refused: [string, object, RegExp][] = [
    ['no beams', { beams: 0 }, /expected number to be >=1/],
    ['10⁵ beams', { beams: 1e5 }, /expected number to be <=1000/],
    ['half a beam', { beams: 1.5 }, /expected int/],
    ['beams as text', { beams: '10' }, /expected number/],
    ['5,005 beams in all', { query: undefined, queries: Array(7).fill('a'), beams: 715 }, /at most 5000 beams in all/],
  ];
  for (const [what, body, message] of refused)
    it(`refuses ${what} and says where`, async () => {
      const answer = await post<Problem>(url, { query, ...body });
      assert.deepEqual([answer.status, answer.body.code], [400, 'invalid_request']);
      assert.deepEqual(
        answer.body.errors.map(({ path }) => path),
        ['beams'],
      );
      assert.match(answer.body.errors[0].message, message);
    });

  it('refuses them in an address too', async () => {
    for (const beams of ['0', '100000', 'x', '']) {
      const { status, body } = await get<Problem>(`${url}?query=a&beams=${beams}`);
      assert.deepEqual([status, body.code, body.errors[0].path], [400, 'invalid_request', 'beams']);
    }
  });

  it('lets out what filter, allow and deny leave, with the same scores, and nothing where they leave nothing', async () => {
    const all = new Map((await ask({})).body.candidates.map(({ docid, score }) => [docid, score!]));
    for (const [constraint, permitted] of [
      [{ filter: { category: 'arts' } }, ['d1', 'd4', 'd7']],
      [{ allow: ['d3', 'd9', 'd11'] }, ['d3', 'd9']], // d11 is not in the model
      [{ deny: inModel.slice(1) }, ['d0']],
      [{ filter: { category: 'no such' } }, []],
      [{ allow: [] }, []],
      [{ allow: ['d11'] }, []],
    ] as const) {
      const { status, body } = await ask({ ...constraint, beams: 3 });
      assert.equal(status, 200);
      assert.deepEqual(body.candidates.map(({ docid }) => docid).sort(), permitted);
      for (const { docid, score } of body.candidates) assert.ok(Math.abs(score! - all.get(docid)!) < 1e-4);
    }
    const batch = { query: undefined, queries: ['a', 'b'], allow: [] };
    const { results } = (await post<RetrieveBatchResponse>(url, batch)).body;
    assert.deepEqual(
      results.map(({ candidates }) => candidates),
      [[], []],
    );
  });

  it('searches both ways together, and by words alone whatever the beams', async () => {
    assert.ok(docids(await ask({ query: 'compass', mode: 'hybrid', beams: 1 })).includes('d11'));
    assert.deepEqual(docids(await ask({ query: 'compass', mode: 'bm25', beams: 1 })), ['d11', 'd10']);
  });

  it('says so in /info, with the limit', async () => {
    const { model, limits } = (await get<InfoResponse>(`${server.url}/info`)).body;
    assert.deepEqual([model.scheme, model.liveDocids, limits.beams], ['semantic', 10, MAX_BEAMS]);
  });

  it('logs nothing', () => assert.deepEqual(server.lines, []));
});

it('beams change nothing where docids are single tokens', async () => {
  const { url } = await startTestServer();
  const ask = async (beams: object) => (await post<RetrieveResponse>(`${url}/retrieve`, { query, ...beams })).body;
  assert.deepEqual((await ask({ beams: 1 })).candidates, (await ask({})).candidates);
});

describe('the command line', () => {
  const modelDir = writePathModel(join(tempFolder(), 'model'));
  const corpus = writeCorpus(join(tempFolder(), 'corpus'));
  const run = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const main = join(import.meta.dirname, '..', '..', 'server', 'cli', 'main.ts');
    const given = ['--import', 'tsx', main, ...args, '--model', modelDir, '--corpus', corpus];
    return new Promise((resolve) =>
      execFile(process.execPath, given, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
      ),
    );
  };

  it('retrieves with as many beams as it is told', async () => {
    const { code, stdout } = await run('retrieve', '--query', query, '--k', '2', '--beams', '3', '--json');
    assert.equal(code, 0);
    const decoder = await SequenceDecoder.open(readModelFolder(modelDir));
    const [{ rows }] = await decoder.retrieve([{ query, k: 2, beams: 3 }]);
    await decoder.close();
    assert.deepEqual(
      docids({ body: JSON.parse(stdout) as RetrieveResponse }),
      Array.from(rows, (n) => inModel[n]),
    );
    for (const beams of ['0', '100000', 'x']) {
      const wrong = await run('retrieve', '--query', query, '--beams', beams);
      assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
      assert.match(wrong.stderr, /--beams/);
    }
  });

  it('measures lists that are as deep as there are beams', async () => {
    const queries = inModel.map((docid) => ({ _id: `q-${docid}`, text: `${docid} ${query}` }));
    writeFileSync(join(corpus, 'queries.jsonl'), queries.map((one) => `${JSON.stringify(one)}\n`).join(''));
    mkdirSync(join(corpus, 'qrels'));
    const judged = inModel.map((docid) => `q-${docid}\t${docid}\t1\n`).join('');
    writeFileSync(join(corpus, 'qrels', 'test.tsv'), `query-id\tcorpus-id\tscore\n${judged}`);
    const file = join(tempFolder(), 'run.trec');
    for (const [beams, depth] of [
      [['--beams', '2'], 2],
      [[], 10],
    ] as const) {
      const { code, stderr } = await run('evaluate', '--workers', '1', '--run', file, ...beams);
      assert.equal(code, 0, stderr);
      for (const list of readRunFile(file).values()) assert.equal(list.length, depth);
    }
  });
});
