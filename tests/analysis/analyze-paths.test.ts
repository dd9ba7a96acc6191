/** The investigation of a planted model whose docids are paths. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { analysisFiles } from '../../analysis/analysis-files.ts';
import { writeAnalysis } from '../../analysis/analysis-page.ts';
import { analyze, type AnalysisReport, type AnalyzeOptions } from '../../analysis/analyze.ts';
import {
  atomicExperimentNames,
  experimentNames,
  NoExperimentError,
  pathExperimentNames,
} from '../../analysis/experiments/names.ts';
import { NothingCorrectError } from '../../analysis/population.ts';
import { StagesError, storedStepStages } from '../../analysis/stages.ts';
import type { JudgedQuery } from '../../corpus/documents.ts';
import { createRng } from '../../corpus/random.ts';
import { readModelFolder } from '../../models/folder.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { writePlantedPathModel } from '../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../support/sequence-model.ts';
import { texts } from '../support/tiny-model.ts';

const scratch = tempFolder();
const planted = writePlantedPathModel(join(scratch, 'planted'), { prefix: 'attn', query: 'cross' });
const dev = planted.queries.map(({ text, docid }, i): JudgedQuery => ({ id: `q${i}`, text, relevant: [docid] }));

let made = 0;
const newFolder = (): string => join(scratch, `made-${++made}`);
const run = (options: Partial<AnalyzeOptions> = {}): Promise<AnalysisReport> =>
  analyze({
    ...{ modelDir: planted.dir, modelName: 'planted', corpusName: 'made up', dev, test: [], donors: [] },
    ...{ out: newFolder(), experiments: experimentNames, ranking: 'vocabulary', limit: 400, seed: 1, threads: 1 },
    ...{ store: false, onProgress: () => undefined },
    ...options,
  });

describe('analyze on paths', () => {
  let report: AnalysisReport;
  const [out, copy] = [newFolder(), newFolder()];
  before(async () => {
    cpSync(planted.dir, copy, { recursive: true });
    report = await run({ modelDir: copy, out, store: true });
  });

  it('makes the experiments on paths, and says which ones need atomic docids', () => {
    assert.deepEqual(Object.keys(report.results), pathExperimentNames);
    assert.deepEqual(report.notMade, atomicExperimentNames);
    assert.deepEqual([report.docids, report.stages], [{ scheme: 'semantic', depth: 3 }, null]);
    assert.deepEqual(report.population.correct, { vocabulary: dev.length, docids: dev.length });
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  });

  it('writes a page and a summary with every section', () => {
    const { findings } = writeAnalysis(out, report);
    assert.deepEqual(Object.keys(findings), pathExperimentNames);
    const page = readFileSync(join(out, analysisFiles.page), 'utf8');
    for (const name of pathExperimentNames) assert.ok(page.includes(`<section id="${name}">`), name);
    assert.match(page, /semantic, paths of up to 3 tokens/);
    assert.match(page, /experiments on atomic docids, one token each<\/dt><dd>E2, E5, /);
    assert.match(findings['self-attention-patching'][0], /carries previous tokens, not the query/);
    for (const text of [page, JSON.stringify(findings)]) assert.doesNotMatch(text, /NaN|undefined|Infinity|∞/);
  });

  it('stores the stages of each step with the model, and not those that fewer queries show', async () => {
    const stored = () => {
      const { genir, config } = readModelFolder(copy);
      return storedStepStages(copy, genir!, config.num_decoder_layers)!;
    };
    const before = stored();
    assert.equal(report.notStored, null);
    assert.deepEqual(
      before,
      report.results['step-sweeps']!.steps.map(({ step, stages }) => ({ step, ...stages })),
    );
    assert.deepEqual(before.map(({ bridging }) => bridging?.to), [1, 1, 1]); // prettier-ignore
    const { notStored } = await run({ modelDir: copy, store: true, limit: 3, experiments: ['step-sweeps'] });
    assert.match(notStored!, /^stages found on 12 queries are stored with planted, these were found on 3;/);
    assert.deepEqual(stored(), before);
    const other = await run({ modelDir: copy, store: true, experiments: ['step-lens'] });
    assert.match(other.notStored!, /step-sweeps, was not made/);
  });

  it('computes nothing again on the same model and queries', async () => {
    for (const name of pathExperimentNames) {
      const file = join(out, 'results', `${name}.json`);
      writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), seconds: 12345 }));
    }
    const again = await run({ modelDir: copy, out });
    assert.deepEqual(Object.values(again.seconds), pathExperimentNames.map(() => 12345)); // prettier-ignore
    assert.deepEqual(again.results, report.results);
  });

  it('stops by its signal', async () => {
    const controller = new AbortController();
    const reason = new RangeError('enough');
    const stopping = run({
      signal: controller.signal,
      onProgress: ({ message }) => void (message.startsWith('step-lens') && controller.abort(reason)),
    });
    await assert.rejects(stopping, reason);
  });

  it('refuses experiments on atomic docids alone, queries that nobody answers, and stages that do not fit', async () => {
    await assert.rejects(run({ experiments: ['head-words'] }), NoExperimentError);
    const wrong = dev.map((query) => ({ ...query, relevant: ['a*'] }));
    await assert.rejects(run({ dev: wrong }), NothingCorrectError);
    const { genir } = readModelFolder(copy);
    for (const stepStages of [{}, [{ step: 1 }]])
      assert.throws(() => storedStepStages(copy, { ...genir!, stepStages }, 3), StagesError);
    assert.throws(() => storedStepStages(copy, genir!, 4), StagesError);
  });

  it('tells of random models, without a number that is none', async () => {
    const rng = createRng(3);
    for (const paths of [randomPaths(rng, 9), ['c0', 'c1', '▁ice'], ['c0 c1', 'c2'], ['c0 c1']]) {
      const modelDir = writeSequenceModel(newFolder(), { paths, config: { num_decoder_layers: 1 } });
      // Every query about every document: the most probable one is found where greedy decoding finds it.
      const asked = texts.map((text, i) => ({ id: `q${i}`, text, relevant: paths.map((_, d) => `d${d}`) }));
      const folder = newFolder();
      const random = await run({ modelDir, dev: asked, ranking: 'docids', out: folder });
      const { findings } = writeAnalysis(folder, random);
      const page = readFileSync(join(folder, analysisFiles.page), 'utf8');
      for (const text of [page, JSON.stringify(findings)]) assert.doesNotMatch(text, /NaN|undefined|Infinity|∞/);
    }
  });
});
