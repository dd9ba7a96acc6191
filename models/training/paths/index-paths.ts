/**
 * @file From a corpus to a model folder whose docids are paths: tokenizer, docids, lexical start, training, export. Resumable
 * at every checkpoint.
 */
import type { PathScheme } from '../../../corpus/docids/path-table.ts';
import { pathIds, type PathGenir } from '../../genir.ts';
import { loadTokenizer } from '../../tokenizer.ts';
import type { RunIdentity } from '../checkpoint.ts';
import { Examples } from '../examples.ts';
import { exportWeights, outputScale } from '../folder-state.ts';
import { heldOutBatches } from '../held-out.ts';
import { settingsOf, stateFrom, stateParameters, unscaled, type IndexOptions } from '../index-corpus.ts';
import {
  CHECKPOINT_EVERY_MS,
  checkTokenizer,
  DEV_QUERIES,
  digest,
  EXAMPLES,
  judged,
  leaveOut,
  NothingToIndexError,
  texts,
  tokenizerFiles,
  type IndexInput,
} from '../index-input.ts';
import { checkStart, TrainingRun, type IndexResult } from '../run.ts';
import { configOf, PATH_TRAINING } from '../sizes.ts';
import { trainingState, WARMUP, warmupOf } from '../trainer.ts';
import { placeLater } from './later.ts';
import { PathTrainer } from './path-trainer.ts';
import type { PathStart, StartInput } from './start.ts';
import { TrainedPaths } from './trained-paths.ts';
import { pathTrainingGraph } from './training-graph.ts';
import { clusteredSchemes, hashedStart, semanticStart } from './two-token-start.ts';
import { lexicalStart, naiveStart } from './word-start.ts';

/** Without another model to start from. */
export type IndexPathsOptions = Omit<IndexOptions, 'from'> & {
  /** Documents of a cluster, on average: of `clusteredSchemes` only, which have a number of their own where left out. */
  readonly clusterSize?: number | undefined;
};

const starts: { readonly [S in PathScheme]: (input: StartInput) => PathStart | Promise<PathStart> } = {
  naive: naiveStart,
  semantic: semanticStart,
  hashed: hashedStart,
  lexical: lexicalStart,
};

export async function indexPaths(
  scheme: PathScheme,
  input: IndexInput,
  options: IndexPathsOptions,
): Promise<IndexResult> {
  const { size, seed, threads, clusterSize, onProgress, checkpointEveryMs = CHECKPOINT_EVERY_MS } = options;
  if (clusterSize !== undefined && !clusteredSchemes.includes(scheme))
    throw new RangeError(`clusterSize: expected none for ${scheme} docids, which have no clusters, got ${clusterSize}`);
  if (!input.documents.length) throw new NothingToIndexError('index: the corpus has no documents; import some first');
  const { documents, withoutDocs } = leaveOut(input.documents, options.withoutDocs);
  const settings = { ...settingsOf(options), ...PATH_TRAINING[scheme][size] };
  const steps = options.steps ?? settings.model.steps;
  const started = Date.now();
  checkStart(options);

  onProgress({ phase: 'tokenizer', step: 0, steps: 1 });
  const files = tokenizerFiles(input, settings.vocabulary, undefined, options.tokenizer);
  const tokenizer = loadTokenizer(files, EXAMPLES.maxTokens);
  const words = tokenizer.size;
  const rowOf = new Map(documents.map(({ docid }, row) => [docid, row]));
  const train = judged(input.train, rowOf);
  const examples = new Examples(documents, train, tokenizer, { seed, ...EXAMPLES });
  const dev = heldOutBatches(judged(input.dev, rowOf).slice(0, DEV_QUERIES), examples);
  const wide = configOf(settings, words, documents.length);
  if (options.tokenizer) checkTokenizer(tokenizer, options.tokenizer.file ?? 'tokenizer.json', wide, undefined);

  const start = await starts[scheme]({
    ...{
      documents,
      train,
      texts: texts(input),
      examples,
      dev,
      tokenizer,
      config: wide,
      settings,
      clusterSize,
      seed,
      threads,
    },
  });
  try {
    const { codes, later, record } = start;
    const config = configOf(settings, words, codes.length);
    const wordScale = outputScale(config);
    const paths = start.paths.map((path) => path.join(' '));
    const identity: RunIdentity = {
      fingerprint: input.fingerprint,
      docids: scheme,
      ...{ size, steps, seed },
      queries: digest(train),
      settings: digest({ settings, EXAMPLES, WARMUP, record, later }),
      threads, // which may order the sums of a gradient
      tokenizer: digest(files),
      withoutDocs: withoutDocs.length ? digest(withoutDocs) : null,
    };
    const run = new TrainingRun({ ...options, checkpointEveryMs }, identity, started);
    const { resumed } = run;
    if (start.words && resumed?.phase !== 'model') {
      const phase = start.words;
      if (resumed) phase.restore(resumed.parameters);
      await phase.train(resumed?.step ?? 0, (step, loss) =>
        run.after({
          ...{ phase: 'words', step, steps: phase.steps, loss },
          measure: () => phase.measure(),
          parameters: () => phase.parameters(),
        }),
      );
    }

    const genir: PathGenir = {
      format: 'palimpsest-genir',
      version: 2,
      scheme,
      docids: documents.map(({ docid }) => docid),
      paths,
      codes: [...codes],
      ...(later !== undefined && { later }),
      firstDocidToken: words,
      corpus: {
        fingerprint: input.fingerprint,
        documents: documents.length,
        ...(input.name ? { name: input.name } : {}),
      },
    };
    const shapes = pathTrainingGraph(config, { gradients: false }).parameters;
    const state =
      resumed?.phase === 'model'
        ? stateFrom(resumed.parameters)
        : trainingState(start.place(config, shapes, [examples.batch(3, 0, 128)]));
    const { tokens, offsets } = pathIds(genir, files.tokenizerJson);
    const trained = new TrainedPaths(
      documents.map((_, n) => tokens.subarray(offsets[n], offsets[n + 1])),
      words,
      codes.length,
    );
    const { rates, batchSize, dropout } = settings.model;
    const trainer = await PathTrainer.open(unscaled(config), state, trained, {
      ...{ steps, batchSize, threads, seed, rates, dropout, wordScale },
      warmup: warmupOf(steps),
    });
    try {
      for (let step = resumed?.phase === 'model' ? resumed.step : 0; step < steps; step++) {
        const loss = await trainer.step(examples, step);
        await run.after({
          ...{ phase: 'model', step: step + 1, steps, loss },
          measure: () => trainer.success(dev),
          parameters: () => stateParameters(state),
        });
      }
    } finally {
      await trainer.close();
    }

    if (later !== undefined) {
      const first = trained.paths.map(([token]) => token - words);
      placeLater(state.rows.data, first, codes.indexOf(later), config.d_model);
    }
    onProgress({ phase: 'writing', step: 0, steps: 1 });
    const training = {
      ...{ size, steps, seed, from: null, trainQueries: train.length, withoutDocs },
      ...{ seconds: Math.round(run.seconds), examples: EXAMPLES, settings, ...record, curve: run.curve },
    };
    return run.finish({
      ...{ config, ...files, genir: { ...genir, training } },
      weights: exportWeights(config, state, words, undefined, seed),
    });
  } finally {
    await start.words?.close();
  }
}
