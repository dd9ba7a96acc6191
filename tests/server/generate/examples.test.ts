/** Every curl example of the reference is run, in its order, against a real server. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { PalimpsestClient } from '../../../server/client/index.ts';
import { packageRoot } from '../../../server/paths.ts';
import { startEditServer } from '../../support/edit-server.ts';
import { adminKey, get, type TestServer } from '../../support/server.ts';

const text = readFileSync(join(packageRoot, 'server', 'API.md'), 'utf8');

/** `GET /edits` and its command, in the order of the reference. */
const commands = [...text.matchAll(/^### ([A-Z]+ \/\S*)\n(?:(?!^### )[^])*?```sh\n([^]*?)\n```/gm)].map(
  ([, title, command]) => ({ title, command }),
);

async function statusOf(command: string, { url }: TestServer): Promise<number> {
  const shown = command
    .replace('curl -s', 'curl -s -o /dev/null -w %{http_code}')
    .replace('localhost:8080', url.replace('http://', ''));
  const child = spawn('bash', ['-c', shown], { env: { ...process.env, KEY: adminKey } });
  let said = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  await once(child, 'close');
  return Number(said);
}

describe('the examples of the reference', () => {
  const without = spawnSync('curl', ['--version']).status === 0 ? false : 'curl is not installed';
  let server: TestServer;
  let client: PalimpsestClient;
  before(async () => {
    server = await startEditServer();
    client = new PalimpsestClient({ url: server.url, key: adminKey });
    await client.documents.edit(
      ['octopus', 'starfish', 'orangutan'].map((docid) => ({
        kind: 'add',
        document: { docid, text: `The ${docid} has arms.`, metadata: { category: 'animals' } },
      })),
    );
    await client.keys.create({ name: 'writer', scope: 'edit' });
    const lines = {
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/x-ndjson' },
    };
    const { body } = await get<{ id: number }>(`${server.url}/documents/import?task=true`, {
      ...lines,
      body: '{"docid":"cup","text":"A cup of tea."}',
    });
    await client.tasks.wait(body.id);
  });

  const settled = async (): Promise<void> => {
    for (const state of ['queued', 'running'] as const)
      for (const { id } of (await client.tasks.list({ state, limit: 100 })).tasks) await client.tasks.wait(id);
  };
  /** A task that runs until it is cancelled. */
  const endless = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

  /** What must be so before an example. */
  const prepare: Readonly<Record<string, () => Promise<unknown>>> = {
    'POST /tasks/{id}/cancel': async () => server.tasks.start('evaluation', {}, endless),
    'DELETE /snapshots/{name}': async () => {
      await settled();
      const folder = join(server.data.dir, 'snapshots');
      renameSync(join(folder, readdirSync(folder)[0]), join(folder, '2026-11-21T12-00-00-000Z'));
    },
    'GET /exports': settled,
    'DELETE /exports/{name}': async () => {
      await settled();
      const folder = join(server.data.dir, 'exports');
      cpSync(join(folder, 'with-edits'), join(folder, 'of-last-week'), { recursive: true });
    },
  };

  /** There is nothing to analyse in the random model of these tests: no query of it is right. */
  const withoutAnalysis = (title: string): boolean => title.startsWith('GET /analysis/latest');

  it('are answered as it says', { skip: without }, async () => {
    assert.ok(commands.length > 25);
    for (const { title, command } of commands) {
      await prepare[title]?.();
      const status = await statusOf(command, server);
      const section = text.slice(text.indexOf(`### ${title}\n`));
      const declared = [...section.slice(0, section.indexOf('```')).matchAll(/^\| (2\d\d) \|/gm)].map(([, code]) =>
        Number(code),
      );
      const expected = withoutAnalysis(title) ? [404] : declared;
      assert.ok(expected.includes(status), `${title}: ${status}\n${command}`);
    }
  });
});
