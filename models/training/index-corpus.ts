/**
 * @file From a corpus to a model folder: tokenizer, lexical start, training, export. Resumable at every checkpoint.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { UnknownDocidError, type Document, type JudgedQuery } from '../../corpus/documents.ts';
import type { T5Config } from '../config.ts';
import { ModelFolderWriteError, readModelFolder, writeModelFolder, type Genir, type ModelFolder } from '../folder.ts';
import { loadTokenizer, TokenizerFileError, type Tokenizer } from '../tokenizer.ts';
import { trainTokenizer, type TrainedTokenizer } from '../tokenizer-training.ts';
import { fitsFloat16 } from '../weights.ts';
import type { Parameter } from './adam.ts';
import {
  checkNoCheckpoint,
  readCheckpoint,
  remedyOf,
  removeCheckpoint,
  writeCheckpoint,
  type CurvePoint,
  type RunIdentity,
} from './checkpoint.ts';
import { Examples, type TrainQuery } from './examples.ts';
import { exportWeights, outputScale, stateOfFolder, vocabularyRows } from './folder-state.ts';
import { BagEvaluator, heldOutBatches, measureSuccess, type Measured } from './held-out.ts';
import { RESERVED } from './docid-space.ts';
import { placeWordBag, randomDirections, trainWordBag, type WordBag } from './lexical-start.ts';
import { configOf, SIZES, type ModelSize, type SizeSettings } from './sizes.ts';
import { trainedShapes, Trainer, trainingState, type TrainingState } from './trainer.ts';

/** What is indexed. Queries name their relevant docids; those of other documents are left out. */
export interface IndexInput {
  readonly name?: string;
  readonly fingerprint: string;
  readonly documents: readonly Document[];
  readonly train: readonly JudgedQuery[];
  /** Held out: they choose nothing, they only draw the learning curve. */
  readonly dev: readonly JudgedQuery[];
}

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

export interface IndexProgress {
  readonly phase: 'tokenizer' | 'words' | 'model' | 'writing';
  readonly step: number;
  readonly steps: number;
  /** Mean loss since the last measurement of `success`. */
  readonly loss?: number;
  /** Success@1 on held-out queries, newest measurement. */
  readonly success?: number | undefined;
  /** The same over the whole vocabulary, docids and words. */
  readonly freeSuccess?: number | undefined;
}

export interface IndexResult {
  readonly out: string;
  /** Number of those trained on. */
  readonly documents: number;
  readonly parameters: number;
  readonly seconds: number;
  readonly curve: readonly CurvePoint[];
}

/** Settings of the examples. Of these only `teacherShare` was compared with another value (DESIGN.md, BM25 labels). */
export const EXAMPLES = {
  realShare: 0.5,
  teacherShare: 0.4,
  teacherTemperature: 2,
  maxTokens: 28,
  wordDropout: 0.3,
} as const;
export const CHECKPOINT_EVERY_MS = 180_000;
export const DEV_QUERIES = 1000;
const WARMUP = 100;
const TEXT_ROW_SHARE = 0.1;

/** A corpus that no model can be trained on. */
export class NothingToIndexError extends Error {
  override readonly name = 'NothingToIndexError';
}

/** The place for the model cannot take one. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
}

/** Where the checkpoints of a run that writes its model to `out` lie. */
export const checkpointDirOf = (out: string): string => `${out}.checkpoint`;

export async function indexCorpus(input: IndexInput, options: IndexOptions): Promise<IndexResult> {
  const { size, seed, threads, onProgress, checkpointEveryMs = CHECKPOINT_EVERY_MS } = options;
  if (!input.documents.length) throw new NothingToIndexError('index: the corpus has no documents; import some first');
  const { documents, withoutDocs } = leaveOut(input.documents, options.withoutDocs);
  const settings = settingsOf(options);
  const steps = options.steps ?? settings.model.steps;
  const started = Date.now();
  checkOutput(options.out);
  const checkpointDir = checkpointDirOf(options.out);
  if (!options.resume) checkNoCheckpoint(checkpointDir);
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
  const resumed = options.resume ? readCheckpoint(checkpointDir, identity) : undefined;
  const curve: CurvePoint[] = [...(resumed?.curve ?? [])];
  const elapsed = (): number => (resumed?.seconds ?? 0) + (Date.now() - started) / 1000;
  let saved = Date.now();
  let losses: number[] = [];

  /** Reports, measures and saves after step `step` of a phase, each when it is due. */
  async function after(
    phase: CurvePoint['phase'],
    step: number,
    total: number,
    loss: number,
    measure: () => Promise<Measured | undefined>,
    parameters: () => Map<string, Parameter>,
  ): Promise<void> {
    losses.push(loss);
    const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
    if (step % Math.max(1, Math.round(total / 12)) === 0 || step === total) {
      const measured = await measure();
      if (measured) curve.push({ phase, step, seconds: Math.round(elapsed()), loss: mean, ...measured });
      losses = [];
    }
    const { success, freeSuccess } = curve.at(-1) ?? {};
    onProgress({ phase, step, steps: total, loss: mean, success, freeSuccess });
    if (Date.now() - saved >= checkpointEveryMs || step === total) {
      writeCheckpoint(checkpointDir, identity, { phase, step, seconds: elapsed(), curve, parameters: parameters() });
      saved = Date.now();
    }
  }

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
        after(
          'words',
          step,
          settings.words.steps,
          loss,
          () => measureSuccess(dev, documents.length, (batch) => evaluator.logits(batch)),
          () => bagParameters(bag),
        ),
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
    warmup: Math.min(WARMUP, Math.ceil(steps / 5)),
    textRowShare: base ? 0 : TEXT_ROW_SHARE,
    wordScale,
  });
  const trained = state;
  try {
    for (let step = resumed?.phase === 'model' ? resumed.step : 0; step < steps; step++) {
      const loss = await trainer.step(examples, step);
      await after(
        'model',
        step + 1,
        steps,
        loss,
        () => {
          const rows = vocabularyRows(config, trained, words, base);
          return measureSuccess(dev, documents.length, (batch) => trainer.logits(batch, rows));
        },
        () => stateParameters(trained),
      );
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
      seconds: Math.round(elapsed()),
      examples: EXAMPLES,
      settings,
      curve,
    },
  };
  const dtype = [...weights.values()].every(({ data }) => fitsFloat16(data)) ? 'F16' : 'F32';
  try {
    writeModelFolder(options.out, { config, weights, ...files, genir, dtype });
  } catch (cause) {
    if (!(cause instanceof ModelFolderWriteError)) throw cause;
    const advice = `the training is kept: ${remedyOf(cause)}run again with --resume`;
    throw new OutputError(`${cause.message}; ${advice}`, { cause });
  }
  removeCheckpoint(checkpointDir);
  const parameters = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  return { out: options.out, documents: documents.length, parameters, seconds: elapsed(), curve };
}

/** What is trained on, and the docids of what is not, each once. @throws UnknownDocidError, NothingToIndexError */
export function leaveOut(
  all: readonly Document[],
  docids: readonly string[] = [],
): { documents: readonly Document[]; withoutDocs: readonly string[] } {
  const left = new Set(docids);
  const documents = all.filter(({ docid }) => !left.has(docid));
  const withoutDocs = all.map(({ docid }) => docid).filter((docid) => left.delete(docid));
  for (const docid of left) throw new UnknownDocidError('withoutDocs', docid);
  if (documents.length) return { documents, withoutDocs };
  throw new NothingToIndexError(`index: expected documents to train on, got ${all.length} left out of ${all.length}`);
}

/** The settings of a size, with what the run has in their place. */
export function settingsOf({ size, decoderLayers, from }: IndexOptions): SizeSettings {
  if (decoderLayers === undefined) return SIZES[size];
  if (from === undefined) return { ...SIZES[size], num_decoder_layers: decoderLayers };
  throw new RangeError(`decoderLayers: expected none beside from, got ${decoderLayers}; ${from} has layers of its own`);
}

/** Finds out before hours of training what would keep the model from being written after them. */
export function checkOutput(out: string): void {
  const expected = `${out}: expected a place for a model folder, got`;
  if (existsSync(out) && !statSync(out).isDirectory())
    throw new OutputError(`${expected} a file; give another folder as --out`);
  if (existsSync(out) && isMountPoint(realpathSync(out))) {
    const advice = 'a model takes its place by renaming, which a mount point refuses: give a folder inside it as --out';
    throw new OutputError(`${expected} a mount point; ${advice}`);
  }
  try {
    mkdirSync(dirname(out), { recursive: true });
    accessSync(dirname(out), constants.W_OK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new OutputError(`${expected} ${reason}; give another folder as --out`, { cause });
  }
}

/** @param dir  without symbolic links */
const isMountPoint = (dir: string): boolean => dir === dirname(dir) || statSync(dir).dev !== statSync(dirname(dir)).dev;

/** What the ids of a given tokenizer mean, they must mean to the model. @throws TokenizerFileError */
export function checkTokenizer(
  tokenizer: Tokenizer,
  file: string,
  config: T5Config,
  base: Pick<ModelFolder, 'config' | 'tokenizerJson'> | undefined,
): void {
  const advice = base ? 'take the tokenizer the model was trained with' : 'take a tokenizer made for T5';
  const refuse = (expected: string, actual: string): never => {
    throw new TokenizerFileError(file, expected, actual, advice);
  };
  const { eosId, padId, size } = tokenizer;
  if (padId !== config.pad_token_id) refuse(`padding at id ${config.pad_token_id}`, `it at ${padId}`);
  if (eosId !== config.eos_token_id) refuse(`the end token at id ${config.eos_token_id}`, `it at ${eosId}`);
  if (!base) return;
  const { vocab_size } = base.config;
  if (size > vocab_size) refuse(`ids below the model's vocab_size ${vocab_size}`, `${size} ids`);
  if (base.tokenizerJson === undefined) return;
  const own = loadTokenizer(base);
  for (let id = 0; id < size; id++) {
    const [expected, actual] = [own.token(id) ?? 'nothing', tokenizer.token(id) ?? 'nothing'];
    if (expected !== actual) refuse(`${expected} at id ${id}, as in the model's own`, actual);
  }
}

export const digest = (value: object): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

/** A model to start from, but for its tokenizer: weight files are known by size and time, hashing takes too long. */
function digestOf({ config, genir, weights }: ModelFolder): string {
  const files = [...new Set([...weights.values()].map(({ file }) => file))].map((file) => {
    const { size, mtimeMs } = statSync(file);
    return { file: basename(file), size, mtimeMs };
  });
  return digest({ config, genir, files });
}

export function tokenizerFiles(
  input: IndexInput,
  vocabSize: number,
  base?: ModelFolder,
  given?: TrainedTokenizer,
): TrainedTokenizer {
  if (given) return { tokenizerJson: given.tokenizerJson, tokenizerConfig: given.tokenizerConfig };
  if (base) return { tokenizerJson: base.tokenizerJson as object, tokenizerConfig: base.tokenizerConfig ?? {} };
  return trainTokenizer(texts(input), { vocabSize });
}

/** All texts of the corpus that training sees. */
export function* texts({ documents, train }: IndexInput): Generator<string> {
  for (const { title, text } of documents) yield `${title}\n${text}`;
  for (const { text } of train) yield text;
}

export const judged = (queries: readonly JudgedQuery[], rowOf: ReadonlyMap<string, number>): TrainQuery[] =>
  queries
    .map(({ text, relevant }) => ({ text, rows: relevant.flatMap((docid) => rowOf.get(docid) ?? []) }))
    .filter(({ rows }) => rows.length > 0);

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

const stateParameters = (state: TrainingState): Map<string, Parameter> =>
  new Map([...STATE_PARTS.map((part) => [part, state[part]] as const), ...state.weights]);

function stateFrom(parameters: ReadonlyMap<string, Parameter>): TrainingState {
  const [embeddings, start, rows] = STATE_PARTS.map((part) => parameters.get(part)!);
  const weights = new Map([...parameters].filter(([name]) => !(STATE_PARTS as readonly string[]).includes(name)));
  return { embeddings, start, rows, weights };
}
