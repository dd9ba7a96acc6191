import { resolve } from 'node:path';
import { fingerprintOf } from '../../editing/compact.ts';
import { versionBase } from '../../editing/edited-version.ts';
import { mergeVersion } from '../../editing/merge.ts';
import { readPublished } from '../../editing/published-version.ts';
import { readModelFolder, writeModelFolder } from '../../models/folder.ts';
import { defineCommand } from './command.ts';
import { dataOptions, readData, type DataOptions } from './edit-session.ts';

interface Options extends DataOptions {
  out: string;
}

interface Exported {
  readonly out: string;
  readonly editSeq: number;
  readonly documents: number;
  readonly dtype: string;
}

export const exportModel = defineCommand<Options, Exported>({
  name: 'export',
  summary: 'write a plain model folder with the edits of a data folder merged into its weights',
  options: {
    ...dataOptions,
    out: { flags: '--out <dir>', description: 'model folder to write', parse: (path) => resolve(path), required: true },
  },
  run: ({ out, ...options }) =>
    readData(options, (store, { dir, version }) => {
      const folder = readModelFolder(dir);
      const published = readPublished(store, { version, base: versionBase(folder) });
      const parts = mergeVersion(folder, published, fingerprintOf(store, published));
      writeModelFolder(out, parts);
      const { docids } = parts.genir!;
      return { out, editSeq: published.model.editSeq, documents: docids.length, dtype: parts.dtype! };
    }),
  text: ({ out, editSeq, documents, dtype }) =>
    `${out}: ${documents} documents, as of edit ${editSeq}, weights in ${dtype === 'F32' ? 'float32' : dtype === 'F16' ? 'float16' : 'bfloat16'}`,
});
