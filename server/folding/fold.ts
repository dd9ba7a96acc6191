import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '../../corpus/store.ts';
import { adoptFolding, writeFolding } from '../../editing/compact.ts';
import { EditLog } from '../../editing/edit-log.ts';
import type { ModelFolder } from '../../models/folder.ts';
import { adoptModel } from '../data-folder.ts';

export interface FoldOptions {
  /** Takes what training on deleted documents left in the words out of them too. @default false */
  readonly removeTraces?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number, message: string) => void) | undefined;
}

export interface Folded {
  /** Name of the new base's folder in the data folder. */
  readonly folder: string;
  readonly version: string;
  /** Edits up to this one are folded. */
  readonly seq: number;
  /** How many of them were not before. */
  readonly edits: number;
  readonly documents: number;
  /** Deleted documents whose traces went, and those that were forgotten before; where it was asked for. */
  readonly traces?: { readonly removed: number; readonly unknown: number };
}

/** Bases of a data folder: the number is that of the newest edit that one contains. */
const baseFolder = /^base-\d+$/;

/**
 * Folds the edits of a data folder into a base of its own, which it belongs to from then on: all of it or nothing. Nobody
 * may edit meanwhile.
 *
 * @throws what `writeFolding` and `adoptFolding` throw
 */
export async function fold(
  store: Store,
  dir: string,
  folder: ModelFolder,
  { removeTraces = false, onProgress = () => {} }: FoldOptions = {},
): Promise<Folded> {
  // Loads onnxruntime, which folding alone does without.
  const traces = removeTraces
    ? await (
        await import('../../editing/deletion/deleted-traces.ts')
      ).deletedTraces(store, folder, { onProgress: (done, of) => onProgress(done, of, 'reading queries') })
    : undefined;
  const name = `base-${new EditLog(store).last}`;
  onProgress(0, 1, 'writing the new base');
  const folding = await writeFolding(store, folder, join(dir, name), traces?.words);
  onProgress(1, 1, 'taking it over');
  store.transaction(() => {
    adoptFolding(store, folding);
    adoptModel(store, dir, name, folding.version);
  });
  const { version, seq, edits } = folding;
  return {
    ...{ folder: name, version, seq, edits, documents: folding.folder.genir!.docids.length },
    ...(traces && { traces: { removed: traces.documents, unknown: traces.unknown } }),
  };
}

/** Removes bases that nobody reads any more, and what is left of one that was never taken over. */
export function removeOtherBases(dir: string, kept: string | null): void {
  for (const name of readdirSync(dir))
    if (baseFolder.test(name) && name !== kept) rmSync(join(dir, name), { recursive: true });
}
