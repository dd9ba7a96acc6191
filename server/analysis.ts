import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { analysisFiles } from '../analysis/analysis-files.ts';
import { AnalysisError, analyzeInProcess } from '../analysis/analysis-process.ts';
import { experimentNames, experimentsNamed } from '../analysis/experiments/names.ts';
import { AnalysisNotFoundError } from './http-error.ts';
import type { IndexService } from './index-service.ts';
import { analysisSummary, type AnalysisRequest, type AnalysisView } from './schemas.ts';
import type { Report } from './tasks/task.ts';

/** Where the whole report is, for people and for programs. */
const links = { page: '/analysis/latest/report.html', report: '/analysis/latest/report.json' } as const;

/** Beside the store in the data folder, so that it survives a restart. */
const folderOf = ({ store }: IndexService): string => join(dirname(store.database.name), 'analysis');

/**
 * Analyses the model on the judged queries of the corpus, with half of the cores: queries are answered meanwhile. What
 * earlier analyses computed is used again.
 *
 * @throws AnalysisError, or the reason of `signal`
 */
export async function analyzeIndex(
  index: IndexService,
  { experiments, ...request }: AnalysisRequest,
  signal: AbortSignal,
  report: (progress: Report) => void,
): Promise<AnalysisView> {
  const { model, corpusName, store } = index;
  const setup = {
    ...{ modelDir: model.dir, modelName: model.name, corpusName },
    ...{ dev: store.queries('dev'), test: store.queries('test') },
    donors: [],
    experiments: experiments?.flatMap(experimentsNamed) ?? experimentNames,
    ...request,
    out: folderOf(index),
    threads: Math.max(1, availableParallelism() >> 1),
    store: true,
  };
  try {
    await analyzeInProcess(setup, signal, report);
  } catch (error) {
    throw error instanceof AnalysisError ? withoutPaths(error, index) : error;
  }
  return latestAnalysis(index);
}

/** What is told to everyone: names in place of where things lie on this machine. The stack, for the log, keeps them. */
function withoutPaths({ message, stack }: AnalysisError, index: IndexService): AnalysisError {
  const { dir, name } = index.model;
  return new AnalysisError(message.replaceAll(folderOf(index), 'analysis').replaceAll(dir, name), stack);
}

/** What the last analysis that came to its end found. @throws AnalysisNotFoundError */
export async function latestAnalysis(index: IndexService): Promise<AnalysisView> {
  const { data } = analysisSummary.safeParse(JSON.parse(await latestFile(index, 'summary')));
  if (!data) throw new AnalysisNotFoundError(); // of another version
  return { ...data, links };
}

/** One of its files. @throws AnalysisNotFoundError */
export async function latestFile(index: IndexService, name: keyof typeof analysisFiles): Promise<string> {
  try {
    return await readFile(join(folderOf(index), analysisFiles[name]), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new AnalysisNotFoundError();
    throw error;
  }
}
