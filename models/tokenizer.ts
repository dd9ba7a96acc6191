/**
 * Text to token ids and back, over @huggingface/tokenizers (which reads `tokenizer.json`; importing all of
 * transformers.js instead costs 130 MB of memory).
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as library from '@huggingface/tokenizers';

/**
 * What we use of the library's `Tokenizer`. Its own declarations import each other without file extensions, so that
 * TypeScript finds nothing in them under Node's module resolution.
 */
interface HfTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  decode(
    ids: readonly number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(): Map<string, number>;
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { pre_tokenize(text: string): string[] } | null;
}
const { Tokenizer: HfTokenizer } = library as unknown as {
  Tokenizer: new (tokenizerJson: object, tokenizerConfig: object) => HfTokenizer;
};

/** The parsed files of a tokenizer; a `ModelFolder` is one. */
export interface TokenizerFiles {
  readonly tokenizerJson: unknown;
  readonly tokenizerConfig?: unknown;
  /** Names the source in errors. */
  readonly dir?: string;
}

export interface Tokenizer {
  /** Token ids of a text, `</s>` last as T5 wants it; cut to `maxLength` ids with `</s>` kept. */
  encode(text: string): number[];
  /** A text for display: lower-casing and the like are not undone, special tokens are left out. */
  decode(ids: readonly number[]): string;
  /** The piece with this id, as it stands in the vocabulary. */
  token(id: number): string | undefined;
  id(token: string): number | undefined;
  readonly maxLength: number;
  readonly eosId: number;
  readonly padId: number;
  /** One more than the greatest id, docid tokens included. */
  readonly size: number;
}

/** A tokenizer that is missing, damaged, or without the tokens T5 needs. */
export class TokenizerFileError extends Error {
  readonly file: string;
  readonly expected: string;
  readonly actual: string;

  constructor(file: string, expected: string, actual: string, advice: string, options?: ErrorOptions) {
    super(`${file}: expected ${expected}, got ${actual}; ${advice}`, options);
    this.name = 'TokenizerFileError';
    this.file = file;
    this.expected = expected;
    this.actual = actual;
  }
}

interface AddedToken {
  readonly id: number;
  readonly content: string;
}

const docidToken = /^@DOC_ID_.+@$/s;

/**
 * Opens the tokenizer of a folder, or one whose files are already parsed.
 *
 * Docid tokens (`@DOC_ID_<id>@`) have ids and names here, but no text encodes to them: a query must not be able to
 * name a row of the docid embedding. This is the one difference from the Python tokenizer.
 */
export function loadTokenizer(source: string | TokenizerFiles, maxLength = 512): Tokenizer {
  const files = typeof source === 'string' ? readTokenizerFiles(source) : source;
  const file = files.dir === undefined ? 'tokenizer.json' : join(files.dir, 'tokenizer.json');
  if (files.tokenizerJson === undefined) {
    throw new TokenizerFileError(file, 'a tokenizer', 'none', 'put the tokenizer.json of the model into its folder');
  }
  if (!isRecord(files.tokenizerJson)) {
    throw new TokenizerFileError(file, 'a JSON object', typeof files.tokenizerJson, 'copy the file again');
  }
  const config = isRecord(files.tokenizerConfig) ? files.tokenizerConfig : {};
  const added = (
    Array.isArray(files.tokenizerJson.added_tokens) ? files.tokenizerJson.added_tokens : []
  ) as AddedToken[];
  const isDocid = (token: AddedToken) => docidToken.test(token.content);
  const docids = new Map(added.filter(isDocid).map(({ id, content }) => [id, content]));
  const docidIds = new Map([...docids].map(([id, content]) => [content, id]));
  const hf = construct(
    file,
    { ...files.tokenizerJson, added_tokens: added.filter((token) => !isDocid(token)) },
    config,
  );

  const special = (field: 'eos_token' | 'pad_token', usual: string): number => {
    const declared = config[field];
    const content = isRecord(declared) ? declared.content : declared;
    const name = typeof content === 'string' ? content : usual;
    const id = hf.token_to_id(name);
    if (id === undefined) {
      throw new TokenizerFileError(file, `the token ${name} (${field})`, 'none', 'take a tokenizer made for T5');
    }
    return id;
  };
  const eosId = special('eos_token', '</s>');
  const padId = special('pad_token', '<pad>');
  let size = 0;
  for (const id of hf.get_vocab().values()) size = Math.max(size, id + 1);
  for (const id of docids.keys()) size = Math.max(size, id + 1);
  return {
    maxLength,
    eosId,
    padId,
    size,
    encode(text) {
      // U+0085 (next line) is a space to Python's tokenizers; the JavaScript ones forget it.
      const { ids } = hf.encode(text.replaceAll('\u0085', ' '), { add_special_tokens: false });
      return [...(ids.length >= maxLength ? ids.slice(0, maxLength - 1) : ids), eosId];
    },
    decode(ids) {
      const words = ids.filter((id) => !docids.has(id));
      return words.length === 0
        ? ''
        : hf.decode(words, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    },
    token: (id) => docids.get(id) ?? hf.id_to_token(id),
    id: (token) => docidIds.get(token) ?? hf.token_to_id(token),
  };
}

/** The words a tokenizer.json sees in a text: normalized, split, not yet cut into pieces. */
export function wordSplitter(tokenizerJson: object): (text: string) => string[] {
  const { normalizer, pre_tokenizer } = construct('tokenizer.json', tokenizerJson, {});
  return (text) => {
    const normalized = normalizer?.normalize(text) ?? text;
    return pre_tokenizer?.pre_tokenize(normalized) ?? [normalized];
  };
}

export interface PaddedBatch {
  /** int64 [B, S] row-major, rows filled up with the pad id on the right */
  readonly inputIds: BigInt64Array;
  /** float32 [B, S], 1 where a token stands, 0 where padding does */
  readonly mask: Float32Array;
  /** S, the longest row */
  readonly length: number;
}

/** Rows of token ids as one right-padded batch; S is at least 1. */
export function padBatch(rows: readonly (readonly number[])[], padId = 0): PaddedBatch {
  const length = rows.reduce((longest, row) => Math.max(longest, row.length), 1);
  const inputIds = new BigInt64Array(rows.length * length).fill(BigInt(padId));
  const mask = new Float32Array(rows.length * length);
  rows.forEach((row, b) => {
    row.forEach((id, s) => (inputIds[b * length + s] = BigInt(id)));
    mask.fill(1, b * length, b * length + row.length);
  });
  return { inputIds, mask, length };
}

function readTokenizerFiles(dir: string): TokenizerFiles {
  const read = (name: string): unknown => {
    const file = join(dir, name);
    if (!existsSync(file)) return undefined;
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as unknown;
    } catch (cause) {
      throw new TokenizerFileError(file, 'JSON', reason(cause), 'copy the file again', { cause });
    }
  };
  const tokenizerJson = read('tokenizer.json');
  if (tokenizerJson === undefined && existsSync(join(dir, 'spiece.model'))) {
    const advice = 'convert it in Python: AutoTokenizer.from_pretrained(dir).save_pretrained(dir)';
    throw new TokenizerFileError(join(dir, 'tokenizer.json'), 'a tokenizer', 'only spiece.model', advice);
  }
  return { tokenizerJson, tokenizerConfig: read('tokenizer_config.json'), dir };
}

function construct(file: string, json: object, config: object): HfTokenizer {
  try {
    return new HfTokenizer(json, config);
  } catch (cause) {
    const advice = 'it must be in the format of Hugging Face tokenizers';
    throw new TokenizerFileError(file, 'a tokenizer that can be opened', reason(cause), advice, { cause });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
