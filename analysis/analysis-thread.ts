import { startThread } from '../models/thread.ts';
import type { AnalysisSetup, FromAnalysis, ToAnalysis } from './analysis-worker.ts';
import type { AnalysisProgress } from './analyze.ts';

/** An analysis in its thread came to no end. The message is the thread's, and the stack says where in it. */
export class AnalysisError extends Error {
  override readonly name = 'AnalysisError';
  constructor(message: string, stack?: string) {
    super(message);
    if (stack !== undefined) this.stack = stack;
  }
}

/**
 * Analyses a model in a thread of its own, since runs of a model block theirs, and writes `analysisFiles`. Resolves or
 * rejects once the thread has ended. An aborted `signal` makes it end at its next step: terminating it while onnxruntime
 * opens a session would abort the whole process.
 *
 * @throws AnalysisError, or the reason of `signal`
 */
export async function analyzeInThread(
  setup: AnalysisSetup,
  signal: AbortSignal,
  onProgress: (progress: AnalysisProgress) => void,
): Promise<void> {
  signal.throwIfAborted();
  const worker = startThread(new URL('./analysis-worker', import.meta.url), { workerData: setup });
  const stop = (): void => worker.postMessage('stop' satisfies ToAnalysis);
  signal.addEventListener('abort', stop);
  try {
    await new Promise<void>((resolve, reject) => {
      let isDone = false;
      let fault: Error | undefined;
      worker.on('message', (message: FromAnalysis) => {
        if (message.kind === 'progress') onProgress(message.progress);
        else if (message.kind === 'done') isDone = true;
        else fault = new AnalysisError(message.message, message.stack);
      });
      worker.once('error', (error) => (fault = new AnalysisError(error.message, error.stack))); // an exit follows
      worker.once('exit', (code) => {
        if (isDone) resolve();
        else if (signal.aborted) reject(signal.reason as Error);
        else reject(fault ?? new AnalysisError(`analysing thread: stopped with code ${code}`));
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
