/** The `analyze` command as a child process, on a planted model. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { AnalysisSummary } from '../../analysis/analysis-files.ts';
import type { AnalysisReport } from '../../analysis/analyze.ts';
import { experimentNames } from '../../analysis/experiments/names.ts';
import { packageRoot } from '../../server/paths.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { writePlantedPathModel } from '../support/planted-path-model.ts';
import { writePlantedCorpus, writePlantedWorld } from '../support/planted-world.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const program = ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), 'analyze', '--threads', '1', ...args];
  const child = spawn(process.execPath, program, { cwd: packageRoot });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
  return { child, ended };
}

type Printed = Omit<AnalysisSummary, 'seconds'> & {
  report: string;
  page: string;
  notMade: string[];
  experimentSeconds: Record<string, number>;
  seconds: number;
};

const dir = tempFolder();
const world = writePlantedWorld(dir);
let made = 0;
const newFolder = (): string => join(dir, `made-${++made}`);
const genirOf = (model: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(model, 'genir.json'), 'utf8')) as Record<string, unknown>;
/** On the planted model and its corpus, unless told otherwise. */
const analyze = (...args: string[]): Promise<Ended> =>
  start(['--model', world.modelDir, '--corpus', world.corpus, ...args]).ended;

describe('palimpsest analyze', () => {
  it('prints one JSON object, writes the reports, and leaves the model alone with --no-store', async () => {
    const out = newFolder();
    const genir = readFileSync(join(world.modelDir, 'genir.json'));
    const asked = ['--experiments', 'E2, head-words', '--limit', '9', '--no-store'];
    const { code, out: printed, err } = await analyze('--out', out, '--json', ...asked);
    assert.equal(code, 0, err);
    assert.equal(printed.trimEnd().split('\n').length, 1);
    const result = JSON.parse(printed) as Printed;
    assert.deepEqual([result.report, result.page], [join(out, 'report.json'), join(out, 'report.html')]);
    const ran = ['contributions', 'head-words', 'layer-sweeps'];
    assert.deepEqual(Object.keys(result.findings).sort(), [...ran, 'stages'].sort());
    assert.deepEqual(Object.keys(result.experimentSeconds).sort(), ran);
    assert.deepEqual([result.population.questions, result.notStored], [9, 'not asked for']);
    const report = JSON.parse(readFileSync(result.report, 'utf8')) as AnalysisReport;
    assert.deepEqual([report.stages, report.corpus], [result.stages, 'corpus']);
    assert.match(readFileSync(result.page, 'utf8'), /<section id="head-words">/);
    assert.match(err, /^\d+ % {2}contributions \(E2\)/m);
    assert.deepEqual(readFileSync(join(world.modelDir, 'genir.json')), genir);
  });

  it('names experiments asked for that need docids of another kind, and refuses where nothing else is asked for', async () => {
    const model = writePlantedPathModel(newFolder(), { prefix: 'own', query: 'cross' });
    const corpus = writePlantedCorpus(newFolder(), model.queries, () => 'dev');
    const asked = (experiments: string, ...more: string[]): Promise<Ended> => {
      const args = ['--out', newFolder(), '--no-store', '--experiments', experiments, ...more];
      return start(['--model', model.dir, '--corpus', corpus, ...args]).ended;
    };
    const both = await asked('head-words,step-head-words');
    assert.equal(both.code, 0, both.err);
    assert.match(both.out, /^step-head-words\n {2}Step 1: /m);
    assert.match(both.out, /^head-words \(E9\)\n {2}Not made: it needs other docids than semantic ones\.$/m);
    const json = await asked('E9', '--json');
    assert.deepEqual((JSON.parse(json.out) as Printed).notMade, ['head-words']);
    const alone = await asked('head-words');
    assert.notEqual(alone.code, 0);
    assert.match(alone.err, /expected experiments for semantic docids, got head-words/);
  });

  it('goes on where it was killed, stores the stages, and prints findings for people', async () => {
    const [out, model] = [newFolder(), newFolder()];
    cpSync(world.modelDir, model, { recursive: true });
    const all = ['--model', model, '--corpus', world.corpus, '--out', out];
    const { child, ended } = start(all);
    child.stderr!.on(
      'data',
      (data: Buffer) => void (/component-logits/.test(data.toString()) && child.kill('SIGKILL')),
    );
    assert.equal((await ended).code, null);
    assert.equal(genirOf(model).stages, undefined);
    // A time that no experiment takes: those that are computed anew have another.
    const kept = readdirSync(join(out, 'results')).filter((file) => file.endsWith('.json'));
    for (const file of kept) {
      const record = JSON.parse(readFileSync(join(out, 'results', file), 'utf8')) as object;
      writeFileSync(join(out, 'results', file), JSON.stringify({ ...record, seconds: 12345 }));
    }
    const second = await start(all).ended;
    assert.equal(second.code, 0, second.err);
    const { seconds, stages } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as AnalysisReport;
    const marked = Object.keys(seconds).filter((name) => seconds[name as keyof typeof seconds] === 12345);
    assert.deepEqual(marked.map((name) => `${name}.json`).sort(), kept.sort());
    assert.ok(kept.includes('contributions.json') && kept.length < experimentNames.length, kept.join());
    assert.deepEqual(genirOf(model).stages, stages);
    assert.notEqual(genirOf(model).circuit, undefined);
    assert.match(second.out, /^stages\n {2}There is a priming stage/);
    assert.match(second.out, /report\.html {2}\(\d+\.\d s\)\n$/);
  });

  it(
    'says so where stages cannot be stored',
    { skip: process.getuid?.() === 0 && 'root may write everywhere' },
    async () => {
      const model = newFolder();
      cpSync(world.modelDir, model, { recursive: true });
      chmodSync(model, 0o555);
      const { code, err } = await analyze('--model', model, '--out', newFolder(), '--experiments', 'E2');
      chmodSync(model, 0o755);
      assert.equal(code, 0, err);
      assert.match(err, /stages are in the report only: .*genir\.json: expected to store/);
    },
  );

  it('says where the queries come from without a dev split', async () => {
    const corpus = writePlantedCorpus(newFolder(), world.planted.queries, () => 'test');
    const args = ['--corpus', corpus, '--out', newFolder(), '--experiments', 'E2', '--no-store', '--json'];
    const { code, out, err } = await analyze(...args);
    assert.equal(code, 0, err);
    assert.match(err, /no dev queries; the correct ones are sought among its test queries/);
    assert.equal((JSON.parse(out) as Printed).split, 'test');
  });

  it('refuses unknown experiments and lacking options, with exit code 2', async () => {
    const out = newFolder();
    const { code, err } = await analyze('--out', out, '--experiments', 'E2,E12');
    assert.equal(code, 2);
    for (const name of experimentNames) assert.ok(err.includes(name), err);
    assert.match(err, /got 'E12'.*head-words \(E9\)/);
    assert.equal((await analyze()).code, 2);
    assert.equal((await analyze('--out', out, '--ranking', 'words')).code, 2);
    assert.ok(!existsSync(out), out);
  });

  it('fails with the numbers where no query is answered', async () => {
    const wrong = world.planted.queries.map((query) => ({ ...query, docid: 'd7' }));
    const corpus = writePlantedCorpus(newFolder(), wrong, () => 'dev');
    const { code, out, err } = await analyze('--corpus', corpus, '--out', newFolder());
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /got 0 of 21 over the vocabulary and 0 of 21 among docids; train the model further/);
  });

  it('fails for a plain T5, and for a donor of another shape', async () => {
    const plain = newFolder();
    cpSync(world.modelDir, plain, { recursive: true });
    rmSync(join(plain, 'genir.json'));
    const noDocids = await analyze('--model', plain, '--out', newFolder());
    assert.equal(noDocids.code, 1);
    assert.match(noDocids.err, /expected a model with docids .*, got a plain T5/);
    const donor = writeTinyModel(newFolder(), { config: { d_model: 48 } });
    const misfit = await analyze('--donors', donor, '--out', newFolder());
    assert.equal(misfit.code, 1);
    assert.match(misfit.err, /expected a donor with d_model 32 .*, got d_model 48 .*; give a model of the same sizes/);
  });
});
