/** The examples for users are run as users would run them, against a real server. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { packageRoot } from '../../../server/paths.ts';
import { startEditServer } from '../../support/edit-server.ts';
import { adminKey, get } from '../../support/server.ts';

const folder = join(packageRoot, 'server', 'client', 'examples');

/** What a command writes; it must succeed. */
async function run(command: string, args: readonly string[], url: string): Promise<string> {
  const env = { ...process.env, PALIMPSEST_URL: url, PALIMPSEST_KEY: adminKey };
  const child = spawn(command, args, { cwd: packageRoot, env });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (text += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 0, text);
  return text;
}

const isThere = (command: string, arg = '--version'): boolean => spawnSync(command, [arg]).status === 0;
const skipWithout = (command: string): { skip: string | false } => ({
  skip: isThere(command) ? false : `${command} is not installed`,
});

/** What all examples have done in the end: two edits and an import, the last edit undone. */
async function check(url: string, text: string): Promise<void> {
  for (const docid of ['anvil', 'bellows']) assert.match(text, new RegExp(docid), text);
  const statusOf = async (docid: string): Promise<number> => (await get(`${url}/documents/${docid}`)).status;
  assert.deepEqual([await statusOf('teapot'), await statusOf('bellows')], [200, 404]);
}

describe('the example for', () => {
  it('curl', skipWithout('curl'), async () => {
    const { url } = await startEditServer();
    const text = await run('bash', [join(folder, 'curl.sh')], url);
    await check(url, text);
    assert.match(text, /"state":"succeeded"/);
  });

  it('TypeScript', async () => {
    const { url } = await startEditServer();
    const text = await run(process.execPath, ['--import', 'tsx', join(folder, 'typescript.ts')], url);
    await check(url, text);
    assert.match(text, /succeeded/);
  });

  it('Python', skipWithout('python3'), async () => {
    const { url } = await startEditServer();
    await check(url, await run('python3', [join(folder, 'python.py')], url));
  });
});
