import { join } from 'node:path';
import { fold, removeOtherBases, type Folded } from '../folding/fold.ts';
import { defineCommand } from './command.ts';
import { dataOptions, withData, type DataOptions } from './edit-session.ts';

export interface Compacted extends Omit<Folded, 'folder'> {
  /** Folder of the new base. */
  readonly model: string;
}

interface CompactOptions extends DataOptions {
  removeTraces?: boolean;
}

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
  run: ({ removeTraces, ...options }, note) =>
    withData(options, async ({ store, dir }, model) => {
      const { folder, ...folded } = await fold(store, dir, model, {
        removeTraces,
        onProgress: (done, of, message) => of > 1 && note(`${message}: ${done} of ${of}`),
      });
      removeOtherBases(dir, folder);
      return { model: join(dir, folder), ...folded };
    }),
  text: ({ model, seq, edits, documents, traces }) =>
    [
      `${edits === 1 ? '1 edit' : `${edits} edits`} folded, up to number ${seq}: ${model}, ${documents} documents`,
      ...(traces ? [`traces of ${traces.removed} deleted documents taken out of the words`] : []),
      ...(traces?.unknown ? [`${traces.unknown} deleted documents were forgotten before: their traces stay`] : []),
    ].join('\n'),
});
