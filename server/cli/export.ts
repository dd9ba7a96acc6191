import { resolve } from 'node:path';
import { exportModel as write, type ExportedModel } from '../folding/export-model.ts';
import { readModelFolder } from '../../models/folder.ts';
import { defineCommand } from './command.ts';
import { dataOptions, readData, type DataOptions } from './edit-session.ts';

interface Options extends DataOptions {
  out: string;
}

interface Exported extends ExportedModel {
  readonly out: string;
}

export const exportModel = defineCommand<Options, Exported>({
  name: 'export',
  summary: 'write a plain model folder with the edits of a data folder merged into its weights',
  options: {
    ...dataOptions,
    out: { flags: '--out <dir>', description: 'model folder to write', parse: (path) => resolve(path), required: true },
  },
  run: ({ out, ...options }) =>
    readData(options, (store, { dir, version }) => ({ out, ...write(store, readModelFolder(dir), version, out) })),
  text: ({ out, editSeq, documents, dtype }) =>
    `${out}: ${documents} documents, as of edit ${editSeq}, weights in ${dtype === 'F32' ? 'float32' : dtype === 'F16' ? 'float16' : 'bfloat16'}`,
});
