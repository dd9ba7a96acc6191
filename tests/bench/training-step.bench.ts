/**
 * One training step against PyTorch float32 on the same model, batches and cores.
 *
 *     npm run bench -- training-step [--size small|base|both] [--rounds N] [--passes N] [--threads N] [--variants]
 *
 * A step is forward, backward, gradient clipping and Adam over all parameters, with the lookup of embeddings, dropout
 * and targets; drawing the queries is not in it, on either side, nor do words compete with the documents. Eight batches of 256 queries have the lengths that eight
 * sorted batches of squad_wiki and of the built-in corpus have; weights, ids and targets are random. Each round starts a
 * fresh process per side, in the opposite order to the round before, and takes the mean over all eight batches.
 * PyTorch (training_step.py) is written as an expert would, with the algebra of decodeStart, and takes the fastest of
 * its ways to handle embeddings and targets, found in a first round; `--variants` prints them all with the formulation
 * of transformers and torch.compile. Both sides must compute the same loss. JSON on stdout.
 *
 * PYTHON names an interpreter with torch (default python3); without one only our own time is printed.
 */
import { execFile } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { createRng, type Rng } from '../../corpus/random.ts';
import type { T5Config } from '../../models/config.ts';
import { relativeBucket } from '../../models/t5.ts';
import { ADAM, cosineSchedule } from '../../models/training/adam.ts';
import type { Batch, Examples } from '../../models/training/examples.ts';
import { normal } from '../../models/training/lexical-start.ts';
import { configOf, SIZES } from '../../models/training/sizes.ts';
import { trainedShapes, Trainer, trainingState, type TrainerOptions } from '../../models/training/trainer.ts';

const run = promisify(execFile);

/** As `index` makes them for the built-in corpus and for squad_wiki; the lengths are those of one macro-batch. */
const SETTINGS = {
  tiny: { words: 2000, documents: 200, lengths: [5, 7] },
  small: { words: 8150, documents: 1043, lengths: [11, 5, 28, 7, 13, 6, 9, 8] },
  base: { words: 25_043, documents: 3648, lengths: [11, 7, 28, 9, 13, 8, 16, 10] },
} as const;
type Size = keyof typeof SETTINGS;

/** Documents that share a query's target: the right one and 24 of the lexical teacher. */
const TARGETS = 25;
const RIGHT_SHARE = 0.6;
const WARMUP_STEPS = 2;
const DROPOUT = 0.1;
const LOSS_TOLERANCE = 1e-4;
const CLIP = 1; // as in trainer.ts
const SCHEDULE = { steps: 1000, warmup: 60, floor: 0.03 };

interface TensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  /** In elements of four bytes. */
  readonly offset: number;
  readonly dtype: 'float32' | 'int32';
}

interface Manifest {
  readonly config: T5Config;
  readonly documents: number;
  readonly weights: readonly TensorEntry[];
  readonly batches: readonly TensorEntry[];
  readonly batchCount: number;
  readonly batchSize: number;
  readonly rates: TrainerOptions['rates'];
  readonly schedule: readonly number[];
  readonly adam: typeof ADAM;
  readonly clip: number;
  /** Bucket of the relative position, [longest, longest]. */
  readonly buckets: readonly (readonly number[])[];
}

/** What one process prints. */
interface Timing {
  readonly losses: readonly number[];
  readonly ms: readonly number[];
  /** Of all threads of the process. */
  readonly cpuMs: readonly number[];
  readonly version?: string;
}

interface TimingOptions {
  readonly threads: number;
  readonly warmup: number;
  readonly steps: number;
  readonly dropout: number;
}

// --------------------------------------------------------------------------------------------------- the shared data

type Part = Omit<TensorEntry, 'offset' | 'dtype'> & { readonly data: Float32Array | Int32Array };

function writeTensors(file: string, parts: Iterable<Part>): TensorEntry[] {
  const entries: TensorEntry[] = [];
  const fd = openSync(file, 'w');
  let offset = 0;
  for (const { name, shape, data } of parts) {
    writeSync(fd, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    entries.push({ name, shape, offset, dtype: data instanceof Int32Array ? 'int32' : 'float32' });
    offset += data.length;
  }
  closeSync(fd);
  return entries;
}

/** Every tensor in memory of its own. */
function readTensors(file: string, entries: readonly TensorEntry[]): (name: string) => Float32Array {
  const bytes = readFileSync(file);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  return (name) => {
    const { shape, offset } = byName.get(name)!;
    const size = shape.reduce((a, b) => a * b, 1);
    const copy = new Float32Array(size);
    new Uint8Array(copy.buffer).set(bytes.subarray(offset * 4, (offset + size) * 4));
    return copy;
  };
}

const asIntegers = (words: Float32Array): Int32Array => new Int32Array(words.buffer);

/** Random weights under which every part of the model matters to the loss. */
function* randomWeights(config: T5Config, words: number, documents: number, rng: Rng): Generator<Part> {
  const d = config.d_model;
  const random = (name: string, shape: readonly number[], deviation: number): Part => ({
    name,
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => normal(rng) * deviation),
  });
  yield random('embeddings', [words, d], 1);
  yield random('start', [1, d], 1);
  yield random('rows', [documents, d], 1 / Math.sqrt(d));
  for (const [name, shape] of trainedShapes(config)) {
    if (name.includes('layer_norm')) yield { name, shape, data: new Float32Array(shape[0]).fill(1) };
    else yield random(name, shape, name.includes('relative_attention_bias') ? 0.1 : 1 / Math.sqrt(shape[0]));
  }
}

function* randomBatches(lengths: readonly number[], size: number, words: number, documents: number, rng: Rng) {
  let shortest = 1;
  const sorted = [...lengths].sort((a, b) => a - b);
  for (const [i, length] of lengths.entries()) {
    shortest = (sorted[sorted.indexOf(length) - 1] ?? length - 2) + 1; // batches are cut from queries sorted by length
    const ids = new Int32Array(size * length);
    const mask = new Float32Array(size * length);
    const rows = new Int32Array(size * TARGETS);
    const shares = new Float32Array(size * TARGETS);
    for (let b = 0; b < size; b++) {
      // Few queries are as long as the longest of a batch that spans many lengths.
      const tokens =
        b === 0 ? length : Math.min(length, shortest + Math.floor((length + 1 - shortest) * rng.next() ** 2));
      mask.fill(1, b * length, b * length + tokens);
      for (let s = 0; s < tokens; s++) ids[b * length + s] = Math.floor(words ** rng.next()); // Zipf's law
      for (let n = 0; n < TARGETS; n++) rows[b * TARGETS + n] = rng.int(documents);
      const weights = Array.from({ length: TARGETS - 1 }, (_, n) => Math.exp(-n / 4));
      const sum = weights.reduce((a, x) => a + x, 0);
      shares.set([RIGHT_SHARE, ...weights.map((x) => ((1 - RIGHT_SHARE) * x) / sum)], b * TARGETS);
    }
    yield { name: `${i}.ids`, shape: [size, length], data: ids };
    yield { name: `${i}.mask`, shape: [size, length], data: mask };
    yield { name: `${i}.rows`, shape: [size, TARGETS], data: rows };
    yield { name: `${i}.shares`, shape: [size, TARGETS], data: shares };
  }
}

function prepare(dir: string, size: Size): Manifest {
  const { words, documents, lengths } = SETTINGS[size];
  const { batchSize, rates } = SIZES[size].model;
  const config = { ...configOf(SIZES[size], words, documents), scale_decoder_outputs: false };
  const rng = createRng(1);
  const longest = Math.max(...lengths);
  const manifest: Manifest = {
    config,
    documents,
    weights: writeTensors(join(dir, 'weights.bin'), randomWeights(config, words, documents, rng)),
    batches: writeTensors(join(dir, 'batches.bin'), randomBatches(lengths, batchSize, words, documents, rng)),
    batchCount: lengths.length,
    batchSize,
    rates,
    schedule: Array.from({ length: SCHEDULE.steps }, (_, i) => cosineSchedule(i + 1, SCHEDULE)),
    adam: ADAM,
    clip: CLIP,
    buckets: Array.from({ length: longest }, (_, t) =>
      Array.from({ length: longest }, (_, s) => relativeBucket(s - t, config, true)),
    ),
  };
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(manifest));
  return manifest;
}

// ---------------------------------------------------------------------------------------------------------- our side

/** Runs in a process of its own. */
async function timeOurs(dir: string, { threads, warmup, steps, dropout }: TimingOptions): Promise<Timing> {
  const manifest = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as Manifest;
  const { config, batchCount, batchSize, rates } = manifest;
  const weight = readTensors(join(dir, 'weights.bin'), manifest.weights);
  const part = readTensors(join(dir, 'batches.bin'), manifest.batches);
  const batches = Array.from({ length: batchCount }, (_, i): Batch => {
    const [ids, rows] = [`${i}.ids`, `${i}.rows`].map((name) => asIntegers(part(name)));
    const shares = part(`${i}.shares`);
    const targets = Array.from({ length: batchSize }, (_, b) => ({
      rows: rows.subarray(b * TARGETS, (b + 1) * TARGETS),
      shares: shares.subarray(b * TARGETS, (b + 1) * TARGETS),
    }));
    return { size: batchSize, length: ids.length / batchSize, ids, mask: part(`${i}.mask`), targets };
  });
  // The trainer asks its examples for batches, and for rows of texts only where their share is above 0.
  const examples = { batch: (_stream: number, step: number) => batches[step % batchCount] } as unknown as Examples;
  const state = trainingState({
    embeddings: weight('embeddings'),
    start: weight('start'),
    rows: weight('rows'),
    weights: new Map([...trainedShapes(config).keys()].map((name) => [name, weight(name)])),
  });
  const options = { ...SCHEDULE, batchSize, threads, seed: 1, rates, dropout, textRowShare: 0, wordScale: 0 };
  const trainer = await Trainer.open(config, state, options);
  const losses: number[] = [];
  const ms: number[] = [];
  const cpuMs: number[] = [];
  for (let step = 0; step < warmup + steps; step++) {
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    losses.push(await trainer.step(examples, step));
    const { user, system } = process.cpuUsage(cpu);
    if (step < warmup) continue;
    ms.push(performance.now() - start);
    cpuMs.push((user + system) / 1000);
  }
  await trainer.close();
  return { losses, ms, cpuMs };
}

// ---------------------------------------------------------------------------------------------------- the comparison

const python = process.env.PYTHON ?? 'python3';
const MAX_OUTPUT = 64 * 2 ** 20;

const flags = (options: object): string[] =>
  Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : value === false ? [] : [`--${name}`, String(value)],
  );

const lastLine = (stdout: string): unknown => JSON.parse(stdout.trim().split('\n').at(-1)!);

async function ours(dir: string, options: TimingOptions): Promise<Timing> {
  const args = ['--import', 'tsx', import.meta.filename, '--child', dir, ...flags(options)];
  const { stdout } = await run(process.execPath, args, { maxBuffer: MAX_OUTPUT });
  return lastLine(stdout) as Timing;
}

interface Variant {
  readonly formulation: 'start' | 'hf';
  readonly embeddings: 'rows' | 'sparse' | 'dense';
  readonly targets: 'sparse' | 'dense';
  readonly compile?: boolean;
}

async function theirs(dir: string, options: TimingOptions, variant: Variant): Promise<Timing> {
  const script = join(import.meta.dirname, 'training_step.py');
  const threads = { OMP_NUM_THREADS: String(options.threads), MKL_NUM_THREADS: String(options.threads) };
  const { stdout } = await run(python, [script, dir, ...flags({ ...options, ...variant })], {
    maxBuffer: MAX_OUTPUT,
    env: { ...process.env, ...threads },
  });
  return lastLine(stdout) as Timing;
}

/** Why there is nothing to compare with, or nothing. */
async function reasonToSkip(): Promise<string | undefined> {
  try {
    await run(python, ['-c', 'import torch']);
    return undefined;
  } catch (error) {
    const line = (error as { stderr?: string; message: string }).stderr?.trim().split('\n').at(-1);
    return `PyTorch is not there: ${python}: ${line || (error as Error).message}; set PYTHON to an interpreter with torch`;
  }
}

/** Ways to write the same step; which is fastest depends on sizes and on the release. */
const candidates: readonly Variant[] = [
  { formulation: 'start', embeddings: 'rows', targets: 'sparse' },
  { formulation: 'start', embeddings: 'rows', targets: 'dense' },
  { formulation: 'start', embeddings: 'sparse', targets: 'sparse' },
  { formulation: 'start', embeddings: 'dense', targets: 'sparse' },
];
const further: readonly Variant[] = [
  { formulation: 'hf', embeddings: 'dense', targets: 'dense' },
  { formulation: 'start', embeddings: 'rows', targets: 'sparse', compile: true },
];

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
const round = (x: number, digits = 1): number => Number(x.toFixed(digits));
const nameOf = ({ formulation, embeddings, targets, compile }: Variant): string =>
  [formulation, `${embeddings} embeddings`, `${targets} targets`, ...(compile ? ['torch.compile'] : [])].join(', ');

type Side = 'ours' | 'pytorch';

class LossesDifferError extends Error {
  override readonly name = 'LossesDifferError';
}

interface BenchOptions {
  readonly rounds: number;
  readonly passes: number;
  readonly threads: number;
  readonly variants: boolean;
  readonly skip: string | undefined;
}

async function bench(size: Size, { rounds, passes, threads, variants, skip }: BenchOptions): Promise<object> {
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-step-'));
  try {
    const { config, documents, batchSize, weights } = prepare(dir, size);
    const parameters = weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const { lengths } = SETTINGS[size];
    const note = (text: string): void => console.error(`${size}: ${text}`);
    const model = { size, documents, vocabulary: config.vocab_size - documents, parameters };
    const head = { ...model, batch: { queries: batchSize, lengths }, threads };
    const options = { threads, warmup: WARMUP_STEPS, steps: passes * lengths.length, dropout: DROPOUT };

    const raw: Record<Side, number[]> = { ours: [], pytorch: [] };
    // With one thread these are comparable on a busy machine too; with more, waiting threads spin.
    const rawCpu: Record<Side, number[]> = { ours: [], pytorch: [] };
    const keep = (side: Side, { ms, cpuMs }: Timing): void => {
      raw[side].push(round(mean(ms)));
      rawCpu[side].push(round(mean(cpuMs)));
    };
    if (skip !== undefined) {
      for (let r = 0; r < rounds; r++) keep('ours', await ours(dir, options));
      return { ...head, msPerStep: { ours: median(raw.ours) }, raw, rawCpu, skipped: skip };
    }

    const checked = { ...options, warmup: 0, steps: 3, dropout: 0 };
    const reference = (await ours(dir, checked)).losses;
    const times = new Map<Variant, number>();
    const losses: Record<string, readonly number[]> = { ours: reference };
    for (const variant of [...candidates, ...(variants ? further : [])]) {
      const name = nameOf(variant);
      try {
        losses[name] = (await theirs(dir, checked, variant)).losses;
        times.set(variant, mean((await theirs(dir, { ...options, steps: lengths.length }, variant)).ms));
      } catch (error) {
        if (!variant.compile) throw error; // which needs a C++ compiler
        note(`${name}: ${(error as Error).message.split('\n').at(-2)}`);
        continue;
      }
      const difference = Math.abs(losses[name][0] - reference[0]);
      note(`${name}: ${round(times.get(variant)!)} ms, loss differs by ${difference.toExponential(1)}`);
      if (!(difference <= LOSS_TOLERANCE))
        throw new LossesDifferError(
          `${name}: expected our loss ${reference[0]} on the same weights, got ${losses[name][0]}`,
        );
    }
    const fastest = [...times].filter(([v]) => v.formulation === 'start').sort(([, a], [, b]) => a - b)[0][0];

    let version: string | undefined;
    for (let r = 0; r < rounds; r++) {
      for (const side of r % 2 ? (['pytorch', 'ours'] as const) : (['ours', 'pytorch'] as const)) {
        const timing = side === 'ours' ? await ours(dir, options) : await theirs(dir, options, fastest);
        version = timing.version ?? version;
        keep(side, timing);
        note(`round ${r + 1} of ${rounds}, ${side}: ${raw[side].at(-1)} ms`);
      }
    }
    const msPerStep = { ours: median(raw.ours), pytorch: median(raw.pytorch) };
    return {
      ...head,
      msPerStep,
      speedOfPytorch: round(msPerStep.pytorch / msPerStep.ours, 3),
      raw,
      rawCpu,
      pytorch: { version, variant: nameOf(fastest) },
      firstRoundMs: Object.fromEntries([...times].map(([variant, ms]) => [nameOf(variant), round(ms)])),
      losses,
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: 'both' },
      rounds: { type: 'string', default: '4' },
      passes: { type: 'string', default: '2' },
      threads: { type: 'string', default: '2' },
      variants: { type: 'boolean', default: false },
      // of the process that runs our side
      child: { type: 'string' },
      warmup: { type: 'string', default: '0' },
      steps: { type: 'string', default: '1' },
      dropout: { type: 'string', default: '0' },
    },
  });
  const [threads, rounds, passes] = [values.threads, values.rounds, values.passes].map(Number);
  if (values.child !== undefined) {
    const [warmup, steps, dropout] = [values.warmup, values.steps, values.dropout].map(Number);
    console.log(JSON.stringify(await timeOurs(values.child, { threads, warmup, steps, dropout })));
    return;
  }
  const sizes = values.size === 'both' ? ['small', 'base'] : [values.size];
  const unknown = sizes.find((size) => !(size in SETTINGS));
  if (unknown !== undefined) {
    console.error(`--size: expected ${Object.keys(SETTINGS).join(', ')} or both, got ${unknown}`);
    process.exitCode = 2;
    return;
  }
  const skip = await reasonToSkip();
  if (skip !== undefined) console.error(skip);
  const options = { rounds, passes, threads, variants: values.variants, skip };
  const date = new Date().toISOString();
  const models: object[] = [];
  for (const size of sizes) models.push(await bench(size as Size, options));
  const machine = {
    cpu: cpus()[0].model,
    cores: availableParallelism(),
    loadAverage: loadavg().map((x) => round(x, 2)),
    node: process.version,
  };
  console.log(JSON.stringify({ bench: 'training-step', date, machine, models }, null, 2));
}

await main();
