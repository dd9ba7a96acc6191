/** @file The thread that looks at all docid rows once: whether graphs of them can be used, and what building them needs. */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { createRng } from '../../corpus/random.ts';
import { readModelFolder, type ModelFolder } from '../folder.ts';
import { tensor } from '../session.ts';
import { keyWith, readAxes, writeAxes, type Axes } from './axes.ts';
import { lengthOf } from './dot.ts';
import { findAxes } from './find-axes.ts';
import { Best, Products } from './products.ts';
import type { HeldOut } from './reach.ts';
import { axesFile, KEY, pieces, problemOf, type ShardFile } from './shards.ts';

export interface SurveySetup {
  readonly modelDir: string;
  readonly dir: string;
  readonly shards: readonly ShardFile[];
  /** Graphs are for rows that lie along few axes alone. */
  readonly fewAxes: boolean;
}

/** `checked`, then `surveyed` if a graph must be built. */
export type FromSurvey =
  | {
      readonly kind: 'checked';
      readonly key: string;
      readonly axes: Axes;
      /** Why each graph must be built, if it must; none where there are to be no graphs. */
      readonly reasons: readonly (string | undefined)[];
    }
  | { readonly kind: 'surveyed'; readonly lengths: Float32Array; readonly heldOut: HeldOut }
  | { readonly kind: 'failed'; readonly message: string };

const port = parentPort!;
const send = (message: FromSurvey): void => port.postMessage(message);
const { modelDir, dir, shards, fewAxes } = workerData as SurveySetup;

/** Rows from which axes are found, one of each block of as many. */
const SAMPLE = 16_384;
/** Rows that stand for states, and their best rows that are to be found. */
const [STATES, BEST] = [200, 10];
const SEED = 1;

async function survey(): Promise<void> {
  const folder = readModelFolder(modelDir);
  const { rowsKey, lengths, sample } = lookAtAll(folder, shards[0].rows);
  const products = await Products.open();
  try {
    const stored = readAxes(axesFile(dir), rowsKey);
    const axes = stored === 'missing' ? await findAxes(sample, products) : stored;
    if (stored === 'missing') writeAxes(axesFile(dir), rowsKey, axes);
    const key = keyWith(rowsKey, axes);
    const reasons = fewAxes && !axes ? [] : shards.map((shard) => problemOf(shard, key));
    send({ kind: 'checked', key, axes, reasons });
    if (reasons.every((reason) => reason === undefined)) return;
    send({ kind: 'surveyed', lengths, heldOut: await holdOut(folder, lengths.length, products) });
  } finally {
    await products.close();
  }
}

function lookAtAll(folder: ModelFolder, count: number) {
  const { d_model: width } = folder.config;
  const hash = createHash('sha256').update(JSON.stringify([KEY, width, shards.length]));
  const lengths = new Float32Array(count);
  const rng = createRng(SEED);
  const block = Math.ceil(count / SAMPLE);
  const sample = new Float32Array(Math.floor(count / block) * width);
  let [next, taken] = [rng.int(block), 0];
  for (const { first, rows } of pieces(folder, count)) {
    hash.update(new Uint8Array(rows.data.buffer, rows.data.byteOffset, rows.data.byteLength));
    for (let i = 0; i < rows.shape[0]; i++) {
      const values = rows.data.subarray(i * width, (i + 1) * width);
      lengths[first + i] = lengthOf(values);
      if (first + i !== next || taken * width === sample.length) continue;
      sample.set(values, taken * width);
      next = ++taken * block + rng.int(block);
    }
  }
  return { rowsKey: hash.digest('hex'), lengths, sample: tensor(sample, [sample.length / width, width]) };
}

/** Rows drawn by lot in the place of states, and their best rows beside themselves. */
async function holdOut(folder: ModelFolder, count: number, products: Products): Promise<HeldOut> {
  const { d_model: width } = folder.config;
  const rng = createRng(SEED);
  const drawn = Array.from({ length: STATES }, () => rng.int(count));
  const states = new Float32Array(STATES * width);
  const best = drawn.map(() => new Best(BEST));
  for (const { first, rows } of pieces(folder, count))
    drawn.forEach((row, q) => {
      const at = (row - first) * width;
      if (at >= 0 && at < rows.data.length) states.set(rows.data.subarray(at, at + width), q * width);
    });
  for (const { first, rows } of pieces(folder, count)) {
    const found = await products.of(tensor(states, [STATES, width]), rows);
    const [n] = rows.shape;
    drawn.forEach((row, q) => {
      for (let i = 0; i < n; i++) if (first + i !== row) best[q].add(first + i, found[q * n + i]);
    });
  }
  return {
    states: drawn.map((_, q) => states.slice(q * width, (q + 1) * width)),
    best: best.map(({ rows }) => rows),
  };
}

survey()
  .catch((error: unknown) => send({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }))
  .finally(() => port.close());
