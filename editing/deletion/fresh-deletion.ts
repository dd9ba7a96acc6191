/** @file Deleting base documents from a model that nobody edited yet, without a data folder. */
import type { ModelFolder } from '../../models/folder.ts';
import type { EditModel } from '../edit-model.ts';
import { mergeVersion } from '../merge.ts';
import type { QueryBank } from '../query-bank.ts';
import { publishedFolder } from './published-folder.ts';
import { withWords } from './with-words.ts';
import { wordsWithout, type GoneDocument } from './word-traces.ts';

/** How documents are deleted: their rows alone, or the traces that they left in words as well. */
export type DeletionMethod = 'rows' | 'words';

/** The model as it would be published. */
export async function deleteFresh(
  model: EditModel,
  bank: QueryBank,
  documents: readonly GoneDocument[],
  method: DeletionMethod,
): Promise<ModelFolder> {
  const gone = new Set(documents.map(({ row }) => row));
  const names = model.folder.genir!.docids.map((docid, row) => (gone.has(row) ? null : docid));
  const live = Uint8Array.from(names, (docid) => (docid === null ? 0 : 1));
  const version = { model: { editSeq: 1, live, rows: [], deltas: [] }, docids: names };
  const parts = mergeVersion(model.folder, version, null);
  const words = method === 'words' ? await wordsWithout(model, bank, documents) : new Map<number, Float32Array>();
  return publishedFolder(model.folder, words.size ? withWords(parts, words) : parts);
}
