import { startThread } from '../models/thread.ts';
import type { Comparison } from './compare-versions.ts';
import type { CompareSetup, FromCompare, ToCompare } from './compare-worker.ts';
import { EditorError, received } from './crossing-errors.ts';
import type { EditProgress } from './workbench.ts';

/**
 * Compares two versions in a thread of its own, since runs of a model block theirs. Resolves or rejects once the thread has
 * ended. An aborted `signal` makes it end at its next step.
 *
 * @throws what `compareVersions` throws, EditorError, or the reason of `signal`
 */
export async function compareInThread(
  setup: CompareSetup,
  signal: AbortSignal,
  onProgress: (progress: EditProgress) => void,
): Promise<Comparison> {
  signal.throwIfAborted();
  const worker = startThread(new URL('./compare-worker', import.meta.url), { workerData: setup });
  const stop = (): void => worker.postMessage('stop' satisfies ToCompare);
  signal.addEventListener('abort', stop);
  try {
    return await new Promise<Comparison>((resolve, reject) => {
      let comparison: Comparison | undefined;
      let fault: Error | undefined;
      worker.on('message', (message: FromCompare) => {
        if (message.kind === 'progress') onProgress(message.progress);
        else if (message.kind === 'done') comparison = message.comparison;
        else fault = received(message.error);
      });
      worker.once('error', (error) => (fault = error)); // an exit follows
      worker.once('exit', (code) => {
        if (comparison) resolve(comparison);
        else if (signal.aborted) reject(signal.reason as Error);
        else reject(fault ?? new EditorError(`comparing thread: stopped with code ${code}`));
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
