import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { currentModel, openDataFolderToRead } from '../data-folder.ts';
import { IndexService, modes, type Mode } from '../index-service.ts';
import { limits } from '../limits.ts';
import { readModelInfo, type ModelInfo } from '../model-info.ts';
import { builtinCorpus, builtinModel, nameOf } from '../paths.ts';
import { retrieve as answer } from '../retrieve.ts';
import type { RetrieveResponse } from '../schemas.ts';
import { defineCommand, integer, oneOf, textUpTo } from './command.ts';
import { beamsOption, corpusOption, dataFolderOf, dataOption, modelOption, threadsOption } from './shared-options.ts';

interface Options {
  query: string;
  k: number;
  mode: Mode;
  beams?: number;
  includeDocument?: boolean;
  model?: string;
  corpus?: string;
  data?: string;
  threads: number;
}

export const retrieve = defineCommand<Options, { response: RetrieveResponse; titles: ReadonlyMap<string, string> }>({
  name: 'retrieve',
  summary: 'answer one query without a server',
  options: {
    query: {
      flags: '--query <text>',
      description: 'a question or keywords',
      parse: textUpTo(limits.queryCharacters),
      required: true,
    },
    k: { flags: '--k <n>', description: 'candidates at most', parse: integer(1, limits.k), default: 10 },
    mode: { flags: '--mode <mode>', description: modes.join(', '), parse: oneOf(modes), default: 'genir' },
    beams: { ...beamsOption, description: `${beamsOption.description}; never fewer than candidates` },
    includeDocument: { flags: '--include-document', description: 'put the documents into the JSON' },
    model: modelOption,
    corpus: corpusOption,
    data: dataOption,
    threads: threadsOption,
  },
  async run(options) {
    const dir = dataFolderOf(options);
    const modelDir = options.model ?? builtinModel;
    const model = await readModelInfo(dir === undefined ? modelDir : await currentModel(dir, modelDir));
    const { store, corpusName } = openCorpus(options, dir, model);
    try {
      const index = await IndexService.open({ store, model, corpusName, threads: options.threads });
      try {
        const { query, k, mode, beams, includeDocument = false } = options;
        const response = (await answer(index, {
          query,
          k,
          mode,
          beams,
          includeDocument,
          includeScores: true,
          explain: false,
        })) as RetrieveResponse;
        const titles = new Map(response.candidates.map(({ docid }) => [docid, index.document(docid)?.title ?? '']));
        return { response, titles };
      } finally {
        await index.close();
      }
    } finally {
      store.close();
    }
  },
  json: ({ response }) => response,
  text: ({ response: { candidates, tookMs }, titles }) =>
    [
      ...candidates.map(
        ({ docid, rank, score }) =>
          `${String(rank).padStart(3)}  ${score!.toFixed(3).padStart(8)}  ${docid}  ${titles.get(docid)}`,
      ),
      `${candidates.length} ${candidates.length === 1 ? 'candidate' : 'candidates'} in ${tookMs.toFixed(1)} ms`,
    ].join('\n'),
});

/** The store of a data folder, or the corpus in memory. */
function openCorpus(
  { corpus }: Options,
  dir: string | undefined,
  model: ModelInfo,
): { store: Store; corpusName: string } {
  if (dir !== undefined) return openDataFolderToRead(dir, model, corpus);
  const path = corpus ?? builtinCorpus;
  const store = openStore(':memory:');
  try {
    importCorpus(store, path);
  } catch (error) {
    store.close();
    throw error;
  }
  return { store, corpusName: nameOf(path) };
}
