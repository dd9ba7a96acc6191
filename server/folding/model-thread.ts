import { received } from '../../editing/crossing-errors.ts';
import { startThread } from '../../models/thread.ts';
import type { Report } from '../tasks/task.ts';
import type { FromModelThread, ModelSetup, Made } from './model-worker.ts';

/**
 * Writes a model in a thread of its own, since that blocks its thread for as long as the disk takes. An aborted `signal`
 * ends the thread where it is.
 *
 * @throws what the thread throws, or the reason of `signal`
 */
export async function writeInThread<K extends keyof Made>(
  setup: Extract<ModelSetup, { kind: K }>,
  signal: AbortSignal,
  report: (progress: Report) => void,
): Promise<Made[K]> {
  signal.throwIfAborted();
  const worker = startThread(new URL('./model-worker', import.meta.url), { workerData: setup });
  const stop = (): void => void worker.terminate();
  signal.addEventListener('abort', stop);
  try {
    return await new Promise<Made[K]>((resolve, reject) => {
      let made: Made[K] | undefined;
      let fault: Error | undefined;
      worker.on('message', (message: FromModelThread) => {
        if (message.kind === 'progress') report(message.progress);
        else if (message.kind === 'done') made = message.made as Made[K];
        else fault = received(message.error);
      });
      worker.once('error', (error) => (fault = error)); // an exit follows
      worker.once('exit', (code) => {
        if (made) resolve(made);
        else if (signal.aborted) reject(signal.reason as Error);
        else reject(fault ?? new Error(`writing thread: stopped with code ${code}`));
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
