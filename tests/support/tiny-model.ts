/** Tiny random models that answer with docids: real folders, real tokenizers, no training. */
import { createRng, type Rng } from '../../corpus/random.ts';
import { createConfig, type T5Config } from '../../models/config.ts';
import { expectedWeights, writeModelFolder, type Genir, type ModelFolder } from '../../models/folder.ts';
import { trainTokenizer } from '../../models/tokenizer-training.ts';
import type { WeightTensor } from '../../models/weights.ts';

/** Ten short texts whose words the tokenizer of a tiny model has whole. */
export const texts = [
  'a river carries water from the hills to the sea',
  'the violin is the smallest of the bowed strings',
  'volcanoes bring molten rock to the surface',
  'bread rises when yeast makes gas in the dough',
  'comets are bodies of ice that grow a tail near the sun',
  'a harbour gives ships shelter from wind and waves',
  'libraries keep books and lend them to readers',
  'glaciers are rivers of ice that move slowly',
  'orchards are planted with trees for their fruit',
  'a compass needle points to magnetic north',
];
const words = [...new Set(texts.join(' ').split(' '))];

/** A query of one to ten of those words. */
export const randomQuery = (rng: Rng): string =>
  Array.from({ length: 1 + rng.int(10) }, () => words[rng.int(words.length)]).join(' ');

export interface TinyModelOptions {
  /** @default d0 … d9 */
  readonly docids?: readonly string[];
  /** The same seed writes the same model. @default 1 */
  readonly seed?: number;
  /** Sizes and kinds other than those of a two-layer T5 v1.0 with d_model 32. */
  readonly config?: Partial<Omit<T5Config, 'vocab_size'>>;
  /** Ids of the tokenizer; docid rows follow. @default 400 */
  readonly words?: number;
  /** What the tokenizer is trained with. */
  readonly trainingTexts?: readonly string[];
}

/** Writes the model to `dir`. Weights are such that different queries and documents get clearly different scores. */
export function writeTinyModel(dir: string, options: TinyModelOptions = {}): string {
  const { docids = texts.map((_, i) => `d${i}`), seed = 1, words: firstDocidToken = 400 } = options;
  const tokenizer = trainTokenizer(options.trainingTexts ?? texts, { vocabSize: firstDocidToken, minWordCount: 1 });
  const sizes = { d_model: 32, d_kv: 8, d_ff: 64, num_layers: 2, num_decoder_layers: 2, num_heads: 4 };
  const config = createConfig({ ...sizes, ...options.config, vocab_size: firstDocidToken + docids.length });
  const genir: Genir = {
    format: 'palimpsest-genir',
    version: 1,
    scheme: 'atomic',
    docids: [...docids],
    firstDocidToken,
    corpus: { fingerprint: null, documents: docids.length },
  };
  writeModelFolder(dir, { config, weights: randomWeights(config, seed), genir, ...tokenizer });
  return dir;
}

/** Norms near 1, embeddings of unit spread, linear maps that keep the size of what they are given. */
export function randomWeights(config: T5Config, seed: number): Map<string, WeightTensor> {
  const rng = createRng(seed);
  const spread = Math.sqrt(12); // of 1 for a uniform number
  const uniform = (scale: number): number => scale * spread * (rng.next() - 0.5);
  const draw = (name: string, fanIn: number): (() => number) => {
    if (name.endsWith('norm.weight')) return () => 1 + uniform(0.1);
    if (name === 'shared.weight' || name.includes('attention_bias')) return () => uniform(1);
    if (/Attention\.[qk]\.weight$/.test(name)) return () => uniform(1 / Math.sqrt(fanIn * Math.sqrt(config.d_kv)));
    return () => uniform(1 / Math.sqrt(fanIn));
  };
  return new Map(
    expectedWeights(config).map(({ name, shape }) => {
      const next = draw(name, shape[1]);
      return [name, { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next) }] as const;
    }),
  );
}

/** A copy of `folder` in `dir` with some weights replaced. */
export function copyModel(dir: string, folder: ModelFolder, changed: ReadonlyMap<string, WeightTensor>): string {
  const weights = new Map([...folder.weights.keys()].map((name) => [name, changed.get(name) ?? folder.tensor(name)]));
  const { config, tokenizerJson, tokenizerConfig, genir } = folder;
  writeModelFolder(dir, { config, weights, tokenizerJson, tokenizerConfig, genir });
  return dir;
}
