/** The whole investigation on a planted model, whose stages are known. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { analysisFiles } from '../../analysis/analysis-files.ts';
import { writeAnalysis } from '../../analysis/analysis-page.ts';
import { analyze, plan, type AnalysisReport, type AnalyzeOptions } from '../../analysis/analyze.ts';
import {
  atomicExperimentNames,
  experimentLabels,
  experimentNames,
  experimentsNamed,
  NoExperimentError,
  pathExperimentNames,
} from '../../analysis/experiments/names.ts';
import { EXPERIMENTS, PATH_EXPERIMENTS } from '../../analysis/experiments/table.ts';
import { stageNames, storedStages } from '../../analysis/stages.ts';
import type { JudgedQuery } from '../../corpus/documents.ts';
import { storedCircuit } from '../../models/circuit-record.ts';
import { NotAnIndexError } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { openLab } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { ownQueries } from '../support/own-queries.ts';
import { writePlantedWorld } from '../support/planted-world.ts';
import { copyModel, texts, writeTinyModel, type TinyModelOptions } from '../support/tiny-model.ts';

const scratch = tempFolder();
const { planted, modelDir } = writePlantedWorld(scratch);
const judged = planted.queries.map(({ text, docid }, i): JudgedQuery => ({ id: `q${i}`, text, relevant: [docid] }));
const dev = judged.filter((_, i) => i % 3 !== 0);
const test = judged.filter((_, i) => i % 3 === 0);

let made = 0;
const newFolder = (): string => join(scratch, `made-${++made}`);
/** A copy of the planted model, to be written to. */
function modelCopy(): string {
  const dir = newFolder();
  cpSync(modelDir, dir, { recursive: true });
  return dir;
}

const run = (options: Partial<AnalyzeOptions> = {}): Promise<AnalysisReport> =>
  analyze({
    ...{ modelDir, modelName: 'planted', corpusName: 'made up', dev, test, donors: [], out: newFolder() },
    experiments: ['contributions'],
    ...{ ranking: 'vocabulary', limit: 400, seed: 1, threads: 1, store: false, onProgress: () => undefined },
    ...options,
  });

/** Writes into every kept result a time that no experiment takes: those that are computed anew have another. */
const MARK = 12345;
function markResults(out: string): string[] {
  const dir = join(out, 'results');
  const files = readdirSync(dir);
  for (const file of files) {
    const record = JSON.parse(readFileSync(join(dir, file), 'utf8')) as object;
    writeFileSync(join(dir, file), JSON.stringify({ ...record, seconds: MARK }));
  }
  return files.map((file) => file.replace('.json', '')).sort();
}
const taken = ({ seconds }: AnalysisReport): string[] =>
  Object.entries(seconds).flatMap(([name, time]) => (time === MARK ? [name] : []));

describe('experiments', () => {
  it('have the label that they are asked for by, and agree on what they are called', () => {
    const all = { ...EXPERIMENTS, ...PATH_EXPERIMENTS };
    assert.deepEqual(Object.keys(EXPERIMENTS), atomicExperimentNames);
    assert.deepEqual(Object.keys(PATH_EXPERIMENTS), pathExperimentNames);
    for (const name of experimentNames) assert.equal(all[name].label, experimentLabels[name], name);
  });

  it('are named by themselves or by number', () => {
    assert.deepEqual(experimentsNamed('head-words'), ['head-words']);
    assert.deepEqual(experimentsNamed('e3'), ['layer-sweeps', 'stage-patching', 'step-sweeps']);
    assert.deepEqual(experimentsNamed('E1'), ['encoder-swap']);
    assert.deepEqual(experimentsNamed('E11'), ['self-attention-patching', 'step-lens']);
    assert.deepEqual([...experimentsNamed('E12'), ...experimentsNamed('')], []);
  });

  it('run with those that find the stages, and before all that look at stages', () => {
    assert.deepEqual(plan(['contributions']), ['contributions', 'layer-sweeps']);
    const all = plan(experimentNames);
    assert.deepEqual([...all].sort(), [...atomicExperimentNames].sort());
    const needs = all.map((name) => EXPERIMENTS[name].needsStages);
    assert.deepEqual(needs, [...needs].sort());
    assert.equal(EXPERIMENTS['layer-sweeps'].needsStages, false);
  });
});

describe('analyze', () => {
  let report: AnalysisReport;
  let out: string;
  let copy: string;
  const messages: string[] = [];
  before(async () => {
    [out, copy] = [newFolder(), modelCopy()];
    report = await run({
      ...{ modelDir: copy, out, experiments: experimentNames, store: true },
      onProgress: ({ done, total, message }) => {
        assert.ok(done <= total, message);
        if (messages.at(-1) !== message) messages.push(message);
      },
    });
  });

  it('makes every experiment, in a plain JSON report', () => {
    assert.deepEqual(Object.keys(report.results).sort(), [...atomicExperimentNames].sort());
    assert.deepEqual(Object.keys(report.seconds).sort(), [...atomicExperimentNames].sort());
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
    assert.deepEqual(report.population, {
      ranking: 'vocabulary',
      asked: dev.length,
      correct: { vocabulary: dev.length, docids: dev.length },
      questions: dev.length,
    });
    assert.deepEqual([report.split, report.results['minimal-circuit']?.test?.queries], ['dev', test.length]);
    assert.deepEqual(
      [messages[0], messages.at(-1), messages.length],
      ['queries that the model answers', 'done', atomicExperimentNames.length + 2],
    );
  });

  it('finds the stages that were planted, and stores them and the circuit with the model', () => {
    const { genir, config } = readModelFolder(copy);
    const stages = storedStages(copy, genir!, config.num_decoder_layers)!;
    assert.deepEqual(stages, report.stages);
    const found = stageNames.map((name) => stages[name] && [stages[name].from, stages[name].to]);
    assert.deepEqual(found, [[0, 1], [1, 2], [2, 3]]); // prettier-ignore
    assert.deepEqual(storedCircuit(copy, genir!, config), report.results['minimal-circuit']!.stored);
    assert.equal(report.notStored, null);
  });

  it('writes a report for people, one for programs, and a summary without paths', () => {
    const summary = writeAnalysis(out, report);
    const read = (name: keyof typeof analysisFiles): string => readFileSync(join(out, analysisFiles[name]), 'utf8');
    assert.deepEqual(JSON.parse(read('report')), report);
    assert.deepEqual(JSON.parse(read('summary')), summary);
    assert.ok(!read('summary').includes(copy), copy);
    assert.deepEqual(Object.keys(summary.findings), ['stages', ...atomicExperimentNames]);
    const page = read('page');
    for (const name of ['stages', ...atomicExperimentNames]) assert.ok(page.includes(`<section id="${name}">`), name);
    assert.match(page, /<title>Inside planted<\/title>/);
  });

  it('computes nothing again on the same model and queries, also after the stages were stored', async () => {
    const all = markResults(out);
    const again = await run({ modelDir: copy, out, experiments: experimentNames });
    assert.deepEqual(taken(again).sort(), all);
    assert.deepEqual({ ...again.results, seconds: 0 }, { ...report.results, seconds: 0 });
  });

  it('computes anew for another model, limit, seed and ranking', async () => {
    const kept = newFolder();
    const first = await run({ out: kept });
    const wo = 'decoder.block.2.layer.2.DenseReluDense.wo.weight';
    const folder = readModelFolder(modelDir);
    const { shape, data } = folder.tensor(wo);
    const changed = copyModel(newFolder(), folder, new Map([[wo, { shape, data: data.map((x) => x * 1.25) }]]));
    const retokenized = modelCopy();
    const file = join(retokenized, 'tokenizer_config.json');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), extra: true }));
    for (const options of [
      { modelDir: changed },
      { modelDir: retokenized },
      { limit: 5 },
      { seed: 2 },
      { ranking: 'docids' },
    ] satisfies Partial<AnalyzeOptions>[]) {
      await run({ out: kept });
      markResults(kept);
      assert.deepEqual(taken(await run({ out: kept, ...options })), [], JSON.stringify(options));
    }
    assert.deepEqual((await run({ out: kept })).results, first.results);
  });

  it('computes anew for other donors, or what they were trained without', async () => {
    const [kept, donor] = [newFolder(), modelCopy()];
    const donors = [donor];
    const first = await run({ out: kept, donors, experiments: ['encoder-swap'] });
    const file = join(donor, 'genir.json');
    const genir = JSON.parse(readFileSync(file, 'utf8')) as object;
    markResults(kept);
    assert.deepEqual(taken(await run({ out: kept, donors, experiments: ['encoder-swap'] })).length, 2);
    writeFileSync(file, JSON.stringify({ ...genir, training: { withoutDocs: ['d1'] } }));
    const second = await run({ out: kept, donors, experiments: ['encoder-swap'] });
    assert.deepEqual(taken(second), []);
    const without = ({ results }: AnalysisReport) => results['encoder-swap']!.donors.map((one) => one.withoutDocs);
    assert.deepEqual([without(first), without(second)], [[0, 0], [0, 1]]); // prettier-ignore
    markResults(kept);
    const third = await run({ out: kept, donors: [], experiments: ['encoder-swap'] });
    assert.deepEqual([taken(third), without(third)], [[], [0]]);
  });

  it('stops by its signal and goes on from what was finished', async () => {
    const stopped = newFolder();
    const controller = new AbortController();
    const reason = new RangeError('enough');
    const stopping = run({
      ...{ out: stopped, experiments: experimentNames, signal: controller.signal },
      onProgress: ({ message }) => void (/^component-logits/.test(message) && controller.abort(reason)),
    });
    await assert.rejects(stopping, reason);
    assert.deepEqual(markResults(stopped), ['contributions', 'layer-sweeps', 'rank-development']);
    const resumed = await run({ out: stopped, experiments: experimentNames });
    assert.deepEqual(taken(resumed), ['contributions', 'rank-development', 'layer-sweeps']);
    const timed = 'attribution-patching'; // its result holds times
    const untimed = ({ results }: AnalysisReport) => ({ ...results, [timed]: 0 });
    assert.deepEqual(untimed(resumed), untimed(report));
  });

  it('begins nothing by an aborted signal', async () => {
    const none = newFolder();
    await assert.rejects(run({ out: none, signal: AbortSignal.abort(new RangeError('no')) }), RangeError);
    assert.throws(() => readdirSync(none), /ENOENT/);
  });

  it('seeks the correct queries in the test split where there is no other, which then judges no circuit', async () => {
    const { split, population, results } = await run({ dev: [], test: judged, experiments: ['minimal-circuit'] });
    assert.deepEqual([split, population.asked], ['test', judged.length]);
    assert.equal(results['minimal-circuit']!.test, null);
  });

  for (const [name, tiny] of [
    ['one layer', { config: { num_layers: 1, num_decoder_layers: 1 } }],
    ['one document', { docids: ['d0'] }],
    ['gated, untied', { config: { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false } }],
  ] as const satisfies readonly (readonly [string, TinyModelOptions])[])
    it(`tells of a random model of ${name}, without a number that is none`, async () => {
      const tinyDir = writeTinyModel(newFolder(), tiny);
      const lab = openLab(tinyDir);
      const own = (await ownQueries(lab, texts)).map(({ text, docid }, i) => ({ id: `${i}`, text, relevant: [docid] }));
      const asked = { dev: own, test: [], ranking: 'docids', experiments: experimentNames } as const;
      const written = newFolder();
      const made = await run({ ...asked, modelDir: tinyDir, out: written });
      assert.equal(made.population.questions, own.length);
      const { findings } = writeAnalysis(written, made);
      const page = readFileSync(join(written, analysisFiles.page), 'utf8');
      for (const text of [page, JSON.stringify(findings)]) assert.doesNotMatch(text, /NaN|undefined|Infinity|∞/);
    });

  it('leaves the model alone where asked to, and keeps the report where it cannot be written', async () => {
    const [left, locked] = [modelCopy(), modelCopy()];
    const files = (dir: string) =>
      readdirSync(dir).map((file) => [file, readFileSync(join(dir, file)).toString('hex')]);
    const untouched = files(left);
    assert.equal((await run({ modelDir: left, store: false })).notStored, 'not asked for');
    assert.deepEqual(files(left), untouched);

    // A folder in the place of the new file: that stops every user, also one who may write everywhere.
    mkdirSync(join(locked, `genir.json.tmp-${process.pid}`));
    const { notStored, stages } = await run({ modelDir: locked, store: true });
    assert.match(
      notStored!,
      /^planted.genir\.json: expected to store what was found, got .*; make the folder writable/,
    );
    assert.ok(!notStored!.includes(scratch), notStored!);
    assert.notEqual(stages!.interaction, null);
    assert.equal(readModelFolder(locked).genir!.stages, undefined);
  });

  it('does not replace stages by those that fewer queries show', async () => {
    const modelDir = modelCopy();
    assert.equal((await run({ modelDir, store: true })).notStored, null);
    const stored = readModelFolder(modelDir).genir!.stages;
    const { notStored } = await run({ modelDir, store: true, limit: 5 });
    assert.match(notStored!, /^stages found on \d+ queries are stored with planted, these were found on 5;/);
    assert.deepEqual(readModelFolder(modelDir).genir!.stages, stored);
  });

  it('says which experiments need docids of several tokens, and refuses those alone', async () => {
    const { notMade, docids } = await run({ experiments: ['contributions', 'step-lens'] });
    assert.deepEqual([notMade, docids], [['step-lens'], { scheme: 'atomic', depth: 1 }]);
    await assert.rejects(run({ experiments: ['step-lens'] }), NoExperimentError);
  });

  it('refuses before the work what cannot be analysed', async () => {
    const silent = judged.map((query) => ({ ...query, relevant: ['d7'] }));
    const numbers = /^NothingCorrectError: .* got 0 of 21 over the vocabulary and 0 of 21 among docids/;
    await assert.rejects(run({ dev: silent }), numbers);
    await assert.rejects(run({ dev: [], test: [] }), /0 of 0 .*; give the corpus that the model was trained on/);

    const folder = readModelFolder(modelDir);
    const tiny = writeTinyModel(newFolder());
    const begun: string[] = [];
    const onProgress: AnalyzeOptions['onProgress'] = ({ message }) => begun.push(message);
    const { d_model: width } = folder.config;
    const shapes = new RegExp(`expected a donor with d_model ${width} \\(of .*\\), got d_model 48;`);
    const wide = writeTinyModel(newFolder(), { config: { d_model: 48 } });
    await assert.rejects(run({ donors: [wide], onProgress }), shapes);
    const deeper = writeTinyModel(newFolder(), { config: { num_decoder_layers: 4 } });
    const asked = { modelDir: tiny, donors: [deeper], onProgress };
    const depths = /num_decoder_layers 2 .*got d_model 32 and num_decoder_layers 4/;
    await assert.rejects(run({ ...asked, experiments: ['stage-patching'] }), depths);
    const plain = modelCopy();
    rmSync(join(plain, 'genir.json'));
    await assert.rejects(run({ modelDir: plain, onProgress }), NotAnIndexError);
    assert.deepEqual(begun, []);
  });
});
