import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { adoptFolding, writeFolding } from '../../editing/compact.ts';
import { EditLog } from '../../editing/edit-log.ts';
import { adoptModel } from '../data-folder.ts';
import { defineCommand } from './command.ts';
import { dataOptions, withData, type DataOptions } from './edit-session.ts';

export interface Compacted {
  readonly model: string;
  readonly version: string;
  /** Edits up to this one are folded. */
  readonly seq: number;
  /** How many of them were not before. */
  readonly edits: number;
  readonly documents: number;
  /** Deleted documents whose traces went, and those that were forgotten before; where it was asked for. */
  readonly traces?: { readonly removed: number; readonly unknown: number };
}

interface CompactOptions extends DataOptions {
  removeTraces?: boolean;
}

/** Bases of a data folder: the number is that of the newest edit that one contains. */
const baseFolder = /^base-\d+$/;

export const compact = defineCommand<CompactOptions, Compacted>({
  name: 'compact',
  summary:
    'fold the edits of a data folder into a base model of its own; they stay in the history, but cannot be undone',
  options: {
    ...dataOptions,
    removeTraces: {
      flags: '--remove-traces',
      description:
        'take what training on deleted documents left in the words out of them too; before their texts are erased by --forget',
    },
  },
  run: ({ removeTraces = false, ...options }, note) =>
    withData(options, async ({ store, dir }, folder) => {
      // Loads onnxruntime, which folding alone does without.
      const traces = removeTraces
        ? await (
            await import('../../editing/deletion/deleted-traces.ts')
          ).deletedTraces(store, folder, {
            onProgress: (done, of) => note(`reading queries: ${done} of ${of}`),
          })
        : undefined;
      const name = `base-${new EditLog(store).last}`;
      const folding = await writeFolding(store, folder, join(dir, name), traces?.words);
      store.transaction(() => {
        adoptFolding(store, folding);
        adoptModel(store, dir, name, folding.version);
      });
      for (const other of readdirSync(dir))
        if (baseFolder.test(other) && other !== name) rmSync(join(dir, other), { recursive: true });
      const { version, seq, edits } = folding;
      return {
        ...{ model: join(dir, name), version, seq, edits, documents: folding.folder.genir!.docids.length },
        ...(traces && { traces: { removed: traces.documents, unknown: traces.unknown } }),
      };
    }),
  text: ({ model, seq, edits, documents, traces }) =>
    [
      `${edits === 1 ? '1 edit' : `${edits} edits`} folded, up to number ${seq}: ${model}, ${documents} documents`,
      ...(traces ? [`traces of ${traces.removed} deleted documents taken out of the words`] : []),
      ...(traces?.unknown ? [`${traces.unknown} deleted documents were forgotten before: their traces stay`] : []),
    ].join('\n'),
});
