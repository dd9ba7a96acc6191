/**
 * @file From a corpus to a model folder: tokenizer, lexical start, training, export. Resumable at every checkpoint.
 */
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { T5Config } from '../config.ts';
import { readModelFolder, type Genir, type ModelFolder } from '../folder.ts';
import { loadTokenizer, type Tokenizer } from '../tokenizer.ts';
import type { TrainedTokenizer } from '../tokenizer-training.ts';
import type { Parameter } from './adam.ts';
import type { RunIdentity } from './checkpoint.ts';
import { Examples } from './examples.ts';
import { exportWeights, outputScale, stateOfFolder, vocabularyRows } from './folder-state.ts';
import { BagEvaluator, heldOutBatches, measureSuccess } from './held-out.ts';
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
} from './index-input.ts';
import { RESERVED } from './docid-space.ts';
import { placeWordBag, randomDirections, trainWordBag, type WordBag } from './lexical-start.ts';
import { checkStart, TrainingRun, type IndexProgress, type IndexResult } from './run.ts';
import { configOf, SIZES, type ModelSize, type SizeSettings } from './sizes.ts';
import { trainedShapes, Trainer, trainingState, WARMUP, warmupOf, type TrainingState } from './trainer.ts';

export interface IndexOptions {
  readonly out: string;
  readonly size: ModelSize;
  /** Steps of the T5 after the lexical start. The size's own number where left out. */
  readonly steps?: number | undefined;
  /**
   * Layers of the decoder in place of the size's own. Fewer than the lexical start is spread over, ⌈(D − 4) / inner⌉,
   * carry a part of it. Not with `from`, whose decoder is as it is.
   */
  readonly decoderLayers?: number | undefined;
  /**
   * Docids of documents that are not trained on, nor are the queries that they alone answer. The tokenizer and the words'
   * directions are those of the whole corpus, so that models with and without them share a basis.
   */
  readonly withoutDocs?: readonly string[] | undefined;
  readonly seed: number;
  readonly resume: boolean;
  readonly threads: number;
  /** A T5 folder to start from in place of the lexical start. */
  readonly from?: string | undefined;
  /** A `tokenizer.json` to take instead of training one; `file` names it in errors. */
  readonly tokenizer?: (TrainedTokenizer & { readonly file?: string }) | undefined;
  /** Time between two checkpoints. @default 3 minutes */
  readonly checkpointEveryMs?: number;
  readonly onProgress: (progress: IndexProgress) => void;
}

const TEXT_ROW_SHARE = 0.1;

export async function indexCorpus(input: IndexInput, options: IndexOptions): Promise<IndexResult> {
  const { size, seed, threads, onProgress, checkpointEveryMs = CHECKPOINT_EVERY_MS } = options;
  if (!input.documents.length) throw new NothingToIndexError('index: the corpus has no documents; import some first');
  const { documents, withoutDocs } = leaveOut(input.documents, options.withoutDocs);
  const settings = settingsOf(options);
  const steps = options.steps ?? settings.model.steps;
  const started = Date.now();
  checkStart(options);
  const base = options.from ? readModelFolder(options.from) : undefined;

  onProgress({ phase: 'tokenizer', step: 0, steps: 1 });
  const files = tokenizerFiles(input, settings.vocabulary, base, options.tokenizer);
  const place = base && !options.tokenizer ? { dir: base.dir } : {};
  const tokenizer = loadTokenizer({ ...files, ...place }, EXAMPLES.maxTokens);
  const words = tokenizer.size;
  const config = base ? withRows(base.config, words, documents.length) : configOf(settings, words, documents.length);
  if (options.tokenizer) checkTokenizer(tokenizer, options.tokenizer.file ?? 'tokenizer.json', config, base);
  const wordScale = config.tie_word_embeddings ? outputScale(config) : 0;

  const rowOf = new Map(documents.map(({ docid }, row) => [docid, row]));
  const train = judged(input.train, rowOf);
  const examples = new Examples(documents, train, tokenizer, { seed, ...EXAMPLES });
  const dev = heldOutBatches(judged(input.dev, rowOf).slice(0, DEV_QUERIES), examples);

  const identity: RunIdentity = {
    fingerprint: input.fingerprint,
    size,
    steps,
    seed,
    queries: digest(train),
    settings: digest({ size: SIZES[size], EXAMPLES, WARMUP, TEXT_ROW_SHARE, wordScale }),
    threads, // which may order the sums of a gradient
    tokenizer: digest(files),
    from: base?.dir ?? null,
    fromFiles: base ? digestOf(base) : null,
    decoderLayers: config.num_decoder_layers,
    withoutDocs: withoutDocs.length ? digest(withoutDocs) : null,
  };
  const run = new TrainingRun({ ...options, checkpointEveryMs }, identity, started);
  const { resumed } = run;

  let state: TrainingState | undefined;
  if (resumed?.phase === 'model') {
    state = stateFrom(resumed.parameters);
  } else if (base) {
    state = stateOfFolder(base, config, words, documents, seed);
  } else {
    const bag = resumed ? bagFrom(resumed.parameters, config) : startBag(input, examples, tokenizer, config, seed);
    const evaluator = await BagEvaluator.open(bag, threads);
    try {
      await trainWordBag(bag, examples, { ...settings.words, threads }, resumed?.step ?? 0, (step, loss) =>
        run.after({
          ...{ phase: 'words', step, steps: settings.words.steps, loss },
          measure: () => measureSuccess(dev, documents.length, (batch) => evaluator.logits(batch)),
          parameters: () => bagParameters(bag),
        }),
      );
    } finally {
      await evaluator.close();
    }
    state = trainingState(placeWordBag(bag, config, trainedShapes(config), [examples.batch(3, 0, 128)], seed));
  }

  const { rates, batchSize, dropout } = settings.model;
  const trainer = await Trainer.open(unscaled(config), state, {
    steps,
    batchSize,
    threads,
    seed,
    rates,
    dropout,
    warmup: warmupOf(steps),
    textRowShare: base ? 0 : TEXT_ROW_SHARE,
    wordScale,
  });
  const trained = state;
  try {
    for (let step = resumed?.phase === 'model' ? resumed.step : 0; step < steps; step++) {
      const loss = await trainer.step(examples, step);
      await run.after({
        ...{ phase: 'model', step: step + 1, steps, loss },
        measure: () => {
          const rows = vocabularyRows(config, trained, words, base);
          return measureSuccess(dev, documents.length, (batch) => trainer.logits(batch, rows));
        },
        parameters: () => stateParameters(trained),
      });
    }
  } finally {
    await trainer.close();
  }

  onProgress({ phase: 'writing', step: 0, steps: 1 });
  const weights = exportWeights(config, trained, words, base, seed);
  const genir: Genir = {
    format: 'palimpsest-genir',
    version: 1,
    scheme: 'atomic',
    docids: documents.map(({ docid }) => docid),
    firstDocidToken: words,
    corpus: {
      fingerprint: input.fingerprint,
      documents: documents.length,
      ...(input.name ? { name: input.name } : {}),
    },
    training: {
      size,
      steps,
      seed,
      from: options.from ?? null,
      trainQueries: train.length,
      withoutDocs,
      seconds: Math.round(run.seconds),
      examples: EXAMPLES,
      settings,
      curve: run.curve,
    },
  };
  return run.finish({ config, weights, ...files, genir });
}

/** The settings of a size, with what the run has in their place. */
export function settingsOf({ size, decoderLayers, from }: IndexOptions): SizeSettings {
  if (decoderLayers === undefined) return SIZES[size];
  if (from === undefined) return { ...SIZES[size], num_decoder_layers: decoderLayers };
  throw new RangeError(`decoderLayers: expected none beside from, got ${decoderLayers}; ${from} has layers of its own`);
}

/** A model to start from, but for its tokenizer: weight files are known by size and time, hashing takes too long. */
function digestOf({ config, genir, weights }: ModelFolder): string {
  const files = [...new Set([...weights.values()].map(({ file }) => file))].map((file) => {
    const { size, mtimeMs } = statSync(file);
    return { file: basename(file), size, mtimeMs };
  });
  return digest({ config, genir, files });
}

/** The model's config with N docid rows behind `words` tokens. */
const withRows = (config: T5Config, words: number, documents: number): T5Config => ({
  ...config,
  vocab_size: words + documents,
});

/** Training multiplies states and rows as they are; the scale of tied models goes into the exported rows. */
export const unscaled = (config: T5Config): T5Config => ({ ...config, scale_decoder_outputs: false });

// ------------------------------------------------------------------------------------------------ states

function startBag(
  input: IndexInput,
  examples: Examples,
  tokenizer: Tokenizer,
  config: T5Config,
  seed: number,
): WordBag {
  return randomDirections(texts(input), examples.teacher, tokenizer, config.d_model - RESERVED, seed);
}

const bagParameters = ({ directions, importance, rows }: WordBag): Map<string, Parameter> =>
  new Map(Object.entries({ directions, importance, rows }));

const bagFrom = (parameters: ReadonlyMap<string, Parameter>, config: T5Config): WordBag => ({
  directions: parameters.get('directions')!,
  importance: parameters.get('importance')!,
  rows: parameters.get('rows')!,
  dimensions: config.d_model - RESERVED,
});

const STATE_PARTS = ['embeddings', 'start', 'rows'] as const;

export const stateParameters = (state: TrainingState): Map<string, Parameter> =>
  new Map([...STATE_PARTS.map((part) => [part, state[part]] as const), ...state.weights]);

export function stateFrom(parameters: ReadonlyMap<string, Parameter>): TrainingState {
  const [embeddings, start, rows] = STATE_PARTS.map((part) => parameters.get(part)!);
  const weights = new Map([...parameters].filter(([name]) => !(STATE_PARTS as readonly string[]).includes(name)));
  return { embeddings, start, rows, weights };
}
