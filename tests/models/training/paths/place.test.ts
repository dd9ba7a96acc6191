import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { createConfig } from '../../../../models/config.ts';
import { decoderGraph, encoderGraph } from '../../../../models/graphs.ts';
import { Session, tensor } from '../../../../models/session.ts';
import { docidPlaces, RESERVED } from '../../../../models/training/docid-space.ts';
import { Examples } from '../../../../models/training/examples.ts';
import { exportWeights } from '../../../../models/training/folder-state.ts';
import { PathBagEvaluator, randomSeeds, seedRows, startPathBag } from '../../../../models/training/paths/bag.ts';
import { pathLayout } from '../../../../models/training/paths/layout.ts';
import { placePathBag } from '../../../../models/training/paths/place.ts';
import { textPathRow } from '../../../../models/training/paths/text-path.ts';
import { weightedTokens } from '../../../../models/training/text-rows.ts';
import { withSketch } from '../../../../models/training/paths/sketch.ts';
import { pathTrainingGraph } from '../../../../models/training/paths/training-graph.ts';
import { trainingState } from '../../../../models/training/trainer.ts';
import { loadTokenizer } from '../../../../models/tokenizer.ts';
import { trainTokenizer } from '../../../../models/tokenizer-training.ts';
import { assertClose } from '../../../support/analysis.ts';

const SUBJECTS = ['octopus', 'volcano', 'violin', 'glacier', 'telescope', 'bicycle', 'cathedral', 'pepper', 'comet'];
const ASPECTS = [
  ['history', 'was first described by sailors and monks of the north'],
  ['science', 'obeys laws that laboratories measure with patience'],
  ['trade', 'is sold on markets near harbours every spring'],
  ['legend', 'appears in songs about giants and hidden gold'],
];
const documents = SUBJECTS.flatMap((subject) =>
  ASPECTS.map(([aspect, fact]) => ({
    title: `${subject} ${aspect}`,
    text: `The ${subject} ${fact}. Of its ${aspect} people ask.`,
  })),
);
const texts = documents.map(({ title, text }) => `${title} ${text}`);
const tokenizer = loadTokenizer(trainTokenizer(texts, { vocabSize: 700, minWordCount: 1 }));
const examples = new Examples(documents, [], tokenizer, {
  ...{ seed: 2, realShare: 0, teacherShare: 0, teacherTemperature: 1, maxTokens: 16, wordDropout: 0 },
});

const weighted = documents.map((document) => {
  const impacts = examples.teacher.impacts(document);
  return weightedTokens(
    document,
    (stem) => impacts.get(stem) ?? 0,
    (word) => tokenizer.encode(word).slice(0, -1),
  );
});

const names = Array.from({ length: tokenizer.size }, (_, id) => tokenizer.token(id)!);

function bagOf(config: ReturnType<typeof createConfig>) {
  const layout = pathLayout(config, documents.length, 6);
  const random = randomSeeds(names, config.d_kv, layout.classes, 1);
  const rows = seedRows(weighted, random, config.d_kv, layout.classes);
  const clusterOf = Int32Array.from(documents, (_, row) => Math.floor(row / ASPECTS.length) % layout.clusters);
  return startPathBag(weighted, clusterOf, random, rows, layout, config.eos_token_id);
}

describe('the lexical start of two-token docids', () => {
  const vocabulary = tokenizer.size;
  const sizes = { d_model: 128, num_heads: 4, d_kv: 16, d_ff: 32, num_layers: 1, num_decoder_layers: 3 };
  const config = createConfig({ ...sizes, vocab_size: vocabulary + 6 + documents.length + 1 });

  it('makes a T5 whose log-probabilities of docids are nearly those of the bag of words', async () => {
    const bag = bagOf(config);
    const { clusters: C } = bag.layout;
    assert.equal(C, 6);
    const shapes = pathTrainingGraph(config, { gradients: false }).parameters;
    const placed = placePathBag(withSketch(bag, names, 3), config, shapes, [examples.batch(3, 0, 64)], 3);
    const exported = exportWeights(config, trainingState(placed), vocabulary, undefined, 3);
    const weights = (name: string) => exported.get(name)!;
    const encoder = await Session.open(encoderGraph(config, weights));
    const decoder = await Session.open(decoderGraph(config, weights));
    const evaluator = await PathBagEvaluator.open(bag, config.eos_token_id, 1);

    const batch = examples.batch(1, 0, 16);
    const wanted = await evaluator.logits(bag, batch);
    const { encoder_out } = await encoder.run({
      input_ids: tensor(BigInt64Array.from(batch.ids, BigInt), [batch.size, batch.length]),
      attention_mask: tensor(batch.mask, [batch.size, batch.length]),
    });
    const N = documents.length;
    const scores = new Float64Array(batch.size * N);
    for (let c = 0; c < C; c++) {
      const prefix = BigInt64Array.from({ length: batch.size * 2 }, (_, i) => BigInt(i % 2 ? vocabulary + c : 0));
      const { logits } = await decoder.run({
        encoder_out,
        attention_mask: tensor(batch.mask, [batch.size, batch.length]),
        decoder_input_ids: tensor(prefix, [batch.size, 2]),
      });
      const V = config.vocab_size;
      for (let b = 0; b < batch.size; b++) {
        const [first, second] = [0, 1].map((t) =>
          logSoftmax((logits.data as Float32Array).subarray((b * 2 + t) * V, (b * 2 + t + 1) * V)),
        );
        for (let n = 0; n < N; n++)
          if (bag.clusterOf[n] === c) scores[b * N + n] = first[vocabulary + c] + second[vocabulary + C + n];
      }
    }
    const cosines: number[] = [];
    for (let b = 0; b < batch.size; b++) {
      const [x, y] = [wanted, scores].map((all) => centred([...all.subarray(b * N, (b + 1) * N)]));
      const dot = (p: number[], q: number[]): number => p.reduce((a, v, i) => a + v * q[i], 0);
      cosines.push(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)));
    }
    await Promise.all([encoder.release(), decoder.release(), evaluator.close()]);
    // Seed layers have a sink beside the words: what they read of unimportant words alone is weaker than the bag's.
    const [least, ...others] = cosines.sort((a, b) => a - b);
    assert.ok(least > 0.5 && Math.min(...others) > 0.95, `cosines ${least}, ${others[0]}`);
  });
});

function logSoftmax(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((a, x) => a + Math.exp(x - most), 0);
  return Float64Array.from(logits, (x) => x - most - Math.log(sum));
}

/** Less their mean: what all docids of a query share orders nothing. */
const centred = (scores: readonly number[]): number[] =>
  scores.map((x) => x - scores.reduce((a, y) => a + y, 0) / scores.length);

describe('the rows of a text alone', () => {
  const sizes = { d_model: 128, num_heads: 4, d_kv: 16, d_ff: 32, num_layers: 1, num_decoder_layers: 3 };
  const config = createConfig({ ...sizes, vocab_size: tokenizer.size + 6 + documents.length + 1 });
  const D = config.d_model;
  const bag = bagOf(config);
  const { layout } = bag;
  const sketched = withSketch(bag, names, 3);
  const { topics } = sketched;
  const C = layout.clusters;
  const T = C + layout.sketch;
  const shapes = pathTrainingGraph(config, { gradients: false }).parameters;
  const { embeddings, rows } = placePathBag(sketched, config, shapes, [examples.batch(3, 0, 64)], 3);
  const places = docidPlaces(config);
  const step = (length: number) => ({ common: new Float32Array(D), length });
  const form = { first: step(2), last: step(3), places };
  const made = weighted.map((tokens) => textPathRow(tokens, embeddings, layout, form));

  it('point, for the last token, where the lexical start puts those of its documents', () => {
    made.forEach((row, n) => {
      const placed = rows.slice((C + n) * D, (C + n + 1) * D).fill(0, 0, RESERVED);
      const last = row.slice(D);
      // The axis of the document's cluster says nothing of its words.
      placed.forEach((x, j) => x === 0 && (last[j] = 0));
      const scale = Math.hypot(...last) / Math.hypot(...placed);
      const scaled = placed.map((x) => scale * x);
      assertClose(last, scaled, `document ${n}`, 1e-4);
    });
  });

  it('say, for the first token, what the words say of clusters', () => {
    weighted.forEach(({ tokens, weights }, n) => {
      const sum = new Float64Array(T);
      tokens.forEach((token, i) => {
        const own = topics.data.subarray(token * T, (token + 1) * T);
        own.forEach((x, c) => (sum[c] += (weights[i] * x) / Math.hypot(...own)));
      });
      const scale = 2 / Math.hypot(...sum);
      const expected = new Float32Array(D);
      sum.forEach((x, c) => (expected[places[layout.axes + c]] = scale * x));
      assertClose(made[n].subarray(0, D), expected, `document ${n}`, 1e-4);
    });
  });

  it('have what all have in common beside', () => {
    const common = Float32Array.from({ length: D }, (_, j) => j);
    const row = textPathRow(weighted[0], embeddings, layout, { ...form, first: { common, length: 2 } });
    const expected = common.map((x, j) => x + made[0][j]);
    assertClose(row.subarray(0, D), expected, 'first', 1e-4);
    assert.deepEqual(row.subarray(D), made[0].subarray(D));
  });
});
