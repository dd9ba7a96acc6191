import type { Store } from '../../corpus/store.ts';
import { fingerprintOf } from '../../editing/compact.ts';
import { versionBase } from '../../editing/edited-version.ts';
import { mergeVersion } from '../../editing/merge.ts';
import { readPublished } from '../../editing/published-version.ts';
import { writeModelFolder, type ModelFolder } from '../../models/folder.ts';

export interface ExportedModel {
  readonly editSeq: number;
  readonly documents: number;
  readonly dtype: string;
}

/**
 * Writes a plain model folder with the edits of a store merged into its weights.
 *
 * @param version  `modelVersion` of `folder`
 * @throws ForeignEditsError, MergeError, ModelFolderWriteError
 */
export function exportModel(store: Store, folder: ModelFolder, version: string, out: string): ExportedModel {
  const published = readPublished(store, { version, base: versionBase(folder) });
  const parts = mergeVersion(folder, published, fingerprintOf(store, published));
  writeModelFolder(out, parts);
  return { editSeq: published.model.editSeq, documents: parts.genir!.docids.length, dtype: parts.dtype! };
}
