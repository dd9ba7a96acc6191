/**
 * @file The rows of a path made of a text alone, as the lexical start makes those of its documents: what the words say of
 * clusters for the first token, and their seeds for the last.
 */
import { RESERVED } from '../docid-space.ts';
import type { WeightedTokens } from '../text-rows.ts';
import type { PathLayout } from './layout.ts';

/** Of one step: what the rows of base documents' tokens have in common. */
export interface StepForm {
  /** float32 [D] what a text says nothing of. */
  readonly common: Float32Array;
  /** Of the rest of a row. */
  readonly length: number;
}

/** How the rows of a model's paths look. */
export interface PathForm {
  readonly first: StepForm;
  readonly last: StepForm;
  /** Where documents have each coordinate that is read (`docidPlaces`). */
  readonly places: ArrayLike<number>;
}

/**
 * Σ BM25 weight · direction of the token's topics, and of its seeds in the slice of its class.
 *
 * @param embeddings  float32 [V, D]
 * @returns           float32 [2·D], the first token's row, then the last one's
 */
export function textPathRow(
  { tokens, weights }: WeightedTokens,
  embeddings: Float32Array,
  layout: PathLayout,
  { first, last, places }: PathForm,
): Float32Array {
  const { clusters: C, sketch, classes: M, topics, seeds, flags, axes } = layout;
  const D = first.common.length;
  const K = flags - seeds;
  const [ofClusters, ofDocument] = [new Float32Array(D), new Float32Array(D)];
  tokens.forEach((token, i) => {
    const own = embeddings.subarray(token * D, (token + 1) * D);
    const add = (sum: Float32Array, at: number, from: number, count: number): void => {
      const direction = own.subarray(from, from + count);
      const scale = weights[i] / (Math.hypot(...direction) || 1);
      for (let j = 0; j < count && at + j < D; j++) sum[at + j] += scale * direction[j];
    };
    const flag = own.subarray(flags, flags + M);
    const slice = RESERVED + flag.indexOf(Math.max(...flag)) * K;
    add(ofClusters, axes, topics, C + sketch);
    add(ofDocument, slice, seeds, K);
  });
  const row = new Float32Array(2 * D);
  [ofClusters, ofDocument].forEach((sum, step) => {
    const { common, length } = step === 0 ? first : last;
    const scale = length / (Math.hypot(...sum) || 1);
    row.set(common, step * D);
    sum.forEach((x, j) => (row[step * D + places[j]] += scale * x));
  });
  return row;
}
