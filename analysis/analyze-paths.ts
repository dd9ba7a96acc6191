/** @file The investigation of a model whose docids are paths: see `analyze.ts`. */
import { join } from 'node:path';
import type { ModelFolder } from '../models/folder.ts';
import type { AnalysisReport, AnalyzeOptions } from './analyze.ts';
import { notMade, pathExperimentNames, type ExperimentName, type PathExperimentName } from './experiments/names.ts';
import type { PathExperiment, PathSubject } from './experiments/path-experiment.ts';
import type { StepSweeps } from './experiments/step-sweeps.ts';
import { PATH_EXPERIMENTS, type Results } from './experiments/table.ts';
import { KeptResults } from './kept-results.ts';
import { digestOf } from './model-digest.ts';
import { PathLab } from './path-lab.ts';
import { correctPathQueries } from './path-population.ts';
import { GenirWriteError, storeStepStages, storedStepStages, type StepStages } from './stages.ts';

/** What the stages of each step are found by. */
const EVIDENCE = 'step-sweeps';

/** The experiments to run: those asked for, and the evidence where one of them looks at stages. */
function plan(asked: readonly ExperimentName[]): PathExperimentName[] {
  const wanted = pathExperimentNames.filter((name) => asked.includes(name));
  const needsEvidence = wanted.some((name) => (PATH_EXPERIMENTS[name] as PathExperiment<unknown>).needsStages);
  return pathExperimentNames.filter((name) => wanted.includes(name) || (needsEvidence && name === EVIDENCE));
}

const stepStagesOf = (swept: StepSweeps | undefined): StepStages[] =>
  swept?.steps.map(({ step, stages }) => ({ step, ...stages })) ?? [];

/** @throws NoExperimentError, NothingCorrectError */
export async function analyzePaths(folder: ModelFolder, options: AnalyzeOptions): Promise<AnalysisReport> {
  const { ranking, limit, seed, threads, signal, onProgress } = options;
  const lab = new PathLab(folder, { threads });
  const left = notMade(options.modelName, lab.genir.scheme, options.experiments);
  const names = plan(options.experiments);
  const split = options.dev.length ? 'dev' : 'test';
  const test = split === 'dev' ? options.test : []; // queries that a circuit was searched on do not judge it
  const total = names.length + 1;
  try {
    onProgress({ done: 0, total, message: 'queries that the model answers' });
    const population = await correctPathQueries(lab, options[split], { ranking, limit, seed });
    signal?.throwIfAborted();
    const encoded = await lab.encode(population.questions.map(({ text }) => text));
    const digest = await digestOf(folder);
    const kept = new KeptResults(join(options.out, 'results'));
    const results: { [N in PathExperimentName]?: unknown } = {};
    const seconds: Partial<Record<PathExperimentName, number>> = {};
    for (const [i, name] of names.entries()) {
      const experiment = PATH_EXPERIMENTS[name] as PathExperiment<unknown>;
      const { label, version, needsStages } = experiment;
      const progress = (within: number): void =>
        onProgress({ done: i + 1 + within, total, message: `${name} (${label})` });
      signal?.throwIfAborted();
      progress(0);
      const stages = stepStagesOf((results as Partial<Results>)[EVIDENCE]);
      const subject: PathSubject = {
        ...{ lab, population, encoded, test, seed },
        ...(needsStages && { stages }),
        ...(signal && { signal }),
        onProgress: (done, of) => progress(done / of),
      };
      const dependsOn = { name, version, model: digest, population, seed, ...(needsStages && { test, stages }) };
      const result = await kept.result(name, dependsOn, () => experiment.run(subject));
      results[name] = result.value;
      seconds[name] = result.seconds;
    }
    signal?.throwIfAborted();
    const { num_layers: encoderLayers, num_decoder_layers: decoderLayers, d_model: dModel } = folder.config;
    const found = results as Partial<Results>;
    const report: AnalysisReport = {
      version: 1,
      date: new Date().toISOString(),
      model: {
        ...{ name: options.modelName, digest },
        ...{ documents: lab.genir.docids.length, encoderLayers, decoderLayers, dModel },
      },
      docids: { scheme: lab.genir.scheme, depth: lab.depth },
      notMade: left,
      ...{ corpus: options.corpusName, split },
      population: { ...population, questions: population.questions.length },
      donors: [],
      ...{ seed, stages: null, seconds },
      notStored: options.store ? store(lab, options.modelName, found[EVIDENCE]) : 'not asked for',
      results: found,
    };
    onProgress({ done: total, total, message: 'done' });
    return report;
  } finally {
    await lab.close();
  }
}

/**
 * Puts the stages of each step into the model's genir.json. What more queries found is not replaced by what fewer did.
 *
 * @returns why nothing was stored; null where it was
 */
function store({ folder, genir, layers }: PathLab, name: string, swept: StepSweeps | undefined): string | null {
  if (!swept?.steps.length) return 'the experiment that finds them, step-sweeps, was not made';
  const steps = stepStagesOf(swept);
  try {
    const known = storedStepStages(folder.dir, genir, layers)?.[0]?.queries ?? 0;
    if (known > steps[0].queries)
      return `stages found on ${known} queries are stored with ${name}, these were found on ${steps[0].queries}; analyse as many to replace them`;
    storeStepStages(folder.dir, steps);
    return null;
  } catch (error) {
    if (error instanceof GenirWriteError) return error.message.replaceAll(folder.dir, name);
    throw error;
  }
}
