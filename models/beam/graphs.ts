/**
 * @file The graphs of constrained beam search over docid paths. Letters beside those of `t5.ts`: M beams of a query,
 * R = B·M rows, E vocabulary entries behind the words, C candidates of a query.
 */
import type { T5Config } from '../config.ts';
import { editableParts, queryInputs, transposed, type WeightSource } from '../graphs.ts';
import { Graph, type Value } from '../onnx/graph.ts';
import * as op from '../onnx/ops.ts';
import {
  attend,
  blockPrefix,
  crossKeyValues,
  decoderBlocks,
  embed,
  encoder,
  paddingBias,
  positionBias,
  project,
  readyForUnembed,
  unembedName,
  type KeyValue,
  type T5Parts,
} from '../t5.ts';

/** Name of an input or output that holds keys or values of a decoder layer. */
export const cacheName = (kind: 'cross' | 'past' | 'present', layer: number, part: 'k' | 'v'): string =>
  `${kind}.${layer}.${part}`;

/**
 * What all beams and steps of a query share.
 * input_ids, attention_mask [B, S] and a delta per edited weight → cross.{layer}.{k,v} float32 [B, H, S, K]
 */
export function queryGraph(config: T5Config, weights: WeightSource, edited: readonly string[] = []): Graph {
  const g = new Graph();
  const { ids, mask } = queryInputs(g);
  const { live } = editableParts(config, g, weights, edited);
  crossKeyValues(live, encoder(live, embed(live, ids), mask)).forEach(({ k, v }, i) => {
    g.output(cacheName('cross', i, 'k'), k);
    g.output(cacheName('cross', i, 'v'), v);
  });
  return g;
}

/** What may follow: an edge of the trie each, in lists that are ranked apart. Tokens that are `alike` are read as another one. */
export const candidateLists = ['inner', 'alike', 'leaves'] as const;
export type CandidateList = (typeof candidateLists)[number];

/** Names of a list's inputs and outputs in the step graph. */
export const listNames = (list: CandidateList) => ({
  /** int32 [B, C]: row · (W + E) + token */
  candidates: `${list}.candidates`,
  /** float32 [B, C]: the log-probability of the beam that a candidate continues; −10⁹ for none */
  before: `${list}.before`,
  /** int64 [1], at most C */
  k: `${list}.k`,
  /** float32 [B, k], best first */
  scores: `${list}.scores`,
  /** int64 [B, k] places among the candidates */
  places: `${list}.places`,
});

/**
 * One step of the search: each beam's last token is read, the best of the candidates are found.
 * x float32 [B, M, D] (embeddings of the last tokens), attention_mask [B, S], cross.* [B, H, S, K], past.* [R′, H, P, K]
 * of the step before, parents int32 [R] (the row of `past` that each beam continues), rows float32 [E, D], the candidates,
 * and a delta per edited weight → present.* [R, H, P+1, K], and of each list of candidates the k best with their
 * log-probabilities: those of the beams plus the token's log-softmax over the whole vocabulary, words and rows.
 *
 * @param weights  of the unembedding, the words' part is used
 * @param words    number of words, W
 */
export function beamStepGraph(
  config: T5Config,
  weights: WeightSource,
  words: number,
  edited: readonly string[] = [],
): Graph {
  const g = new Graph();
  const { num_decoder_layers: L, num_heads: H, d_kv: K, d_model: D } = config;
  const x = g.input('x', 'float32', ['B', 'M', D]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const parents = g.input('parents', 'int32', ['R']);
  const rows = g.input('rows', 'float32', ['E', D]);
  const { live } = editableParts(config, g, weights, edited);
  const caches = (kind: 'cross' | 'past', shape: readonly (string | number)[]): KeyValue[] =>
    Array.from({ length: L }, (_, i) => ({
      k: g.input(cacheName(kind, i, 'k'), 'float32', shape),
      v: g.input(cacheName(kind, i, 'v'), 'float32', shape),
    }));
  const cross = caches('cross', ['B', H, 'S', K]);
  const past = caches('past', ['R′', H, 'P', K]).map(({ k, v }) => ({
    k: op.Gather(k, parents),
    v: op.Gather(v, parents),
  }));
  const { state, present } = decodeBeams(live, { x, cross, mask, past });
  present.forEach(({ k, v }, i) => {
    g.output(cacheName('present', i, 'k'), k);
    g.output(cacheName('present', i, 'v'), v);
  });

  const ready = op.Reshape(readyForUnembed(live, state), ['R', D]);
  const table = transposed({ data: weights(unembedName(config)).data.subarray(0, words * D), shape: [words, D] });
  const ofWords = op.MatMul(ready, g.constant('words', 'float32', [D, words], table));
  const logits = op.Concat([ofWords, op.Gemm(ready, rows, { transB: true })], 1, 'V'); // [R, W + E]
  const scores = op.Reshape(op.LogSoftmax(logits), ['R·V']);
  for (const list of candidateLists) rank(scores, list);
  return g;
}

/** The best of a list of candidates. @param scores float32 [R·V] */
function rank(scores: Value, list: CandidateList): void {
  const g = scores.graph;
  const names = listNames(list);
  const candidates = g.input(names.candidates, 'int32', ['B', `C ${list}`]);
  const before = g.input(names.before, 'float32', ['B', `C ${list}`]);
  const k = g.input(names.k, 'int64', [1]);
  const [values, places] = op.TopK(op.Add(op.Gather(scores, candidates), before), k, `k ${list}`);
  g.output(names.scores, values);
  g.output(names.places, places);
}

interface BeamInputs {
  /** float32 [B, M, D] */
  readonly x: Value;
  readonly cross: readonly KeyValue[];
  readonly mask: Value;
  /** Per layer, of the beams that these continue: float32 [R, H, P, K] */
  readonly past: readonly KeyValue[];
}

/**
 * The decoder at one new position of each beam. Every beam has its own past; the encoder's keys and values are its
 * query's, so that to cross-attention the beams are what positions are elsewhere.
 *
 * @returns `state` float32 [B, M, D] and `present`, the cache with the new position
 */
function decodeBeams(parts: T5Parts, { x, cross, mask, past }: BeamInputs): { state: Value; present: KeyValue[] } {
  const { num_heads: H, d_kv: K, d_model: D } = parts.config;
  const padding = paddingBias(mask);
  const present: KeyValue[] = [];
  let bias: Value | undefined;
  const state = decoderBlocks(parts, x, {
    self(i, h) {
      const at = (letter: string): string => `${blockPrefix('decoder', i)}.0.SelfAttention.${letter}.weight`;
      const [q, k, v] = ['q', 'k', 'v'].map((letter) => parts.linear(h, at(letter), [D, H * K])); // [B, M, I]
      const own = (value: Value): Value => op.Reshape(value, ['R', H, 1, K]);
      const all = {
        k: op.Concat([past[i].k, own(k)], 2, 'P+1'),
        v: op.Concat([past[i].v, own(v)], 2, 'P+1'),
      };
      present.push(all);
      bias ??= lastBias(parts, all.k);
      return op.ReshapeLike(attend(parts, `decoder.${i}.attn`, own(q), all.k, all.v, bias), q);
    },
    cross(i, h) {
      const q = project(parts, h, `${blockPrefix('decoder', i)}.1.EncDecAttention`, 'q');
      return attend(parts, `decoder.${i}.cross_attn`, q, cross[i].k, cross[i].v, padding);
    },
  });
  return { state, present };
}

/** Position bias of the last position's query: float32 [1, H, 1, P+1]. @param keys float32 [R, H, P+1, K] */
function lastBias(parts: T5Parts, keys: Value): Value {
  const g = keys.graph;
  const count = op.Gather(op.ShapeOf(keys), g.literal('int64', [2]));
  return op.Unsqueeze(positionBias(parts, 'decoder', op.Sub(count, op.scalar(count, 1)), op.Positions(keys, 2)), 0);
}
