import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { createConfig, type T5Config } from '../../../models/config.ts';
import { loadTokenizer } from '../../../models/tokenizer.ts';
import { trainTokenizer } from '../../../models/tokenizer-training.ts';
import { Examples, type Batch } from '../../../models/training/examples.ts';
import { RESERVED } from '../../../models/training/docid-space.ts';
import { placeWordBag, randomDirections } from '../../../models/training/lexical-start.ts';
import {
  dropoutSeed,
  MAX_SEED,
  MAX_STEPS,
  trainedShapes,
  Trainer,
  trainingState,
  type TrainerOptions,
  type TrainingState,
} from '../../../models/training/trainer.ts';

const configOf = (words: number, documents: number, d: number): T5Config =>
  createConfig({
    ...{ vocab_size: words + documents, d_model: d, d_kv: d / 4, d_ff: 2 * d, num_heads: 4 },
    ...{ num_layers: 1, num_decoder_layers: 1, scale_decoder_outputs: false },
  });

const random = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898 + length));

function randomState(config: T5Config, words: number, documents: number): TrainingState {
  const d = config.d_model;
  const shapes = [...trainedShapes(config)];
  return trainingState({
    embeddings: random(words * d),
    start: random(d),
    rows: random(documents * d),
    weights: new Map(shapes.map(([name, shape]) => [name, random(shape.reduce((a, b) => a * b, 1))])),
  });
}

/** As the trainer asks for examples where it is always given the same batch. */
const always = (batch: Batch, textRows?: { row: (row: number) => Float32Array }): Examples =>
  ({ batch: () => batch, textRows }) as unknown as Examples;

const STILL = { weights: 0, embeddings: 0, rows: 0 };
const options: TrainerOptions = {
  ...{ steps: 10, batchSize: 20, threads: 1, seed: 1, warmup: 1, dropout: 0, textRowShare: 0, wordScale: 0 },
  rates: STILL,
};

describe('the trainer', () => {
  it('lets documents from all over a batch, which is sorted by length, answer through the row of their text', async () => {
    const [d, size] = [8, 20];
    const config = configOf(4, size, d);
    const state = randomState(config, 4, size);
    const rows = state.rows.data.slice();
    const batch: Batch = {
      size,
      length: 1,
      ids: new Int32Array(size).fill(2),
      mask: new Float32Array(size).fill(1),
      targets: Array.from({ length: size }, (_, row) => ({ rows: [row], shares: [1] })),
    };
    const asked: number[] = [];
    const textRows = { row: (row: number) => (asked.push(row), new Float32Array(d).fill(1)) };
    const rates = { weights: 0.01, embeddings: 0.01, rows: 0.01 };
    const trainer = await Trainer.open(config, state, { ...options, rates, textRowShare: 0.2, wordScale: 0.35 });
    try {
      await trainer.step(always(batch, textRows), 0);
    } finally {
      await trainer.close();
    }
    assert.deepEqual(asked, [2, 7, 12, 17]);
    const moved = Array.from({ length: size }, (_, row) =>
      state.rows.data.subarray(row * d, (row + 1) * d).some((value, j) => value !== rows[row * d + j]),
    );
    assert.deepEqual(
      moved.flatMap((hasMoved, row) => (hasMoved ? [] : [row])),
      asked,
      'the rows that stood aside, and only they, are as they were',
    );
  });

  it('gives embeddings the gradient of what they do as input and of what they do as competitors', async () => {
    const [d, words, documents] = [8, 7, 3];
    const config = configOf(words, documents, d);
    const batch: Batch = {
      size: 3,
      length: 4,
      ids: Int32Array.of(...[5, 1, 0, 0], ...[2, 5, 1, 0], ...[3, 2, 2, 1]), // repeated words, padding, not 4 and 6
      mask: Float32Array.of(...[1, 1, 0, 0], ...[1, 1, 1, 0], ...[1, 1, 1, 1]),
      targets: [2, 0, 1].map((row) => ({ rows: [row, 0], shares: [0.7, 0.3] })),
    };
    /** The gradient by every embedding, from Adam's first moment after one step; and by central differences. */
    const gradients = async (wordScale: number): Promise<{ got: Float32Array; wanted: Float32Array }> => {
      const state = randomState(config, words, documents);
      const trainer = await Trainer.open(config, state, { ...options, wordScale });
      const loss = (): Promise<number> => trainer.step(always(batch), 0);
      const { data, m } = state.embeddings;
      try {
        await loss();
        const got = m.map((x) => x / (1 - 0.9));
        const wanted = new Float32Array(data.length);
        const step = 0.005;
        for (const [i, value] of data.entries()) {
          data[i] = value + step;
          const above = await loss();
          data[i] = value - step;
          wanted[i] = (above - (await loss())) / (2 * step);
          data[i] = value;
        }
        return { got, wanted };
      } finally {
        await trainer.close();
      }
    };
    const largest = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((x, i) => Math.abs(x - b[i])));
    const [alone, competing] = [await gradients(0), await gradients(0.35)];
    const size = Math.max(...competing.wanted.map(Math.abs));
    for (const { got, wanted } of [alone, competing]) {
      assert.ok(largest(got, wanted) < 0.002 * size, `off by ${largest(got, wanted)} of ${size}`);
      for (const token of [0, 4, 6]) assert.ok(got.subarray(token * d, (token + 1) * d).every((x) => x === 0));
    }
    assert.ok(largest(alone.got, competing.got) > 0.1 * size, 'competing makes a difference');
  });

  it('derives whole seeds below 2^53 from every seed and step that the command takes', () => {
    assert.ok(Number.isSafeInteger(dropoutSeed(MAX_SEED, MAX_STEPS)));
    assert.notEqual(dropoutSeed(MAX_SEED, MAX_STEPS), dropoutSeed(MAX_SEED, MAX_STEPS - 1));
    assert.equal(dropoutSeed(1, 5), 7_368_792);
  });
});

describe('words that compete with documents', () => {
  const facts = {
    octopus: 'eight arms',
    volcano: 'molten lava',
    violin: 'four strings',
    glacier: 'slow ice',
    telescope: 'curved mirrors',
    bicycle: 'two wheels',
  };
  const documents = Object.entries(facts).map(([subject, fact]) => ({
    title: subject,
    text: `The ${subject} is known for ${fact}. People often ask about the ${subject}.`,
  }));
  const queries = Object.values(facts).map((text, row) => ({ text: `what has ${text}`, rows: [row] }));
  const texts = [...documents.map(({ title, text }) => `${title} ${text}`), ...queries.map(({ text }) => text)];
  const tokenizer = loadTokenizer(trainTokenizer(texts, { vocabSize: 700, minWordCount: 1 }));
  const examples = new Examples(documents, queries, tokenizer, {
    ...{ seed: 2, realShare: 0.5, teacherShare: 0, teacherTemperature: 1, maxTokens: 16, wordDropout: 0 },
  });
  const [d, words] = [68, tokenizer.size];

  /** After some steps: the queries whose document comes first among docids, and those where it does among all words too. */
  async function firstAfterTraining(wordScale: number): Promise<{ constrained: number; free: number }> {
    const config = configOf(words, documents.length, d);
    const bag = randomDirections(texts, examples.teacher, tokenizer, d - RESERVED, 3);
    const state = trainingState(placeWordBag(bag, config, trainedShapes(config), [examples.batch(3, 0, 32)], 3));
    for (let at = 0; at < state.rows.data.length; at += d) state.rows.data[at + 1] = 0; // no document starts above the words
    const rates = { weights: 1e-3, embeddings: 1e-2, rows: 5e-3 };
    const trainer = await Trainer.open(config, state, { ...options, steps: 40, batchSize: 16, rates, wordScale });
    try {
      for (let step = 0; step < 40; step++) await trainer.step(examples, step);
      const batch = examples.assemble(queries.map(({ text }) => examples.encode(text)));
      const ofDocuments = await trainer.logits(batch);
      const ofWords = await trainer.logits(batch, state.embeddings.data.map((x) => x / Math.sqrt(d))); // prettier-ignore
      let [constrained, free] = [0, 0];
      for (const [b, { rows }] of queries.entries()) {
        const right = ofDocuments[b * documents.length + rows[0]];
        const own = ofDocuments.subarray(b * documents.length, (b + 1) * documents.length);
        if (right < Math.max(...own)) continue;
        constrained++;
        if (right > Math.max(...ofWords.subarray(b * words, (b + 1) * words))) free++;
      }
      return { constrained, free };
    } finally {
      await trainer.close();
    }
  }

  it('come behind the document that is right; without competing they come before it', async () => {
    const [without, competing] = [await firstAfterTraining(0), await firstAfterTraining(d ** -0.5)];
    assert.deepEqual([without.constrained, competing.constrained], [queries.length, queries.length]);
    assert.ok(without.free < queries.length / 2, `${without.free} of ${queries.length}`);
    assert.equal(competing.free, queries.length);
  });
});
