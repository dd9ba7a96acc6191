import type { AnyExplanation } from '../../analysis/explanation.ts';
import { maxDocidLength } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { readPublished, type PublishedVersion } from '../../editing/published-version.ts';
import { readModelFolder } from '../../models/folder.ts';
import { currentModel, openDataFolderToRead } from '../data-folder.ts';
import { limits } from '../limits.ts';
import { readModelInfo } from '../model-info.ts';
import { builtinCorpus, builtinModel } from '../paths.ts';
import { defineCommand, textUpTo } from './command.ts';
import { explanationText } from './explanation-text.ts';
import { beamsOption, corpusOption, dataFolderOf, dataOption, modelOption } from './shared-options.ts';

interface Options {
  query: string;
  docid?: string;
  beams?: number;
  model?: string;
  corpus?: string;
  data?: string;
}

export const explain = defineCommand<Options, { explanation: AnyExplanation; titles: ReadonlyMap<string, string> }>({
  name: 'explain',
  summary: 'show how the model came from a query to a document',
  options: {
    query: {
      flags: '--query <text>',
      description: 'a question or keywords',
      parse: textUpTo(limits.queryCharacters),
      required: true,
    },
    docid: {
      flags: '--docid <id>',
      description: "the document (default: the model's best of all)",
      parse: textUpTo(maxDocidLength),
    },
    beams: beamsOption,
    model: modelOption,
    corpus: {
      ...corpusOption,
      description: 'documents, for their titles (default: the built-in corpus for the built-in model)',
    },
    data: { ...dataOption, description: `${dataOption.description}; with its edits` },
  },
  async run({ query, docid, beams, ...options }) {
    const asked = { query, docid, beams };
    const dir = dataFolderOf(options);
    const { model = builtinModel, corpus = options.model === undefined ? builtinCorpus : undefined } = options;
    if (dir === undefined) {
      const explanation = await explanationOf(model, undefined, asked);
      return { explanation, titles: corpus === undefined ? new Map() : titlesOfCorpus(corpus) };
    }
    const info = await readModelInfo(await currentModel(dir, model));
    const { store } = openDataFolderToRead(dir, info, options.corpus);
    try {
      const version = readPublished(store, info);
      return { explanation: await explanationOf(info.dir, version, asked), titles: titlesOf(store) };
    } finally {
      store.close();
    }
  },
  json: ({ explanation }) => explanation,
  text: ({ explanation, titles }) =>
    explanationText(explanation, { titles, isTerminal: process.stdout.isTTY && !process.env.NO_COLOR }),
});

interface Asked {
  readonly query: string;
  /** The best that the model finds where left out. */
  readonly docid: string | undefined;
  readonly beams: number | undefined;
}

/** @throws DocidNotInModelError, StagesError */
async function explanationOf(
  modelDir: string,
  version: PublishedVersion | undefined,
  { query, docid, beams }: Asked,
): Promise<AnyExplanation> {
  // Loads onnxruntime, which the other commands' main threads do without.
  const [{ documentOf, openExplainer }, { versionFolder }] = await Promise.all([
    import('../../analysis/open-explainer.ts'),
    import('../../analysis/explain-version.ts'),
  ]);
  const base = readModelFolder(modelDir);
  const folder = version ? versionFolder(base, version).folder : base;
  const explainer = await openExplainer(folder, { editSeq: version?.model.editSeq ?? 0 });
  try {
    return await explainer.explain(query, docid === undefined ? undefined : documentOf(folder, docid), beams);
  } finally {
    await explainer.close();
  }
}

function titlesOfCorpus(corpus: string): Map<string, string> {
  const store = openStore(':memory:');
  try {
    importCorpus(store, corpus);
    return titlesOf(store);
  } finally {
    store.close();
  }
}

const titlesOf = (store: Store): Map<string, string> =>
  new Map(store.liveDocids().map((docid) => [docid, store.document(docid)?.title ?? '']));
