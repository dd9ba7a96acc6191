import type { PathScheme } from '../../corpus/docids/path-table.ts';
import { parseConfig, type T5Config } from '../config.ts';
import type { BagTrainingOptions } from './lexical-start.ts';
import type { TrainerOptions } from './trainer.ts';

export const modelSizes = ['tiny', 'small', 'base'] as const;
export type ModelSize = (typeof modelSizes)[number];

export const MAX_DECODER_LAYERS = 64;

/** What a size stands for. The figures it reaches are in the README. */
export interface SizeSettings {
  readonly d_model: number;
  readonly num_heads: number;
  readonly d_kv: number;
  readonly d_ff: number;
  readonly num_layers: number;
  readonly num_decoder_layers: number;
  readonly vocabulary: number;
  /** The lexical start. */
  readonly words: Pick<BagTrainingOptions, 'steps' | 'batchSize' | 'directionRate'>;
  readonly model: Pick<TrainerOptions, 'steps' | 'batchSize' | 'rates' | 'dropout'>;
}

export const SIZES: { readonly [S in ModelSize]: SizeSettings } = {
  tiny: {
    d_model: 64,
    num_heads: 2,
    d_kv: 16,
    d_ff: 128,
    num_layers: 1,
    num_decoder_layers: 3,
    vocabulary: 4000,
    words: { steps: 100, batchSize: 128, directionRate: 1 },
    model: { steps: 200, batchSize: 64, rates: { weights: 1e-3, embeddings: 3e-3, rows: 2e-3 }, dropout: 0.1 },
  },
  small: {
    d_model: 448,
    num_heads: 4,
    d_kv: 56,
    d_ff: 448,
    num_layers: 1,
    num_decoder_layers: 4,
    vocabulary: 8150,
    words: { steps: 1000, batchSize: 512, directionRate: 3 },
    model: { steps: 1600, batchSize: 256, rates: { weights: 3e-4, embeddings: 1e-3, rows: 1e-4 }, dropout: 0.1 },
  },
  base: {
    d_model: 1024,
    num_heads: 8,
    d_kv: 64,
    d_ff: 1024,
    num_layers: 1,
    num_decoder_layers: 4,
    vocabulary: 30_000,
    words: { steps: 1000, batchSize: 1024, directionRate: 1 },
    model: { steps: 1200, batchSize: 256, rates: { weights: 2.5e-4, embeddings: 1.2e-3, rows: 1e-4 }, dropout: 0.1 },
  },
};

type PathTraining = { readonly [S in ModelSize]: Pick<SizeSettings, 'words' | 'model'> };

/** Docids of words: their lexical start is nearer to where training ends than that of atomic ones. */
const wordPaths: PathTraining = {
  tiny: { words: { steps: 100, batchSize: 128, directionRate: 1 }, model: SIZES.tiny.model },
  small: { words: { steps: 1000, batchSize: 512, directionRate: 3 }, model: { ...SIZES.small.model, steps: 600 } },
  base: { words: { steps: 400, batchSize: 512, directionRate: 3 }, model: { ...SIZES.base.model, steps: 300 } },
};

/** Docids of two tokens: their lexical start is as good as it gets; what training adds to it so far takes away (DESIGN.md). */
const twoTokens: PathTraining = {
  tiny: wordPaths.tiny,
  small: { words: wordPaths.small.words, model: { ...SIZES.small.model, steps: 1 } },
  base: { words: { ...wordPaths.base.words, steps: 150 }, model: { ...SIZES.base.model, steps: 1 } },
};

/** What differs where docids are paths. */
export const PATH_TRAINING: { readonly [S in PathScheme]: PathTraining } = {
  naive: wordPaths,
  lexical: wordPaths,
  semantic: twoTokens,
  hashed: twoTokens,
};

/** The T5 of a size for a vocabulary of `words` tokens and `documents` docids. */
export function configOf(settings: SizeSettings, words: number, documents: number): T5Config {
  const { d_model, num_heads, d_kv, d_ff, num_layers, num_decoder_layers } = settings;
  return parseConfig({
    model_type: 't5',
    architectures: ['T5ForConditionalGeneration'],
    vocab_size: words + documents,
    d_model,
    d_kv,
    d_ff,
    num_layers,
    num_decoder_layers,
    num_heads,
    feed_forward_proj: 'relu',
    tie_word_embeddings: true,
    scale_decoder_outputs: true,
    pad_token_id: 0,
    eos_token_id: 1,
    decoder_start_token_id: 0,
    dropout_rate: 0,
  });
}
