import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { MadeKeyView } from '../../server/admin-schemas.ts';
import { packageRoot } from '../../server/paths.ts';
import { bearer, get, startTestServer, tempFolder, tinyWorld } from '../support/server.ts';

async function keys(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const program = ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), 'keys', ...args];
  const child = spawn(process.execPath, program, { cwd: packageRoot });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

describe('palimpsest keys', () => {
  it('makes, rotates, lists and revokes keys of a data folder that no server uses', async () => {
    const world = tinyWorld();
    const data = ['--data', world.dataDir];
    await (await startTestServer({ ...world, adminKey: undefined })).close();

    const made = await keys('create', 'app', '--scope', 'read', '--expires', '30', '--json', ...data);
    assert.equal(made.code, 0, made.err);
    const { secret, expiresAt, lastUsedAt } = JSON.parse(made.out) as MadeKeyView;
    assert.ok(Math.abs(Date.parse(expiresAt!) - Date.now() - 30 * 24 * 3600_000) < 600_000);
    assert.equal(lastUsedAt, null);
    const turned = await keys('rotate', 'app', '--grace', '2', ...data);
    const [second, ...rest] = turned.out.split('\n');
    assert.match(rest.join('\n'), /key 'app' of scope read, until .* not shown again\nthe one before is valid until /);

    const server = await startTestServer({ ...world, adminKey: undefined });
    for (const key of [secret, second])
      assert.equal((await get(`${server.url}/edits`, { headers: bearer(key) })).status, 200);
    const beside = await keys('list', ...data);
    assert.match(beside.out, /^name +scope +expires +last used +made\nadmin +admin +never +never .*\napp +read +20/);
    const refused = await keys('revoke', 'app', ...data);
    assert.equal(refused.code, 1);
    assert.match(refused.err, /expected a data folder that no server uses.*DELETE \/keys/);
    await server.close();

    assert.equal((await keys('revoke', 'app', ...data)).out, 'app: not valid any more\n');
    const last = await keys('revoke', 'admin', ...data);
    assert.deepEqual([last.code, /no other|got none/.test(last.err)], [1, true]);
  });

  it('refuses what no key can be', async () => {
    const nowhere = ['--data', tempFolder()];
    assert.equal((await keys('create', 'a b', '--scope', 'read', ...nowhere)).code, 2);
    const none = await keys('create', 'a', '--scope', 'read', ...nowhere);
    assert.equal(none.code, 2);
    assert.match(none.err, /expected a data folder, got none/);
  });
});
