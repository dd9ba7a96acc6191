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

/** A process that may not answer yet. */
export interface BegunProcess {
  /** When it answers. Rejects with what it said where it ends before. */
  readonly started: Promise<ServerProcess>;
  /** When it has ended, for whatever reason: all that it said on standard error. */
  readonly ended: Promise<string>;
  kill(): Promise<void>;
}

const running = new Set<BegunProcess>();
after(async () => {
  for (const process of running) await process.kill();
});

export function beginProcess({ modelDir, dataDir }: Pick<EditableWorld, 'modelDir' | 'dataDir'>): BegunProcess {
  const main = join(packageRoot, 'server/cli/main.ts');
  const args = ['--import', 'tsx', main, 'serve', '--model', modelDir, '--data', dataDir, '--port', '0', '--json'];
  const child = spawn(process.execPath, args, {
    cwd: packageRoot,
    env: { ...process.env, [adminKeyVariable]: adminKey },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (data: Buffer) => (said += data.toString()));
  const ended = once(child, 'exit').then(() => said);
  const kill = async (): Promise<void> => {
    running.delete(begun);
    child.kill('SIGKILL');
    await ended;
  };
  const started = Promise.race([
    once(createInterface(child.stdout), 'line') as Promise<[string]>,
    ended.then(() => Promise.reject(new Error(`the server ended: ${said}`))),
  ]).then(([line]): ServerProcess => ({ url: (JSON.parse(line) as { url: string }).url, kill }));
  started.catch(() => undefined); // It may be killed before anybody asks.
  const begun = { started, ended, kill };
  running.add(begun);
  return begun;
}

export const startProcess = (world: EditableWorld): Promise<ServerProcess> => beginProcess(world).started;
