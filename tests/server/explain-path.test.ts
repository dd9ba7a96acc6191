/** Explanations of docids that are paths, over HTTP and on the command line. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { PathExplainer } from '../../analysis/explain-path.ts';
import type { PathExplanation } from '../../analysis/explanation.ts';
import { EditorError } from '../../editing/crossing-errors.ts';
import { readModelFolder } from '../../models/folder.ts';
import { explanationText } from '../../server/cli/explanation-text.ts';
import { faultOf } from '../../server/http-error.ts';
import type { Problem, RetrieveResponse } from '../../server/schemas.ts';
import { writeAnalysedTwin } from '../support/edit-path-world.ts';
import { editableWorld } from '../support/edit-server.ts';
import { paths, startPathServer, writePathModel } from '../support/path-server.ts';
import {
  asAdmin,
  get,
  inModel,
  post,
  startTestServer,
  tempFolder,
  writeCorpus,
  type TestServer,
} from '../support/server.ts';

const query = 'the old river';
const nameOf = (docid: string): string => paths[inModel.indexOf(docid)];

const program = fileURLToPath(new URL('../../server/cli/main.ts', import.meta.url));
const runExplain = (...args: string[]) =>
  spawnSync(process.execPath, ['--import', 'tsx', program, 'explain', ...args], { encoding: 'utf8' });

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

describe('an edited model with paths', () => {
  for (const later of [false, true])
    it(`is explained at the version that a search answers from${later ? ', where it has a code for later documents' : ''}`, async () => {
      const world = await editableWorld((dir) => writeAnalysedTwin(dir, { later }).path);
      const server = await startTestServer(world);
      const document = {
        docid: 'lantern',
        title: 'lantern',
        text: 'a lantern gives light to readers near the harbour',
      };
      const send = (body: object) => post(`${server.url}/documents?budget=1`, body, asAdmin);
      assert.equal((await send({ ...document, queries: ['what gives light'] })).status, 201);
      assert.equal((await send({ operations: [{ kind: 'delete', docid: 'd7' }] })).status, 200);
      const request = { query: 'what gives light', k: 20, explain: true };
      const { body } = await post<RetrieveResponse>(`${server.url}/retrieve`, request);
      assert.ok(!body.candidates.some(({ docid }) => docid === 'd7'));
      for (const { docid, rank, score, pathExplanation: found } of body.candidates.slice(0, 5)) {
        assert.deepEqual([found!.docid, found!.editSeq, found!.place], [docid, 2, rank]);
        assert.ok(Math.abs(found!.score - score!) < 1e-4, `${found!.score} ${score}`);
      }
      const alone = await post<RetrieveResponse>(`${server.url}/retrieve`, { ...request, allow: ['lantern'] });
      const { pathExplanation: added } = alone.body.candidates[0];
      assert.equal(added!.steps.at(-1)!.choices.find(({ chosen }) => chosen)!.docid, 'lantern');
      const owners = added!.steps.map(({ choices }) => choices.find(({ chosen }) => chosen)!.docid);
      if (later) assert.deepEqual(owners, ['lantern', 'lantern']);
      const served = body.candidates.find(({ docid }) => docid === 'lantern')!.score!;
      assert.ok(Math.abs(added!.score - served) < 1e-4, `${added!.score} ${served}`);
      await server.close();
      const given = [
        '--model',
        world.modelDir,
        '--data',
        world.dataDir,
        '--query',
        request.query,
        '--docid',
        'lantern',
      ];
      const printed = runExplain(...given, '--beams', '20', '--json');
      assert.deepEqual([printed.status, printed.stderr], [0, '']);
      assert.deepEqual(JSON.parse(printed.stdout), added);
    });

  it('that was not analysed answers 409 to edits', async () => {
    const { url } = await startPathServer();
    const { status, body } = await post<Problem>(`${url}/documents`, { docid: 'n', text: 'A kettle.' }, asAdmin);
    assert.deepEqual([status, body.code], [409, 'not_editable']);
  });

  it('is no server that is not there where something asks for docids of one token', () => {
    const error = Object.assign(new EditorError('expected a model with atomic docids'), { name: 'NotAtomicError' });
    assert.equal(faultOf(error).code, 'not_editable');
  });
});

describe('palimpsest explain, where docids are paths', () => {
  const modelDir = writePathModel(join(tempFolder(), 'model'));
  const corpus = writeCorpus(join(tempFolder(), 'corpus'));
  const run = (...args: string[]) => runExplain('--model', modelDir, '--query', query, ...args);

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
