import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { createConfig } from '../../../models/config.ts';
import { bagOfWordsGraph } from '../../../models/graphs.ts';
import { Session, tensor } from '../../../models/session.ts';
import { Examples } from '../../../models/training/examples.ts';
import { RESERVED } from '../../../models/training/docid-space.ts';
import { placeWordBag, randomDirections, SCALE } from '../../../models/training/lexical-start.ts';
import { gather } from '../../../models/training/lookup.ts';
import { trainedShapes, Trainer, trainingState } from '../../../models/training/trainer.ts';
import { loadTokenizer } from '../../../models/tokenizer.ts';
import { trainTokenizer } from '../../../models/tokenizer-training.ts';

const SUBJECTS = [
  'octopus',
  'volcano',
  'violin',
  'glacier',
  'telescope',
  'bicycle',
  'cathedral',
  'pepper',
  'comet',
  'harbour',
];
const FACTS = [
  'eight arms',
  'molten lava',
  'four strings',
  'slow ice',
  'curved mirrors',
  'two wheels',
  'pointed arches',
  'hot seeds',
  'long tail',
  'deep water',
];
const documents = SUBJECTS.map((subject, i) => ({
  title: subject,
  text: `The ${subject} is known for ${FACTS[i]}. People often ask about the ${subject}.`,
}));
const texts = documents.map(({ title, text }) => `${title} ${text}`);
const tokenizer = loadTokenizer(trainTokenizer(texts, { vocabSize: 700, minWordCount: 1 }));
const exampleOptions = {
  ...{ seed: 2, realShare: 0, teacherShare: 0, teacherTemperature: 1, maxTokens: 16, wordDropout: 0 },
};
const examples = new Examples(documents, [], tokenizer, exampleOptions);

/** Less their mean: a softmax over the documents sees nothing of what all their logits have in common. */
const centred = (logits: readonly number[]): number[] =>
  logits.map((x) => x - logits.reduce((a, y) => a + y, 0) / logits.length);

/** d_model − 4 directions in `inner` dimensions per layer. */
async function compare(heads: number): Promise<{ cosines: number[]; agreement: number }> {
  const d = 68;
  const config = createConfig({
    vocab_size: tokenizer.size + 10,
    d_model: d,
    d_kv: 16,
    num_heads: heads,
    d_ff: 32,
    num_layers: 1,
    num_decoder_layers: 3,
    scale_decoder_outputs: false,
  });
  const bag = randomDirections(texts, examples.teacher, tokenizer, d - RESERVED, 3);
  const batch = examples.batch(1, 0, 32);
  const shape = [batch.size, batch.length];
  const bagSession = await Session.open(bagOfWordsGraph(d - RESERVED, SCALE, { gradients: false }));
  const wanted = (
    await bagSession.run({
      embedded: tensor(gather(bag.directions.data, batch.ids, bag.dimensions), [...shape, bag.dimensions]),
      importance: tensor(gather(bag.importance.data, batch.ids, 1), shape),
      attention_mask: tensor(batch.mask, shape),
      rows: tensor(bag.rows.data, [10, bag.dimensions]),
    })
  ).logits.data as Float32Array;
  const state = trainingState(placeWordBag(bag, config, trainedShapes(config), [examples.batch(3, 0, 64)], 3));
  const trainer = await Trainer.open(config, state, {
    steps: 1,
    batchSize: 32,
    threads: 1,
    seed: 1,
    rates: { weights: 0, embeddings: 0, rows: 0 },
    warmup: 1,
    dropout: 0,
    textRowShare: 0,
    wordScale: 0,
  });
  const got = await trainer.logits(batch);
  await trainer.close();
  await bagSession.release();
  const cosines: number[] = [];
  let agreement = 0;
  for (let b = 0; b < batch.size; b++) {
    const [x, y] = [wanted, got].map((all) => centred([...all.subarray(b * 10, (b + 1) * 10)]));
    const dot = (p: number[], q: number[]): number => p.reduce((a, v, i) => a + v * q[i], 0);
    cosines.push(dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y)));
    if (x.indexOf(Math.max(...x)) === y.indexOf(Math.max(...y))) agreement++;
  }
  return { cosines, agreement: agreement / batch.size };
}

describe('the lexical start', () => {
  it('makes a T5 whose logits are nearly those of the bag of words but for a constant, where one layer carries all directions', async () => {
    const { cosines } = await compare(4); // 4·16 = 64 = all directions
    // The MLPs that carry states over to the docids' space know the length of the stream on average only.
    assert.ok(Math.min(...cosines) > 0.99, `least cosine ${Math.min(...cosines)}`);
  });

  it('comes close where several layers share the directions', async () => {
    const { cosines, agreement } = await compare(2); // 32 a layer
    assert.ok(Math.min(...cosines) > 0.97, `least cosine ${Math.min(...cosines)}`);
    assert.ok(agreement > 0.9, `agreement ${agreement}`);
  });

  it('finds documents by their words before any training', async () => {
    const d = 260;
    const bag = randomDirections(texts, examples.teacher, tokenizer, d, 4);
    const session = await Session.open(bagOfWordsGraph(d, SCALE, { gradients: false }));
    for (const [row, fact] of FACTS.entries()) {
      const { ids, mask, length } = examples.assemble([tokenizer.encode(fact)]);
      const { logits } = await session.run({
        embedded: tensor(gather(bag.directions.data, ids, d), [1, length, d]),
        importance: tensor(gather(bag.importance.data, ids, 1), [1, length]),
        attention_mask: tensor(mask, [1, length]),
        rows: tensor(bag.rows.data, [10, d]),
      });
      const scores = [...(logits.data as Float32Array)];
      assert.equal(scores.indexOf(Math.max(...scores)), row, fact);
    }
    await session.release();
  });

  it('gives words the same directions in a corpus that lacks a document, and others for another seed', () => {
    const d = 256;
    const fewer = new Examples(documents.slice(1), [], tokenizer, exampleOptions);
    const [all, some] = [examples, fewer].map(({ teacher }) => randomDirections(texts, teacher, tokenizer, d, 5));
    assert.deepEqual(some.directions.data, all.directions.data);
    assert.equal(some.rows.data.length, 9 * d);
    const octopus = tokenizer.encode('octopus')[0]; // nine documents know nothing of it
    const of = (bag: typeof all, token: number): Float32Array =>
      bag.directions.data.subarray(token * d, (token + 1) * d);
    const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
    const other = randomDirections(texts, examples.teacher, tokenizer, d, 6);
    assert.ok(Math.abs(dot(of(all, octopus), of(all, octopus)) - 1) < 1e-5);
    for (const unlike of [of(other, octopus), of(all, tokenizer.encode('violin')[0]), of(all, tokenizer.eosId)])
      assert.ok(Math.abs(dot(of(all, octopus), unlike)) < 5 / Math.sqrt(d), 'as good as orthogonal');
  });

  it('is carried by the first layers however many there are', () => {
    const [heads, kv, layers] = [2, 16, 6]; // 64 directions, 32 a layer
    const config = createConfig({
      ...{ vocab_size: tokenizer.size + 10, d_model: 68, d_kv: kv, num_heads: heads, d_ff: 32 },
      ...{ num_layers: 1, num_decoder_layers: layers, scale_decoder_outputs: false },
    });
    const bag = randomDirections(texts, examples.teacher, tokenizer, 64, 3);
    const { weights } = placeWordBag(bag, config, trainedShapes(config), [examples.batch(3, 0, 64)], 3);
    const written = Array.from({ length: layers }, (_, i) =>
      weights.get(`decoder.block.${i}.layer.1.EncDecAttention.o.weight`)!.reduce((sum, x) => sum + Math.abs(x), 0),
    );
    assert.deepEqual(written, [32, 32, 0, 0, 0, 0]);
  });
});
