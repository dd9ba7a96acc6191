import { it } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

function command(...args: string[]): Record<string, number> {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'server/cli/main.ts', ...args, '--json'],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Record<string, number>;
}

it('index makes a model of the built-in corpus that is as good as the built-in one', () => {
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-slow-'));
  try {
    command('index', '--out', join(dir, 'model'));
    const made = command('evaluate', '--model', join(dir, 'model'), '--split', 'test')['Success@1'];
    const builtin = command('evaluate', '--split', 'test')['Success@1'];
    assert.ok(made > builtin - 0.02, `Success@1 ${made}, the built-in model has ${builtin}`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
