/**
 * A model on disk: a Hugging Face folder (`config.json`, `model.safetensors` or its shards, `tokenizer.json`) with one
 * file of ours beside them, `genir.json`, which says which document each docid row of the embedding stands for.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { configText, configToJson, readConfig, type T5Config } from './config.ts';
import {
  ModelFolderError,
  ModelFolderWriteError,
  TokenizerMismatchError,
  UnknownWeightError,
  WeightShapeError,
} from './folder-errors.ts';
import { docidEntries, entryName, genirOfTokenizer, parseGenir, pathIds, type Genir } from './genir.ts';
import { tokenIds } from './token-ids.ts';
import { readWeights, syncDirectory, writeAtomically, writeSafetensors } from './weights.ts';
import type { FilePlace, StoredTensor, WeightTensor, WritableDtype } from './weights.ts';

export { ModelFolderError, ModelFolderWriteError, TokenizerMismatchError, UnknownWeightError, WeightShapeError };
export { genirOfTokenizer, parseGenir, type Genir };

export interface ModelFolder {
  readonly dir: string;
  /** `tie_word_embeddings` says what the weights are, whatever the file said. */
  readonly config: T5Config;
  /** HF name → tensor, exactly the names of `expectedWeights(config)` in that order; shapes are checked. */
  readonly weights: ReadonlyMap<string, StoredTensor>;
  /** The weight of this HF name, read from disk when its `data` is first asked for; in a large model it has a `place`. */
  tensor(name: string): WeightTensor;
  /** Rows [from, to) of the weight of this HF name, read without the others: float32 [to − from, D]. */
  rows(name: string, from: number, to: number): Float32Array;
  /** Parsed `tokenizer.json` and `tokenizer_config.json`; undefined where the folder has no such file. */
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig: unknown;
  /** Which documents the model answers with; undefined for a plain T5 model. */
  readonly genir: Genir | undefined;
}

// ---------------------------------------------------------------------------------------------- weight names

export interface ExpectedWeight {
  readonly name: string;
  readonly shape: readonly number[];
}

/** HF's names and shapes (matrices are [out, in]) in the order of HF's modules. */
export function expectedWeights(config: T5Config): ExpectedWeight[] {
  const { vocab_size: V, d_model: D, d_ff: F, num_heads: H, d_kv: K, relative_attention_num_buckets: buckets } = config;
  const attention = (prefix: string, hasBias: boolean): ExpectedWeight[] => [
    { name: `${prefix}.q.weight`, shape: [H * K, D] },
    { name: `${prefix}.k.weight`, shape: [H * K, D] },
    { name: `${prefix}.v.weight`, shape: [H * K, D] },
    { name: `${prefix}.o.weight`, shape: [D, H * K] },
    ...(hasBias ? [{ name: `${prefix}.relative_attention_bias.weight`, shape: [buckets, H] }] : []),
  ];
  const norm = (prefix: string): ExpectedWeight => ({ name: `${prefix}.weight`, shape: [D] });
  const inputs = config.feed_forward_proj === 'relu' ? ['wi'] : ['wi_0', 'wi_1'];
  const mlp = (prefix: string): ExpectedWeight[] => [
    ...inputs.map((wi) => ({ name: `${prefix}.${wi}.weight`, shape: [F, D] })),
    { name: `${prefix}.wo.weight`, shape: [D, F] },
  ];
  const block = (stack: 'encoder' | 'decoder', i: number): ExpectedWeight[] => {
    const layer = `${stack}.block.${i}.layer`;
    const cross = [...attention(`${layer}.1.EncDecAttention`, false), norm(`${layer}.1.layer_norm`)];
    const last = stack === 'encoder' ? 1 : 2;
    return [
      ...attention(`${layer}.0.SelfAttention`, i === 0),
      norm(`${layer}.0.layer_norm`),
      ...(stack === 'decoder' ? cross : []),
      ...mlp(`${layer}.${last}.DenseReluDense`),
      norm(`${layer}.${last}.layer_norm`),
    ];
  };
  const stack = (name: 'encoder' | 'decoder', layers: number): ExpectedWeight[] => [
    ...Array.from({ length: layers }, (_, i) => block(name, i)).flat(),
    norm(`${name}.final_layer_norm`),
  ];
  return [
    { name: 'shared.weight', shape: [V, D] },
    ...stack('encoder', config.num_layers),
    ...stack('decoder', config.num_decoder_layers),
    ...(config.tie_word_embeddings ? [] : [{ name: 'lm_head.weight', shape: [V, D] }]),
  ];
}

/** Throws WeightShapeError unless `weights` holds the names and shapes of `expectedWeights(config)` and no others. */
export function checkWeights(dir: string, config: T5Config, weights: ReadonlyMap<string, WeightTensor>): void {
  const expected = new Map(expectedWeights(config).map((weight) => [weight.name, weight.shape]));
  const missing = [...expected.keys()].filter((name) => !weights.has(name));
  const extra = [...weights.keys()].filter((name) => !expected.has(name));
  const misshapen = [...expected].flatMap(([name, shape]) => {
    const actual = weights.get(name)?.shape;
    return actual === undefined || sameShape(actual, shape) ? [] : [{ name, expected: shape, actual }];
  });
  if (missing.length + extra.length + misshapen.length > 0)
    throw new WeightShapeError(dir, { missing, extra, misshapen });
}

/** Other names of `shared.weight` in files of various ages. */
const sharedAliases = ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight'];
/** A relic in T5 v1.0 files, which HF ignores too. */
const ignored = 'decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight';

/**
 * The file's tensors under HF's canonical names, and whether they are tied. As in transformers 5 the weights decide:
 * an `lm_head.weight` of its own means untied, whatever `tie_word_embeddings` says.
 */
function canonicalWeights(dir: string, config: T5Config, stored: ReadonlyMap<string, StoredTensor>) {
  const weights = new Map(stored);
  weights.delete(ignored);
  for (const alias of sharedAliases) {
    const tensor = weights.get(alias);
    if (!tensor) continue;
    const shared = weights.get('shared.weight') ?? tensor;
    if (!sameValues(shared, tensor)) {
      const advice = 'models with two different input embeddings are not supported';
      throw new ModelFolderError(dir, `${alias} equal to shared.weight`, 'other values', advice);
    }
    weights.set('shared.weight', shared);
    weights.delete(alias);
  }
  const head = weights.get('lm_head.weight');
  const shared = weights.get('shared.weight');
  let tied = head === undefined;
  if (head && !shared) {
    weights.set('shared.weight', head);
    tied = true;
  } else if (head && shared && config.tie_word_embeddings && sameValues(head, shared)) {
    tied = true;
  }
  if (tied) weights.delete('lm_head.weight');
  return { weights, tied };
}

// ---------------------------------------------------------------------------------------------- reading

/** Opens a model folder and checks that its parts fit each other. Weights stay on disk until asked for. */
export function readModelFolder(path: string): ModelFolder {
  const dir = resolve(path);
  recoverModelFolder(dir);
  if (!existsSync(join(dir, 'config.json'))) {
    const actual = existsSync(dir) ? 'none' : 'no such folder';
    throw new ModelFolderError(dir, 'a folder with config.json', actual, 'give the path of a model folder');
  }
  let config = readConfig(join(dir, 'config.json'));
  const generation = readJson(join(dir, 'generation_config.json'));
  const json = readJson(join(dir, 'config.json'));
  // transformers 5 moves the start token here.
  if (isRecord(generation) && isRecord(json) && typeof json.decoder_start_token_id !== 'number') {
    const start = generation.decoder_start_token_id;
    if (typeof start === 'number') config = { ...config, decoder_start_token_id: start };
  }
  const { weights: canonical, tied } = canonicalWeights(dir, config, readWeights(dir).tensors);
  config = { ...config, tie_word_embeddings: tied };
  checkWeights(dir, config, canonical);
  const weights = new Map(expectedWeights(config).map(({ name }) => [name, canonical.get(name) as StoredTensor]));

  const tokenizerJson = readJson(join(dir, 'tokenizer.json'));
  const tokenizerConfig = readJson(join(dir, 'tokenizer_config.json'));
  const genirJson = readJson(join(dir, 'genir.json'));
  const genir =
    genirJson === undefined ? genirOfTokenizer(dir, tokenizerJson) : parseGenir(genirJson, join(dir, 'genir.json'));
  checkFit(dir, config, { tokenizerJson, tokenizerConfig, genir });
  const places = filePlaces(weights);
  const stored = (name: string): StoredTensor => {
    const weight = weights.get(name);
    if (!weight) throw new UnknownWeightError(dir, name);
    return weight;
  };
  return {
    dir,
    config,
    weights,
    tokenizerJson,
    tokenizerConfig,
    genir,
    tensor(name) {
      const weight = stored(name);
      const place = places.get(name);
      let read: Float32Array | undefined;
      return {
        shape: weight.shape,
        get data() {
          return (read ??= weight.data);
        },
        ...(place && { place }),
      };
    },
    rows: (name, from, to) => stored(name).rows(from, to),
  };
}

/** From so many bytes of float32 weights on a model is not copied into memory. */
export const LARGE_BYTES = 256 * 2 ** 20;

/**
 * Where onnxruntime finds the weights of a large model, float32 in files of one folder. Those of other types have to be
 * converted, small ones are read: a file that somebody writes to is then no danger to those who have read it.
 */
function filePlaces(weights: ReadonlyMap<string, StoredTensor>): ReadonlyMap<string, FilePlace> {
  const mappable = [...weights].filter(([, { dtype, offset }]) => dtype === 'F32' && offset % 4 === 0);
  if (mappable.reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0) < LARGE_BYTES) return new Map();
  const files = new Map(mappable.map(([, { file }]) => [file, realpathSync(file)]));
  if (new Set([...files.values()].map(dirname)).size > 1) return new Map(); // onnxruntime looks in one folder
  return new Map(
    mappable.map(([name, { file, offset, sizeBytes }]) => [
      name,
      { file: files.get(file)!, offset, byteLength: sizeBytes },
    ]),
  );
}

interface Companions {
  readonly tokenizerJson?: unknown;
  readonly tokenizerConfig?: unknown;
  readonly genir?: Genir | undefined;
}

/** Tokenizer, docids and model must mean the same by each token id. */
function checkFit(dir: string, config: T5Config, { tokenizerJson, tokenizerConfig, genir }: Companions): void {
  const end = genir === undefined ? 0 : genir.firstDocidToken + docidEntries(genir);
  const advice = 'do genir.json and weights belong together?';
  if (genir?.scheme === 'atomic' && end > config.vocab_size) {
    const actual = `${genir.docids.length} docids from row ${genir.firstDocidToken}`;
    throw new ModelFolderError(dir, `docid rows below vocab_size ${config.vocab_size}`, actual, advice);
  }
  if (genir && genir.scheme !== 'atomic') {
    const expected = `words and codes to be the whole vocabulary of ${config.vocab_size}`;
    const actual = `${genir.firstDocidToken} words and ${genir.codes.length} codes`;
    if (end !== config.vocab_size) throw new ModelFolderError(dir, expected, actual, advice);
    pathIds(genir, tokenizerJson, join(dir, 'genir.json'));
  }
  if (tokenizerJson === undefined) return;
  const ids = tokenIds(tokenizerJson);
  for (const [content, id] of ids) {
    if (id >= config.vocab_size) {
      throw new TokenizerMismatchError(
        dir,
        `ids below the model's vocab_size ${config.vocab_size}`,
        `${show(content)} at ${id}`,
      );
    }
    if (genir !== undefined && id >= genir.firstDocidToken && id < end) {
      const wanted = entryName(genir, id - genir.firstDocidToken);
      if (content !== wanted)
        throw new TokenizerMismatchError(dir, `id ${id} left to the docid row ${wanted}`, show(content));
    }
  }
  for (const [field, fallback, wanted] of [
    ['eos_token', '</s>', config.eos_token_id],
    ['pad_token', '<pad>', config.pad_token_id],
  ] as const) {
    const declared = isRecord(tokenizerConfig) ? tokenizerConfig[field] : undefined;
    const content = isRecord(declared) ? declared.content : declared;
    const token = typeof content === 'string' ? content : fallback;
    const id = ids.get(token);
    if (id !== undefined && id !== wanted) {
      throw new TokenizerMismatchError(dir, `${field} at ${wanted}, as config.json says`, `${show(token)} at ${id}`);
    }
  }
}

// ---------------------------------------------------------------------------------------------- writing

export interface ModelParts {
  readonly config: T5Config;
  /** Every name of `expectedWeights(config)`. */
  readonly weights: ReadonlyMap<string, WeightTensor>;
  readonly tokenizerJson?: unknown;
  readonly tokenizerConfig?: unknown;
  readonly genir?: Genir | undefined;
  readonly dtype?: WritableDtype;
  /** Files that hold the weights in this dtype already, shards with their index: linked, or copied, in place of writing. */
  readonly weightFiles?: readonly string[];
}

/** Files that belong to a model: a new one replaces them all. Any other file in the folder is kept. */
const modelFiles =
  /^(config|generation_config|genir|tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$|^(model|pytorch_model)[^/]*\.(safetensors|bin|json)$|^spiece\.model$/;

/**
 * Writes a model folder whole or not at all. The new folder is made beside `path`, brought to disk, then put in its
 * place by renaming; files of others in the old folder (checkpoints, notes) come along. A full disk or a kill leaves the
 * old model; a kill between the two renames is repaired by the next `readModelFolder` or `writeModelFolder`.
 * One writer at a time.
 */
export function writeModelFolder(path: string, parts: ModelParts): void {
  const { config, weights, dtype = 'F32' } = parts;
  recoverModelFolder(path);
  const dir = existsSync(path) ? realpathSync(path) : resolve(path);
  checkWeights(dir, config, weights);
  if (parts.genir !== undefined) parseGenir(parts.genir);
  checkFit(dir, config, parts);
  let temporary: string | undefined;
  let complete = false;
  try {
    mkdirSync(dirname(dir), { recursive: true });
    removeLeftovers(dir);
    temporary = mkdtempSync(`${temporaryPrefix(dir)}${process.pid}-`);
    chmodSync(temporary, 0o777 & ~process.umask()); // mkdtemp's 0700 would keep a server under another account out
    const file = (name: string) => join(temporary as string, name);
    if (existsSync(dir)) bringAlong(dir, temporary);
    const torchDtype = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[dtype];
    // transformers 4 reads torch_dtype, transformers 5 dtype.
    writeText(file('config.json'), configText({ ...configToJson(config), dtype: torchDtype, torch_dtype: torchDtype }));
    writeJson(file('generation_config.json'), {
      decoder_start_token_id: config.decoder_start_token_id,
      eos_token_id: config.eos_token_id,
      pad_token_id: config.pad_token_id,
    });
    const ordered = new Map(expectedWeights(config).map(({ name }) => [name, weights.get(name) as WeightTensor]));
    if (parts.weightFiles) for (const from of parts.weightFiles) linkOrCopy(realpathSync(from), file(basename(from)));
    else writeSafetensors(file('model.safetensors'), ordered, { dtype });
    if (parts.tokenizerJson !== undefined) writeJson(file('tokenizer.json'), parts.tokenizerJson);
    if (parts.tokenizerConfig !== undefined) writeJson(file('tokenizer_config.json'), parts.tokenizerConfig);
    if (parts.genir !== undefined) writeJson(file('genir.json'), parts.genir);
    syncDirectory(temporary);
    complete = true;
    if (existsSync(dir)) {
      renameSync(dir, oldPlace(dir));
      renameSync(temporary, dir);
    } else {
      renameSync(temporary, dir);
    }
    syncDirectory(dirname(dir));
  } catch (cause) {
    recoverModelFolder(dir);
    if (temporary !== undefined && !complete) rmSync(temporary, { recursive: true, force: true });
    throw new ModelFolderWriteError(dir, cause, complete ? temporary : undefined);
  }
  rmSync(oldPlace(dir), { recursive: true, force: true });
}

/** Beside `dir`, under a name that nobody else gives: what lies there is ours to put back or to remove. */
function ownPlace(dir: string, suffix: string): string {
  return join(dirname(dir), `.${basename(dir)}.palimpsest-${suffix}`);
}

const oldPlace = (dir: string): string => ownPlace(dir, 'replaced');
/** The writer's process id comes behind it. */
const temporaryPrefix = (dir: string): string => ownPlace(dir, 'writing-');

/** Puts the old folder back if a writer died between moving it away and moving the new one in. */
function recoverModelFolder(dir: string): void {
  const old = oldPlace(resolve(dir));
  if (!existsSync(dir) && existsSync(old)) renameSync(old, dir);
}

/** Removes what writers that no longer live left beside `dir`: half-written folders and the replaced model. */
function removeLeftovers(dir: string): void {
  const prefix = basename(temporaryPrefix(dir));
  for (const name of readdirSync(dirname(dir))) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : NaN;
    if (!Number.isNaN(pid) && !isAlive(pid)) rmSync(join(dirname(dir), name), { recursive: true, force: true });
  }
  rmSync(oldPlace(dir), { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Hard links (copies, where the file system has none) of all files in `from` that a new model does not replace. */
function bringAlong(from: string, to: string, isTop = true): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (isTop && modelFiles.test(entry.name)) continue;
    if (entry.isDirectory()) {
      mkdirSync(target);
      bringAlong(source, target, false);
    } else linkOrCopy(source, target);
  }
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
    syncDirectory(target);
  }
}

// ---------------------------------------------------------------------------------------------- small helpers

function readJson(file: string): unknown {
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as unknown;
  } catch (cause) {
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw Object.assign(new ModelFolderError(file, 'JSON', actual, 'the file is damaged: copy it again'), { cause });
  }
}

function writeJson(file: string, json: unknown): void {
  writeText(file, `${JSON.stringify(json, null, 2)}\n`);
}

function writeText(file: string, text: string): void {
  writeAtomically(file, (write) => write(Buffer.from(text)));
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

function sameValues(a: StoredTensor, b: StoredTensor): boolean {
  if (a === b) return true;
  if (!sameShape(a.shape, b.shape)) return false;
  const step = Math.max(1, Math.floor(COMPARED / (a.shape[1] ?? 1)));
  for (let from = 0; from < a.shape[0]; from += step) {
    const to = Math.min(a.shape[0], from + step);
    const [left, right] = [a.rows(from, to), b.rows(from, to)];
    if (!left.every((value, i) => Object.is(value, right[i]))) return false;
  }
  return true;
}

/** Numbers of two tables that are in memory while they are compared. */
const COMPARED = 4_000_000;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
