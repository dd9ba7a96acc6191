import { runProcess } from '../models/process.ts';
import type { AnalysisFault, AnalysisSetup } from './analysis-worker.ts';
import type { AnalysisProgress } from './analyze.ts';

/** An analysis in its process came to no end. The message is the process's, and the stack says where in it. */
export class AnalysisError extends Error {
  override readonly name = 'AnalysisError';
  constructor(message: string, stack?: string) {
    super(message);
    if (stack !== undefined) this.stack = stack;
  }
}

/**
 * Analyses a model in a process of its own, and writes `analysisFiles`. Resolves or rejects once it has ended; an aborted
 * `signal` ends it.
 *
 * @throws AnalysisError, or the reason of `signal`
 */
export function analyzeInProcess(
  setup: AnalysisSetup,
  signal: AbortSignal,
  onProgress: (progress: AnalysisProgress) => void,
): Promise<void> {
  return runProcess<AnalysisProgress, void, AnalysisFault>(new URL('./analysis-worker', import.meta.url), setup, {
    ...{ signal, onProgress },
    toError: (fault) =>
      typeof fault === 'string'
        ? new AnalysisError(`analysing process: ${fault}`)
        : new AnalysisError(fault.message, fault.stack),
  });
}
