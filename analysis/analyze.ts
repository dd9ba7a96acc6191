/**
 * @file The whole investigation of a model: the queries it answers, every experiment asked for, its stages.
 */
import { join } from 'node:path';
import type { JudgedQuery } from '../corpus/documents.ts';
import { createRng } from '../corpus/random.ts';
import { readModelFolder, type ModelFolder } from '../models/folder.ts';
import type { DocidScheme } from '../corpus/docids/scheme.ts';
import { analyzePaths } from './analyze-paths.ts';
import { storeCircuit } from './circuit.ts';
import { openDonors } from './donors.ts';
import type { Experiment, Subject } from './experiments/experiment.ts';
import { atomicExperimentNames, notMade, type AtomicExperimentName, type ExperimentName } from './experiments/names.ts';
import { EXPERIMENTS, type Results } from './experiments/table.ts';
import { KeptResults } from './kept-results.ts';
import { Lab } from './lab.ts';
import { localize } from './localize.ts';
import { digestOf } from './model-digest.ts';
import { correctQueries, type Population, type Ranking } from './population.ts';
import { GenirWriteError, stagesSchema, storeStages, type Stages } from './stages.ts';

export interface AnalyzeOptions {
  readonly modelDir: string;
  /** For people. */
  readonly modelName: string;
  readonly corpusName: string;
  /** Judged queries among which the correct ones are sought; where there are none, among those of the test split. */
  readonly dev: readonly JudgedQuery[];
  /** Judged queries on which circuits are measured. */
  readonly test: readonly JudgedQuery[];
  /** Folders of models whose parts take the place of this one's. */
  readonly donors: readonly string[];
  /** Of those named the ones that the model's docids allow; those that the stages are found by run in any case. */
  readonly experiments: readonly ExperimentName[];
  /** Folder for the results kept. */
  readonly out: string;
  readonly ranking: Ranking;
  /** Correct queries at most. */
  readonly limit: number;
  readonly seed: number;
  readonly threads: number;
  /** Whether stages and circuit go into the model's genir.json, for editing and serving. */
  readonly store: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (progress: AnalysisProgress) => void;
}

export interface AnalysisProgress {
  /** Experiments, with the share done of the one that runs. */
  readonly done: number;
  readonly total: number;
  readonly message: string;
}

/** `report.json`. Models go by their names, since a server shows it to everyone: no paths of this machine. */
export interface AnalysisReport {
  readonly version: 1;
  /** ISO 8601 */
  readonly date: string;
  readonly model: {
    readonly name: string;
    /** SHA-256 over configuration, tokenizer, docids and weights. */
    readonly digest: string;
    readonly documents: number;
    readonly encoderLayers: number;
    readonly decoderLayers: number;
    readonly dModel: number;
  };
  readonly docids: {
    readonly scheme: DocidScheme;
    /** Tokens of the longest one. */
    readonly depth: number;
  };
  /** Experiments asked for that need docids of another kind. */
  readonly notMade: readonly ExperimentName[];
  readonly corpus: string;
  /** Of the queries of `population`. */
  readonly split: 'dev' | 'test';
  readonly population: Omit<Population, 'questions'> & { readonly questions: number };
  /** What sections call them: the names of their folders. */
  readonly donors: readonly string[];
  readonly seed: number;
  /** null where docids are paths: each decoding step has stages of its own, in the results. */
  readonly stages: Stages | null;
  /** Why stages and circuit are not in the model's genir.json; null where they are. */
  readonly notStored: string | null;
  readonly results: Partial<Results>;
  /** Time each experiment took when it was computed. */
  readonly seconds: Readonly<Partial<Record<ExperimentName, number>>>;
}

/** What the stages are found by. */
const EVIDENCE = 'layer-sweeps';

/** The experiments to run: those asked for and the evidence, which goes before all that look at stages. */
export function plan(asked: readonly ExperimentName[]): AtomicExperimentName[] {
  const wanted = atomicExperimentNames.filter((name) => name === EVIDENCE || asked.includes(name));
  return [
    ...wanted.filter((name) => !EXPERIMENTS[name].needsStages),
    ...wanted.filter((name) => EXPERIMENTS[name].needsStages),
  ];
}

/**
 * Runs the experiments, and stores what was found with the model.
 *
 * @throws NotAnIndexError, NoExperimentError, DonorError, NothingCorrectError
 */
export async function analyze(options: AnalyzeOptions): Promise<AnalysisReport> {
  const folder = readModelFolder(options.modelDir);
  const isOfPaths = folder.genir !== undefined && folder.genir.scheme !== 'atomic';
  return isOfPaths ? analyzePaths(folder, options) : analyzeAtomic(folder, options);
}

async function analyzeAtomic(folder: ModelFolder, options: AnalyzeOptions): Promise<AnalysisReport> {
  const { ranking, limit, seed, threads, signal, onProgress } = options;
  const left = notMade(options.modelName, 'atomic', options.experiments);
  const donors = options.donors.map((dir) => readModelFolder(dir));
  const names = plan(options.experiments);
  const split = options.dev.length ? 'dev' : 'test';
  const test = split === 'dev' ? options.test : []; // queries that a circuit was searched on do not judge it
  const total = names.length + 1;
  const lab = new Lab(folder, { threads });
  try {
    const stack = names.includes('stage-patching') ? 'decoder' : 'encoder';
    const opened = openDonors(lab, donors, stack);
    onProgress({ done: 0, total, message: 'queries that the model answers' });
    const population = await correctQueries(lab, options[split], { ranking, limit, seed });
    signal?.throwIfAborted();
    const encoded = await lab.encode(population.questions.map(({ text }) => text));
    signal?.throwIfAborted();
    const digest = await digestOf(folder);
    const dev = options[split];
    const given = opened.map(async ({ name, withoutDocs }, i) => ({
      ...{ name, withoutDocs },
      digest: await digestOf(donors[i]),
    }));
    const inputs = { model: digest, population, dev, test, donors: await Promise.all(given), seed };
    const kept = new KeptResults(join(options.out, 'results'));
    const results: { [N in ExperimentName]?: unknown } = {};
    const seconds: Partial<Record<ExperimentName, number>> = {};
    let stages: Stages | undefined;
    for (const [i, name] of names.entries()) {
      const experiment = EXPERIMENTS[name] as Experiment<unknown>;
      const { label, version, needsStages } = experiment;
      const progress = (within: number): void =>
        onProgress({ done: i + 1 + within, total, message: `${name} (${label})` });
      signal?.throwIfAborted();
      progress(0);
      if (needsStages) stages ??= stagesOf(results as Partial<Results>, seed);
      const subject: Subject = {
        ...{ lab, population, encoded, dev, test, donors, seed },
        ...(stages && { stages }),
        ...(signal && { signal }),
        onProgress: (done, of) => progress(done / of),
      };
      const dependsOn = { name, version, ...inputs, ...(needsStages && { stages }) };
      const result = await kept.result(name, dependsOn, () => experiment.run(subject));
      results[name] = result.value;
      seconds[name] = result.seconds;
    }
    signal?.throwIfAborted();
    stages ??= stagesOf(results as Partial<Results>, seed);
    const { num_layers: encoderLayers, num_decoder_layers: decoderLayers, d_model: dModel } = folder.config;
    const report: AnalysisReport = {
      version: 1,
      date: new Date().toISOString(),
      model: {
        ...{ name: options.modelName, digest },
        ...{ documents: lab.genir.docids.length, encoderLayers, decoderLayers, dModel },
      },
      docids: { scheme: 'atomic', depth: 1 },
      notMade: left,
      ...{ corpus: options.corpusName, split },
      population: { ...population, questions: population.questions.length },
      donors: opened.map(({ name }) => name),
      ...{ seed, stages, seconds },
      notStored: options.store
        ? store(folder, options.modelName, stages, results as Partial<Results>)
        : 'not asked for',
      results: results as Partial<Results>,
    };
    onProgress({ done: total, total, message: 'done' });
    return report;
  } finally {
    await lab.close();
  }
}

/**
 * What more queries found is not replaced by what fewer did. A model that cannot be written to is no reason to lose a report.
 *
 * @returns why nothing was stored; null where it was
 */
function store({ dir, genir }: ModelFolder, name: string, stages: Stages, results: Partial<Results>): string | null {
  const known = stagesSchema.safeParse(genir!.stages).data;
  if (known && known.layers === stages.layers && known.queries > stages.queries)
    return `stages found on ${known.queries} queries are stored with ${name}, these were found on ${stages.queries}; analyse as many to replace them`;
  try {
    storeStages(dir, stages);
    if (results['minimal-circuit']) storeCircuit(dir, results['minimal-circuit'].stored);
    return null;
  } catch (error) {
    if (error instanceof GenirWriteError) return error.message.replaceAll(dir, name);
    throw error;
  }
}

const stagesOf = (results: Partial<Results>, seed: number): Stages =>
  localize(results[EVIDENCE]!, { rng: createRng(seed) });
