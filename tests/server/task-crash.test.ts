/** Tasks of every kind under kill -9: the next start says what became of them, and the same work can be done again. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openStore } from '../../corpus/store.ts';
import { currentModel, storeFile } from '../../server/data-folder.ts';
import type { EditsResponse } from '../../server/edit-schemas.ts';
import type { TasksResponse, TaskView } from '../../server/schemas.ts';
import { editableWorld } from '../support/edit-server.ts';
import { startProcess } from '../support/server-process.ts';
import { asAdmin, get, post, startTestServer } from '../support/server.ts';

const operations = Array.from({ length: 24 }, (_, i) => ({
  kind: 'add',
  document: { docid: `batch${i}`, text: `A rope of ${i} yards holds a ship.` },
}));

/** Requests that are answered with a task; the import has a test of its own. */
const requests = {
  analysis: ['/analysis', { experiments: ['E2'], ranking: 'docids', limit: 5 }],
  compaction: ['/compact', {}],
  edit: ['/documents?wait=0&budget=1', { operations }],
  evaluation: ['/evaluate', { split: 'dev' }],
  export: ['/exports', { name: 'mine' }],
  snapshot: ['/snapshots', {}],
} as const;

async function begin(url: string, kind: keyof typeof requests): Promise<TaskView> {
  const [path, body] = requests[kind];
  const answer = await post<TaskView>(`${url}${path}`, body, asAdmin);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return answer.body;
}
async function ended(url: string, id: number): Promise<TaskView> {
  let task: TaskView;
  do task = (await get<TaskView>(`${url}/tasks/${id}?wait=60`)).body;
  while (!task.finishedAt);
  return task;
}

describe('a task under kill -9', () => {
  for (const kind of Object.keys(requests) as (keyof typeof requests)[])
    it(`of kind ${kind} is told to be interrupted, or what it did, and can be done again`, async () => {
      const world = await editableWorld();
      const process = await startProcess(world);
      const added = await post(`${process.url}/documents?budget=1`, { docid: 'n1', text: 'A kettle boils.' }, asAdmin);
      assert.equal(added.status, 201);
      const { id } = await begin(process.url, kind);
      while ((await get<TaskView>(`${process.url}/tasks/${id}`)).body.state === 'queued');
      await process.kill();

      const modelDir = await currentModel(world.dataDir, world.modelDir);
      const { url } = await startTestServer({ ...world, modelDir });
      const { tasks } = (await get<TasksResponse>(`${url}/tasks`)).body;
      assert.deepEqual(tasks.map((task) => [task.id, task.kind]), [[id, kind]]); // prettier-ignore
      const [{ state, error }] = tasks;
      if (state === 'interrupted') {
        assert.match(error!.message, /^task: expected to run to its end, got a server that stopped without closing .*start it again/); // prettier-ignore
        for (const folder of ['snapshots', 'exports'])
          assert.deepEqual(namesIn(join(world.dataDir, folder)), [], 'nothing is left half made');
        assert.equal((await ended(url, (await begin(url, kind)).id)).state, 'succeeded');
      } else assert.equal(state, 'succeeded');
      assert.equal((await get(`${url}/documents/n1`)).status, 200);
      const names = namesIn(world.dataDir).filter((name) => name.startsWith('base-'));
      assert.deepEqual(names, kind === 'compaction' ? ['base-1'] : []);
    });

  it('that edited and could not tell is told to have succeeded', async () => {
    const world = await editableWorld();
    const first = await startTestServer(world);
    const { id } = await begin(first.url, 'edit');
    const { result } = await ended(first.url, id);
    await first.close();
    // As the process leaves it that dies between the commit of the edit and its word to the task.
    const store = openStore(join(world.dataDir, storeFile));
    store.database.exec(`UPDATE tasks SET state = 'running', finished = NULL, result = NULL`);
    store.close();
    const second = await startTestServer(world);
    const task = (await get<TaskView>(`${second.url}/tasks/${id}`)).body;
    assert.deepEqual([task.state, task.result], ['succeeded', result]);
    assert.equal((await get<EditsResponse>(`${second.url}/edits`, { headers: asAdmin })).body.last, 1);
  });

  it('that folded and could not tell is told to have succeeded', async () => {
    const world = await editableWorld();
    const first = await startTestServer(world);
    await post(`${first.url}/documents?budget=1`, { docid: 'n1', text: 'A kettle boils.' }, asAdmin);
    const { id } = await begin(first.url, 'compaction');
    const result = (await ended(first.url, id)).result as Record<string, unknown>;
    delete result.documents;
    await first.close();
    const store = openStore(join(world.dataDir, storeFile));
    store.database.exec(`UPDATE tasks SET state = 'running', finished = NULL, result = NULL`);
    store.close();
    const second = await startTestServer({ ...world, modelDir: join(world.dataDir, 'base-1') });
    const task = (await get<TaskView>(`${second.url}/tasks/${id}`)).body;
    assert.deepEqual([task.state, task.result], ['succeeded', result]);
  });
});

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
}
