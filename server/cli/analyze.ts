import { InvalidArgumentError } from 'commander';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { analysisFiles, type AnalysisSummary } from '../../analysis/analysis-files.ts';
import type { AnalysisProgress } from '../../analysis/analyze.ts';
import {
  experimentLabels,
  experimentNames,
  experimentsNamed,
  type ExperimentName,
} from '../../analysis/experiments/names.ts';
import { rankings, type Ranking } from '../../analysis/population.ts';
import type { DocidScheme } from '../../corpus/docids/scheme.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { builtinCorpus, builtinModel, nameOf } from '../paths.ts';
import { Pace } from '../tasks/pace.ts';
import { defineCommand, integer, oneOf, type Note } from './command.ts';
import { corpusOption, modelOption } from './shared-options.ts';

interface Options {
  model?: string;
  corpus?: string;
  out: string;
  experiments?: ExperimentName[];
  donors?: string[];
  ranking: Ranking;
  limit: number;
  seed: number;
  threads: number;
  store: boolean;
}

interface Analysed {
  readonly out: string;
  readonly summary: AnalysisSummary;
  readonly scheme: DocidScheme;
  /** Experiments asked for by name or number that need docids of another kind. */
  readonly notMade: readonly ExperimentName[];
  readonly seconds: number;
}

export const analyze = defineCommand<Options, Analysed>({
  name: 'analyze',
  summary: 'look inside a model: stages, circuits, sources, words; one report',
  options: {
    model: modelOption,
    corpus: corpusOption,
    out: {
      flags: '--out <dir>',
      description: 'folder for report.html, report.json and the results kept; a second run goes on from them',
      required: true,
      parse: (path) => resolve(path),
    },
    experiments: {
      flags: '--experiments <list>',
      description:
        'names or numbers of the paper, with commas (E2,E5,head-words); those that find the stages always run (default: all)',
      parse: (list) => list.split(',').flatMap(named),
    },
    donors: {
      flags: '--donors <dirs>',
      description: 'model folders, with commas, whose encoders and components take the place of this model’s (E1, E3)',
      parse: (dirs) => dirs.split(',').map((dir) => resolve(dir)),
    },
    ranking: {
      flags: '--ranking <where>',
      description: 'where a document must be first: in the whole vocabulary, or among docids',
      parse: oneOf(rankings),
      default: 'vocabulary',
    },
    limit: { flags: '--limit <n>', description: 'correct queries at most', parse: integer(1, 1e6), default: 400 },
    seed: { flags: '--seed <n>', description: 'of every draw', parse: integer(0, 1e9), default: 1 },
    threads: {
      flags: '--threads <n>',
      description: 'cores to compute on',
      parse: integer(1, 256),
      default: availableParallelism(),
    },
    store: {
      flags: '--no-store',
      description: 'do not write the stages found into the model’s genir.json',
      default: true,
    },
  },
  async run({ model = builtinModel, corpus = builtinCorpus, donors = [], ...options }, note) {
    const started = performance.now();
    // Load onnxruntime and the drawing of plots, which the other commands do without.
    const { analyze: run } = await import('../../analysis/analyze.ts');
    const { writeAnalysis } = await import('../../analysis/analysis-page.ts');
    const store = openStore(':memory:');
    try {
      importCorpus(store, corpus);
      const [dev, test] = [store.queries('dev'), store.queries('test')];
      if (!dev.length) note(`${corpus}: no dev queries; the correct ones are sought among its test queries`);
      const report = await run({
        ...{ experiments: experimentNames, ...options },
        ...{ modelDir: model, modelName: nameOf(model), corpusName: nameOf(corpus), donors, dev, test },
        onProgress: progressLines(note),
      });
      const summary = writeAnalysis(options.out, report);
      if (options.store && summary.notStored !== null) note(`stages are in the report only: ${summary.notStored}`);
      const seconds = Math.round(performance.now() - started) / 1000;
      const notMade = options.experiments ? report.notMade : [];
      return { out: options.out, summary, scheme: report.docids.scheme, notMade, seconds };
    } finally {
      store.close();
    }
  },
  json: ({ out, summary: { seconds: experimentSeconds, ...summary }, notMade, seconds }) => ({
    report: join(out, analysisFiles.report),
    page: join(out, analysisFiles.page),
    ...summary,
    notMade,
    experimentSeconds,
    seconds,
  }),
  text: ({ out, summary, scheme, notMade, seconds }) =>
    [
      ...Object.entries(summary.findings).map(([id, found]) => `${id}\n${found.map((one) => `  ${one}`).join('\n')}`),
      ...notMade.map(
        (name) => `${name} (${experimentLabels[name]})\n  Not made: it needs other docids than ${scheme} ones.`,
      ),
      `${join(out, analysisFiles.page)}  (${seconds.toFixed(1)} s)`,
    ].join('\n'),
});

function named(word: string): ExperimentName[] {
  const names = experimentsNamed(word.trim());
  if (names.length) return names;
  const known = experimentNames.map((name) => `${name} (${experimentLabels[name]})`);
  throw new InvalidArgumentError(`Expected names of experiments, got '${word.trim()}'; there are ${known.join(', ')}.`);
}

const LINE_EVERY_MS = 10_000;

/** A line for each experiment, and now and then within a long one, with the time left. */
function progressLines(note: Note): (progress: AnalysisProgress) => void {
  const pace = new Pace();
  let [said, at] = ['', 0];
  return ({ done, total, message }) => {
    const now = performance.now();
    const left = pace.secondsLeft({ done, total, message }, now);
    if (message === said && now - at < LINE_EVERY_MS) return;
    [said, at] = [message, now];
    note(
      `${Math.round((100 * done) / total)} %  ${message}${left === null || message === 'done' ? '' : `, about ${left} s left`}`,
    );
  };
}
