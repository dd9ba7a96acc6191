/** Compaction and export beside searches and edits, as tasks. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import type { ExportsResponse, ExportView } from '../../server/admin-schemas.ts';
import { currentModel } from '../../server/data-folder.ts';
import type { Folded } from '../../server/folding/fold.ts';
import type { InfoResponse, Problem, RetrieveResponse, TaskView } from '../../server/schemas.ts';
import { startEditServer, type EditableWorld } from '../support/edit-server.ts';
import { asAdmin, bearer, get, post, startTestServer, tempFolder, type TestServer } from '../support/server.ts';

const queries = ['a kettle boils', 'river', 'the stars at night', 'what about music'];

let server: TestServer & EditableWorld;
let url: string;
before(async () => {
  server = await startEditServer();
  url = server.url;
});

async function ended(id: number, at = url): Promise<TaskView> {
  let task: TaskView;
  do task = (await get<TaskView>(`${at}/tasks/${id}?wait=60`)).body;
  while (!task.finishedAt);
  return task;
}
async function done<T>(path: string, body: object, at = url): Promise<T> {
  const { status, headers, body: task } = await post<TaskView>(`${at}${path}`, body, asAdmin);
  assert.deepEqual([status, headers.get('location')], [202, `/tasks/${task.id}`], JSON.stringify(task));
  const { state, result, error } = await ended(task.id, at);
  assert.equal(state, 'succeeded', JSON.stringify(error));
  return result as T;
}
const add = (docid: string, text: string) => post(`${url}/documents?budget=1&wait=60`, { docid, text }, asAdmin);
const ask = async (query: string, at = url): Promise<RetrieveResponse> =>
  (await post<RetrieveResponse>(`${at}/retrieve`, { query, k: 30 })).body;
/** Docids and scores of the answers, scores to what sums in another order leave equal. */
async function answers(at = url): Promise<unknown[]> {
  const all = [];
  for (const query of queries)
    all.push((await ask(query, at)).candidates.map(({ docid, score }) => [docid, score!.toFixed(4)]));
  return all;
}

describe('POST /compact', () => {
  it('has nothing to do without edits', async () => {
    const { status, body } = await post<Problem>(`${url}/compact`, {}, asAdmin);
    assert.deepEqual([status, body.code], [409, 'nothing_to_fold']);
    assert.ok(!body.detail.includes(server.dataDir));
  });

  it('takes no body for an empty one, and refuses another type', async () => {
    const compact = (body?: string, type?: string) =>
      get<Problem>(`${url}/compact`, { method: 'POST', headers: { ...asAdmin, ...type && { 'content-type': type } }, body: body ?? null }); // prettier-ignore
    for (const one of [compact(), compact('', 'application/json'), compact('{}', 'application/json')])
      assert.equal((await one).body.code, 'nothing_to_fold');
    assert.equal((await compact('removeTraces=true', 'application/x-www-form-urlencoded')).status, 415);
    assert.equal((await get<Problem>(`${url}/retrieve`, { method: 'POST' })).status, 415); // where a body says what is asked
  });

  it('folds edits while searches and edits go on, and answers the same before and after', async () => {
    await add('n1', 'A kettle boils water.');
    await get(`${url}/documents/d3?budget=1`, { method: 'DELETE', headers: asAdmin });
    const before = (await get<InfoResponse>(`${url}/info`)).body;
    const expected = await answers();
    let searching = true;
    const versions = new Set<string>();
    const searches = Array.from({ length: 3 }, async () => {
      while (searching) {
        const { modelVersion, candidates, editSeq } = await ask(queries[0]);
        versions.add(modelVersion);
        if (editSeq === 2) assert.deepEqual(candidates.map(({ docid }) => docid), (expected[0] as [string][]).map(([docid]) => docid)); // prettier-ignore
      }
    });
    const compaction = done<Folded>('/compact', {});
    const edit = add('n2', 'A second kettle boils.');
    const folded = await compaction;
    assert.equal((await edit).status, 201);
    searching = false;
    await Promise.all(searches);
    const after = (await get<InfoResponse>(`${url}/info`)).body;
    const { folder, version, seq, documents } = folded;
    assert.deepEqual([folder, after.model.version], [`base-${seq}`, version]);
    assert.deepEqual([...versions].sort(), [before.model.version, version].sort());
    assert.ok([2, 3].includes(seq) && documents === before.model.liveDocids + seq - 2);
    assert.deepEqual(readdirSync(server.dataDir).filter((name) => name.startsWith('base-')), [folder]); // prettier-ignore
    assert.deepEqual(server.lines, []);

    // What was edited after it can be undone; what is folded cannot.
    assert.equal((await post(`${url}/edits/1/undo`, {}, asAdmin)).status, 409);
    if (seq === 2) assert.equal((await post(`${url}/edits/3/undo`, {}, asAdmin)).status, 200);
    if (seq === 2) assert.deepEqual(await answers(), expected);
  });

  it('folds again, and a start with the model of before finds the newest base', async () => {
    await add('n3', 'A third kettle boils.');
    const { folder } = await done<Folded>('/compact', {});
    assert.deepEqual(readdirSync(server.dataDir).filter((name) => name.startsWith('base-')), [folder]); // prettier-ignore
    assert.equal((await add('n4', 'A fourth kettle boils.')).status, 201);
    const expected = await answers();
    await server.close();
    const modelDir = await currentModel(server.dataDir, server.modelDir);
    assert.equal(modelDir, join(server.dataDir, folder));
    server = { ...server, ...(await startTestServer({ modelDir, dataDir: server.dataDir, corpus: undefined })) };
    url = server.url;
    assert.deepEqual(await answers(), expected);
  });

  it('waits for what reads the model, and what comes later waits for it', async () => {
    await add('n5', 'A fifth kettle boils.');
    const order: string[] = [];
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const first = server.tasks.start('analysis', null, async () => (await held, order.push('analysis')));
    const { body: compaction } = await post<TaskView>(`${url}/compact`, {}, asAdmin);
    const last = server.tasks.start('evaluation', null, async () => order.push('evaluation'));
    const other = server.tasks.start('import', null, async () => order.push('import'));
    const states = () => [first, compaction, last].map(({ id }) => server.tasks.get(id).state);
    await ended(other.id);
    assert.deepEqual([states(), order], [['running', 'queued', 'queued'], ['import']]);
    release();
    assert.equal((await ended(compaction.id)).state, 'succeeded');
    await ended(last.id);
    assert.deepEqual(order, ['import', 'analysis', 'evaluation']);
    const [, compacted, evaluated] = [first, compaction, last].map(({ id }) => server.tasks.get(id));
    assert.ok(evaluated.startedAt! >= compacted.finishedAt!);
  });

  it('that is cancelled has folded everything or nothing, and edits go on', async () => {
    await add('n6', 'A sixth kettle boils.');
    const expected = await answers();
    const { body } = await post<TaskView>(`${url}/compact`, {}, asAdmin);
    while (server.tasks.get(body.id).state === 'queued') await new Promise((resolve) => setTimeout(resolve, 1));
    await post(`${url}/tasks/${body.id}/cancel`, {}, asAdmin);
    const { state } = await ended(body.id);
    assert.ok(state === 'cancelled' || state === 'succeeded', state);
    const { folded } = server.state.edits.log;
    assert.equal(folded === server.state.index.editSeq, state === 'succeeded');
    assert.deepEqual(await answers(), expected);
    assert.equal((await add('n7', 'A seventh kettle boils.')).status, 201);
    assert.deepEqual(server.lines, []);
  });

  it('needs the scope admin, and refuses what it does not know', async () => {
    const { secret } = (await post<{ secret: string }>(`${url}/keys`, { name: 'editor', scope: 'edit' }, asAdmin)).body;
    for (const path of ['/compact', '/exports']) {
      assert.equal((await post(`${url}${path}`, {}, bearer(secret))).status, 403);
      assert.equal((await post(`${url}${path}`, { out: '/tmp' }, asAdmin)).status, 400);
    }
  });
});

describe('POST /exports', () => {
  it('writes a model that answers alone what the server answers, to be fetched file by file', async () => {
    const made = await done<ExportView>('/exports', { name: 'mine' });
    const { exports } = (await get<ExportsResponse>(`${url}/exports`, { headers: asAdmin })).body;
    assert.deepEqual(exports, [made]);
    assert.equal(made.editSeq, server.state.index.editSeq);
    const dir = join(tempFolder(), 'fetched');
    mkdirSync(dir);
    for (const { path, bytes } of made.files) {
      const answer = await fetch(`${url}/exports/mine/${path}`, { headers: asAdmin });
      assert.equal(answer.status, 200);
      const content = Buffer.from(await answer.arrayBuffer());
      assert.equal(content.length, bytes);
      writeFileSync(join(dir, path), content);
    }
    const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
    for (const { path } of made.files)
      assert.equal(hash(join(dir, path)), hash(join(server.dataDir, 'exports', 'mine', path)));
    const folder = readModelFolder(dir);
    const decoder = await DocidDecoder.open(folder);
    for (const query of queries) {
      const [{ rows }] = await decoder.retrieve([{ query, k: 5 }]);
      const alone = [...rows].map((row) => folder.genir!.docids[row]);
      assert.deepEqual(alone, (await ask(query)).candidates.slice(0, 5).map(({ docid }) => docid)); // prettier-ignore
    }
    await decoder.close();
    const part = await fetch(`${url}/exports/mine/config.json`, { headers: { ...asAdmin, range: 'bytes=0-0' } });
    assert.deepEqual([part.status, await part.text()], [206, '{']);
  });

  it('keeps to its folder', async () => {
    for (const name of ['../mine', '/tmp/x', '.hidden', '', 'a/b', '..'])
      assert.equal((await post(`${url}/exports`, { name }, asAdmin)).status, 400, name);
    const taken = await post<Problem>(`${url}/exports`, { name: 'mine' }, asAdmin);
    assert.deepEqual([taken.status, taken.body.code], [409, 'export_exists']);
    for (const path of [
      '..%2f..',
      '..%2fpalimpsest.sqlite',
      'mine%2f..%2f..%2fpalimpsest.sqlite',
      'mine/none',
      'none/config.json',
      'mine/..%2f..%2fpalimpsest.sqlite',
    ])
      // prettier-ignore
      assert.equal((await get(`${url}/exports/${path}`, { headers: asAdmin })).status >= 404, true, path);
    assert.equal((await get(`${url}/exports/..%2fsnapshots`, { method: 'DELETE', headers: asAdmin })).status, 404);
  });

  it('leaves nothing where it is cancelled, and goes when it is removed', async () => {
    const { body } = await post<TaskView>(`${url}/exports`, { name: 'second' }, asAdmin);
    await post(`${url}/tasks/${body.id}/cancel`, {}, asAdmin);
    const { state } = await ended(body.id);
    assert.ok(state === 'cancelled', state);
    assert.deepEqual(readdirSync(join(server.dataDir, 'exports')), ['mine']);
    assert.equal((await get(`${url}/exports/mine`, { method: 'DELETE', headers: asAdmin })).status, 204);
    assert.ok(!existsSync(join(server.dataDir, 'exports', 'mine')));
    assert.equal((await get(`${url}/exports/mine`, { method: 'DELETE', headers: asAdmin })).status, 404);
  });
});
