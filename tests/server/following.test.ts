/** Servers of one process with a stream in an SQLite file in common: what needs no database, no kills, no network. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { openDataFolder, FollowingDataFolderError } from '../../server/data-folder.ts';
import { readModelInfo } from '../../server/model-info.ts';
import { RoleError } from '../../server/replication/role.ts';
import { eventually } from '../support/fleet.ts';
import { editableWorld } from '../support/edit-server.ts';
import { asAdmin, bearer, get, post, startTestServer, tempFolder, type TestServer } from '../support/server.ts';

const program = join(import.meta.dirname, '..', '..', 'server', 'cli', 'main.ts');

it('one machine shares a stream in a file; a folder that follows it is changed through the editor alone', async () => {
  const { modelDir, dataDir } = await editableWorld();
  const dir = tempFolder();
  const databaseUrl = pathToFileURL(join(dir, 'stream.sqlite')).href;
  const common = { modelDir, corpus: undefined, databaseUrl };
  const editor = await startTestServer({ ...common, dataDir, role: 'editor' });
  const standby = await startTestServer({ ...common, dataDir: join(dir, 'standby'), role: 'editor' });
  const searcher = await startTestServer({ ...common, dataDir: join(dir, 'searcher'), role: 'searcher' });

  const add = ({ url }: TestServer, docid: string) =>
    post(`${url}/documents?budget=1`, { docid, text: 'A kettle boils water over a small fire.' }, asAdmin);
  const refused = await add(standby, 'a');
  assert.deepEqual([refused.status, refused.body.code], [503, 'editor_unavailable']);
  assert.equal((await add(editor, 'a')).status, 201);
  for (const { index } of [standby, searcher]) await eventually(async () => index.editSeq === 1, 'the edit');
  assert.equal((await add(searcher, 'b')).body.code, 'not_the_editor');
  const lines = await post(`${searcher.url}/documents/import`, '{"docid": "b", "text": "b"}\n', {
    ...asAdmin,
    'content-type': 'application/x-ndjson',
  });
  assert.equal(lines.body.code, 'not_the_editor');

  await editor.close();
  await eventually(async () => standby.state.sharing!.replica.status.edits, 'the standby to take over');
  assert.equal((await add(standby, 'b')).status, 201);
  const made = await post<{ secret: string }>(`${standby.url}/keys`, { name: 'one', scope: 'edit' }, asAdmin);
  await eventually(
    async () => (await get(`${searcher.url}/edits`, { headers: bearer(made.body.secret) })).status === 200,
    'the key',
  );

  const model = await readModelInfo(modelDir);
  assert.throws(() => openDataFolder({ dir: dataDir, model, corpus: undefined }), FollowingDataFolderError);
  const create = ['keys', 'create', 'two', '--scope', 'read', '--data', dataDir];
  await assert.rejects(
    promisify(execFile)(process.execPath, ['--import', 'tsx', program, ...create]),
    /follows a database/,
  );
  await assert.rejects(startTestServer({ ...common, dataDir, role: 'all' }), RoleError);
  await assert.rejects(startTestServer({ ...common, databaseUrl: undefined, dataDir, role: 'searcher' }), RoleError);
});
