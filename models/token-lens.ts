/**
 * @file The logit lens for docids that are paths: what a vector says of the token that comes next, and of those that may
 * come next. Logits over the vocabulary stay in the graph.
 */
import type { T5Config } from './config.ts';
import { parts, type WeightSource } from './graphs.ts';
import { Graph, type Value } from './onnx/graph.ts';
import * as op from './onnx/ops.ts';
import { readyForUnembed, unembedName } from './t5.ts';

/** What a token lens can tell of each vector. */
export const TOKEN_LENS_OUTPUTS = {
  /**
   * Of the vector's token: ranks over the vocabulary and among the allowed tokens (1 is best, equal ones share the mean),
   * logit, log-probability over the vocabulary, and how far its logit is above the best other one of the vocabulary and of
   * the allowed tokens. The last is huge where only one is allowed.
   */
  token: ['rank', 'allowed_rank', 'logit', 'log_probability', 'margin', 'allowed_margin'],
  /**
   * Rank of the best allowed token over the vocabulary; share of the probability that allowed tokens have, and tokens of
   * docids; of all pairs of a token of docids and another one, the share in which the token of docids is above (of equal
   * ones the lower id).
   */
  promotion: ['best_allowed_rank', 'allowed_mass', 'docid_mass', 'docids_above'],
} as const;
export type TokenLensKind = keyof typeof TOKEN_LENS_OUTPUTS;

/**
 * states float32 [M, D], tokens int64 [M, 1] (each vector's token), allowed int64 [M, C] (C ≥ 2; the tokens that may come
 * next, then anything), allowed_counts int64 [M, 1] → float32 [M] each.
 *
 * @param isDocidToken  [V], 1 = a token that occurs in docids
 */
export function tokenLensGraph(
  config: T5Config,
  weights: WeightSource,
  isDocidToken: Float32Array,
  kinds: readonly TokenLensKind[],
): Graph {
  const g = new Graph();
  const { d_model: D, vocab_size: V } = config;
  const states = g.input('states', 'float32', ['M', D]);
  const p = parts(config, g, weights);
  const gain = p.parameters('decoder.final_layer_norm.weight', [D]);
  const x = readyForUnembed(p, op.SimplifiedLayerNormalization(states, gain, config.layer_norm_epsilon));
  const logits = op.Gemm(x, p.parameters(unembedName(config), [V, D]), { transB: true }); // [M, V]
  const allowed = g.input('allowed', 'int64', ['M', 'C']);
  const counts = g.input('allowed_counts', 'int64', ['M', 1]);
  const isAllowed = op.Greater(counts, op.Positions(allowed, 1)); // [M, C]
  const gathered = op.GatherElements(logits, allowed);
  const ofAllowed = op.Where(isAllowed, gathered, op.scalar(gathered, -BIG));

  const tell: { readonly [K in TokenLensKind]: () => Value[] } = {
    token() {
      const tokens = g.input('tokens', 'int64', ['M', 1]);
      const logit = op.GatherElements(logits, tokens); // [M, 1]
      const rank = (among: Value): Value => {
        const [above, below] = [op.Greater(among, logit), op.Greater(logit, among)].map((flags) =>
          op.Cast(flags, 'float32'),
        );
        const isEqual = op.Mul(op.Sub(op.scalar(above, 1), above), op.Sub(op.scalar(below, 1), below)); // itself too
        const halves = op.Add(op.Mul(above, op.scalar(above, 2)), isEqual);
        return op.Mul(plus(op.ReduceSum(halves, [1], false), 1), op.scalar(halves, 0.5));
      };
      const margin = (among: Value): Value => {
        const [best] = op.TopK(among, g.literal('int64', [2]), 2);
        const [first, second] = [0, 1].map((at) =>
          op.GatherElements(best, op.Add(zeros(tokens), op.scalar(tokens, at))),
        );
        return flat(op.Sub(logit, op.Where(op.Greater(first, logit), first, second)));
      };
      return [
        rank(logits),
        rank(ofAllowed),
        flat(logit),
        flat(op.GatherElements(op.LogSoftmax(logits), tokens)),
        margin(logits),
        margin(ofAllowed),
      ];
    },
    promotion() {
      const [best] = op.TopK(ofAllowed, g.literal('int64', [1]), 1); // [M, 1]
      const probability = op.Softmax(logits);
      const allowedShare = op.Mul(op.GatherElements(probability, allowed), op.Cast(isAllowed, 'float32'));
      const docids = g.constant('docid_tokens', 'float32', [V], isDocidToken);
      const sum = (values: Value): Value => op.ReduceSum(values, [1], false);
      const [, order] = op.TopK(logits, g.literal('int64', [V]), V);
      const isDocid = op.Gather(docids, order); // [M, V], best first
      // Mann and Whitney's statistic: of every docid token the others that come after it.
      const N = isDocidToken.reduce((a, b) => a + b, 0);
      const others = op.Sub(op.scalar(isDocid, 1), isDocid);
      const after = op.Sub(op.scalar(others, V - N), op.CumSum(others));
      const pairs = sum(op.Mul(isDocid, after));
      return [
        plus(count(op.Greater(logits, best)), 1),
        sum(allowedShare),
        sum(op.Mul(probability, docids)),
        op.Div(pairs, op.scalar(pairs, N * (V - N) || NaN)),
      ];
    },
  };
  for (const kind of kinds) tell[kind]().forEach((value, i) => g.output(TOKEN_LENS_OUTPUTS[kind][i], value));
  return g;
}

/** Above every logit. */
const BIG = 1e30;

/** How many are true in each row: float32 [M]. */
const count = (flags: Value): Value => op.ReduceSum(op.Cast(flags, 'float32'), [1], false);
/** [M, 1] → [M] */
const flat = (x: Value): Value => op.ReduceSum(x, [1], false);
const plus = (x: Value, number: number): Value => op.Add(x, op.scalar(x, number));
const zeros = (x: Value): Value => op.Mul(x, op.scalar(x, 0));
