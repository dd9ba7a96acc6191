/** Another connection holds the store's write lock: writes wait for it, and are refused where it takes too long. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import Sqlite from 'better-sqlite3';
import type { KeysResponse } from '../../server/admin-schemas.ts';
import type { AuditResponse } from '../../server/audit/audit-schemas.ts';
import type { Problem, TasksResponse, TaskView } from '../../server/schemas.ts';
import { startEditServer } from '../support/edit-server.ts';
import { asAdmin, get, post, type TestServer } from '../support/server.ts';

let server: TestServer;
let path: string;
before(async () => {
  server = await startEditServer();
  path = server.index.store.database.name;
});

/** What the main thread waits. */
const patience = (ms: number): void => void server.index.store.database.pragma(`busy_timeout = ${ms}`);

async function whileLocked(use: () => Promise<void>): Promise<void> {
  const other = new Sqlite(path);
  other.exec('BEGIN IMMEDIATE');
  try {
    await use();
  } finally {
    other.exec('ROLLBACK');
    other.close();
  }
}

const admin = <T>(route: string) => get<T>(`${server.url}${route}`, { headers: asAdmin });
const events = async () => (await admin<AuditResponse>('/audit')).body.entries.length;
const tasks = async () => (await admin<TasksResponse>('/tasks')).body.total;

describe('a store that another connection writes to', () => {
  it('refuses writes with 503, and nothing has happened', async () => {
    patience(50);
    const [noted, started] = [await events(), await tasks()];
    await whileLocked(async () => {
      for (const [route, body] of [
        ['/keys', { name: 'late', scope: 'read' }],
        ['/evaluate', {}],
        ['/exports', { name: 'late' }],
        ['/snapshots', {}],
      ] as const) {
        const { status, headers, body: problem } = await post<Problem>(`${server.url}${route}`, body, asAdmin);
        assert.deepEqual([status, problem.code], [503, 'store_busy'], route);
        assert.ok(Number(headers.get('retry-after')) > 0);
        assert.match(problem.detail, /expected a turn to write, got none/);
      }
      const found = await post<{ results: unknown[] }>(`${server.url}/retrieve`, { query: 'night', mode: 'bm25' });
      assert.equal(found.status, 200); // reading goes on
    });
    assert.deepEqual([await events(), await tasks()], [noted, started]);
    const { keys } = (await admin<KeysResponse>('/keys')).body;
    assert.ok(keys.every(({ name }) => name !== 'late'));
    assert.equal((await post(`${server.url}/keys`, { name: 'late', scope: 'read' }, asAdmin)).status, 201);
  });

  it('takes a write that waits until the lock is free', async () => {
    patience(20_000);
    // In a thread of its own: who waits here waits with the whole thread.
    const holder = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
       const database = new (require('better-sqlite3'))(workerData);
       database.exec('BEGIN IMMEDIATE');
       parentPort.postMessage('locked');
       setTimeout(() => database.exec('COMMIT'), 300);`,
      { eval: true, workerData: path },
    );
    const ended = once(holder, 'exit');
    await once(holder, 'message');
    assert.equal((await post(`${server.url}/keys`, { name: 'patient', scope: 'read' }, asAdmin)).status, 201);
    await ended;
  });

  it('keeps the end of a task that cannot be written, and writes it with the next one', async () => {
    patience(50);
    const written = (id: number): unknown => {
      const other = new Sqlite(path, { readonly: true });
      const finished = other.prepare('SELECT finished FROM tasks WHERE id = ?').pluck().get(id);
      other.close();
      return finished;
    };
    let task: TaskView | undefined;
    for (let n = 0; !task; n++) {
      const { body: started } = await post<TaskView>(`${server.url}/exports`, { name: `first-${n}` }, asAdmin);
      await whileLocked(async () => {
        if (written(started.id) !== null) return; // it was faster: once more
        task = (await admin<TaskView>(`/tasks/${started.id}?wait=30`)).body;
      });
    }
    assert.equal(task.state, 'succeeded');
    assert.equal(written(task.id), null);
    const { body: next } = await post<TaskView>(`${server.url}/exports`, { name: 'second' }, asAdmin);
    assert.equal((await admin<TaskView>(`/tasks/${next.id}?wait=30`)).body.state, 'succeeded');
    assert.notEqual(written(task.id), null);
  });
});
