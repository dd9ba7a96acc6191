/** A server as a process of its own, to be killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { adminKeyVariable } from '../../server/keys/errors.ts';
import { packageRoot } from '../../server/paths.ts';
import type { EditableWorld } from './edit-server.ts';
import { adminKey } from './server.ts';

export interface ServerProcess {
  readonly url: string;
  /** As the system ends a process that uses too much memory: nothing is said to it. */
  kill(): Promise<void>;
}

const running = new Set<ServerProcess>();
after(async () => {
  for (const process of running) await process.kill();
});

export async function startProcess({ modelDir, dataDir }: EditableWorld): Promise<ServerProcess> {
  const main = join(packageRoot, 'server/cli/main.ts');
  const args = ['--import', 'tsx', main, 'serve', '--model', modelDir, '--data', dataDir, '--port', '0', '--json'];
  const child = spawn(process.execPath, args, {
    cwd: packageRoot,
    env: { ...process.env, [adminKeyVariable]: adminKey },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  let said = '';
  child.stderr.on('data', (data: Buffer) => (said += data.toString()));
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    ended.then(() => Promise.reject(new Error(`the server ended: ${said}`))),
  ])) as [string];
  const started: ServerProcess = {
    url: (JSON.parse(line) as { url: string }).url,
    async kill() {
      running.delete(started);
      child.kill('SIGKILL');
      await ended;
    },
  };
  running.add(started);
  return started;
}
