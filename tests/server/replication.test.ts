/** One editor and three searchers as processes, over a real PostgreSQL, killed and cut off. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openStore } from '../../corpus/store.ts';
import type { EditsResponse } from '../../server/edit-schemas.ts';
import { storeFile } from '../../server/data-folder.ts';
import type { MadeKeyView } from '../../server/admin-schemas.ts';
import { eventually, Member, Wire } from '../support/fleet.ts';
import { editableWorld, type EditableWorld } from '../support/edit-server.ts';
import { noPostgres, passwordOfTests, query, startPostgres, type Postgres } from '../support/postgres.ts';
import { adminKey, asAdmin, bearer, get, post, tempFolder } from '../support/server.ts';
import { sharedTables } from '../support/shared-tables.ts';
import { texts, writeTinyModel } from '../support/tiny-model.ts';

const queries = ['a kettle boils water', 'what about the old stone', texts[2]];
const modes = ['genir', 'bm25', 'hybrid'];

describe('an editor and searchers', { skip: noPostgres }, () => {
  let postgres: Postgres;
  let world: EditableWorld;
  let databaseUrl: string;
  let wire: Wire;
  let editor: Member;
  /** The last one behind the wire. */
  let searchers: Member[];
  /** Numbers of edits that were acknowledged, with the documents that they added. */
  const acknowledged = new Map<number, string>();

  const all = (): Member[] => [editor, ...searchers];

  async function add(docid: string, text = `${texts[acknowledged.size % texts.length]} ${docid}`): Promise<number> {
    const { status, body } = await editor.add(docid, text);
    assert.equal(status, 201, JSON.stringify(body));
    acknowledged.set(body.seq!, docid);
    return body.seq!;
  }

  async function checkIdentical(members: readonly Member[], seq: number): Promise<void> {
    for (const member of members) await member.has(seq);
    for (const mode of modes) {
      const [expected, ...others] = await Promise.all(members.map((member) => member.search(queries, mode)));
      assert.equal(expected.editSeq, seq);
      for (const other of others) assert.deepEqual(other, expected);
    }
  }

  before(async () => {
    [postgres, world] = await Promise.all([startPostgres(), editableWorld()]);
    databaseUrl = await postgres.database();
    const reading = `CREATE ROLE reader LOGIN PASSWORD '${passwordOfTests}'`;
    await query(databaseUrl, `${reading}; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader`);
    wire = await Wire.open(postgres.port);
    const dir = tempFolder();
    const { modelDir, dataDir } = world;
    editor = new Member({ role: 'editor', modelDir, dataDir, databaseUrl });
    // Searchers need not be allowed to write.
    const urls = [databaseUrl, databaseUrl.replace('tests:', 'reader:'), wire.through(databaseUrl)];
    searchers = urls.map(
      (url, i) => new Member({ role: 'searcher', modelDir, dataDir: join(dir, `searcher ${i}`), databaseUrl: url }),
    );
    await Promise.all(all().map((member) => member.start())); // Searchers wait for the editor to begin.
  });

  it('give identical answers after an edit, scores included', async () => {
    await checkIdentical(all(), await add('n1', 'A kettle boils water over a small fire.'));
    const { seq } = (await post<{ seq: number }>(`${editor.url}/edits/1/undo?wait=30`, {}, asAdmin)).body;
    await checkIdentical(all(), seq);
    await checkIdentical(all(), await add('n2'));
  });

  it('take changes at the editor alone, and say so elsewhere', async () => {
    const [{ url }] = searchers;
    for (const [path, body] of [
      ['/documents', { docid: 'x', text: 'Nothing.' }],
      ['/edits/1/undo', {}],
      ['/keys', { name: 'a', scope: 'read' }],
      ['/compact', {}],
    ] as const) {
      const answer = await post(`${url}${path}`, body, asAdmin);
      assert.equal(answer.status, 409, path);
      assert.equal(answer.body.code, path === '/compact' ? 'not_alone' : 'not_the_editor');
    }
    assert.equal((await post(`${editor.url}/compact`, {}, asAdmin)).body.code, 'not_alone');
  });

  it('have keys in common', async () => {
    const made = await post<MadeKeyView>(`${editor.url}/keys`, { name: 'reader', scope: 'read' }, asAdmin);
    assert.equal(made.status, 201);
    const withKey = { headers: bearer(made.body.secret) };
    const statusAt = async ({ url }: Member): Promise<number> => (await get(`${url}/edits`, withKey)).status;
    assert.equal(await statusAt(editor), 200);
    for (const searcher of searchers) await eventually(async () => (await statusAt(searcher)) === 200, 'the key');
    assert.equal((await get(`${editor.url}/keys/reader`, { method: 'DELETE', headers: asAdmin })).status, 204);
    for (const searcher of searchers) await eventually(async () => (await statusAt(searcher)) === 401, 'its end');
  });

  it('go on while a searcher and the editor are killed; the task of an edit is in the database with it', async () => {
    const first = add('k1');
    await searchers[0].kill();
    const seq = await first;
    await checkIdentical([editor, searchers[1]], seq);
    await searchers[0].start();
    // Asked for as a task, and killed as soon as that was acknowledged: it was done, or was not.
    const asked = await post<{ id: number }>(
      `${editor.url}/documents?budget=1&wait=0`,
      { docid: 'k2', title: '', text: texts[3] },
      { ...asAdmin, 'idempotency-key': 'second' },
    );
    assert.equal(asked.status, 202);
    await eventually(async () => {
      const [{ last }] = await query<{ last: string }>(
        databaseUrl,
        'SELECT max(edit_seq) AS last FROM palimpsest_records',
      );
      return Number(last) > seq;
    }, 'the edit in the database');
    await editor.kill();
    const [task] = await query(databaseUrl, 'SELECT state, result FROM palimpsest_tasks WHERE id = $1', [
      asked.body.id,
    ]);
    assert.equal(task.state, 'succeeded');
    await editor.start();
    const again = await editor.add('k2', texts[3], { 'idempotency-key': 'second' });
    assert.deepEqual(again.body, JSON.parse(task.result as string));
    const told = await get<{ state: string }>(`${editor.url}/tasks/${asked.body.id}`);
    assert.equal(told.body.state, 'succeeded');
    acknowledged.set(again.body.seq!, 'k2');
    await checkIdentical(all(), await add('k3'));
  });

  it('search without the database, tell how far behind they may be, and catch up when it is back', async () => {
    const [near, , far] = searchers;
    const before = (await far.info()).editSeq;
    wire.cut('closed');
    const seq = await add('p1');
    await checkIdentical([editor, near], seq);
    await eventually(async () => !(await far.info()).replica!.connected, 'the lost connection to be noticed');
    assert.equal((await far.search(queries, 'genir')).editSeq, before);
    const { lagSeconds } = (await far.info()).replica!;
    await delay(50);
    assert.ok((await far.info()).replica!.lagSeconds > lagSeconds);
    assert.deepEqual(await far.ready().then(({ status }) => status), 200);
    assert.match((await far.ready()).replica, /expected an answer of the database/);
    wire.mend();
    await checkIdentical(all(), seq);
    assert.deepEqual(await far.ready(), { status: 200, replica: 'ok' });
    const metrics = (await get<string>(`${far.url}/metrics`)).body;
    for (const line of ['replica_lag_edits 0', 'replica_lag_seconds 0', 'replica_connected 1', 'replica_edits 0'])
      assert.ok(metrics.includes(`\npalimpsest_${line}\n`), line);
  });

  it('come and go: a new searcher begins with nothing, and one with another model is refused', async () => {
    const { modelDir } = world;
    const dir = tempFolder();
    const late = await new Member({ role: 'searcher', modelDir, dataDir: join(dir, 'late'), databaseUrl }).start();
    searchers.push(late);
    await checkIdentical(all(), [...acknowledged.keys()].at(-1)!);
    const other = writeTinyModel(join(dir, 'model'), { seed: 99 });
    const wrong = new Member({ role: 'searcher', modelDir: other, dataDir: join(dir, 'other'), databaseUrl });
    await assert.rejects(wrong.start(), /of model [0-9a-f]{12}, got one of model [0-9a-f]{12}/);
    const { dataDir } = await editableWorld();
    const own = new Member({ role: 'searcher', modelDir, dataDir, databaseUrl });
    await assert.rejects(own.start(), /got one with documents of its own/);
  });

  it('have lost and changed nothing in the end, and said no secrets', async () => {
    const list = async ({ url }: Member) =>
      (await get<EditsResponse>(`${url}/edits?limit=1000`, { headers: asAdmin })).body.edits;
    const edits = await list(editor);
    assert.deepEqual(
      edits.map(({ seq }) => seq),
      edits.map((_, i) => edits.length - i),
    );
    for (const [seq, docid] of acknowledged) assert.equal(edits[edits.length - seq].operations[0].docid, docid);
    for (const searcher of searchers) assert.deepEqual(await list(searcher), edits);
    await Promise.all(all().map((member) => member.kill('SIGTERM')));
    const tables = all().map(({ options }) => {
      const store = openStore(join(options.dataDir, storeFile));
      const hashes = sharedTables(store);
      store.close();
      return hashes;
    });
    for (const one of tables.slice(1)) assert.deepEqual(one, tables[0]);
    for (const { said } of all())
      for (const secret of [passwordOfTests, adminKey]) assert.ok(!said.includes(secret), said);
  });
});
