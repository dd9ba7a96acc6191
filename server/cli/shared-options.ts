import { resolve } from 'node:path';
import { integer, type OptionSpec } from './command.ts';

/** Options that several commands share, so that they mean the same everywhere. */
export const modelOption: OptionSpec<string> = {
  flags: '--model <dir>',
  description: 'model folder (default: the built-in model)',
  parse: (path) => resolve(path),
};

export const corpusOption: OptionSpec<string> = {
  flags: '--corpus <path>',
  description: 'BEIR folder, or a .jsonl, .csv or .tsv file of documents (default: the built-in corpus)',
  parse: (path) => resolve(path),
};

export const threadsOption: OptionSpec<number> = {
  flags: '--threads <n>',
  description: 'cores that one inference may use',
  parse: integer(1, 1024),
  default: 1,
};
