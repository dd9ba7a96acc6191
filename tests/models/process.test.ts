import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runProcess } from '../../models/process.ts';
import type { Work } from '../support/process-work.ts';

const module = new URL('../support/process-work', import.meta.url);
const run = <Made>(work: Work, onProgress: (done: number) => void = () => {}, signal = new AbortController().signal) =>
  runProcess<number, Made, string>(module, work, {
    ...{ signal, onProgress },
    toError: (fault) => new TypeError(`told: ${fault}`),
  });

/** Whether a process is there. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function ends(pid: number): Promise<boolean> {
  for (let i = 0; i < 500 && isAlive(pid); i++) await delay(20);
  return !isAlive(pid);
}

describe('runProcess', () => {
  it('does work elsewhere, behind searches, and says how far it is', async () => {
    const told: number[] = [];
    const values = Float32Array.of(1, 2.5, -3);
    const made = await run<{ doubled: Float32Array; pid: number; niceness: number }>(
      { kind: 'count', values },
      (done) => told.push(done),
    );
    assert.deepEqual(made.doubled, Float32Array.of(2, 5, -6));
    assert.deepEqual(told, [0, 1, 2]);
    assert.notEqual(made.pid, process.pid);
    assert.ok(made.niceness >= 10);
  });

  it('throws what the process says, and says how one ended that says nothing', async () => {
    await assert.rejects(run({ kind: 'fail' }), new TypeError('told: beyond the end'));
    await assert.rejects(run({ kind: 'die' }), new TypeError('told: stopped with code 3'));
  });

  it('ends with its signal', async () => {
    const controller = new AbortController();
    let pid = 0;
    const waiting = run(
      { kind: 'wait' },
      (its) => {
        pid = its;
        controller.abort(new RangeError('enough'));
      },
      controller.signal,
    );
    await assert.rejects(waiting, new RangeError('enough'));
    assert.equal(isAlive(pid), false);
    await assert.rejects(run({ kind: 'wait' }, undefined, controller.signal), new RangeError('enough'));
  });

  it('ends with the process that asked', async () => {
    const asking = `import { runProcess } from './models/process.ts';
      void runProcess(new URL(${JSON.stringify(module.href)}), { kind: 'wait' }, {
        signal: new AbortController().signal, toError: Error, onProgress: (pid) => console.log(pid),
      });`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', asking], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(printed.toString().split('\n')[0]);
    assert.ok(isAlive(pid));
    parent.kill('SIGKILL');
    assert.ok(await ends(pid));
  });
});
