import { join } from 'node:path';
import { baseOf } from '../data-folder.ts';
import { readModelInfo, type ModelInfo } from '../model-info.ts';
import type { ServerState } from '../route.ts';
import type { Work } from '../tasks/registry.ts';
import { removeOtherBases, type Folded } from './fold.ts';
import { writeInThread } from './model-thread.ts';

/** A folded model has no circuit: the means of its constants were never taken. */
export class CircuitCompactionError extends Error {
  override readonly name = 'CircuitCompactionError';
  constructor() {
    super(
      'compaction: expected a server that answers with the whole decoder, got one with a circuit, which the folded model would not have; start it without --circuit',
    );
  }
}

/** Lets searches and edits go on with another base of the same data folder. */
export type Reopen = (model: ModelInfo) => Promise<void>;

/**
 * The work of folding all edits into a base of the data folder's own, while searches go on: the model before answers them
 * until the new one has been opened, and both answer the same. Edits wait.
 */
export function compactionWork(state: ServerState, reopen: Reopen, removeTraces: boolean): Work {
  return (signal, report) =>
    state.edits.alone(async (): Promise<Folded> => {
      signal.throwIfAborted();
      const { index, dataDir } = state;
      const { store, model } = index;
      const before = state.edits.log.folded;
      const place = { path: store.database.name, modelDir: model.dir, version: model.version };
      const made = writeInThread({ kind: 'fold', ...place, removeTraces }, signal, report);
      // A thread that was told to stop may have come to its end: what is written counts.
      const folded = await made.catch((error: Error) => {
        if (baseOf(store).version === model.version) throw error;
      });
      report({ done: 1, total: 1, message: 'opening the new base' });
      const { folder, version } = baseOf(store);
      await reopen(await readModelInfo(join(dataDir, folder!)));
      removeOtherBases(dataDir, folder);
      const seq = state.edits.log.folded;
      return folded ?? { folder: folder!, version, seq, edits: seq - before, documents: state.index.liveRows };
    });
}
