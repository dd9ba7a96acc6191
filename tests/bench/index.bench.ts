/**
 * What `index` makes of a corpus: the learning curve, then Success@1 and its kin on the test split beside the baselines.
 *
 *     npm run bench -- index --corpus DIR [--size small] [--steps N] [--out DIR] [--resume]
 *
 * Runs the commands `index` and `evaluate` as a user would. JSON on stdout; progress on standard error.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { builtinCorpus, packageRoot } from '../../server/paths.ts';

const { values } = parseArgs({
  options: {
    corpus: { type: 'string', default: builtinCorpus },
    size: { type: 'string', default: 'small' },
    steps: { type: 'string' },
    out: { type: 'string' },
    resume: { type: 'boolean', default: false },
  },
});
const { corpus, size } = values;
const out = values.out ?? join(mkdtempSync(join(tmpdir(), 'palimpsest-index-bench-')), 'model');

/** Runs a command of the program and returns its JSON. */
function command(...args: string[]): Record<string, unknown> {
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(packageRoot, 'server', 'cli', 'main.ts'), ...args, '--json'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 },
  );
  if (status !== 0) process.exit(status ?? 1);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const load = loadavg();
const index = command(
  ...['index', '--corpus', corpus, '--size', size, '--out', out],
  ...(values.steps === undefined ? [] : ['--steps', values.steps]),
  ...(values.resume ? ['--resume'] : []),
);
const test = command('evaluate', '--model', out, '--corpus', corpus, '--split', 'test', '--baselines');
const machine = { cpu: cpus()[0].model, cores: cpus().length, loadAverage: load, node: process.versions.node };
console.log(
  JSON.stringify({ bench: 'index', date: new Date().toISOString(), machine, corpus, size, index, test }, undefined, 2),
);
