/**
 * @file Models whose encoders or components take the place of the subject's: folders, whose parts must fit, and an
 * untrained one of the subject's own sizes.
 */
import { basename } from 'node:path';
import { z } from 'zod';
import { createRng } from '../corpus/random.ts';
import type { Stack } from '../models/activations.ts';
import type { T5Config } from '../models/config.ts';
import { MAX_QUERY_TOKENS } from '../models/decode.ts';
import { expectedWeights, UnknownWeightError, type ModelFolder } from '../models/folder.ts';
import type { WeightSource } from '../models/graphs.ts';
import { elementCount } from '../models/weights.ts';
import { loadTokenizer, type Tokenizer } from '../models/tokenizer.ts';
import type { Lab } from './lab.ts';

/** A model that reads the subject's token ids and writes to a residual stream of the subject's width. */
export interface Donor {
  /** For people: the folder's name, with a number where it is not the first of that name; or "untrained". */
  readonly name: string;
  /** Says which model it is, for the keys of sessions: the folder's path, or the seed. */
  readonly key: string;
  readonly config: T5Config;
  readonly weight: WeightSource;
  /** Docids of the documents that it was trained without, as `index --without-docs` recorded them. */
  readonly withoutDocs: readonly string[];
}

/** A model that cannot stand in for parts of the subject. */
export class DonorError extends Error {
  override readonly name = 'DonorError';
  readonly dir: string;
  readonly expected: string;
  readonly actual: string;
  constructor(dir: string, expected: string, actual: string, advice: string) {
    super(`${dir}: expected a donor with ${expected}, got ${actual}; ${advice}`);
    this.dir = dir;
    this.expected = expected;
    this.actual = actual;
  }
}

/**
 * Opens a model as donor for the subject of `lab`.
 *
 * @param stack  what is taken from it: states of its encoder, which may have any depth, or outputs of decoder components,
 *               which need a layer for each of the subject's
 * @throws DonorError
 */
export function openDonor(lab: Lab, folder: ModelFolder, stack: Stack): Donor {
  checkShapes(lab, folder, stack);
  checkTokens(lab, folder, loadTokenizer(folder, MAX_QUERY_TOKENS));
  const { dir, config, genir } = folder;
  const without = z.array(z.string()).safeParse(genir?.training?.withoutDocs);
  return {
    name: basename(dir),
    key: dir,
    config,
    weight: (name) => folder.tensor(name),
    withoutDocs: without.success ? without.data : [],
  };
}

const UNTRAINED = 'untrained';

/** Donors with names of their own. @throws DonorError */
export function openDonors(lab: Lab, folders: readonly ModelFolder[], stack: Stack): Donor[] {
  const taken = new Set([UNTRAINED]);
  return folders.map((folder) => {
    const donor = openDonor(lab, folder, stack);
    let { name } = donor;
    for (let i = 2; taken.has(name); i++) name = `${donor.name} (${i})`;
    taken.add(name);
    return { ...donor, name };
  });
}

function checkShapes(lab: Lab, { dir, config }: ModelFolder, stack: Stack): void {
  const fields = stack === 'encoder' ? (['d_model'] as const) : (['d_model', 'num_decoder_layers'] as const);
  const shape = (c: T5Config): string => fields.map((field) => `${field} ${c[field]}`).join(' and ');
  if (fields.some((field) => config[field] !== lab.config[field]))
    throw new DonorError(
      dir,
      `${shape(lab.config)} (of ${lab.folder.dir})`,
      shape(config),
      'give a model of the same sizes',
    );
}

/** Every entry of the subject's tokenizer that is no docid stands at the same id in the donor's. */
function checkTokens(lab: Lab, { dir }: ModelFolder, tokenizer: Tokenizer): void {
  for (const id of lab.wordTokens) {
    const [mine, theirs] = [lab.tokenizer.token(id), tokenizer.token(id)];
    if (mine !== undefined && mine !== theirs)
      throw new DonorError(
        dir,
        `token ${JSON.stringify(mine)} at id ${id} (as ${lab.folder.dir} has it)`,
        theirs === undefined ? 'no token' : JSON.stringify(theirs),
        'give a model trained with the same tokenizer',
      );
  }
}

/**
 * A model of the subject's own sizes that learned nothing: weights are drawn as Hugging Face's T5 draws them before
 * training (`T5PreTrainedModel._init_weights` of transformers 5). Each is a function of seed and name, drawn when asked for.
 */
export function untrainedDonor({ config, folder }: Lab, seed: number): Donor {
  const shapes = new Map(expectedWeights(config).map(({ name, shape }) => [name, shape]));
  const order = [...shapes.keys()];
  return {
    name: UNTRAINED,
    key: `untrained:${seed}`,
    config,
    weight(name) {
      const shape = shapes.get(name);
      if (!shape) throw new UnknownWeightError(folder.dir, name);
      const size = elementCount(shape);
      if (name.endsWith('norm.weight')) return { shape, data: new Float32Array(size).fill(config.initializer_factor) };
      return { shape, data: normal(size, deviation(config, name), seed + order.indexOf(name) / order.length) };
    },
    withoutDocs: [],
  };
}

/** Of a weight before training; its mean is 0. */
function deviation(config: T5Config, name: string): number {
  const { initializer_factor: factor, d_model: D, d_kv: K, d_ff: F, num_heads: H } = config;
  if (/^(shared|lm_head)\./.test(name)) return factor;
  if (name.endsWith('.q.weight')) return factor / Math.sqrt(D * K);
  if (name.endsWith('.o.weight')) return factor / Math.sqrt(H * K);
  if (name.endsWith('.wo.weight')) return factor / Math.sqrt(F);
  return factor / Math.sqrt(D); // k, v, wi, wi_0, wi_1 and the position bias
}

/** Box and Muller: two normal numbers from two uniform ones. */
function normal(size: number, scale: number, seed: number): Float32Array {
  const rng = createRng(seed);
  const data = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const radius = scale * Math.sqrt(-2 * Math.log(1 - rng.next()));
    const angle = 2 * Math.PI * rng.next();
    data[i] = radius * Math.cos(angle);
    data[i + 1] = radius * Math.sin(angle); // past the end of an odd size it is dropped
  }
  return data;
}
