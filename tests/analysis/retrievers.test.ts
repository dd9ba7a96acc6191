import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { baselines } from '../../analysis/baselines/table.ts';
import { PooledEncoder } from '../../analysis/pooled-encoder.ts';
import { genirRetriever, makeRun } from '../../analysis/retriever.ts';
import { AtomicDocids } from '../../corpus/docids/atomic.ts';
import { openStore } from '../../corpus/store.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { parityDir } from '../support/fixtures.ts';

// A tiny random T5 with docids: what it knows is nothing, what it computes is checked.
const folder = readModelFolder(parityDir('added-docids'));
const model = () => folder;
const subjects = [
  'river',
  'violin',
  'volcano',
  'bakery',
  'comet',
  'harbour',
  'glacier',
  'orchard',
  'lantern',
  'compass',
];
const documents = Array.from({ length: 60 }, (_, i) => ({
  docid: `d${i}`,
  title: `The ${subjects[i % 10]}`,
  text: `Text ${i} about a ${subjects[i % 10]} and ${'a '.repeat(i % 7)}${subjects[(i * 3 + 1) % 10]}.`,
}));
const queries = [
  'where is the river',
  'violin',
  'a very long question about a glacier and an orchard in the north',
  '?',
];

const store = openStore(':memory:');
after(() => store.close());
for (const document of documents) store.insert(document);

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe('the pooled encoder', () => {
  it('gives a text the same vector alone and in a batch of longer ones', async () => {
    const encoder = await PooledEncoder.open(folder);
    const together = await encoder.encode(queries);
    for (const [i, query] of queries.entries()) {
      const alone = await encoder.encode([query]);
      const difference = Math.max(...alone.map((value, d) => Math.abs(value - together[i * encoder.dimensions + d])));
      assert.ok(difference < 1e-5, `${query}: ${difference}`);
    }
    assert.equal((await encoder.encode([])).length, 0);
    await encoder.close();
  });
});

describe('the dense baseline', () => {
  it('finds what comparing the query with every document finds', async () => {
    const encoder = await PooledEncoder.open(folder);
    const d = encoder.dimensions;
    const matrix = await encoder.encode(documents.map(({ title, text }) => `${title} ${text}`));
    const asked = await encoder.encode(queries);
    await encoder.close();

    const progress: number[] = [];
    const dense = await baselines.dense({ store, model, onProgress: (done) => void progress.push(done) });
    const lists = await dense.retrieve(queries, 10);
    queries.forEach((query, i) => {
      const exact = documents
        .map(({ docid }, n) => ({
          docid,
          score: cosine(asked.subarray(i * d, (i + 1) * d), matrix.subarray(n * d, (n + 1) * d)),
        }))
        .sort((a, b) => b.score - a.score);
      const byDocid = new Map(exact.map(({ docid, score }) => [docid, score]));
      lists[i].forEach(({ docid, score }, rank) => {
        assert.ok(Math.abs(score - byDocid.get(docid)!) < 1e-5, `${query}: score of ${docid}`);
        // By score and not by docid, since near-ties may change places in float32.
        assert.ok(Math.abs(score - exact[rank].score) < 1e-5, `${query}: rank ${rank + 1}`);
      });
      assert.equal(lists[i].length, 10);
    });
    assert.equal((await dense.retrieve(['river'], 1000))[0].length, documents.length);
    await dense.close();
    assert.equal(progress.at(-1), documents.length);
  });

  it('answers nothing over an empty corpus', async () => {
    const empty = openStore(':memory:');
    const dense = await baselines.dense({ store: empty, model });
    assert.deepEqual(await dense.retrieve(['river'], 3), [[]]);
    await dense.close();
    empty.close();
  });
});

describe('the BM25 baseline', () => {
  it('is the full-text index of the store', async () => {
    const bm25 = await baselines.bm25({ store, model });
    assert.deepEqual(
      await bm25.retrieve(queries, 5),
      queries.map((query) => store.searchBm25(query, 5)),
    );
    await bm25.close();
  });
});

describe('making a run', () => {
  it('answers every query under its id, in batches, with the documents of the model', async () => {
    const decoder = await DocidDecoder.open(folder);
    const docids = new AtomicDocids(folder.genir!.docids);
    const many = Array.from({ length: 300 }, (_, i) => ({ id: `q${i}`, text: `${subjects[i % 10]} ${i}` }));
    const progress: number[] = [];
    const run = await makeRun(genirRetriever(decoder, docids), many, {
      k: 2,
      onProgress: (n) => void progress.push(n),
    });
    assert.deepEqual(progress, [256, 300]);
    assert.deepEqual(
      [...run.keys()],
      many.map(({ id }) => id),
    );
    const [{ rows, scores }] = await decoder.retrieve([{ query: many[299].text, k: 2 }]);
    const expected = Array.from(rows, (row, i) => ({ docid: folder.genir!.docids[row], score: scores[i] }));
    assert.deepEqual(
      run.get('q299')!.map(({ docid }) => docid),
      expected.map(({ docid }) => docid),
    );
    run.get('q299')!.forEach(({ score }, i) => assert.ok(Math.abs(score - expected[i].score) < 1e-5));
    await decoder.close();
  });
});
