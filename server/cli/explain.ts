import type { Explanation } from '../../analysis/explanation.ts';
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
import { corpusOption, dataFolderOf, dataOption, modelOption } from './shared-options.ts';

interface Options {
  query: string;
  docid?: string;
  model?: string;
  corpus?: string;
  data?: string;
}

export const explain = defineCommand<Options, { explanation: Explanation; titles: ReadonlyMap<string, string> }>({
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
    model: modelOption,
    corpus: {
      ...corpusOption,
      description: 'documents, for their titles (default: the built-in corpus for the built-in model)',
    },
    data: { ...dataOption, description: `${dataOption.description}; with its edits` },
  },
  async run({ query, docid, ...options }) {
    const dir = dataFolderOf(options);
    const { model = builtinModel, corpus = options.model === undefined ? builtinCorpus : undefined } = options;
    if (dir === undefined) {
      const explanation = await explanationOf(model, undefined, query, docid);
      return { explanation, titles: corpus === undefined ? new Map() : titlesOfCorpus(corpus) };
    }
    const info = await readModelInfo(await currentModel(dir, model));
    const { store } = openDataFolderToRead(dir, info, options.corpus);
    try {
      const version = readPublished(store, info);
      return { explanation: await explanationOf(info.dir, version, query, docid), titles: titlesOf(store) };
    } finally {
      store.close();
    }
  },
  json: ({ explanation }) => explanation,
  text: ({ explanation, titles }) =>
    explanationText(explanation, { titles, isTerminal: process.stdout.isTTY && !process.env.NO_COLOR }),
});

/** @throws DocidNotInModelError, StagesError */
async function explanationOf(
  modelDir: string,
  version: PublishedVersion | undefined,
  query: string,
  docid: string | undefined,
): Promise<Explanation> {
  // Loads onnxruntime, which the other commands' main threads do without.
  const [{ documentOf, Explainer }, { versionFolder }, { Lab }, { storedStages }] = await Promise.all([
    import('../../analysis/explain.ts'),
    import('../../analysis/explain-version.ts'),
    import('../../analysis/lab.ts'),
    import('../../analysis/stages.ts'),
  ]);
  const base = readModelFolder(modelDir);
  const lab = new Lab(version ? versionFolder(base, version).folder : base);
  try {
    const stages = storedStages(lab.folder.dir, lab.genir, lab.layers);
    const explainer = new Explainer(lab, { stages, editSeq: version?.model.editSeq ?? 0 });
    return await explainer.explain(query, docid === undefined ? {} : { document: documentOf(lab, docid) });
  } finally {
    await lab.close();
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
