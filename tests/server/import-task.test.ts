/** Many documents as a task: spooled, added by and by, gone on with after a stop of any kind, each exactly once. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { before, describe, it } from 'node:test';
import { openStore } from '../../corpus/store.ts';
import { storeFile } from '../../server/data-folder.ts';
import type { EditsResponse, ImportLine } from '../../server/edit-schemas.ts';
import { importsFolder } from '../../server/imports/spool.ts';
import type { Imported, ImportInput } from '../../server/imports/input.ts';
import { limits } from '../../server/limits.ts';
import type { Problem, TaskView } from '../../server/schemas.ts';
import { editableWorld, startEditServer, type EditableWorld } from '../support/edit-server.ts';
import { startProcess } from '../support/server-process.ts';
import { asAdmin, get, startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer & EditableWorld;
before(async () => {
  server = await startEditServer();
});

const headers = { 'content-type': 'application/x-ndjson', ...asAdmin };
const document = (docid: string): string => JSON.stringify({ docid, text: `The ${docid} is a thing of its own.` });
const many = (name: string, count: number): string =>
  Array.from({ length: count }, (_, i) => `${document(`${name}${i}`)}\n`).join('');

async function begin(url: string, body: string, parameters = ''): Promise<TaskView> {
  const to = `${url}/documents/import?task=true&budget=1&${parameters}`;
  const answer = await get<TaskView>(to, { method: 'POST', headers, body });
  assert.deepEqual([answer.status, answer.headers.get('location')], [202, `/tasks/${answer.body.id}`]);
  return answer.body;
}
const look = async (url: string, id: number, wait = 0): Promise<TaskView> =>
  (await get<TaskView>(`${url}/tasks/${id}?wait=${wait}`)).body;
async function ended(url: string, id: number): Promise<TaskView> {
  let task: TaskView;
  do task = await look(url, id, 60);
  while (!task.finishedAt);
  return task;
}
async function results(url: string, id: number, parameters = ''): Promise<ImportLine[]> {
  const answer = await get<string>(`${url}/tasks/${id}/results?${parameters}`, { headers: asAdmin });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type')!, /^application\/x-ndjson/);
  return answer.body
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ImportLine);
}
/** Waits until so many lines of an import have a result. */
async function come(url: string, id: number, lines: number): Promise<void> {
  while (((await look(url, id)).progress?.done ?? 0) < lines) await delay(3);
}
/** Docids in the order in which the log says they were added; none twice, unless it was added twice. */
function addedDocids(dataDir: string): string[] {
  const store = openStore(join(dataDir, storeFile), { readonly: true });
  try {
    const sql = `SELECT json_each.value ->> '$.docid' FROM edits, json_each(edits.operations) ORDER BY seq, json_each.key`;
    return store.database.prepare(sql).pluck().all() as string[];
  } finally {
    store.close();
  }
}
const docids = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${name}${i}`);

describe('POST /documents/import?task=true', () => {
  it('adds what it can, and keeps what became of each line', async () => {
    const { url } = server;
    const body = [
      document('anvil'),
      '{"docid": "broken", ',
      '',
      document('d1'),
      document('anvil'),
      JSON.stringify({ docid: 'no-text' }),
      document('barrel'),
    ].join('\n');
    const task = await begin(url, body, 'batch=4');
    const { file, ...input } = task.input as ImportInput;
    assert.match(file, /^[0-9a-f-]{36}$/);
    assert.deepEqual(input, { bytes: Buffer.byteLength(body), lines: 6, faults: 2, batch: 4, budget: 1 });
    const { state, result, progress } = await ended(url, task.id);
    assert.deepEqual([state, result], ['succeeded', { lines: 6, added: 2, failed: 4 } satisfies Imported]);
    assert.deepEqual([progress?.done, progress?.total], [6, 6]);
    const all = await results(url, task.id);
    assert.deepEqual(
      all.map(({ line, docid, status, code, version }) => [line, docid, status, code, version]),
      [
        [1, 'anvil', 201, undefined, 1],
        [2, null, 400, 'invalid_request', null],
        [4, 'd1', 409, 'docid_taken', null],
        [5, 'anvil', 409, 'docid_taken', null],
        [6, 'no-text', 400, 'invalid_request', null],
        [7, 'barrel', 201, undefined, 1],
      ],
    );
    const lines = async (parameters: string): Promise<number[]> =>
      (await results(url, task.id, parameters)).map(({ line }) => line);
    assert.deepEqual(await lines('failed=true'), [2, 4, 5, 6]);
    assert.deepEqual(await lines('after=4&limit=2'), [5, 6]);
    assert.deepEqual(await lines('after=7'), []);
    // The texts are gone from the disk, what became of them stays.
    assert.deepEqual(readdirSync(join(server.dataDir, importsFolder)), [`${file}.results.jsonl`]);
    const { body: audit } = await get<{ entries: { action: string; subject: string; details: unknown }[] }>(
      `${url}/audit?action=import.start`,
      { headers: asAdmin },
    );
    assert.deepEqual([audit.entries[0].subject, audit.entries[0].details], [String(task.id), { lines: 6 }]);
  });

  it('makes one edit of each batch, with the name of the key that sent it', async () => {
    const { url } = server;
    const { id } = await begin(url, many('pair', 5), 'batch=2');
    await ended(url, id);
    const { edits } = (await get<EditsResponse>(`${url}/edits?limit=3`, { headers: asAdmin })).body;
    assert.deepEqual(edits.map(({ operations }) => operations.length), [1, 2, 2]); // prettier-ignore
    assert.equal(edits[0].author, 'environment');
  });

  it('takes nothing, and a task of nothing has succeeded', async () => {
    const { id } = await begin(server.url, '\n \n');
    assert.deepEqual((await ended(server.url, id)).result, { lines: 0, added: 0, failed: 0 });
    assert.deepEqual(await results(server.url, id), []);
  });

  it('stops when it is cancelled, and what was added before has its result', async () => {
    const { url } = server;
    const { id, input } = await begin(url, many('stop', 300), 'batch=1');
    await come(url, id, 3);
    await get(`${url}/tasks/${id}/cancel`, { method: 'POST', headers: asAdmin });
    const task = await ended(url, id);
    assert.equal(task.state, 'cancelled');
    const done = (await results(url, id)).map(({ docid, status }) => [docid, status]);
    assert.ok(done.length >= 3 && done.length < 300);
    assert.deepEqual(done, docids('stop', done.length).map((docid) => [docid, 201])); // prettier-ignore
    assert.deepEqual(addedDocids(server.dataDir).filter((docid) => docid.startsWith('stop')).length, done.length);
    assert.ok(!existsSync(join(server.dataDir, importsFolder, `${(input as ImportInput).file}.lines.jsonl`)));
  });

  it('refuses a body that is too large before it is sent, and keeps nothing of one that breaks off', async () => {
    const names = readdirSync(join(server.dataDir, importsFolder));
    const to = `${server.url}/documents/import?task=true`;
    const large = httpRequest(to, {
      method: 'POST',
      headers: { ...headers, 'content-length': limits.importBytes + 1 },
    });
    large.flushHeaders();
    const [answer] = (await once(large, 'response')) as [IncomingMessage];
    assert.equal(answer.statusCode, 413);
    answer.setEncoding('utf8');
    const problem = JSON.parse((await answer.toArray()).join('')) as Problem;
    assert.equal(problem.code, 'body_too_large');
    assert.match(problem.detail, /1073741824 bytes.*several parts/);
    large.on('error', () => {}).destroy();
    const broken = httpRequest(to, { method: 'POST', headers }).on('error', () => {});
    broken.write(many('broken', 3));
    const files = (): number => readdirSync(join(server.dataDir, importsFolder)).length;
    while (files() === names.length) await delay(5);
    broken.destroy();
    while (files() > names.length) await delay(5);
    assert.equal((await get(`${server.url}/documents/broken0`)).status, 404);
  });

  it('ends where the server, not the lines, is at fault, and the file can be sent again', async () => {
    const own = await startEditServer();
    const { database } = own.index.store;
    const full = `BEFORE INSERT ON documents WHEN new.docid = 'fault4' BEGIN SELECT raise(FAIL, 'database or disk is full'); END`;
    for (const name of ['fault4', 'fault5', 'fault6'])
      database.exec(`CREATE TRIGGER ${name} ${full.replace('fault4', name)}`);
    const body = many('fault', 12);
    const first = await begin(own.url, body, 'batch=3');
    const { state, error, progress } = await ended(own.url, first.id);
    assert.deepEqual([state, error?.code, progress?.done], ['failed', 'import_stopped', 7]);
    assert.match(error!.message, /3 in a row .* line 7 .*send the file again/);
    const statuses = (await results(own.url, first.id)).map(({ status }) => (status >= 500 ? 'fault' : status));
    assert.deepEqual(statuses, [201, 201, 201, 201, 'fault', 'fault', 'fault']);
    for (const name of ['fault4', 'fault5', 'fault6']) database.exec(`DROP TRIGGER ${name}`);
    const second = await begin(own.url, body, 'batch=3');
    assert.deepEqual((await ended(own.url, second.id)).result, { lines: 12, added: 8, failed: 4 });
    assert.deepEqual(addedDocids(own.dataDir), docids('fault', 12));
    assert.equal((await results(own.url, second.id, 'failed=true'))[3].code, 'docid_taken');
  });

  it('has results for an import alone', async () => {
    const other = server.tasks.start('evaluation', null, async () => null);
    const { status, body } = await get<Problem>(`${server.url}/tasks/${other.id}/results`, { headers: asAdmin });
    assert.deepEqual([status, body.code], [404, 'no_results']);
    const unknown = await get<Problem>(`${server.url}/tasks/99999/results`, { headers: asAdmin });
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'task_not_found']);
  });
});

describe('an import that a stop interrupts', () => {
  it('goes on when the server is started again, with every line exactly once', async () => {
    const world = await editableWorld();
    const first = await startTestServer(world);
    const { id } = await begin(first.url, many('calm', 40), 'batch=2');
    const queued = await begin(first.url, many('next', 3), 'batch=2');
    await come(first.url, id, 6);
    await first.close();
    const second = await startTestServer(world);
    assert.equal((await ended(second.url, id)).state, 'succeeded');
    assert.deepEqual((await ended(second.url, queued.id)).result, { lines: 3, added: 3, failed: 0 });
    assert.ok((await results(second.url, id)).every(({ status }) => status === 201));
    assert.deepEqual(addedDocids(world.dataDir), [...docids('calm', 40), ...docids('next', 3)]);
  });

  it('by kill -9 goes on likewise, however often', { timeout: 300_000 }, async (t) => {
    const count = 240;
    const world = await editableWorld();
    let process = await startProcess(world);
    // Every fourth batch is refused as a whole, since one of its documents is there.
    const body = many('killed', count)
      .split('\n')
      .map((line, i) => (i % 16 === 5 ? document('d1') : line))
      .join('\n');
    const { id, input } = await begin(process.url, body, 'batch=4');
    for (const lines of [10, 61, 150]) {
      await come(process.url, id, lines);
      await process.kill();
      // What a process was writing when it died may be there by half.
      appendFileSync(join(world.dataDir, importsFolder, `${(input as ImportInput).file}.results.jsonl`), '{"line": 9');
      process = await startProcess(world);
    }
    const { state, result } = await ended(process.url, id);
    const failed = count / 16;
    assert.deepEqual([state, result], ['succeeded', { lines: count, added: count - failed, failed }]);
    const lines = await results(process.url, id);
    assert.deepEqual(lines.map(({ line }) => line), Array.from({ length: count }, (_, i) => i + 1)); // prettier-ignore
    for (const { line, status, docid } of lines)
      assert.deepEqual([status, docid], line % 16 === 6 ? [409, 'd1'] : [201, `killed${line - 1}`]);
    await process.kill();
    const wanted = docids('killed', count).filter((_, i) => i % 16 !== 5);
    assert.deepEqual(addedDocids(world.dataDir), wanted);
    t.diagnostic(`${count} lines, 3 kills`);
  });

  it('finds a batch that was committed and not noted', async () => {
    const world = await editableWorld();
    const first = await startTestServer(world);
    const { id, input } = await begin(first.url, many('noted', 12), 'batch=4');
    const { file } = input as ImportInput;
    await come(first.url, id, 4);
    await first.close();
    // As after a loss of power: the results are behind the log of edits.
    const path = join(world.dataDir, importsFolder, `${file}.results.jsonl`);
    writeFileSync(path, readFileSync(path, 'utf8').split('\n').slice(0, 0).join('\n'));
    const second = await startTestServer(world);
    assert.deepEqual((await ended(second.url, id)).result, { lines: 12, added: 12, failed: 0 });
    assert.deepEqual(addedDocids(world.dataDir), docids('noted', 12));
  });

  it('is interrupted, with what to do, where its lines are not there', async () => {
    const world = await editableWorld();
    const store = openStore(join(world.dataDir, storeFile));
    const input = { file: crypto.randomUUID(), bytes: 1, lines: 1, faults: 0, batch: 4 };
    store.database
      .prepare(`INSERT INTO tasks (kind, state, created, input) VALUES ('import', 'running', '2026-01-01', ?)`)
      .run(JSON.stringify(input));
    store.close();
    const { url } = await startTestServer(world);
    const { state, error } = await look(url, 1);
    assert.deepEqual([state, error?.code], ['interrupted', 'interrupted']);
    assert.match(error!.message, /send the file again/);
    assert.deepEqual(await results(url, 1), []);
  });
});

describe('files of imports', () => {
  it('go with their task', async () => {
    const world = await editableWorld();
    const first = await startTestServer(world);
    const { id, input } = await begin(first.url, document('one'));
    await ended(first.url, id);
    await first.close();
    const dir = join(world.dataDir, importsFolder);
    writeFileSync(join(dir, `${crypto.randomUUID()}.lines.jsonl.unfinished`), '{}');
    const second = await startTestServer(world);
    assert.deepEqual(readdirSync(dir), [`${(input as ImportInput).file}.results.jsonl`]);
    await second.close();
    const store = openStore(join(world.dataDir, storeFile));
    store.database.exec('DELETE FROM tasks');
    store.close();
    await startTestServer(world);
    assert.deepEqual(readdirSync(dir), []);
  });
});
