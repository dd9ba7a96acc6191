import assert from 'node:assert/strict';
import { appendFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { modelVersion } from '../../models/model-version.ts';
import type { MadeKeyView, SnapshotsResponse, SnapshotView } from '../../server/admin-schemas.ts';
import type { AuditResponse } from '../../server/audit/audit-schemas.ts';
import { storeFile } from '../../server/data-folder.ts';
import type { Problem, TaskView } from '../../server/schemas.ts';
import { createSnapshot, listSnapshots } from '../../server/snapshots/create.ts';
import { manifestFile, readManifest, SnapshotError } from '../../server/snapshots/manifest.ts';
import { restoreSnapshot } from '../../server/snapshots/restore.ts';
import { startEditServer, type EditableWorld } from '../support/edit-server.ts';
import {
  asAdmin,
  bearer,
  get,
  post,
  startTestServer,
  tempFolder,
  writeTinyModel,
  type TestServer,
} from '../support/server.ts';

const queries = ['a kettle boils', 'river', 'the stars at night', 'glass', 'what about music'];

/** Everything that searches answer, scores included; JSON writes every digit of a number. */
async function answers(url: string): Promise<unknown> {
  const lists = [];
  for (const mode of ['genir', 'bm25', 'hybrid']) {
    const { body } = await post<{ results: { candidates: unknown }[]; editSeq: number }>(`${url}/retrieve`, {
      ...{ queries, mode, k: 20, includeDocument: true },
    });
    lists.push(
      body.results.map(({ candidates }) => candidates),
      body.editSeq,
    );
  }
  return lists;
}

let server: TestServer & EditableWorld;
let version: string;
let dir: string;
let taken: SnapshotView;
let expected: unknown;
let secret: string;
before(async () => {
  server = await startEditServer();
  const { url } = server;
  version = await modelVersion(server.modelDir);
  await post(`${url}/documents?budget=1`, { docid: 'n1', text: 'A kettle boils water.' }, asAdmin);
  await get(`${url}/documents/d3?budget=1`, { method: 'DELETE', headers: asAdmin });
  secret = (await post<MadeKeyView>(`${url}/keys`, { name: 'reader', scope: 'read' }, asAdmin)).body.secret;
  expected = await answers(url);
  const { status, body } = await post<TaskView>(`${url}/snapshots`, {}, asAdmin);
  assert.equal(status, 202);
  const ended = await get<TaskView>(`${url}/tasks/${body.id}?wait=60`);
  assert.equal(ended.body.state, 'succeeded', JSON.stringify(ended.body));
  const { done, total, message } = ended.body.progress!;
  assert.deepEqual([done, total, message], [1, 1, 'done']);
  taken = ended.body.result as SnapshotView;
  dir = join(server.dataDir, 'snapshots', taken.name);
  // What comes later is not in it.
  await post(`${url}/documents?budget=1`, { docid: 'n2', text: 'Another kettle boils.' }, asAdmin);
});

/** A copy that may be spoilt. */
function copyOf(): string {
  const copy = join(tempFolder(), 'snapshot');
  cpSync(dir, copy, { recursive: true });
  return copy;
}

describe('a snapshot', () => {
  it('is listed with what is in it', async () => {
    const { body } = await get<SnapshotsResponse>(`${server.url}/snapshots`, { headers: asAdmin });
    assert.deepEqual(body.snapshots, [taken]);
    assert.deepEqual([taken.editSeq, taken.modelVersion], [2, version]);
    assert.equal((await get(`${server.url}/snapshots`)).status, 401);
    assert.deepEqual(readdirSync(dir).sort(), [manifestFile, storeFile]);
  });

  it('answers elsewhere with the same bytes, knows the same keys, and can be edited', async () => {
    const dataDir = join(tempFolder(), 'elsewhere', 'data');
    mkdirSync(join(dataDir, '..'));
    await restoreSnapshot(copyOf(), dataDir, version);
    const restored = await startTestServer({ modelDir: server.modelDir, dataDir, corpus: undefined });
    assert.deepEqual(await answers(restored.url), expected);
    assert.equal((await get(`${restored.url}/edits`, { headers: bearer(secret) })).status, 200);
    const undone = await post<{ seq: number }>(`${restored.url}/edits/2/undo`, {}, asAdmin);
    assert.deepEqual([undone.status, undone.body.seq], [200, 3]);
  });

  it('is whole though edits go on while it is taken', async () => {
    const edits = Promise.all(
      [0, 1, 2].map((i) =>
        post(`${server.url}/documents?budget=1`, { docid: `m${i}`, text: `Number ${i} rings.` }, asAdmin),
      ),
    );
    const { name, manifest } = await createSnapshot(server.index.store, server.dataDir);
    await edits;
    const dataDir = join(tempFolder(), 'data');
    await restoreSnapshot(join(server.dataDir, 'snapshots', name), dataDir, version);
    const restored = await startTestServer({ modelDir: server.modelDir, dataDir, corpus: undefined });
    assert.equal(restored.index.editSeq, manifest.editSeq);
    assert.equal(restored.index.documents.count(), manifest.documents);
  });

  it('leaves nothing where it is stopped', async () => {
    const dataDir = tempFolder();
    const stop = AbortSignal.abort(new Error('stopped'));
    await assert.rejects(createSnapshot(server.index.store, dataDir, stop), /stopped/);
    assert.deepEqual([readdirSync(join(dataDir, 'snapshots')), listSnapshots(dataDir)], [[], []]);
  });
});

describe('snapshots that are too many', () => {
  const names = async (): Promise<string[]> =>
    (await get<SnapshotsResponse>(`${server.url}/snapshots`, { headers: asAdmin })).body.snapshots.map(
      ({ name }) => name,
    );
  const take = async (parameters = ''): Promise<string> => {
    const { body } = await post<TaskView>(`${server.url}/snapshots${parameters}`, {}, asAdmin);
    const { body: task } = await get<TaskView>(`${server.url}/tasks/${body.id}?wait=60`);
    return (task.result as SnapshotView).name;
  };
  const remove = (name: string) =>
    get<Problem>(`${server.url}/snapshots/${name}`, { method: 'DELETE', headers: asAdmin });

  it('are removed by name, also where they are damaged', async () => {
    const name = await take();
    assert.equal((await names())[0], name);
    writeFileSync(join(server.dataDir, 'snapshots', name, manifestFile), '{');
    assert.ok(!(await names()).includes(name));
    assert.equal((await remove(name)).status, 204);
    assert.ok(!existsSync(join(server.dataDir, 'snapshots', name)));
    for (const unknown of [name, '..%2f..', 'x.unfinished']) {
      const { status, body } = await remove(unknown);
      assert.ok(status === 404 && ['snapshot_not_found', 'route_not_found'].includes(body.code), unknown);
    }
    assert.ok(existsSync(join(server.dataDir, storeFile)));
  });

  it('are removed once a new one is whole, all but the newest', async () => {
    const own = await startEditServer();
    const all = join(own.dataDir, 'snapshots');
    const made: string[] = [];
    for (let i = 0; i < 3; i++) made.push((await createSnapshot(own.index.store, own.dataDir)).name);
    const { body } = await post<TaskView>(`${own.url}/snapshots?keep=2`, {}, asAdmin);
    const { result } = (await get<TaskView>(`${own.url}/tasks/${body.id}?wait=60`)).body;
    assert.deepEqual(readdirSync(all).sort(), [made[2], (result as SnapshotView).name].sort());
    const { entries } = (await get<AuditResponse>(`${own.url}/audit?action=snapshot.delete`, { headers: asAdmin }))
      .body;
    assert.deepEqual(entries.map(({ subject }) => subject).sort(), made.slice(0, 2)); // prettier-ignore
    assert.equal((await post(`${own.url}/snapshots?keep=0`, {}, asAdmin)).status, 400);
    await own.close();
    // Left by a process that was killed, and by one that is at it.
    for (const pid of [2 ** 22 + 1, 1]) mkdirSync(join(all, `2026.${pid}.unfinished`));
    const next = await startTestServer({ modelDir: own.modelDir, dataDir: own.dataDir, corpus: undefined });
    assert.deepEqual(readdirSync(all).filter((name) => name.endsWith('unfinished')), ['2026.1.unfinished']); // prettier-ignore
    assert.equal(
      (await get<SnapshotsResponse>(`${next.url}/snapshots`, { headers: asAdmin })).body.snapshots.length,
      2,
    );
  });
});

describe('a snapshot that is not as it was taken', () => {
  const refuse = async (snapshot: string, problem: RegExp, model = version): Promise<void> => {
    const dataDir = join(tempFolder(), 'data');
    await assert.rejects(restoreSnapshot(snapshot, dataDir, model), (error: Error) => {
      assert.ok(error instanceof SnapshotError);
      assert.match(error.message, problem);
      return true;
    });
    assert.deepEqual([existsSync(dataDir), existsSync(`${dataDir}.restoring`)], [false, false]);
  };
  const edited = (change: (manifest: ReturnType<typeof readManifest>) => object): string => {
    const copy = copyOf();
    writeFileSync(join(copy, manifestFile), JSON.stringify(change(readManifest(copy))));
    return copy;
  };

  it('is refused before anything is touched: a bit, a byte, a file, a manifest', async () => {
    const flipped = copyOf();
    const bytes = readFileSync(join(flipped, storeFile));
    bytes[bytes.length >> 1] ^= 1;
    writeFileSync(join(flipped, storeFile), bytes);
    await refuse(flipped, /expected SHA-256 \w+, got \w+; the snapshot is damaged/);
    const longer = copyOf();
    appendFileSync(join(longer, storeFile), 'x');
    await refuse(longer, /expected \d+ bytes, got \d+/);
    const torn = copyOf();
    writeFileSync(join(torn, manifestFile), '{');
    await refuse(torn, /expected the manifest of a snapshot/);
    await refuse(tempFolder(), /expected the folder of a snapshot, got a folder without manifest.json/);
    await refuse(
      join(tempFolder(), 'nowhere'),
      /expected the folder of a snapshot, got nothing there; give another one/,
    );
    await refuse(
      edited((manifest) => ({ ...manifest, files: [] })),
      /files/,
    );
    for (const path of ['../outside', '/etc/passwd', 'base-1/../../outside', 'base-1/..'])
      await refuse(
        edited((manifest) => ({ ...manifest, files: [...manifest.files, { ...manifest.files[0], path }] })),
        /files\.1\.path/,
      );
  });

  it('is refused where it does not fit: another model, a newer schema, a folder in use', async () => {
    await refuse(
      dir,
      /expected a snapshot of model \w+, got one of model/,
      await modelVersion(writeTinyModel(join(tempFolder(), 'm'))),
    );
    await refuse(
      edited((manifest) => ({ ...manifest, schema: 999 })),
      /schema version .* got 999; install the newer/,
    );
    const used = tempFolder();
    writeFileSync(join(used, 'file'), '');
    await assert.rejects(restoreSnapshot(dir, used, version), /expected a new or empty folder/);
    assert.deepEqual(readdirSync(used), ['file']);
  });
});
