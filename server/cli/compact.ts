import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { adoptFolding, writeFolding } from '../../editing/compact.ts';
import { EditLog } from '../../editing/edit-log.ts';
import { adoptModel } from '../data-folder.ts';
import { defineCommand } from './command.ts';
import { dataOptions, withData, type DataOptions } from './edit-session.ts';

interface Compacted {
  readonly model: string;
  readonly version: string;
  /** Edits up to this one are folded. */
  readonly seq: number;
  /** How many of them were not before. */
  readonly edits: number;
  readonly documents: number;
}

/** Bases of a data folder: the number is that of the newest edit that one contains. */
const baseFolder = /^base-\d+$/;

export const compact = defineCommand<DataOptions, Compacted>({
  name: 'compact',
  summary:
    'fold the edits of a data folder into a base model of its own; they stay in the history, but cannot be undone',
  options: dataOptions,
  run: (options) =>
    withData(options, async ({ store, dir }, folder) => {
      const name = `base-${new EditLog(store).last}`;
      const folding = await writeFolding(store, folder, join(dir, name));
      store.transaction(() => {
        adoptFolding(store, folding);
        adoptModel(store, dir, name, folding.version);
      });
      for (const other of readdirSync(dir))
        if (baseFolder.test(other) && other !== name) rmSync(join(dir, other), { recursive: true });
      const { version, seq, edits } = folding;
      return { model: join(dir, name), version, seq, edits, documents: folding.folder.genir!.docids.length };
    }),
  text: ({ model, seq, edits, documents }) =>
    `${edits === 1 ? '1 edit' : `${edits} edits`} folded, up to number ${seq}: ${model}, ${documents} documents`,
});
