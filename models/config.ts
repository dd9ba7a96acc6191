/**
 * The configuration of a T5 model: Hugging Face's `config.json`, checked and with its defaults filled in.
 * Field names are HF's, letter for letter, so that the file, HF's code and ours read the same.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** 'relu' is T5 v1.0; 'gated-gelu' is T5 v1.1, whose activation is the tanh approximation HF calls `gelu_new`. */
export type FeedForward = 'relu' | 'gated-gelu';

export interface T5Config {
  model_type: 't5' | 'mt5';
  vocab_size: number;
  d_model: number;
  /** Size of one head; num_heads * d_kv need not equal d_model. */
  d_kv: number;
  d_ff: number;
  num_layers: number;
  num_decoder_layers: number;
  num_heads: number;
  relative_attention_num_buckets: number;
  relative_attention_max_distance: number;
  layer_norm_epsilon: number;
  feed_forward_proj: FeedForward;
  /** Whether `lm_head.weight` is `shared.weight`. `readModelFolder` sets it by what the weight file holds. */
  tie_word_embeddings: boolean;
  /**
   * Whether decoder states are multiplied by d_model^-1/2 before `lm_head`. transformers 5 writes it to the file and
   * decides tying by the weights; transformers 4 has no such field and scales exactly when embeddings are tied.
   */
  scale_decoder_outputs: boolean;
  dropout_rate: number;
  initializer_factor: number;
  pad_token_id: number;
  eos_token_id: number;
  decoder_start_token_id: number;
  /** Fields of the file not named above; written back as they were. */
  extra: Record<string, unknown>;
}

/** A `config.json` this project cannot run: which file, which field, what was wanted and what stood there. */
export class ConfigError extends Error {
  readonly file: string;
  readonly field: string;
  readonly expected: string;
  readonly actual: string;

  constructor(file: string, field: string, expected: string, actual: string, advice = 'correct the file') {
    super(`${file}: ${field}: expected ${expected}, got ${actual}; ${advice}`);
    this.name = 'ConfigError';
    this.file = file;
    this.field = field;
    this.expected = expected;
    this.actual = actual;
  }
}

const size = z.int().positive();
const tokenId = z.int().nonnegative();
/** HF allows several end tokens; T5 has one, and the first is the tokenizer's. */
const firstTokenId = z
  .union([tokenId, z.array(tokenId).nonempty()])
  .transform((id) => (Array.isArray(id) ? id[0] : id));

/** HF's defaults where T5Config has them. Sizes have none here: a file that lacks one is damaged, not "t5-small". */
const fileSchema = z.looseObject({
  model_type: z.enum(['t5', 'mt5']),
  vocab_size: size,
  d_model: size,
  d_kv: size,
  d_ff: size,
  num_layers: size,
  num_decoder_layers: size.nullish(),
  num_heads: size,
  relative_attention_num_buckets: z.int().min(4).default(32),
  relative_attention_max_distance: size.default(128),
  layer_norm_epsilon: z.number().positive().default(1e-6),
  feed_forward_proj: z.enum(['relu', 'gated-gelu']).default('relu'),
  tie_word_embeddings: z.boolean().nullish(),
  scale_decoder_outputs: z.boolean().nullish(),
  dropout_rate: z.number().min(0).lt(1).default(0.1),
  initializer_factor: z.number().positive().default(1),
  pad_token_id: tokenId.nullish(),
  eos_token_id: firstTokenId.nullish(),
  decoder_start_token_id: tokenId.nullish(),
  dense_act_fn: z.string().nullish(),
  is_gated_act: z.boolean().nullish(),
});

export function readConfig(file: string): T5Config {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw Object.assign(new ConfigError(file, '(whole file)', 'a readable JSON object', reason(cause)), { cause });
  }
  return parseConfig(json, file);
}

/** @param file names the source in errors */
export function parseConfig(json: unknown, file = 'config.json'): T5Config {
  const type = isRecord(json) ? json.model_type : undefined;
  if (isRecord(json) && type !== 't5' && type !== 'mt5') {
    const advice = 'only T5 (v1.0 and v1.1) and mT5 encoder-decoders can be opened';
    throw new ConfigError(file, 'model_type', '"t5" or "mt5"', show(type), advice);
  }
  const parsed = fileSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue.path.join('.') || '(whole file)';
    throw new ConfigError(
      file,
      field,
      issue.message.replace(/^Invalid (input|option): expected /, ''),
      show(at(json, issue.path)),
    );
  }
  const { dense_act_fn, is_gated_act, ...fields } = parsed.data;
  const gated = fields.feed_forward_proj === 'gated-gelu';
  const activation = gated ? 'gelu_new' : 'relu';
  const because = `because feed_forward_proj is "${fields.feed_forward_proj}"`;
  if ((dense_act_fn ?? activation) !== activation) {
    throw new ConfigError(file, 'dense_act_fn', `"${activation}" ${because}`, show(dense_act_fn));
  }
  if ((is_gated_act ?? gated) !== gated) {
    throw new ConfigError(file, 'is_gated_act', `${gated} ${because}`, show(is_gated_act));
  }
  // The decoder spends half of the buckets on exact distances; the logarithmic half needs room beyond them.
  const exact = Math.floor(fields.relative_attention_num_buckets / 2);
  if (fields.relative_attention_max_distance <= exact) {
    const distance = fields.relative_attention_max_distance;
    throw new ConfigError(
      file,
      'relative_attention_max_distance',
      `more than ${exact} (half the buckets)`,
      show(distance),
    );
  }
  const isMt5 = fields.model_type === 'mt5'; // v1.1 in all but name: never scaled, untied
  const pad = fields.pad_token_id ?? 0;
  return {
    model_type: fields.model_type,
    vocab_size: fields.vocab_size,
    d_model: fields.d_model,
    d_kv: fields.d_kv,
    d_ff: fields.d_ff,
    num_layers: fields.num_layers,
    num_decoder_layers: fields.num_decoder_layers ?? fields.num_layers,
    num_heads: fields.num_heads,
    relative_attention_num_buckets: fields.relative_attention_num_buckets,
    relative_attention_max_distance: fields.relative_attention_max_distance,
    layer_norm_epsilon: fields.layer_norm_epsilon,
    feed_forward_proj: fields.feed_forward_proj,
    tie_word_embeddings: fields.tie_word_embeddings ?? !isMt5,
    scale_decoder_outputs: fields.scale_decoder_outputs ?? (!isMt5 && fields.tie_word_embeddings !== false),
    dropout_rate: fields.dropout_rate,
    initializer_factor: fields.initializer_factor,
    pad_token_id: pad,
    eos_token_id: fields.eos_token_id ?? 1,
    decoder_start_token_id: fields.decoder_start_token_id ?? pad,
    extra: Object.fromEntries(Object.entries(fields).filter(([name]) => !(name in fileSchema.shape))),
  };
}

/** The fields a new model must choose; every other one may be chosen. */
export type T5Sizes = Pick<T5Config, 'vocab_size' | 'd_model' | 'd_kv' | 'd_ff' | 'num_layers' | 'num_heads'>;

/** A checked configuration for a model made here, HF's defaults filled in (v1.0, tied, scaled unless said otherwise). */
export function createConfig(fields: T5Sizes & Partial<T5Config>): T5Config {
  const { extra, ...named } = fields;
  return parseConfig({ model_type: 't5', ...extra, ...named }, 'createConfig');
}

/**
 * The object to write as `config.json`. `tie_word_embeddings` and `scale_decoder_outputs` are both written, so that
 * transformers 4 and 5 compute what we do. (A tied model without scaling is beyond transformers 4.)
 */
export function configToJson(config: T5Config): Record<string, unknown> {
  const { extra, ...named } = config;
  const gated = config.feed_forward_proj === 'gated-gelu';
  const architecture = config.model_type === 't5' ? 'T5ForConditionalGeneration' : 'MT5ForConditionalGeneration';
  return {
    architectures: [architecture],
    is_encoder_decoder: true,
    ...extra,
    ...named,
    dense_act_fn: gated ? 'gelu_new' : 'relu',
    is_gated_act: gated,
  };
}

/** Fields transformers 5 refuses when they look like integers; JavaScript writes 1.0 as 1. */
const floatLine = /^( {2}"(?:initializer_factor|layer_norm_epsilon|dropout_rate|classifier_dropout)": -?\d+)(,?)$/gm;

/** The text of `config.json`. */
export function configText(config: Record<string, unknown>): string {
  return `${JSON.stringify(config, null, 2).replace(floatLine, '$1.0$2')}\n`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function at(json: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (isRecord(value) ? value[String(key)] : undefined), json);
}

function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
