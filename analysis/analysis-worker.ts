/** @file The thread that analyses one model, once: it says how far it is, leaves `analysisFiles`, or says why not. */
import { parentPort, workerData } from 'node:worker_threads';
import { writeAnalysis } from './analysis-page.ts';
import { analyze, type AnalysisProgress, type AnalyzeOptions } from './analyze.ts';

export type AnalysisSetup = Omit<AnalyzeOptions, 'signal' | 'onProgress'>;

/** The one message to this thread: stop at the next step. */
export type ToAnalysis = 'stop';

export type FromAnalysis =
  | { readonly kind: 'progress'; readonly progress: AnalysisProgress }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string; readonly stack: string | undefined };

const port = parentPort!;
const send = (message: FromAnalysis): void => port.postMessage(message);
const setup = workerData as AnalysisSetup;
const controller = new AbortController();
port.on('message', (_: ToAnalysis) => controller.abort());
try {
  const report = await analyze({
    ...setup,
    signal: controller.signal,
    onProgress: (progress) => send({ kind: 'progress', progress }),
  });
  writeAnalysis(setup.out, report);
  send({ kind: 'done' });
} catch (error) {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  send({ kind: 'failed', message, stack });
}
port.close();
