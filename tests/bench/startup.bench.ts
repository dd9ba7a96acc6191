/**
 * From `npm start` on a built checkout to the first answer, and the memory that the default server then takes.
 *
 *     npm run build && npm run bench -- startup [--rounds N] [--seconds N]
 *
 * Starts dist/ in a process of its own with a new data folder each round, asks until it answers, then keeps 32
 * connections busy. JSON on stdout: seconds to the first answer, resident memory after it and after the load.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { packageRoot } from '../../server/paths.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '5' } },
});
const program = join(packageRoot, 'dist', 'server', 'cli', 'main.js');
if (!existsSync(program)) throw new Error(`${program}: expected a build, got none; run npm run build first`);

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

const body = JSON.stringify({ query: 'sea animal with eight arms and three hearts' });
const headers = { 'content-type': 'application/json' };
const residentMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

async function round(): Promise<{ seconds: number; startMb: number; loadedMb: number }> {
  const data = mkdtempSync(join(tmpdir(), 'palimpsest-startup-'));
  const url = `http://127.0.0.1:${await freePort()}/retrieve`;
  const started = performance.now();
  const server = spawn(process.execPath, [program, 'serve', '--data', data, '--port', new URL(url).port], {
    stdio: 'ignore',
  });
  try {
    for (;;) {
      const answer = await fetch(url, { method: 'POST', headers, body }).catch(() => undefined);
      if (answer?.ok) break;
      await sleep(20);
    }
    const seconds = (performance.now() - started) / 1000;
    const startMb = residentMb(server.pid!);
    await autocannon({ url, method: 'POST', headers, body, connections: 32, duration: Number(values.seconds) });
    return { seconds, startMb, loadedMb: residentMb(server.pid!) };
  } finally {
    server.kill('SIGTERM');
    await new Promise((resolve) => server.once('exit', resolve));
    rmSync(data, { recursive: true, force: true });
  }
}

const rounds = [];
for (let i = 0; i < Number(values.rounds); i++) rounds.push(await round());
const machine = { cpu: cpus()[0].model, cores: cpus().length, loadAverage: loadavg(), node: process.versions.node };
console.log(JSON.stringify({ bench: 'startup', date: new Date().toISOString(), machine, rounds }, undefined, 2));
