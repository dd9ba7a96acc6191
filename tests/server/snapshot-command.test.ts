import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { currentModel } from '../../server/data-folder.ts';
import { packageRoot } from '../../server/paths.ts';
import type { RetrieveResponse } from '../../server/schemas.ts';
import { startEditServer } from '../support/edit-server.ts';
import { asAdmin, post, startTestServer, tempFolder } from '../support/server.ts';

async function palimpsest(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), ...args]);
  const said = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

describe('palimpsest snapshot', () => {
  it('takes the base along that edits were folded into, beside a server, and restores it', async () => {
    const first = await startEditServer();
    const { modelDir, dataDir, url } = first;
    const added = await post(`${url}/documents?budget=1`, { docid: 'n1', text: 'A kettle boils water.' }, asAdmin);
    assert.equal(added.status, 201);
    await first.close();
    assert.equal((await palimpsest('compact', '--data', dataDir, '--model', modelDir)).code, 0);
    const start = async (data: string) =>
      startTestServer({ modelDir: await currentModel(data, modelDir), dataDir: data, corpus: undefined });
    const ask = async (server: string) =>
      (await post<RetrieveResponse>(`${server}/retrieve`, { query: 'a kettle', k: 20 })).body.candidates;
    const server = await start(dataDir);

    const taken = await palimpsest('snapshot', 'create', '--json', '--data', dataDir, '--model', modelDir);
    assert.equal(taken.code, 0, taken.err);
    const { dir, manifest } = JSON.parse(taken.out) as { dir: string; manifest: { files: { path: string }[] } };
    const paths = manifest.files.map(({ path }) => path);
    assert.ok(paths.includes('palimpsest.sqlite') && paths.includes('base-1/genir.json'), paths.join());
    const listed = await palimpsest('snapshot', 'list', '--data', dataDir);
    assert.match(listed.out, /^edit-1-\S+ {2}\d+ documents as of edit 1, taken 20/);

    const elsewhere = join(tempFolder(), 'data');
    const restored = await palimpsest('snapshot', 'restore', dir, '--data', elsewhere, '--model', modelDir);
    assert.equal(restored.code, 0, restored.err);
    assert.deepEqual(await ask((await start(elsewhere)).url), await ask(server.url));

    const newer = await palimpsest(
      'snapshot',
      'create',
      '--json',
      '--keep',
      '2',
      '--data',
      dataDir,
      '--model',
      modelDir,
    );
    const { name } = JSON.parse(newer.out) as { name: string };
    const removed = await palimpsest('snapshot', 'delete', name, '--data', dataDir);
    assert.deepEqual([removed.code, removed.out], [0, `removed: ${name}\n`]);
    const again = await palimpsest('snapshot', 'delete', name, '--data', dataDir);
    assert.equal(again.code, 1);
    assert.match(again.err, /expected the name of a snapshot, got 'edit-1-/);
    assert.ok(existsSync(dir));

    appendFileSync(join(dir, 'base-1', 'genir.json'), ' ');
    const nowhere = join(tempFolder(), 'data');
    const refused = await palimpsest('snapshot', 'restore', dir, '--data', nowhere, '--model', modelDir);
    assert.deepEqual([refused.code, existsSync(nowhere)], [1, false]);
    assert.match(refused.err, /genir\.json: expected \d+ bytes, got \d+; the snapshot is damaged/);
  });
});
