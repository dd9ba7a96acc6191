/**
 * @file The logit lens (nostalgebraist 2020; arXiv 2503.19715 §5.2): any vector of the residual stream's space, read as
 * the model reads its last state: final RMSNorm, D^-½ where embeddings are tied, unembedding.
 *
 * Logits over the vocabulary stay in the graph; what comes out is counts, ranks and a few best tokens.
 */
import type { T5Config } from './config.ts';
import { parts, type WeightSource } from './graphs.ts';
import { Graph, type Value } from './onnx/graph.ts';
import * as op from './onnx/ops.ts';
import { readyForUnembed } from './t5.ts';
import type { WeightTensor } from './weights.ts';

/** What a lens can tell of each vector. */
export const LENS_OUTPUTS = {
  /** Of the vector's document: rank over the vocabulary, rank among docids (1 is best), logit. */
  ranks: ['rank', 'docid_rank', 'logit'],
  /** Best entries other than the vector's document, with their logits: of the vocabulary, and of docids alone. */
  rivals: ['rival', 'rival_logit', 'docid_rival', 'docid_rival_logit'],
  /** Of all documents and words: mean rank of a docid, median rank of a word (the lower of two in the middle). */
  split: ['docid_mean_rank', 'word_median_rank'],
  /** The `k` best tokens with their logits, and the share of docids among the best 10, 100 and 1000. */
  top: ['tokens', 'token_logits', 'docid_share'],
} as const;
export type LensKind = keyof typeof LENS_OUTPUTS;

/** Kinds that need to know each vector's document. */
export const isAboutDocuments = (kind: LensKind): boolean => kind === 'ranks' || kind === 'rivals';

/** Depths at which `docid_share` counts. */
export const SHARE_DEPTHS = [10, 100, 1000] as const;

/**
 * states float32 [M, D], rows float32 [N, D] (of the docids), documents int64 [M, 1] (for 'ranks' and 'rivals'), k int64
 * [1] (for 'top') → float32 [M] each; tokens int64 [M, k] and token_logits [M, k], where tokens count docids first
 * (0 … N−1) and then the entries of `words`, as rival and docid_rival int64 [M] do; docid_share [M, 3].
 *
 * @param unembedding  float32 [W, D], of all that is no docid
 */
export function lensGraph(
  config: T5Config,
  weights: WeightSource,
  unembedding: WeightTensor,
  { kinds, documents: N }: { kinds: readonly LensKind[]; documents: number },
): Graph {
  const g = new Graph();
  const D = config.d_model;
  const [W] = unembedding.shape;
  const states = g.input('states', 'float32', ['M', D]);
  const p = parts(config, g, weights);
  const gain = 'decoder.final_layer_norm.weight';
  const x = op.SimplifiedLayerNormalization(states, p.parameters(gain, [D]), config.layer_norm_epsilon);
  const ready = readyForUnembed(p, x);
  const rows = g.input('rows', 'float32', [N, D]);
  const ofDocids = op.Gemm(ready, rows, { transB: true }); // [M, N]
  const words = g.constant('words', 'float32', [W, D], unembedding.place ?? unembedding.data);
  const ofWords = op.Gemm(ready, words, { transB: true }); // [M, W]
  const logits = op.Concat([ofDocids, ofWords], 1, N + W);

  const documents = kinds.some(isAboutDocuments) ? g.input('documents', 'int64', ['M', 1]) : undefined;
  const tell: { readonly [K in LensKind]: () => Value[] } = {
    ranks() {
      const logit = op.GatherElements(ofDocids, documents!); // [M, 1]
      const above = (all: Value): Value => plus(count(op.Greater(all, logit)), 1);
      const docidRank = above(ofDocids);
      return [
        op.Sub(op.Add(docidRank, above(ofWords)), op.scalar(logit, 1)),
        docidRank,
        op.ReduceSum(logit, [1], false),
      ];
    },
    rivals() {
      const distance = op.Cast(op.Sub(op.Positions(rows, 0), documents!), 'float32'); // [M, N], 0 for itself
      const isOther = op.Greater(op.Mul(distance, distance), op.scalar(distance, 0.5));
      const others = op.Where(isOther, ofDocids, op.scalar(ofDocids, -BIG));
      const best = (among: Value): Value[] => {
        const [logit, token] = op.TopK(among, g.literal('int64', [1]), 1);
        return [op.ReduceSum(token, [1], false), op.ReduceSum(logit, [1], false)];
      };
      return [...best(op.Concat([others, ofWords], 1, N + W)), ...best(others)];
    },
    split() {
      const [, order] = op.TopK(logits, g.literal('int64', [N + W]), N + W);
      const isWord = op.Cast(op.Greater(order, g.literal('int64', [N - 1], [])), 'float32'); // [M, N+W], best first
      const isDocid = op.Sub(op.scalar(isWord, 1), isWord);
      const ranks = op.CumSum(op.Add(isWord, isDocid)); // 1, 2, 3, …
      const mean = op.Div(op.ReduceSum(op.Mul(ranks, isDocid), [1], false), op.scalar(isWord, N));
      // The median word is where half of all words (rounded up) have been counted.
      const before = op.Greater(op.scalar(isWord, Math.ceil(W / 2) - 0.5), op.CumSum(isWord));
      return [mean, plus(count(before), 1)];
    },
    top() {
      const [values, tokens] = op.TopK(logits, g.input('k', 'int64', [1]), 'k');
      const deepest = Math.min(SHARE_DEPTHS.at(-1)!, N + W);
      const [, order] = op.TopK(logits, g.literal('int64', [deepest]), deepest);
      const isDocid = op.Cast(op.Greater(g.literal('int64', [N], []), order), 'float32'); // [M, deepest]
      const share = sharesAmongBest(isDocid, deepest);
      return [tokens, values, share];
    },
  };
  for (const kind of kinds) tell[kind]().forEach((value, i) => g.output(LENS_OUTPUTS[kind][i], value));
  return g;
}

/**
 * The share that counts among the best entries, at each of `SHARE_DEPTHS`.
 *
 * @param counts  float32 [M, deepest], 1 = counts, the best entry first
 * @returns       float32 [M, 3]
 */
export function sharesAmongBest(counts: Value, deepest: number): Value {
  const within = Float32Array.from({ length: deepest * SHARE_DEPTHS.length }, (_, i) => {
    const depth = Math.min(SHARE_DEPTHS[i % SHARE_DEPTHS.length], deepest);
    return Math.floor(i / SHARE_DEPTHS.length) < depth ? 1 / depth : 0;
  });
  return op.MatMul(counts, counts.graph.constant('within', 'float32', [deepest, SHARE_DEPTHS.length], within));
}

/** Below every logit. */
const BIG = 1e30;

/** How many are true in each row: float32 [M]. */
const count = (flags: Value): Value => op.ReduceSum(op.Cast(flags, 'float32'), [1], false);

const plus = (x: Value, number: number): Value => op.Add(x, op.scalar(x, number));
