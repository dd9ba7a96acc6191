import type { Explanation } from '../../analysis/explanation.ts';
import { maxDocidLength } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { readModelFolder } from '../../models/folder.ts';
import { limits } from '../limits.ts';
import { builtinCorpus, builtinModel } from '../paths.ts';
import { defineCommand, textUpTo } from './command.ts';
import { explanationText } from './explanation-text.ts';
import { corpusOption, modelOption } from './shared-options.ts';

interface Options {
  query: string;
  docid?: string;
  model?: string;
  corpus?: string;
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
  },
  async run({ query, docid, model, corpus = model === undefined ? builtinCorpus : undefined }) {
    const explanation = await explanationOf(model ?? builtinModel, query, docid);
    return { explanation, titles: corpus === undefined ? new Map() : titlesOf(corpus) };
  },
  json: ({ explanation }) => explanation,
  text: ({ explanation, titles }) =>
    explanationText(explanation, { titles, isTerminal: process.stdout.isTTY && !process.env.NO_COLOR }),
});

/** @throws DocidNotInModelError, StagesError */
async function explanationOf(modelDir: string, query: string, docid: string | undefined): Promise<Explanation> {
  // Loads onnxruntime, which the other commands' main threads do without.
  const [{ documentOf, Explainer }, { Lab }, { storedStages }] = await Promise.all([
    import('../../analysis/explain.ts'),
    import('../../analysis/lab.ts'),
    import('../../analysis/stages.ts'),
  ]);
  const lab = new Lab(readModelFolder(modelDir));
  try {
    const explainer = new Explainer(lab, { stages: storedStages(lab.folder.dir, lab.genir, lab.layers) });
    return await explainer.explain(query, docid === undefined ? {} : { document: documentOf(lab, docid) });
  } finally {
    await lab.close();
  }
}

function titlesOf(corpus: string): Map<string, string> {
  const store = openStore(':memory:');
  try {
    importCorpus(store, corpus);
    return new Map(store.liveDocids().map((docid) => [docid, store.document(docid)?.title ?? '']));
  } finally {
    store.close();
  }
}
