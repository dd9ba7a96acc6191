import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DEFAULT_BEAMS } from '../../models/beam/beams.ts';
import { storeFile } from '../data-folder.ts';
import { limits } from '../limits.ts';
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

export const beamsOption: OptionSpec<number> = {
  flags: '--beams <n>',
  description: `where docids are paths of several tokens: prefixes that the search follows at each step (default: ${DEFAULT_BEAMS})`,
  parse: integer(1, limits.beams),
};

const usualData = './data';

export const dataOption: OptionSpec<string> = {
  flags: '--data <dir>',
  description: `data folder of a server (default: ${usualData} where there is one and neither --model nor --corpus is given; else the corpus is read)`,
};

/** The data folder that was asked for, or the usual one where there is one and nothing else is named. */
export function dataFolderOf({
  data,
  model,
  corpus,
}: Readonly<Partial<Record<'data' | 'model' | 'corpus', string>>>): string | undefined {
  const isPlain = model === undefined && corpus === undefined;
  return data ?? (isPlain && existsSync(join(usualData, storeFile)) ? usualData : undefined);
}
