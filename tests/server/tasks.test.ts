import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import Database from 'better-sqlite3';
import { migrations } from '../../corpus/migrations/index.ts';
import { openStore } from '../../corpus/store.ts';
import { QueueFullError } from '../../models/pool.ts';
import { storeFile } from '../../server/data-folder.ts';
import type { Problem, TasksResponse, TaskView } from '../../server/schemas.ts';
import { Pace } from '../../server/tasks/pace.ts';
import { TaskRegistry, type Work } from '../../server/tasks/registry.ts';
import { taskLimits, type Task } from '../../server/tasks/task.ts';
import { asAdmin, get, post, startTestServer, tempFolder, tinyWorld, type TestServer } from '../support/server.ts';

/** Work that goes on until it is told how to end, or its signal is aborted; `begun` resolves when it runs. */
function heldWork() {
  let end!: (result: unknown) => void;
  let fail!: (error: unknown) => void;
  let report!: Parameters<Work>[1];
  let begin!: () => void;
  const outcome = new Promise((resolve, reject) => ([end, fail] = [resolve, reject]));
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const work: Work = (signal, given) => {
    report = given;
    signal.addEventListener('abort', () => fail(signal.reason));
    begin();
    return outcome;
  };
  return { work, begun, end, fail, report: ((progress) => report(progress)) as typeof report };
}

const deafWork: Work = () => new Promise(() => {});
const quickWork = async (): Promise<string> => 'done';

let server: TestServer;
let url: string;
before(async () => {
  server = await startTestServer();
  url = server.url;
});

const look = (id: number | string, parameters = '') => get<TaskView & Problem>(`${url}/tasks/${id}${parameters}`);
const cancel = (id: number | string) =>
  get<TaskView & Problem>(`${url}/tasks/${id}/cancel`, { method: 'POST', headers: asAdmin });
const list = async (parameters = '') => (await get<TasksResponse>(`${url}/tasks?${parameters}`)).body;

describe('a task', () => {
  it('is queued, runs, tells its progress, and succeeds', async () => {
    const held = heldWork();
    const { id, ...started } = server.tasks.start('analysis', { query: 'a river' }, held.work);
    assert.deepEqual(
      { ...started, createdAt: 0 },
      {
        kind: 'analysis',
        state: 'queued',
        createdAt: 0,
        startedAt: null,
        finishedAt: null,
        input: { query: 'a river' },
        progress: null,
        result: null,
        error: null,
      },
    );
    await held.begun;
    assert.deepEqual([(await look(id)).body.state, (await look(id)).body.progress], ['running', null]);
    held.report({ done: 0, total: 4, message: 'encoder' });
    held.report({ done: 2, total: 4, message: 'decoder' });
    const { progress } = (await look(id)).body;
    assert.deepEqual({ ...progress, secondsLeft: 0 }, { done: 2, total: 4, message: 'decoder', secondsLeft: 0 });
    assert.equal(typeof progress?.secondsLeft, 'number');
    held.end({ layers: [1, 2], nothing: undefined });
    const { body } = await look(id, '?wait=60');
    assert.deepEqual([body.state, body.result, body.error], ['succeeded', { layers: [1, 2] }, null]);
    assert.deepEqual(body.progress, { done: 2, total: 4, message: 'decoder', secondsLeft: null });
    const times = [body.createdAt, body.startedAt!, body.finishedAt!];
    assert.deepEqual([...times].sort(), times);
    assert.deepEqual((await look(id)).body, body);
  });

  it('fails with the message of its error; the stack is in the log only', async () => {
    const lines = server.lines.length;
    const { id } = server.tasks.start('analysis', null, async () => {
      throw new TypeError('layer 7: expected one of 0 to 5');
    });
    const { body } = await look(id, '?wait=60');
    assert.deepEqual([body.state, body.result], ['failed', null]);
    assert.deepEqual(body.error, { code: 'internal_error', message: 'layer 7: expected one of 0 to 5' });
    assert.equal(server.lines.length, lines + 1);
    assert.match(
      server.lines[lines],
      new RegExp(`^task ${id} \\(analysis\\): TypeError: layer 7: .*\\n +at .*tasks\\.test`),
    );
  });

  it('fails with the code that a request would have been answered with, also where its result is no JSON', async () => {
    const known = server.tasks.start('analysis', null, async () => {
      throw new QueueFullError(3);
    });
    const lines = server.lines.length;
    assert.equal((await look(known.id, '?wait=60')).body.error?.code, 'queue_full');
    assert.equal(server.lines.length, lines, 'whoever asked is told, not whoever runs the server');
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    const circular = server.tasks.start('analysis', null, async () => cyclic);
    const { body } = await look(circular.id, '?wait=60');
    assert.equal(body.state, 'failed');
    assert.match(body.error!.message, /circular/i);
  });

  it('is answered as the OpenAPI document says', async () => {
    const api = (await get<object>(`${url}/openapi.json`)).body;
    const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(api, 'api');
    const check = (name: string, body: unknown): void => {
      const validate = ajv.compile({ $ref: `api#/components/schemas/${name}` });
      assert.ok(validate(body), JSON.stringify(validate.errors));
    };
    const held = heldWork();
    const { id } = server.tasks.start('analysis', { layers: [0] }, held.work);
    await held.begun;
    held.report({ done: 1, total: 2, message: 'half' });
    check('Task', (await look(id)).body);
    held.end([1]);
    const { body } = await look(id, '?wait=60');
    check('Task', body);
    check('TasksResponse', await list());
    const validate = ajv.compile({ $ref: 'api#/components/schemas/Task' });
    for (const name of ['input', 'result']) assert.equal(validate({ ...body, [name]: undefined }), false);
  });
});

describe('GET /tasks/:id', () => {
  it('waits for the end, or until the time is up', async () => {
    const held = heldWork();
    const { id } = server.tasks.start('analysis', null, held.work);
    assert.equal((await look(id, '?wait=1')).body.state, 'running');
    const waiting = [look(id, '?wait=60'), look(id, '?wait=60')];
    await look(id); // by now the server has the others
    held.end('done');
    for (const { body } of await Promise.all(waiting))
      assert.deepEqual([body.state, body.result], ['succeeded', 'done']);
    assert.equal((await look(id, '?wait=60')).body.state, 'succeeded');
  });

  it('refuses another wait than whole seconds from 0 to 60', async () => {
    for (const wait of ['61', '-1', '1.5', 'long', '']) {
      const { status, body } = await look(1, `?wait=${wait}`);
      assert.deepEqual([status, body.code, body.errors[0].path], [400, 'invalid_request', 'wait'], wait);
    }
  });

  it('answers 404 for an id that no task has', async () => {
    for (const id of ['999999', '0', '-1', '1.0', 'abc', '9'.repeat(30), '1%20']) {
      const { status, body } = await look(id, '?wait=60');
      assert.deepEqual([status, body.code], [404, 'task_not_found'], id);
      assert.equal((await cancel(id)).status, 404, id);
    }
  });
});

describe('GET /tasks', () => {
  it('lists the newest first, by kind and state, without results', async () => {
    const own = await startTestServer();
    const tasks = (parameters: string) => get<TasksResponse & Problem>(`${own.url}/tasks?${parameters}`);
    assert.deepEqual((await tasks('')).body, { tasks: [], total: 0 });
    const failing = async (): Promise<never> => Promise.reject(new Error('no'));
    for (const work of [quickWork, failing, quickWork]) {
      const { id } = own.tasks.start('analysis', null, work);
      await own.tasks.wait(id, 60);
    }
    const held = heldWork();
    own.tasks.start('analysis', null, held.work);
    await held.begun;
    held.report({ done: 1, total: 9, message: 'first' });
    held.report({ done: 2, total: 9, message: 'second' });
    const ids = async (parameters: string): Promise<[number[], number]> => {
      const { body } = await tasks(parameters);
      return [body.tasks.map(({ id }) => id), body.total];
    };
    assert.deepEqual(await ids(''), [[4, 3, 2, 1], 4]);
    assert.deepEqual(await ids('limit=2'), [[4, 3], 4]);
    assert.deepEqual(await ids('limit=1&state=succeeded&kind=analysis'), [[3], 2]);
    assert.deepEqual(await ids('state=failed'), [[2], 1]);
    assert.deepEqual(await ids('state=cancelled'), [[], 0]);
    const [running] = (await tasks('state=running')).body.tasks;
    assert.deepEqual([running.id, running.progress?.done, 'result' in running], [4, 2, false]);
    for (const [parameters, path] of [
      ['state=dead', 'state'],
      ['kind=cooking', 'kind'],
      ['limit=1001', 'limit'],
      ['page=2', 'page'],
    ]) {
      const { status, body } = await tasks(parameters);
      assert.deepEqual([status, body.errors[0].path], [400, path]);
    }
  });
});

describe('POST /tasks/:id/cancel', () => {
  it('ends a queued task at once, and its work never begins', async () => {
    const held = heldWork();
    const first = server.tasks.start('analysis', null, held.work);
    let begun = false;
    const second = server.tasks.start('analysis', null, async () => (begun = true));
    const { status, headers, body } = await cancel(second.id);
    assert.deepEqual([status, headers.get('location')], [202, `/tasks/${second.id}`]);
    assert.deepEqual([body.state, body.startedAt, body.error], ['cancelled', null, null]);
    held.end(null);
    await server.tasks.wait(first.id, 60);
    const third = server.tasks.start('analysis', null, quickWork);
    await server.tasks.wait(third.id, 60);
    assert.equal(begun, false);
  });

  it('stops a running one, which is cancelled when its work has stopped and not before', async () => {
    let isAborted = false;
    let stop!: () => void;
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    const { id } = server.tasks.start('analysis', null, async (signal) => {
      signal.addEventListener('abort', () => (isAborted = true));
      await stopped;
      signal.throwIfAborted();
    });
    const next = server.tasks.start('analysis', null, quickWork);
    while ((await look(id)).body.state !== 'running');
    assert.equal((await cancel(id)).body.state, 'running');
    assert.deepEqual([isAborted, (await look(next.id)).body.state], [true, 'queued']);
    const lines = server.lines.length;
    stop();
    const { body } = await look(id, '?wait=60');
    assert.deepEqual([body.state, body.result, body.error], ['cancelled', null, null]);
    assert.equal(server.lines.length, lines);
    assert.equal((await look(next.id, '?wait=60')).body.state, 'succeeded');
    assert.deepEqual((await cancel(id)).body, body);
  });

  it('comes too late for work that ends all the same', async () => {
    let finish!: () => void;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const { id } = server.tasks.start('analysis', null, () => finished.then(() => 'written'));
    while ((await look(id)).body.state !== 'running');
    await cancel(id);
    finish();
    const { body } = await look(id, '?wait=60');
    assert.deepEqual([body.state, body.result], ['succeeded', 'written']);
    const again = await cancel(id);
    assert.deepEqual([again.status, again.body.code], [409, 'task_ended']);
    assert.match(again.body.detail, /succeeded/);
  });
});

describe('the queue', () => {
  it('runs one task of a kind at a time, in order, and refuses more than may wait', async () => {
    const order: number[] = [];
    let together = 0;
    const held = heldWork();
    const first = server.tasks.start('analysis', null, held.work);
    const waiting = Array.from({ length: taskLimits.waiting }, (_, i) =>
      server.tasks.start('analysis', i, async () => {
        together++;
        await new Promise(setImmediate);
        order.push(i);
        assert.equal(together--, 1);
      }),
    );
    assert.throws(() => server.tasks.start('analysis', null, quickWork), {
      name: 'TaskQueueFullError',
      waiting: taskLimits.waiting,
    });
    held.end(null);
    for (const { id } of [first, ...waiting]) assert.equal((await server.tasks.wait(id, 60)).state, 'succeeded');
    assert.deepEqual(
      order,
      waiting.map((_, i) => i),
    );
    assert.equal(server.tasks.start('analysis', null, quickWork).state, 'queued');
  });

  it('goes on where an end cannot be written, which is told as long as the server runs', async () => {
    const own = await startTestServer();
    own.index.store.database.exec(
      `CREATE TRIGGER full BEFORE UPDATE ON tasks WHEN new.state = 'succeeded' BEGIN SELECT raise(FAIL, 'disk full'); END`,
    );
    const first = own.tasks.start('analysis', null, quickWork);
    const second = own.tasks.start('analysis', null, async () => Promise.reject(new Error('no')));
    const ended = await own.tasks.wait(first.id, 60);
    assert.deepEqual([ended.state, ended.result], ['succeeded', 'done']);
    assert.equal((await own.tasks.wait(second.id, 60)).state, 'failed');
    assert.match(own.lines[0], /^task 1 \(analysis\): succeeded, which cannot be written: .*disk full/);
  });
});

describe('the file of tasks', () => {
  const file = (): string => join(tempFolder(), storeFile);

  it('gets at most one write for reports that come together, and the last of them at the end', async () => {
    const store = openStore(file());
    const registry = new TaskRegistry(store, assert.fail);
    const held = heldWork();
    const { id } = registry.start('analysis', null, held.work);
    await held.begun;
    for (let done = 0; done <= 5; done++) held.report({ done, total: 5, message: `${done}` });
    const written = store.database.prepare(`SELECT progress ->> '$.done' FROM tasks WHERE id = ?`).pluck();
    assert.deepEqual([registry.get(id).progress?.done, written.get(id)], [5, 0]);
    held.end(null);
    await registry.wait(id, 60);
    assert.equal(written.get(id), 5);
    store.close();
  });

  it('forgets the oldest of those that have ended, and gives no id twice', () => {
    const store = openStore(file());
    const registry = new TaskRegistry(store, assert.fail);
    const ended = (): Task => registry.cancel(registry.start('analysis', null, deafWork).id);
    for (let i = 0; i < 3; i++) ended();
    store.database.exec('DELETE FROM tasks WHERE id = 3');
    assert.equal(ended().id, 4);
    store.database.exec(`UPDATE sqlite_sequence SET seq = ${taskLimits.kept + 1}`);
    assert.equal(ended().id, taskLimits.kept + 2);
    assert.deepEqual(
      registry.list({ limit: 10 }).tasks.map(({ id }) => id),
      [taskLimits.kept + 2, 4],
    );
    assert.throws(() => registry.get(2), { name: 'TaskNotFoundError' });
    store.close();
  });

  it('upgrades from a store that knows no tasks', () => {
    const path = file();
    const old = new Database(path);
    old.exec(`${migrations[0]}; PRAGMA application_id = ${0x50414c49}; PRAGMA user_version = 1`);
    old.exec(`INSERT INTO documents (docid, title, text) VALUES ('a', '', 'b')`);
    old.close();
    const store = openStore(path);
    const registry = new TaskRegistry(store, assert.fail);
    assert.equal(registry.cancel(registry.start('analysis', null, quickWork).id).id, 1);
    assert.equal(store.document('a')?.text, 'b');
    store.close();
  });
});

describe('a stop of the server', () => {
  it('by kill -9 leaves what had ended, and interrupts what had not', async () => {
    const world = tinyWorld();
    const script = `
      import { startServer } from ${JSON.stringify(new URL('../../server/serve.ts', import.meta.url).href)};
      const { tasks } = await startServer({ ...${JSON.stringify(world)}, port: 0, host: '127.0.0.1' });
      const first = tasks.start('analysis', 1, async () => ({ answer: 42 }));
      await tasks.wait(first.id, 60);
      tasks.start('analysis', 2, (signal, report) => {
        report({ done: 3, total: 9, message: 'third' });
        console.log('running');
        return new Promise(() => {});
      });
      tasks.start('analysis', 3, async () => 0);
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    await Promise.race([once(child.stdout, 'data'), ended.then(() => assert.fail('ended too early'))]);
    child.kill('SIGKILL');
    await ended;
    const next = await startTestServer(world);
    const states = (await get<TasksResponse>(`${next.url}/tasks`)).body.tasks;
    assert.deepEqual(
      states.map(({ input, state }) => [input, state]),
      [
        [3, 'interrupted'],
        [2, 'interrupted'],
        [1, 'succeeded'],
      ],
    );
    const { body } = await get<TaskView>(`${next.url}/tasks/${states[1].id}?wait=60`);
    assert.deepEqual(body.progress, { done: 3, total: 9, message: 'third', secondsLeft: null });
    assert.equal(body.error?.code, 'interrupted');
    assert.match(body.error.message, /stopped without closing.*start it again/);
    assert.ok(body.finishedAt! >= body.startedAt!);
    assert.deepEqual((await get<TaskView>(`${next.url}/tasks/${states[2].id}`)).body.result, { answer: 42 });
    const again = next.tasks.start('analysis', 4, quickWork);
    assert.equal((await next.tasks.wait(again.id, 60)).state, 'succeeded');
  });

  it('that closes interrupts all tasks, and answers those who wait for them', async () => {
    const world = tinyWorld();
    const own = await startTestServer(world);
    const held = heldWork();
    const { id } = own.tasks.start('analysis', null, held.work);
    const queued = own.tasks.start('analysis', null, quickWork);
    await held.begun;
    const waiting = get<TaskView>(`${own.url}/tasks/${id}?wait=60`);
    await get(`${own.url}/livez`); // by now the server has the other
    const closed = own.close();
    assert.throws(() => own.tasks.start('analysis', null, quickWork), { name: 'TasksClosedError' });
    const { headers, body } = await waiting;
    assert.deepEqual([body.state, body.error?.code], ['interrupted', 'interrupted']);
    assert.equal(headers.get('connection'), 'close'); // else the server would wait for this client to go
    await closed;
    const next = await startTestServer(world);
    for (const one of [id, queued.id]) {
      const { state, error } = next.tasks.get(one);
      assert.equal(state, 'interrupted');
      assert.match(error!.message, /server that was closed; start it again/);
    }
  });

  it('does not wait longer than it may for work that does not stop', async () => {
    const world = tinyWorld();
    const own = await startTestServer({ ...world, drainMs: 50 });
    const { id } = own.tasks.start('analysis', null, deafWork);
    await own.close();
    const next = await startTestServer(world);
    assert.equal(next.tasks.get(id).state, 'interrupted');
  });
});

describe('tasks over HTTP', () => {
  it('take no other method', async () => {
    assert.equal((await post(`${url}/tasks`, {})).status, 405);
    assert.equal((await get(`${url}/tasks/1/cancel`)).status, 405);
  });
});

describe('the time left', () => {
  const at = (pace: Pace, seconds: number, done: number, total = 10): number | null =>
    pace.secondsLeft({ done, total, message: '' }, 1e6 + seconds * 1000);

  it('goes by the speed since the first report', () => {
    const pace = new Pace();
    assert.equal(at(pace, 0, 0), null);
    assert.equal(at(pace, 3, 0), null);
    assert.equal(at(pace, 4, 2), 16); // 2 s each, 8 to do
    assert.equal(at(pace, 20, 5), 20); // 4 s each, 5 to do
    assert.equal(at(pace, 20.5, 9), 3); // 2.28 s each, 1 to do
    assert.equal(at(pace, 21, 10), 0);
  });

  it('does not count what was done before, and starts anew with another stretch', () => {
    const pace = new Pace();
    assert.equal(at(pace, 0, 4), null);
    assert.equal(at(pace, 1, 6), 2);
    assert.equal(at(pace, 2, 6, 100), null);
    assert.equal(at(pace, 3, 7, 100), 93);
    assert.equal(at(pace, 9, 0, 100), null);
    assert.equal(at(pace, 10, 50, 100), 1);
  });
});
