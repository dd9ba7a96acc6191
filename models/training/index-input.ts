/**
 * @file What is trained on, and with which tokenizer.
 */
import { createHash } from 'node:crypto';
import { UnknownDocidError, type Document, type JudgedQuery } from '../../corpus/documents.ts';
import type { T5Config } from '../config.ts';
import type { ModelFolder } from '../folder.ts';
import { loadTokenizer, TokenizerFileError, type Tokenizer } from '../tokenizer.ts';
import { trainTokenizer, type TrainedTokenizer } from '../tokenizer-training.ts';
import type { TrainQuery } from './examples.ts';

/** What is indexed. Queries name their relevant docids; those of other documents are left out. */
export interface IndexInput {
  readonly name?: string;
  readonly fingerprint: string;
  readonly documents: readonly Document[];
  readonly train: readonly JudgedQuery[];
  /** Held out: they choose nothing, they only draw the learning curve. */
  readonly dev: readonly JudgedQuery[];
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

/** A corpus that no model can be trained on. */
export class NothingToIndexError extends Error {
  override readonly name = 'NothingToIndexError';
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
