/**
 * What the whole report of an analysis takes: seconds of each experiment, seconds in all, peak memory.
 *
 *     npm run bench -- report [--model DIR] [--corpus DIR] [--donors DIRS] [--threads N] [--rounds N]
 *
 * Runs the command `analyze` as a user would, with every experiment, into a new folder each round; the model is not
 * written to. JSON on stdout; progress on standard error.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { builtinCorpus, builtinModel, packageRoot } from '../../server/paths.ts';

const POLL_MS = 200;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: builtinModel },
    corpus: { type: 'string', default: builtinCorpus },
    donors: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '1' },
  },
});

interface Cost {
  /** The most that was resident at any moment. */
  readonly peakMib: number;
  /** Time that all threads computed: what other processes on the machine change less than the wall's. */
  readonly cpuSeconds: number;
}

/** Linux: what a process has cost so far; undefined once it has ended. */
function costOf(pid: number): Cost | undefined {
  try {
    const [status, stat] = ['status', 'stat'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8'));
    const [, kib] = /VmHWM:\s+(\d+)/.exec(status) ?? [];
    if (kib === undefined) return undefined;
    const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number); // in 1/100 s
    return { peakMib: Math.round(Number(kib) / 1024), cpuSeconds: (user + system) / 100 };
  } catch {
    return undefined;
  }
}

interface Analysed {
  readonly page: string;
  readonly population: { readonly asked: number; readonly questions: number };
  readonly experimentSeconds: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Runs `analyze` to its end. */
async function analyze(out: string): Promise<Cost & { analysed: Analysed; wallSeconds: number }> {
  const { model, corpus, donors, threads } = values;
  const args = ['analyze', '--model', model, '--corpus', corpus, '--threads', threads, '--out', out, '--no-store'];
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...['--import', 'tsx', join(packageRoot, 'server', 'cli', 'main.ts')],
      ...args,
      ...(donors === undefined ? [] : ['--donors', donors]),
      '--json',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let cost: Cost = { peakMib: 0, cpuSeconds: 0 };
  const poll = setInterval(() => (cost = costOf(child.pid!) ?? cost), POLL_MS);
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const ended = await new Promise((resolve) => child.once('close', (status, signal) => resolve(status ?? signal)));
  clearInterval(poll);
  if (ended !== 0) throw new Error(`analyze: expected exit status 0, got ${String(ended)}`);
  const wallSeconds = Math.round((performance.now() - started) / 100) / 10;
  return { analysed: JSON.parse(printed) as Analysed, ...cost, wallSeconds };
}

const rounds = [];
const load = loadavg();
for (let i = 0; i < Number(values.rounds); i++) {
  const out = mkdtempSync(join(tmpdir(), 'palimpsest-report-bench-'));
  try {
    const { analysed, ...cost } = await analyze(out);
    const { population, experimentSeconds, seconds, page } = analysed;
    const { asked, questions } = population;
    rounds.push({
      ...cost,
      seconds,
      asked,
      questions,
      experimentSeconds,
      pageKib: Math.round(statSync(page).size / 1024),
    });
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}
const machine = { cpu: cpus()[0].model, cores: cpus().length, loadAverage: load, node: process.versions.node };
const { model, corpus } = values;
console.log(
  JSON.stringify({ bench: 'report', date: new Date().toISOString(), machine, model, corpus, rounds }, undefined, 2),
);
