import { runProcess } from '../models/process.ts';
import type { Comparison } from './compare-versions.ts';
import type { CompareSetup } from './compare-worker.ts';
import { EditorError, received, type CrossingError } from './crossing-errors.ts';
import type { EditProgress } from './workbench.ts';

/**
 * Compares two versions in a process of its own. Resolves or rejects once it has ended; an aborted `signal` ends it.
 *
 * @throws what `compareVersions` throws, EditorError, or the reason of `signal`
 */
export function compareInProcess(
  setup: CompareSetup,
  signal: AbortSignal,
  onProgress: (progress: EditProgress) => void,
): Promise<Comparison> {
  return runProcess<EditProgress, Comparison, CrossingError>(new URL('./compare-worker', import.meta.url), setup, {
    ...{ signal, onProgress },
    toError: (fault) => (typeof fault === 'string' ? new EditorError(`comparing process: ${fault}`) : received(fault)),
  });
}
