/** Tiny random models whose docids are paths, and what their documents score when each is decoded whole. */
import { DEPTH } from '../../editing/path-standing.ts';
import type { Rng } from '../../corpus/random.ts';
import { createConfig, type T5Config } from '../../models/config.ts';
import { writeModelFolder, type ModelFolder } from '../../models/folder.ts';
import { pathIds, type PathGenir } from '../../models/genir.ts';
import { decoderGraph, encoderGraph } from '../../models/graphs.ts';
import { int64, Session, tensor, type FloatTensor } from '../../models/session.ts';
import { trainTokenizer } from '../../models/tokenizer-training.ts';
import { loadTokenizer } from '../../models/tokenizer.ts';
import { randomWeights, texts } from './tiny-model.ts';

export interface SequenceModelOptions {
  /** Token names of each document, a blank between two; codes are c0 … c7, words those of a tiny model. */
  readonly paths: readonly string[];
  readonly codes?: readonly string[];
  readonly docids?: readonly string[];
  readonly seed?: number;
  readonly config?: Partial<Omit<T5Config, 'vocab_size'>>;
  /** Ids of the tokenizer; codes follow. @default 400 */
  readonly words?: number;
  /** What the tokenizer is trained with. */
  readonly trainingTexts?: readonly string[];
}

export const codes = ['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'];

export function writeSequenceModel(dir: string, options: SequenceModelOptions): string {
  const { paths, seed = 1, words = 400 } = options;
  const tokenizer = trainTokenizer(options.trainingTexts ?? texts, { vocabSize: words, minWordCount: 1 });
  const sizes = { d_model: 32, d_kv: 8, d_ff: 64, num_layers: 1, num_decoder_layers: 2, num_heads: 4 };
  const names = options.codes ?? codes;
  const config = createConfig({ ...sizes, ...options.config, vocab_size: words + names.length });
  const genir: PathGenir = {
    format: 'palimpsest-genir',
    version: 2,
    scheme: 'semantic',
    docids: [...(options.docids ?? paths.map((_, i) => `d${i}`))],
    paths: [...paths],
    codes: [...names],
    firstDocidToken: words,
    corpus: { fingerprint: null, documents: paths.length },
  };
  writeModelFolder(dir, { config, weights: randomWeights(config, seed), genir, ...tokenizer });
  return dir;
}

/** Random paths of one to `longest` tokens, none of which ends inside another. */
export function randomPaths(rng: Rng, count: number, longest = 5): string[] {
  const names = [...codes, '</s>', '▁ice', '▁water', '▁bread'];
  const paths: string[] = [];
  const within = (a: string, b: string): boolean => `${b} `.startsWith(`${a} `);
  while (paths.length < count) {
    const length = paths.length ? 1 + rng.int(longest) : longest;
    const path = Array.from({ length }, () => names[rng.int(2 + rng.int(names.length - 2))]).join(' ');
    if (!paths.some((one) => within(one, path) || within(path, one))) paths.push(path);
  }
  return paths;
}

/** The model without caches, trie or beams: any prefix after any query. */
export class WholeModel {
  private readonly folder: ModelFolder;
  private readonly encoder: Session;
  private readonly decoder: Session;
  private readonly encoded = new Map<string, FloatTensor>();
  /** Log-softmax over the vocabulary after a prefix, by query and prefix. */
  private readonly known = new Map<string, Float64Array>();
  private readonly scores = new Map<string, number>();
  /** Token ids of the documents' paths. */
  readonly paths: readonly (readonly number[])[];

  private constructor(folder: ModelFolder, encoder: Session, decoder: Session) {
    this.folder = folder;
    this.encoder = encoder;
    this.decoder = decoder;
    const { tokens, offsets } = pathIds(folder.genir as PathGenir, folder.tokenizerJson);
    this.paths = Array.from({ length: offsets.length - 1 }, (_, n) => [...tokens.subarray(offsets[n], offsets[n + 1])]);
  }

  static async open(folder: ModelFolder): Promise<WholeModel> {
    const weights = (name: string): ReturnType<ModelFolder['tensor']> => folder.tensor(name);
    const encoder = await Session.open(encoderGraph(folder.config, weights));
    return new WholeModel(folder, encoder, await Session.open(decoderGraph(folder.config, weights)));
  }

  /** Σ log p(token | tokens before it, query) of a path, all of it in one run. */
  async score(query: string, path: readonly number[]): Promise<number> {
    const key = JSON.stringify([query, path]);
    let score = this.scores.get(key);
    if (score === undefined) {
      const logits = await this.logits(query, path.slice(0, -1));
      this.scores.set(key, (score = path.reduce((sum, token, t) => sum + logSoftmax(logits[t])[token], 0)));
    }
    return score;
  }

  /** float64 [V]: what follows a prefix. */
  async after(query: string, prefix: readonly number[]): Promise<Float64Array> {
    const key = JSON.stringify([query, prefix]);
    let known = this.known.get(key);
    if (!known) this.known.set(key, (known = logSoftmax((await this.logits(query, prefix))[prefix.length])));
    return known;
  }

  /** Of each position, the start token first. */
  private async logits(query: string, prefix: readonly number[]): Promise<Float32Array[]> {
    const ids = loadTokenizer(this.folder).encode(query);
    const attention_mask = tensor(new Float32Array(ids.length).fill(1), [1, ids.length]);
    let encoder_out = this.encoded.get(query);
    if (!encoder_out) {
      const out = await this.encoder.run({ input_ids: int64(ids, [1, ids.length]), attention_mask });
      this.encoded.set(query, (encoder_out = out.encoder_out as FloatTensor));
    }
    const read = [this.folder.config.decoder_start_token_id, ...prefix];
    const decoder_input_ids = int64(read, [1, read.length]);
    const { logits } = await this.decoder.run({ encoder_out, attention_mask, decoder_input_ids });
    const V = this.folder.config.vocab_size;
    return read.map((_, t) => (logits.data as Float32Array).subarray(t * V, (t + 1) * V));
  }

  async release(): Promise<void> {
    await this.encoder.release();
    await this.decoder.release();
  }
}

function logSoftmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, x) => total + Math.exp(x - largest), 0);
  return Float64Array.from(logits, (x) => x - largest - Math.log(sum));
}

/** Log-probabilities of the documents that count for a query, best first. */
export const counted = (scores: readonly number[]): number[] => [...scores].sort((a, b) => b - a).slice(0, DEPTH);

/** The logarithm of what they have together. */
export const totalOf = (scores: readonly number[]): number =>
  Math.log(counted(scores).reduce((sum, x) => sum + Math.exp(x), 0));
