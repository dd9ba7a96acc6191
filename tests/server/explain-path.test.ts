/** Explanations of docids that are paths, over HTTP and on the command line. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { PathExplainer } from '../../analysis/explain-path.ts';
import type { PathExplanation } from '../../analysis/explanation.ts';
import { readModelFolder } from '../../models/folder.ts';
import { explanationText } from '../../server/cli/explanation-text.ts';
import type { Problem, RetrieveResponse } from '../../server/schemas.ts';
import { paths, startPathServer, writePathModel } from '../support/path-server.ts';
import { get, inModel, post, tempFolder, writeCorpus, type TestServer } from '../support/server.ts';

const query = 'the old river';
const nameOf = (docid: string): string => paths[inModel.indexOf(docid)];

async function explained(modelDir: string, options: Parameters<PathExplainer['explain']>[1]): Promise<PathExplanation> {
  const explainer = await PathExplainer.open(readModelFolder(modelDir));
  try {
    return await explainer.explain(query, options);
  } finally {
    await explainer.close();
  }
}

describe('POST /retrieve with explain, where docids are paths', () => {
  let server: TestServer;
  before(async () => {
    server = await startPathServer();
  });
  const ask = <T = RetrieveResponse>(body: object) =>
    post<T>(`${server.url}/retrieve`, { query, explain: true, ...body });

  it('explains the first five candidates step by step, with the scores that were served', async () => {
    const { status, body } = await ask({ k: 7 });
    assert.equal(status, 200);
    for (const { docid, rank, score, explanation, pathExplanation: found } of body.candidates.slice(0, 5)) {
      assert.equal(explanation, undefined);
      assert.ok(Math.abs(found!.score - score!) < 1e-4);
      const steps = found!.steps.reduce((sum, { logProbability }) => sum + logProbability, 0);
      assert.ok(Math.abs(steps - score!) < 1e-4);
      assert.deepEqual([found!.docid, found!.path.join(' '), found!.beams], [docid, nameOf(docid), 10]);
      assert.equal(found!.place, rank);
    }
    assert.deepEqual(body.candidates.slice(5).map(Object.keys), Array(2).fill(['docid', 'rank', 'score']));
  });

  it('is as the model explains outside the server, of all documents whatever is asked for', async () => {
    const { body } = await ask({ k: 2, beams: 3, allow: ['d4'] });
    assert.equal(body.candidates.length, 1);
    const expected = await explained(server.index.model.dir, { document: 4, beams: 3 });
    assert.deepEqual(body.candidates[0].pathExplanation, JSON.parse(JSON.stringify(expected)));
    assert.ok(expected.steps[0].allowed === 3);
    assert.equal((await ask({ k: 4, beams: 3 })).body.candidates[0].pathExplanation!.beams, 4);
  });

  it('explains nothing where nothing is left, or unless asked to', async () => {
    assert.deepEqual((await ask({ allow: [] })).body.candidates, []);
    const { body } = await ask({ explain: false });
    assert.ok(body.candidates.every((candidate) => !('pathExplanation' in candidate)));
    const refused = await ask<Problem>({ mode: 'bm25' });
    assert.deepEqual([refused.status, refused.body.errors[0].path], [400, 'explain']);
  });

  it('is described field by field, and answers as described', async () => {
    interface Schema {
      readonly properties: Readonly<Record<string, { readonly description?: string }>>;
    }
    const { body: api } = await get<{ components: { schemas: Record<string, Schema> } }>(`${server.url}/openapi.json`);
    const { PathExplanation, RetrieveRequest } = api.components.schemas;
    for (const name of ['score', 'beams', 'place', 'path', 'steps'])
      assert.ok(PathExplanation.properties[name].description, name);
    assert.match(RetrieveRequest.properties.beams.description!, /It changes nothing where docids are single tokens/);
    const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(api, 'api');
    const validate = ajv.compile({ $ref: 'api#/components/schemas/RetrieveResponse' });
    assert.ok(validate((await ask({ beams: 1 })).body), JSON.stringify(validate.errors));
  });

  it('logs nothing', () => assert.deepEqual(server.lines, []));
});

describe('palimpsest explain, where docids are paths', () => {
  const program = fileURLToPath(new URL('../../server/cli/main.ts', import.meta.url));
  const modelDir = writePathModel(join(tempFolder(), 'model'));
  const corpus = writeCorpus(join(tempFolder(), 'corpus'));
  const run = (...args: string[]) =>
    spawnSync(
      process.execPath,
      ['--import', 'tsx', program, 'explain', '--model', modelDir, '--query', query, ...args],
      {
        encoding: 'utf8',
      },
    );

  it('prints one JSON object, the explanation of the best document that so many beams find', async () => {
    const { status, stdout, stderr } = run('--beams', '2', '--json');
    assert.deepEqual([status, stderr, stdout.split('\n').length], [0, '', 2]);
    const expected = await explained(modelDir, { beams: 2 });
    assert.equal(expected.place, 1);
    assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(expected)));
  });

  it('prints every step with what was allowed, chosen and left behind', () => {
    const { status, stdout, stderr } = run('--docid', 'd3', '--beams', '1', '--corpus', corpus);
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^[\n\x20-\x7e]*$/);
    assert.match(
      stdout,
      /^the old river\n {2}d3 {2}The volcano\n {2}c0 > c3 > c4 > c6\n {2}log-probability -\d+\.\d{3} /,
    );
    assert.match(stdout, /\nStep 1: c0; 3 tokens may follow\n/);
    assert.match(stdout, /\nStep 4: c6 after c0 > c3 > c4; 1 token may follow\n/);
    assert.match(stdout, /chosen(, left behind)?\n/);
    assert.match(stdout, /left behind\n/);
    assert.match(stdout, /\n {2}the search keeps 1 path, this one /);
    assert.match(stdout, /\n {2}1 {2}self-attention +\d+ +\d+ +[+-]\d+\.\d\d +#*\|#*\n/);
    assert.match(stdout, /\n {2}river +\d+ % #*/);
    const wrong = run('--docid', 'd11');
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /expected the docid of a document in the model, got 'd11'/);
  });

  it('draws colours and blocks for a terminal, and is the same text', async () => {
    const explanation = await explained(modelDir, { document: 3, beams: 2 });
    const titles = new Map([['d3', 'A title']]);
    const [plain, coloured] = [false, true].map((isTerminal) => explanationText(explanation, { titles, isTerminal }));
    assert.match(plain, /A title/);
    assert.equal(coloured.replace(/\u001b\[[\d;]*m/g, '').replaceAll('█', '#'), plain);
  });
});
