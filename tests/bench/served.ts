/** @file A server as a process of its own, whose memory and processor time can be told from those of the benchmark. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { adminKeyVariable } from '../../server/keys/errors.ts';
import { builtinModel, packageRoot } from '../../server/paths.ts';

export interface Served {
  readonly url: string;
  /** An admin key. */
  readonly key: string;
  /** Bytes of VmRSS, which Linux tells. */
  residentBytes(): number;
  /** Milliseconds of all threads. */
  cpuMs(): number;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

const key = 'the-admin-key-of-the-benchmark';
/** Of /proc/PID/stat; Linux says 100 on every machine that runs Node. */
const ticksPerSecond = 100;

/** `palimpsest serve` on a data folder, once it answers. What it says on standard error is passed on. */
export async function serveProcess({
  dataDir,
  modelDir = builtinModel,
}: {
  readonly dataDir: string;
  readonly modelDir?: string;
}): Promise<Served> {
  const program = join(packageRoot, 'server/cli/main.ts');
  const args = ['serve', '--model', modelDir, '--data', dataDir, '--port', '0', '--json'];
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    env: { ...process.env, [adminKeyVariable]: key },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const endWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    ended.then(() => Promise.reject(new Error('the server ended before it answered'))),
  ])) as [string];
  return {
    url: (JSON.parse(line) as { url: string }).url.replace('localhost', '127.0.0.1'),
    key,
    residentBytes() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]);
    },
    cpuMs() {
      // Behind the name of the program, which may contain anything: state, ten numbers, then utime and stime.
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
      return (1000 * (Number(fields[11]) + Number(fields[12]))) / ticksPerSecond;
    },
    async end(signal) {
      process.off('exit', endWithUs);
      child.kill(signal);
      await ended;
    },
  };
}

/** Asks a server for JSON. */
export async function askJson<T>({ url, key }: Served, method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(url + path, {
    method,
    // A connection that was idle is closed after 5 s: none is kept.
    headers: {
      authorization: `Bearer ${key}`,
      connection: 'close',
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text) as T;
}
