import { availableParallelism } from 'node:os';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import cliProgress from 'cli-progress';
import type { DocidScheme } from '../../corpus/docids/scheme.ts';
import { drawAnswers, holdOutDev } from '../../corpus/hold-out.ts';
import { ImportError } from '../../corpus/import-error.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { readLines } from '../../corpus/lines.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { loadTokenizer, TokenizerFileError } from '../../models/tokenizer.ts';
import type { TrainedTokenizer } from '../../models/tokenizer-training.ts';
import { hasCheckpoint } from '../../models/training/checkpoint.ts';
import { indexCorpus, type IndexOptions } from '../../models/training/index-corpus.ts';
import type { IndexInput } from '../../models/training/index-input.ts';
import { indexPaths } from '../../models/training/paths/index-paths.ts';
import { clusteredSchemes } from '../../models/training/paths/two-token-start.ts';
import { checkpointDirOf, type IndexProgress, type IndexResult } from '../../models/training/run.ts';
import { MAX_DECODER_LAYERS, modelSizes, type ModelSize } from '../../models/training/sizes.ts';
import { MAX_SEED, MAX_STEPS } from '../../models/training/trainer.ts';
import { builtinCorpus } from '../paths.ts';
import { defineCommand, integer, oneOf, UsageError } from './command.ts';

/** How models are trained for each docid scheme. */
const indexers: { readonly [S in DocidScheme]: (input: IndexInput, options: IndexOptions) => Promise<IndexResult> } = {
  atomic: indexCorpus,
  naive: (input, options) => indexPaths('naive', input, options),
  semantic: (input, options) => indexPaths('semantic', input, options),
  hashed: (input, options) => indexPaths('hashed', input, options),
  lexical: (input, options) => indexPaths('lexical', input, options),
};
const trainedSchemes = Object.keys(indexers) as DocidScheme[];

interface Options {
  corpus?: string;
  out: string;
  docids: DocidScheme;
  size: ModelSize;
  steps?: number;
  decoderLayers?: number;
  clusterSize?: number;
  withoutDocs?: string;
  seed: number;
  resume?: boolean;
  from?: string;
  tokenizer?: string;
  threads: number;
}

/** A cluster of all documents of a corpus that one model is good for. */
const MAX_CLUSTER = 100_000;
/** Share of the train queries held out for the learning curve where the corpus brings no dev split. */
const DEV_SHARE = 0.05;

export const index = defineCommand<Options, IndexResult>({
  name: 'index',
  summary: 'train a model that answers queries about a corpus with its docids',
  options: {
    corpus: {
      flags: '--corpus <dir>',
      description: 'BEIR folder, or a JSONL or CSV file of documents (default: the built-in corpus)',
    },
    out: { flags: '--out <dir>', description: 'model folder to write', required: true },
    docids: {
      flags: '--docids <scheme>',
      description: `${trainedSchemes.join(', ')}: one token for each document; the external id as a string; a cluster of similar documents, then the document; a cluster that documents are dealt to, then the document; salient words`,
      parse: oneOf(trainedSchemes),
      default: 'atomic',
    },
    size: {
      flags: '--size <size>',
      description: `${modelSizes.join(', ')}`,
      parse: oneOf(modelSizes),
      default: 'small',
    },
    steps: {
      flags: '--steps <n>',
      description: "training steps (default: the size's own)",
      parse: integer(1, MAX_STEPS),
    },
    decoderLayers: {
      flags: '--decoder-layers <n>',
      description: `layers of the decoder (1 to ${MAX_DECODER_LAYERS}; default: the size's own)`,
      parse: integer(1, MAX_DECODER_LAYERS),
    },
    clusterSize: {
      flags: '--cluster-size <n>',
      description: `documents of a cluster on average, for ${clusteredSchemes.join(' and ')} docids (2 to ${MAX_CLUSTER}; default: the scheme's own)`,
      parse: integer(2, MAX_CLUSTER),
    },
    withoutDocs: {
      flags: '--without-docs <n|file>',
      description:
        'train without n documents that queries ask for, drawn by the seed, or without the docids in a file, one a line',
    },
    seed: {
      flags: '--seed <n>',
      description: `equal seeds give equal models (0 to ${MAX_SEED})`,
      parse: integer(0, MAX_SEED),
      default: 1,
    },
    resume: { flags: '--resume', description: 'go on from the last checkpoint of a run that was stopped' },
    from: { flags: '--from <dir>', description: 'start from this T5 folder in place of a new model' },
    tokenizer: { flags: '--tokenizer <file>', description: 'take this tokenizer.json in place of training one' },
    threads: {
      flags: '--threads <n>',
      description: 'cores to train on',
      parse: integer(1, 256),
      default: availableParallelism(),
    },
  },
  async run({ corpus = builtinCorpus, out, docids, tokenizer, resume = false, withoutDocs: left, ...options }, note) {
    const { clusterSize, decoderLayers, from, seed } = options;
    if (clusterSize !== undefined && !clusteredSchemes.includes(docids))
      throw new UsageError(
        `--cluster-size ${clusterSize}: expected --docids ${clusteredSchemes.join(' or ')} beside it, got ${docids}, which has no clusters`,
      );
    if (docids !== 'atomic' && from !== undefined)
      throw new UsageError(
        `--docids ${docids}: expected no --from beside it, got ${from}; only atomic docids are added to another model`,
      );
    if (decoderLayers !== undefined && from !== undefined)
      throw new UsageError(
        `--decoder-layers ${decoderLayers}: expected no --from beside it, got ${from}, which has its own`,
      );
    const given = tokenizer === undefined ? undefined : readTokenizer(tokenizer);
    const { input, withoutDocs } = readCorpus(corpus, seed, left);
    note(
      `${corpus}: ${input.documents.length} documents, ${input.train.length} train queries, ${input.dev.length} held out for the learning curve`,
    );
    if (withoutDocs.length)
      note(`${withoutDocs.length} of the documents are left out, with the queries that they alone answer`);
    if (resume && !hasCheckpoint(checkpointDirOf(resolve(out))))
      note(`${checkpointDirOf(out)}: no checkpoint to go on from; starting anew`);
    const progress = trainingBar(note);
    const whole = {
      ...options,
      out: resolve(out),
      resume,
      withoutDocs,
      tokenizer: given,
      onProgress: progress.update,
    };
    return indexers[docids](input, whole).finally(progress.stop);
  },
  text: ({ out, documents, parameters, seconds, curve }) => {
    const last = curve.at(-1);
    const free = last?.freeSuccess === undefined ? '' : ` (${last.freeSuccess.toFixed(3)} over the whole vocabulary)`;
    const success = last ? `, Success@1 ${last.success.toFixed(3)}${free} on held-out queries` : '';
    return `${out}: ${documents} documents in ${(parameters / 1e6).toFixed(1)} M parameters, ${Math.round(seconds)} s${success}`;
  },
});

/**
 * The corpus in memory, checked by the same import that the server uses, and which of its documents to leave out.
 *
 * @param left  as `--without-docs` has it
 */
function readCorpus(path: string, seed: number, left?: string): { input: IndexInput; withoutDocs: string[] } {
  const store = openStore(':memory:');
  try {
    importCorpus(store, path);
    const documents = [...store.eachDocument()];
    const train = store.queries('train');
    const dev = store.queries('dev');
    const split = dev.length ? { train, dev } : holdOutDev(train, DEV_SHARE, seed);
    const input = { name: basename(resolve(path)), fingerprint: store.fingerprint(), documents, ...split };
    return { input, withoutDocs: left === undefined ? [] : leftOut(left, store, seed) };
  } finally {
    store.close();
  }
}

/** Unknown docids that an error names. */
const NAMED = 10;

/** The docids that `--without-docs` names or counts. @throws UsageError */
function leftOut(option: string, store: Store, seed: number): string[] {
  const where = `--without-docs ${option}`;
  if (!/^\d+$/.test(option)) return listedDocids(option, where, store);
  const split = (['dev', 'test', 'train'] as const).find((name) => store.queries(name).length > 0);
  if (!split) throw new UsageError(`${where}: expected queries to draw documents by, got none; name docids in a file`);
  const answers = drawAnswers(store.queries(split), seed);
  const n = Number(option);
  if (n >= 1 && n <= answers.length) return answers.slice(0, n);
  throw new UsageError(
    `${where}: expected a number from 1 to ${answers.length}, the documents that ${split} queries ask for`,
  );
}

/** Docids of a file, one a line; empty lines say nothing. @throws UsageError */
function listedDocids(file: string, where: string, store: Store): string[] {
  const docids = new Set<string>();
  try {
    for (const { text } of readLines({ path: file, name: where })) if (text.trim() !== '') docids.add(text);
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    throw new UsageError(`${error.message}; give a number, or a file with one docid a line`);
  }
  if (!docids.size) throw new UsageError(`${where}: expected one docid a line, got none`);
  const unknown = [...docids].filter((docid) => store.document(docid)?.state !== 'live');
  if (!unknown.length) return [...docids];
  const named = unknown.slice(0, NAMED).map((docid) => `'${docid}'`).join(', '); // prettier-ignore
  const more = unknown.length > NAMED ? ` and ${unknown.length - NAMED} more` : '';
  throw new UsageError(`${where}: expected docids of this corpus, got ${named}${more}`);
}

/** @throws UsageError  when the file is no tokenizer for a T5 */
function readTokenizer(file: string): TrainedTokenizer & { file: string } {
  const parse = (path: string): object => {
    try {
      return JSON.parse(readFileSync(path, 'utf8')) as object;
    } catch (cause) {
      const actual = cause instanceof Error ? cause.message : String(cause);
      throw new UsageError(`--tokenizer ${path}: expected a tokenizer.json, got ${actual}; copy the file again`);
    }
  };
  const config = join(dirname(file), 'tokenizer_config.json');
  const files = { tokenizerJson: parse(file), tokenizerConfig: existsSync(config) ? parse(config) : {} };
  try {
    loadTokenizer(files);
  } catch (error) {
    if (!(error instanceof TokenizerFileError)) throw error;
    const { expected, actual } = error;
    throw new UsageError(`--tokenizer ${file}: expected ${expected}, got ${actual}; take a tokenizer made for T5`);
  }
  return { ...files, file };
}

const PHASES: { readonly [P in IndexProgress['phase']]: string } = {
  tokenizer: 'tokenizer',
  words: 'lexical start',
  model: 'training',
  writing: 'writing the model',
};
const LINE_EVERY_MS = 15_000;

/** A progress bar on a terminal, a line now and then elsewhere; with loss, held-out Success@1 and the time left. */
function trainingBar(note: (line: string) => void): { update: (progress: IndexProgress) => void; stop: () => void } {
  let bar: cliProgress.SingleBar | undefined;
  let phase: IndexProgress['phase'] | undefined;
  let [phaseStart, firstStep, lastLine] = [0, 0, 0];
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    stop,
    update({ phase: now, step, steps, loss, success, freeSuccess }) {
      if (now !== phase) {
        stop();
        phase = now;
        [phaseStart, firstStep] = [Date.now(), step];
        lastLine = 0;
      }
      const secondsLeft =
        step > firstStep
          ? Math.round((((Date.now() - phaseStart) / 1000) * (steps - step)) / (step - firstStep))
          : undefined;
      const left = secondsLeft === undefined ? '' : `, ${formatSeconds(secondsLeft)} left`;
      const free = freeSuccess === undefined ? '' : ` (${freeSuccess.toFixed(3)} over the whole vocabulary)`;
      const measured = success === undefined ? '' : `, held-out Success@1 ${success.toFixed(3)}${free}`;
      const figures = loss === undefined ? '' : `loss ${loss.toFixed(3)}${measured}${left}`;
      if (process.stderr.isTTY && steps > 1) {
        bar ??= startBar(PHASES[now], steps);
        bar.update(step, { figures });
        bar.render();
      } else if (Date.now() - lastLine > LINE_EVERY_MS || (step === steps && loss !== undefined)) {
        lastLine = Date.now();
        note(steps > 1 ? `${PHASES[now]}: step ${step} of ${steps}, ${figures}` : PHASES[now]);
      }
    },
  };
}

function startBar(name: string, steps: number): cliProgress.SingleBar {
  const bar = new cliProgress.SingleBar({
    format: `${name} [{bar}] {value}/{total} {figures}`,
    stream: process.stderr,
    hideCursor: true,
  });
  bar.start(steps, 0, { figures: '' });
  return bar;
}

const formatSeconds = (seconds: number): string =>
  seconds < 90
    ? `${seconds} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;
