/** @file The traces in words of the base documents that a log of edits has deleted, for the base that the edits are folded into. */
import type { Store } from '../../corpus/store.ts';
import type { ModelFolder } from '../../models/folder.ts';
import { EditLog } from '../edit-log.ts';
import { EditModel } from '../edit-model.ts';
import { bankQueries, baseDocuments } from '../log-base.ts';
import { QueryBank } from '../query-bank.ts';
import { wordsWithout } from './word-traces.ts';

export interface DeletedTraces {
  /** New vectors, float32 [D] by token. */
  readonly words: ReadonlyMap<number, Float32Array>;
  /** Deleted documents whose traces these take away. */
  readonly documents: number;
  /** Those of which nothing is left to find them by: they were forgotten before. */
  readonly unknown: number;
}

/** @param folder  the base model of the log */
export async function deletedTraces(
  store: Store,
  folder: ModelFolder,
  options: { readonly threads?: number; readonly onProgress?: (done: number, of: number) => void } = {},
): Promise<DeletedTraces> {
  const { docids } = folder.genir!;
  const rows = new EditLog(store)
    .setAt()
    .flatMap(({ kind, baseRow }) => (kind === 'removal' && baseRow !== null ? [baseRow] : []))
    .filter((row) => store.document(docids[row])?.state !== 'live');
  if (!rows.length) return { words: new Map(), documents: 0, unknown: 0 };
  const { onProgress, ...opening } = options;
  const documents = baseDocuments(store, docids);
  const model = await EditModel.open(folder, opening);
  try {
    const bank = await QueryBank.open(model, bankQueries(store), documents, onProgress && { onProgress });
    const train = store.queries('train');
    const known = rows
      .map((row) => ({
        row,
        queries: train.filter((one) => one.relevant.includes(docids[row])).map(({ text }) => text),
      }))
      .filter(({ row, queries }) => documents[row].text.trim() || queries.length || bank.ofRow[row].length);
    const words = await wordsWithout(model, bank, known);
    return { words, documents: known.length, unknown: rows.length - known.length };
  } finally {
    await model.close();
  }
}
