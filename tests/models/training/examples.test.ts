import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { Examples, fillTargets } from '../../../models/training/examples.ts';
import { loadTokenizer } from '../../../models/tokenizer.ts';
import { trainTokenizer } from '../../../models/tokenizer-training.ts';

const documents = [
  {
    title: 'Octopus',
    text: 'The octopus is a mollusc with eight arms. It has three hearts and squirts ink to escape.',
  },
  {
    title: 'Volcano',
    text: 'A volcano is a mountain that erupts molten rock called lava. Ash rises high above the crater.',
  },
  { title: 'Violin', text: 'The violin has four strings and is played with a bow. It is the smallest of its family.' },
];
const queries = [
  { text: 'how many hearts does an octopus have', rows: [0] },
  { text: 'what comes out of a volcano', rows: [1] },
  { text: 'how many strings does a violin have', rows: [2] },
];
const tokenizer = loadTokenizer(
  trainTokenizer([...documents.map(({ title, text }) => `${title} ${text}`), ...queries.map(({ text }) => text)], {
    vocabSize: 700,
    minWordCount: 1,
  }),
);
const options = { seed: 5, realShare: 0.5, teacherShare: 0.3, teacherTemperature: 2, maxTokens: 12, wordDropout: 0.3 };
const make = (changes: Partial<typeof options> = {}): Examples =>
  new Examples(documents, queries, tokenizer, { ...options, ...changes });

describe('training examples', () => {
  it('are a function of seed, stream and step, whatever was asked before', () => {
    const asked = make();
    for (let step = 0; step < 20; step++) asked.batch(1, step, 6);
    assert.deepEqual(make().batch(1, 13, 6), asked.batch(1, 13, 6));
    assert.notDeepEqual(make({ seed: 6 }).batch(1, 13, 6).ids, asked.batch(1, 13, 6).ids);
    assert.notDeepEqual(asked.batch(2, 13, 6).ids, asked.batch(1, 13, 6).ids);
  });

  it('have targets that are distributions, most of it on the right document', () => {
    const examples = make();
    const dense = new Float32Array(6 * 3);
    for (let step = 0; step < 8; step++) {
      const batch = examples.batch(1, step, 6);
      fillTargets(dense, batch, 3);
      for (let b = 0; b < batch.size; b++) {
        const row = dense.subarray(b * 3, b * 3 + 3);
        assert.ok(Math.abs(row.reduce((a, x) => a + x, 0) - 1) < 1e-5);
        assert.ok(row[batch.targets[b].rows[0]] >= 0.7 - 1e-6);
      }
      fillTargets(dense, batch, 3, true);
      assert.ok(dense.every((x) => x === 0));
    }
  });

  it('go through all documents and all queries equally often', () => {
    const examples = make({ realShare: 0, teacherShare: 0 });
    const counts = [0, 0, 0];
    for (let step = 0; step < 8; step++) for (const { rows } of examples.batch(1, step, 6).targets) counts[rows[0]]++;
    assert.deepEqual(counts, [16, 16, 16]);
  });

  it('end with </s>, are cut to the maximum and padded with zeros', () => {
    const { ids, mask, length, size } = make().batch(1, 0, 6);
    assert.ok(length <= options.maxTokens);
    for (let b = 0; b < size; b++) {
      const row = [...ids.subarray(b * length, (b + 1) * length)];
      const real = mask.subarray(b * length, (b + 1) * length).reduce((a, x) => a + x, 0);
      assert.equal(row[real - 1], tokenizer.eosId);
      assert.ok(row.slice(real).every((id) => id === 0));
    }
  });

  it('encode word by word as the tokenizer encodes the whole', () => {
    const examples = make({ maxTokens: 100 });
    for (const text of ['how many hearts does an octopus have?', 'Octopus, ink & lava', 'unseen wörds 1969']) {
      assert.deepEqual(examples.encode(text), tokenizer.encode(text));
    }
  });

  it('give text rows that are nearest to the document they were made of', () => {
    const d = 64;
    const embeddings = Float32Array.from(
      { length: tokenizer.size * d },
      (_, i) => Math.sin(i * 12.9898 + (i % 7)) * 1.7,
    );
    const { textRows } = make();
    const rows = documents.map((_, i) => textRows.row(i, embeddings, d, { length: 2, reserved: [0, 3, 0, -1] }));
    for (const row of rows) {
      assert.ok(Math.abs(Math.hypot(...row.subarray(4)) - 2) < 1e-5);
      assert.deepEqual([...row.subarray(0, 4)], [0, 3, 0, -1]);
    }
    const octopus = tokenizer.encode('octopus').slice(0, -1);
    const dot = (row: Float32Array): number =>
      octopus.reduce((sum, t) => sum + row.reduce((a, x, j) => a + x * (j < 4 ? 0 : embeddings[t * d + j]), 0), 0);
    assert.ok(dot(rows[0]) > dot(rows[1]) && dot(rows[0]) > dot(rows[2]));
  });
});
