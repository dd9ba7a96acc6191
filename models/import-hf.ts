/**
 * @file Checkpoints of other people: a Hugging Face folder of a T5 whose tokenizer has one added token for each document, as
 * the code of arXiv 2503.19715 makes them, becomes a model folder of ours.
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { atomicToken, docidOfAtomicToken } from '../corpus/docids/atomic.ts';
import { LARGE_BYTES, readModelFolder, writeModelFolder, type Genir, type ModelFolder } from './folder.ts';
import { TokenizerMismatchError } from './folder-errors.ts';
import { loadTokenizer } from './tokenizer.ts';
import { addedTokens } from './token-ids.ts';
import { elementCount, type ReadableDtype, type StoredDtype, type WritableDtype } from './weights.ts';

/** The documents that a checkpoint shall answer with. */
export interface ImportCorpus {
  readonly name: string;
  readonly fingerprint: string;
  readonly docids: readonly string[];
}

export interface ImportOptions {
  /** The Hugging Face folder. */
  readonly from: string;
  readonly out: string;
  readonly corpus: ImportCorpus;
  /** Token → docid, where tokens are not `@DOC_ID_<docid>@`. */
  readonly docids?: ReadonlyMap<string, string> | undefined;
  /** Takes documents that only the corpus or only the model has. @default false */
  readonly partial?: boolean | undefined;
  /** What the checkpoint is called; the name of its folder where left out. */
  readonly name?: string | undefined;
}

export interface ImportedModel {
  readonly out: string;
  readonly documents: number;
  readonly parameters: number;
  /** What weights were stored as, and are now. */
  readonly dtype: { readonly from: StoredDtype; readonly to: StoredDtype };
  /** Whether the files of the weights are the checkpoint's own. */
  readonly linked: boolean;
  /** Documents that only one side has. */
  readonly only: { readonly corpus: number; readonly model: number };
}

/** Docids of a checkpoint that are not those of the corpus. */
export class DocidCoverageError extends Error {
  override readonly name = 'DocidCoverageError';
  readonly dir: string;
  /** Docids without a document. */
  readonly onlyModel: readonly string[];
  /** Documents without a token. */
  readonly onlyCorpus: readonly string[];
  constructor(
    dir: string,
    corpus: ImportCorpus,
    of: number,
    onlyModel: readonly string[],
    onlyCorpus: readonly string[],
  ) {
    const isForeign = onlyModel.length === of;
    const advice = isForeign
      ? 'give the corpus that it was trained on, or a file that maps its tokens to docids with --docids'
      : 'give the corpus that it was trained on, map its tokens to docids with --docids, or take what both have with --partial';
    super(
      `${dir}: expected a token for each of the ${corpus.docids.length} documents of ${corpus.name}, and for no others, got ` +
        `${onlyCorpus.length} documents without a token${some(onlyCorpus)} and ` +
        `${onlyModel.length} of ${of} tokens without a document${some(onlyModel)}; ${advice}`,
    );
    this.dir = dir;
    this.onlyModel = onlyModel;
    this.onlyCorpus = onlyCorpus;
  }
}

const SHOWN = 5;
const some = (docids: readonly string[]): string =>
  docids.length ? ` (${docids.slice(0, SHOWN).join(', ')}${docids.length > SHOWN ? ', …' : ''})` : '';

/**
 * Writes the model folder. Weights are linked; those of a large model that are not float32 are converted, a tensor at a
 * time, so that onnxruntime can map them.
 *
 * @throws DocidCoverageError, TokenizerMismatchError, TokenizerFileError, WeightFileError, WeightShapeError, ConfigError,
 *         ModelFolderError, ModelFolderWriteError
 */
export function importHf({ from, out, corpus, docids, partial = false, name }: ImportOptions): ImportedModel {
  const folder = readModelFolder(from);
  const dir = folder.dir;
  loadTokenizer(folder); // whatever keeps it from being used is said now
  const table = docidTable(folder, docids);
  const known = new Set(corpus.docids);
  const named = new Set(table.docids);
  const onlyModel = table.docids.filter((docid) => !known.has(docid));
  const onlyCorpus = corpus.docids.filter((docid) => !named.has(docid));
  const isForeign = onlyModel.length === table.docids.length;
  if (isForeign || (!partial && onlyModel.length + onlyCorpus.length > 0))
    throw new DocidCoverageError(dir, corpus, table.docids.length, onlyModel, onlyCorpus);
  const genir: Genir = {
    ...{ format: 'palimpsest-genir', version: 1, scheme: 'atomic' },
    ...table,
    corpus: {
      fingerprint: onlyModel.length + onlyCorpus.length ? null : corpus.fingerprint,
      documents: table.docids.length,
      name: corpus.name,
    },
    training: { imported: { from: name ?? basename(dir) } },
  };
  const { config, weights } = folder;
  const parameters = [...weights.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const stored = dtypeOf(folder);
  const linked = isWritable(stored) && (stored === 'F32' || 4 * parameters < LARGE_BYTES);
  const dtype: WritableDtype = linked ? stored : 'F32';
  writeModelFolder(out, {
    ...{ config, weights, genir, dtype },
    ...renamedTokens(folder, table),
    ...(linked && { weightFiles: weightFiles(folder) }),
  });
  const only = { corpus: onlyCorpus.length, model: onlyModel.length };
  return { out, documents: table.docids.length, parameters, dtype: { from: stored, to: dtype }, linked, only };
}

// ---------------------------------------------------------------------------------------------- docids

interface DocidTable {
  /** By row. */
  readonly docids: string[];
  readonly firstDocidToken: number;
}

/** Which added tokens are documents, and which. @throws TokenizerMismatchError */
function docidTable({ dir, config, tokenizerJson }: ModelFolder, names?: ReadonlyMap<string, string>): DocidTable {
  const fail = (expected: string, actual: string): never => {
    throw new TokenizerMismatchError(dir, expected, actual);
  };
  const added = addedTokens(tokenizerJson);
  const docidOf = (content: string): string | undefined => (names ? names.get(content) : docidOfAtomicToken(content));
  const tokens = added
    .flatMap(({ id, content }) => {
      const docid = docidOf(content);
      return docid === undefined ? [] : [{ id, content, docid }];
    })
    .sort((a, b) => a.id - b.id);
  if (names && tokens.length < names.size) {
    const found = new Set(tokens.map(({ content }) => content));
    const missing = [...names.keys()].filter((token) => !found.has(token));
    fail('the tokens of --docids among its added tokens', `${missing.length} that are not there${some(missing)}`);
  }
  if (!tokens.length)
    fail(
      `an added token for each document (${atomicToken('…')}, or those of --docids)`,
      `${added.length} added tokens${some(added.map(({ content }) => content))}`,
    );
  const first = tokens[0].id;
  const stray = tokens.find(({ id }, i) => id !== first + i);
  if (stray) fail('docid tokens with consecutive ids', `${stray.content} at ${stray.id}`);
  const end = first + tokens.length;
  if (end > config.vocab_size)
    fail(
      `an embedding with a row for each of the ${tokens.length} docid tokens, ${end} in all`,
      `${config.vocab_size}, as config.json and the weights say`,
    );
  const seen = new Map<string, string>();
  for (const { content, docid } of tokens) {
    const earlier = seen.get(docid);
    if (earlier !== undefined) fail('a docid for each token', `${docid} for both ${earlier} and ${content}`);
    seen.set(docid, content);
  }
  return { docids: tokens.map(({ docid }) => docid), firstDocidToken: first };
}

interface Token {
  readonly content: string;
}

/** The tokenizer with its docid tokens under the names that we give them. */
function renamedTokens(
  { tokenizerJson, tokenizerConfig }: ModelFolder,
  { docids, firstDocidToken: first }: DocidTable,
): Pick<ModelFolder, 'tokenizerJson' | 'tokenizerConfig'> {
  const names = new Map<string, string>();
  const renamed = <T extends Token>(id: number, token: T): T => {
    const docid = docids[id - first] as string | undefined;
    if (docid === undefined) return token;
    const content = atomicToken(docid);
    names.set(token.content, content);
    return token.content === content ? token : { ...token, content };
  };
  const json = tokenizerJson as { added_tokens: (Token & { id: number })[] };
  const added_tokens = json.added_tokens.map((token) => renamed(token.id, token));
  if (typeof tokenizerConfig !== 'object' || tokenizerConfig === null)
    return { tokenizerJson: { ...json, added_tokens }, tokenizerConfig };
  const fields = Object.entries(tokenizerConfig as Record<string, unknown>).map(([field, value]) => {
    if (field === 'added_tokens_decoder') {
      const entries = Object.entries(value as Record<string, Token>);
      return [field, Object.fromEntries(entries.map(([id, token]) => [id, renamed(Number(id), token)]))] as const;
    }
    if (!Array.isArray(value)) return [field, value] as const; // lists of special tokens may name them too
    return [field, value.map((one: unknown) => (typeof one === 'string' ? (names.get(one) ?? one) : one))] as const;
  });
  return { tokenizerJson: { ...json, added_tokens }, tokenizerConfig: Object.fromEntries(fields) };
}

// ---------------------------------------------------------------------------------------------- weights

/** Of the most numbers. */
function dtypeOf({ weights }: ModelFolder): StoredDtype {
  const count = new Map<StoredDtype, number>();
  for (const { dtype, shape } of weights.values()) count.set(dtype, (count.get(dtype) ?? 0) + elementCount(shape));
  const [[dtype]] = [...count].sort(([, a], [, b]) => b - a);
  return dtype;
}

const isWritable = (dtype: StoredDtype): dtype is WritableDtype & ReadableDtype =>
  dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';

function weightFiles({ weights }: ModelFolder): string[] {
  const files = [...new Set([...weights.values()].map(({ file }) => file))];
  const index = join(dirname(files[0]), 'model.safetensors.index.json');
  return basename(files[0]) !== 'model.safetensors' && existsSync(index) ? [...files, index] : files;
}
