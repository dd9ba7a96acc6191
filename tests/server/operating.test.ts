/** The operating guide: its shell commands are run in order, and what it names is there. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { problemKinds } from '../../server/http-error.ts';
import { packageRoot } from '../../server/paths.ts';
import { editableWorld } from '../support/edit-server.ts';
import { get, startTestServer, tempFolder } from '../support/server.ts';

const guide = readFileSync(join(packageRoot, 'server', 'OPERATING.md'), 'utf8');
const blocks = [...guide.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text]) => text);
const isStart = (block: string): boolean => block.startsWith('palimpsest serve ');
const needsRest = (block: string): boolean => block.startsWith('# the server is stopped\n');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** A `palimpsest` command that works on another model and port than the usual ones. */
function writeCommand(dir: string, modelDir: string, corpus: string): void {
  const run = `exec "${process.execPath}" --import "${import.meta.resolve('tsx')}" "${join(packageRoot, 'server/cli/main.ts')}"`;
  const lines = [
    '#!/usr/bin/env bash',
    'case "$1 $2" in',
    `serve*) ${run} "$@" --model "${modelDir}" --corpus "${corpus}" ;;`,
    `"edit add") ${run} "$@" --model "${modelDir}" --budget 100 ;;`, // of a random model an edit may cost anything
    `"compact "*|"snapshot create"|"snapshot restore") ${run} "$@" --model "${modelDir}" ;;`,
    `*) ${run} "$@" ;;`,
    'esac',
  ];
  writeFileSync(join(dir, 'palimpsest'), `${lines.join('\n')}\n`, { mode: 0o755 });
}

describe('the shell commands', () => {
  const missing = ['bash', 'curl'].filter((command) => spawnSync(command, ['--version']).status !== 0);
  let server: ChildProcess | undefined;
  let said = '';
  let dir: string;
  let port: number;

  before(async () => {
    dir = tempFolder();
    port = await freePort();
    const { modelDir, corpus } = await editableWorld();
    writeCommand(dir, modelDir, corpus);
    symlinkSync(join(packageRoot, 'node_modules'), join(dir, 'node_modules')); // its threads look for tsx from where they are
  });

  const stop = async (): Promise<void> => {
    if (!server || server.exitCode !== null) return;
    const closed = once(server, 'close');
    server.kill('SIGTERM');
    await closed;
    server = undefined;
  };
  after(stop);

  const shell = (block: string): ChildProcess =>
    spawn('bash', ['-euo', 'pipefail', '-c', block.replaceAll('localhost:8080', `localhost:${port}`)], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PATH: `${dir}:${process.env.PATH}`,
        PORT: String(port),
        KEY: key(),
        PALIMPSEST_ADMIN_KEY: undefined,
      },
    });

  /** The admin key, as the first start or its rotation has told it last. */
  const key = (): string => said.match(/palimpsest_[\w-]{43}/g)?.at(-1) ?? '';

  async function start(block: string): Promise<void> {
    await stop();
    server = shell(`exec ${block}`);
    server.stderr!.on('data', (data: Buffer) => (said += data.toString()));
    for (;;) {
      const status = await get(`http://localhost:${port}/readyz`).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status === 200) return;
      assert.equal(server.exitCode, null, said);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function run(block: string): Promise<void> {
    const child = shell(block);
    let text = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data: Buffer) => (text += data.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 0, `${block}\n${text}`);
    if (block.includes('keys rotate admin')) said += text;
  }

  it('work as they stand there', { skip: missing.length > 0 && `${missing.join(' and ')} not installed` }, async () => {
    assert.ok(blocks.length > 8);
    for (const block of blocks) {
      if (needsRest(block)) await stop();
      if (isStart(block)) await start(block.trimEnd());
      else await run(block);
    }
  });
});

describe('the guide', () => {
  it('says of every problem what to do, and of no other', () => {
    const table = guide.slice(guide.indexOf('| code | what happened'));
    const codes = [...table.matchAll(/^\| `(\w+)` \| \S/gm)].map(([, code]) => code);
    assert.deepEqual(codes.sort(), problemKinds.map(({ code }) => code).sort());
  });

  it('names figures that there are', async () => {
    const { url } = await startTestServer();
    const { body } = await get<string>(`${url}/metrics`);
    const names = [...guide.matchAll(/\b(?:palimpsest|nodejs|process)_\w+/g)].map(([name]) => name);
    assert.ok(names.length > 10);
    for (const name of names) assert.ok(body.includes(`# TYPE ${name.replace(/_(bucket|count)$/, '')} `), name);
  });
});
