/** POST /analysis and what it leaves, over a real server on a planted model. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { atomicExperimentNames, experimentNames } from '../../analysis/experiments/names.ts';
import { packageRoot } from '../../server/paths.ts';
import type { AnalysisView, Problem, TaskView } from '../../server/schemas.ts';
import { writePlantedCorpus, writePlantedWorld } from '../support/planted-world.ts';
import { asAdmin, get, post, startTestServer, tempFolder, type TestServer } from '../support/server.ts';

const world = writePlantedWorld(tempFolder());
const where = { modelDir: world.modelDir, corpus: world.corpus, dataDir: join(tempFolder(), 'data') };
const stored = (): unknown =>
  (JSON.parse(readFileSync(join(world.modelDir, 'genir.json'), 'utf8')) as { stages?: unknown }).stages;

let server: TestServer;
before(async () => {
  server = await startTestServer(where);
});

const begin = (body: unknown, { url } = server) => post<TaskView & Problem>(`${url}/analysis`, body, asAdmin);
/** Starts an analysis and waits for its end. */
async function analysed(body: unknown, { url } = server): Promise<TaskView> {
  const { status, body: task } = await begin(body, { url } as TestServer);
  assert.equal(status, 202, JSON.stringify(task));
  return (await get<TaskView>(`${url}/tasks/${task.id}?wait=60`)).body;
}

describe('POST /analysis', () => {
  it('has no analysis to show before the first', async () => {
    for (const path of ['', '/report.html', '/report.json']) {
      const { status, body } = await get<Problem>(`${server.url}/analysis/latest${path}`);
      assert.deepEqual([status, body.code], [404, 'analysis_not_found'], path);
      assert.match(body.detail, /start one with POST \/analysis/);
    }
  });

  it('refuses what does not fit, with the experiments that there are', async () => {
    const unknown = await begin({ experiments: ['E2', 'E12'] });
    assert.deepEqual([unknown.status, unknown.body.code], [400, 'invalid_request']);
    const [{ path, message }] = unknown.body.errors;
    assert.equal(path, 'experiments[1]');
    for (const name of [...experimentNames, 'E9']) assert.ok(message.includes(name), message);
    for (const body of [{ experiments: [] }, { limit: 0 }, { seed: -1 }, { ranking: 'words' }, { donors: [] }])
      assert.equal((await begin(body)).status, 400, JSON.stringify(body));
    assert.equal((await get<{ total: number }>(`${server.url}/tasks`)).body.total, 0);
  });

  it('fails with the numbers where no query is answered', async () => {
    const wrong = world.planted.queries.map((query) => ({ ...query, docid: 'd7' }));
    const corpus = writePlantedCorpus(join(tempFolder(), 'wrong'), wrong, () => 'dev');
    const other = await startTestServer({ modelDir: world.modelDir, corpus });
    const { state, error } = await analysed({}, other);
    assert.deepEqual([state, error?.code], ['failed', 'analysis_failed']);
    assert.match(error!.message, /^model: .*got 0 of 21 over the vocabulary and 0 of 21 among docids/);
    assert.match(other.lines.join('\n'), /NothingCorrectError.*\n +at .*population/);
    await other.close();
  });

  it('finds the planted stages while queries are answered, and survives a restart', async () => {
    const { body: task, headers } = await begin({ experiments: ['E2', 'E4', 'head-words'] });
    assert.equal(headers.get('location'), `/tasks/${task.id}`);
    assert.equal((await post(`${server.url}/retrieve`, { query: 'river' })).status, 200);
    const ended = (await get<TaskView>(`${server.url}/tasks/${task.id}?wait=60`)).body;
    assert.equal(ended.state, 'succeeded', ended.error?.message);
    assert.equal(ended.progress?.message, 'done');
    const view = ended.result as AnalysisView;
    assert.deepEqual(
      [view.stages!.priming, view.stages!.bridging, view.stages!.interaction].map(
        (stage) => stage && [stage.from, stage.to],
      ),
      Object.values(world.planted.expected.stages),
    );
    assert.deepEqual(Object.keys(view.findings), [
      'stages',
      'contributions',
      'layer-sweeps',
      'minimal-circuit',
      'head-words',
    ]);
    assert.deepEqual(Object.keys(view.findings).slice(1).sort(), Object.keys(view.seconds).sort());
    assert.deepEqual([view.notStored, view.split, view.population.questions], [null, 'dev', 14]);
    assert.deepEqual(stored(), view.stages);

    const { version } = server.index.model;
    await server.close();
    server = await startTestServer(where); // the data folder still belongs to the model, now with stages
    assert.equal(server.index.model.version, version);
    assert.deepEqual((await get(`${server.url}/analysis/latest`)).body, view);
    const page = await get<string>(server.url + view.links.page);
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type')!, /^text\/html/);
    assert.match(page.headers.get('content-security-policy')!, /^default-src 'none'; style-src 'unsafe-inline'/);
    assert.match(page.body, /<section id="head-words">/);
    const report = await get<{ results: object }>(server.url + view.links.report);
    for (const { body } of [page, report])
      for (const folder of [world.modelDir, where.dataDir, packageRoot])
        assert.ok(!JSON.stringify(body).includes(folder), folder);
    assert.match(report.headers.get('content-type')!, /^application\/json/);
    assert.deepEqual(Object.keys(report.body.results).sort(), Object.keys(view.seconds).sort());
  });

  it('is answered and taken as the OpenAPI document says', async () => {
    const api = (await get<object>(`${server.url}/openapi.json`)).body;
    const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(api, 'api');
    const named = (name: string) => ajv.compile({ $ref: `api#/components/schemas/${name}` });
    const view = named('Analysis');
    assert.ok(view((await get(`${server.url}/analysis/latest`)).body), JSON.stringify(view.errors));
    const request = named('AnalysisRequest');
    for (const [body, fits] of [
      [{}, true],
      [{ experiments: ['E3', 'head-words'], ranking: 'docids', limit: 5, seed: 0 }, true],
      [{ experiments: ['E12'] }, false],
      [{ split: 'dev' }, false],
    ] as const)
      assert.equal(request(body), fits, JSON.stringify(body));
    const html = '#/paths/~1analysis~1latest~1report.html/get/responses/200';
    assert.deepEqual(ajv.getSchema(`api${html}`)?.schema, { description: 'The page', content: { 'text/html': {} } });
  });

  it('stops when it is cancelled, and goes on from there', async () => {
    const { body: task } = await begin({});
    const look = () => get<TaskView>(`${server.url}/tasks/${task.id}`);
    for (let now = await look(); !/component-logits/.test(now.body.progress?.message ?? ''); now = await look())
      assert.ok(['queued', 'running'].includes(now.body.state), now.body.state);
    await get(`${server.url}/tasks/${task.id}/cancel`, { method: 'POST', headers: asAdmin });
    const { state } = (await get<TaskView>(`${server.url}/tasks/${task.id}?wait=60`)).body;
    assert.equal(state, 'cancelled');
    assert.equal(
      (await get<AnalysisView>(`${server.url}/analysis/latest`)).body.findings['component-logits'],
      undefined,
    );
    const { result } = await analysed({});
    assert.deepEqual(Object.keys((result as AnalysisView).seconds).sort(), [...atomicExperimentNames].sort());
  });

  it('ends with the server', async () => {
    const { body: task } = await begin({ seed: 2 });
    while ((await get<TaskView>(`${server.url}/tasks/${task.id}`)).body.progress === null);
    await server.close();
    server = await startTestServer(where);
    assert.equal((await get<TaskView>(`${server.url}/tasks/${task.id}`)).body.state, 'interrupted');
  });
});
