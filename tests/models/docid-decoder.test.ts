/** Constrained decoding of docids, and versions of a model, on tiny random models. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import { createRng } from '../../corpus/random.ts';
import { stem } from '../../corpus/stem.ts';
import {
  baseVersion,
  DocidDecoder,
  MAX_QUERY_TOKENS,
  NotAnIndexError,
  VersionError,
  wordWeights,
  type DecoderOptions,
  type ModelVersion,
  type Retrieved,
} from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { docidDecoderGraph, transposed } from '../../models/graphs.ts';
import { int64, Session, tensor } from '../../models/session.ts';
import { unembedName } from '../../models/t5.ts';
import { loadTokenizer, padBatch } from '../../models/tokenizer.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { loadParity } from '../support/fixtures.ts';
import { copyModel, randomQuery, texts, writeTinyModel } from '../support/tiny-model.ts';

/** The same sums in another order. */
const TOLERANCE = 1e-5;

const dir = tempFolder();
const folder = readModelFolder(writeTinyModel(join(dir, 'model')));
const N = texts.length;
const D = folder.config.d_model;
const base = baseVersion(N);
const queries = ['which river is ice', 'bread', 'a violin, a compass and the sea', ''];

const decoders: DocidDecoder[] = [];
after(() => Promise.all(decoders.map((decoder) => decoder.close())));
async function open(of = folder, options: DecoderOptions = {}): Promise<DocidDecoder> {
  const decoder = await DocidDecoder.open(of, options);
  decoders.push(decoder);
  return decoder;
}
const all = (decoder: DocidDecoder, n = N): Promise<Retrieved[]> =>
  decoder.retrieve(queries.map((query) => ({ query, k: n })));
const random = (length: number, seed: number, scale = 1): Float32Array => {
  const rng = createRng(seed);
  return Float32Array.from({ length }, () => scale * (rng.next() - 0.5));
};

/** Final decoder states of the queries, from the graph itself. */
async function states(of = folder): Promise<Float32Array[]> {
  const words = of.genir!.firstDocidToken;
  const session = await Session.open(docidDecoderGraph({ ...of.config, vocab_size: words }, wordWeights(of, words)));
  const tokenizer = loadTokenizer(of);
  const { inputIds, mask, length } = padBatch(queries.map((query) => tokenizer.encode(query)));
  const shape = [queries.length, length];
  const { state } = await session.run({
    input_ids: tensor(inputIds, shape),
    attention_mask: tensor(mask, shape),
    rows: tensor(new Float32Array(D), [1, D]),
    bias: tensor(new Float32Array(1), [1, 1]),
    k: int64([1]),
  });
  await session.release();
  return queries.map((_, b) => (state.data as Float32Array).slice(b * D, (b + 1) * D));
}

/** log softmax(state · rowᵀ) over the allowed rows, best first, in plain JavaScript. */
function ranking(
  state: Float32Array,
  rows: readonly Float32Array[],
  allowed: readonly number[],
): [row: number, score: number][] {
  const logit = (n: number): number => rows[n].reduce((sum, x, i) => sum + x * state[i], 0);
  const logits = allowed.map((n) => [n, logit(n)] as const);
  const total = Math.log(logits.reduce((sum, [, x]) => sum + Math.exp(x), 0));
  return logits.map(([n, x]): [number, number] => [n, x - total]).sort((a, b) => b[1] - a[1]);
}

const { firstDocidToken } = folder.genir!;
const docidRows = (of = folder): Float32Array[] => {
  const { data } = of.tensor(unembedName(of.config));
  return Array.from({ length: N }, (_, n) => data.slice((firstDocidToken + n) * D, (firstDocidToken + n + 1) * D));
};

function assertRanking(actual: Retrieved, expected: readonly (readonly [number, number])[]): void {
  assert.deepEqual(
    [...actual.rows],
    expected.map(([row]) => row),
  );
  actual.scores.forEach((score, i) => assert.ok(Math.abs(score - expected[i][1]) < TOLERANCE, `score ${i}: ${score}`));
}

function assertSame(actual: readonly Retrieved[], expected: readonly Retrieved[]): void {
  actual.forEach(({ rows, scores }, b) => {
    assert.deepEqual(rows, expected[b].rows);
    scores.forEach((score, i) => assert.ok(Math.abs(score - expected[b].scores[i]) < TOLERANCE));
  });
}

describe('a docid decoder', () => {
  it('scores documents by the log-softmax of their rows', async () => {
    const decoder = await open();
    const results = await all(decoder);
    const known = await states();
    results.forEach((result, b) => assertRanking(result, ranking(known[b], docidRows(), [...Array(N).keys()])));
    assert.ok(new Set(results.map(({ rows }) => rows.join())).size > 1, 'the queries differ in their answers');
    assert.ok(results.every(({ scores }) => Math.abs(scores.reduce((sum, s) => sum + Math.exp(s), 0) - 1) < TOLERANCE));
  });

  it('does so with untied embeddings and gated neurons', async () => {
    const config = {
      tie_word_embeddings: false,
      scale_decoder_outputs: false,
      feed_forward_proj: 'gated-gelu',
    } as const;
    const other = readModelFolder(writeTinyModel(join(dir, 'v1.1'), { config, seed: 2 }));
    const known = await states(other);
    const results = await all(await open(other));
    results.forEach((result, b) => assertRanking(result, ranking(known[b], docidRows(other), [...Array(N).keys()])));
  });

  it('gives a query the same answer alone and beside others', async () => {
    const decoder = await open();
    const together = await all(decoder);
    for (const [b, query] of queries.entries()) {
      assertSame(await decoder.retrieve([{ query, k: N }]), [together[b]]);
    }
  });

  it('never answers with dead or disallowed documents, and normalises over the others', async () => {
    const decoder = await open();
    const known = await states();
    const mask = fc.uint8Array({ minLength: N, maxLength: N, max: 1 });
    await fc.assert(
      fc.asyncProperty(
        mask,
        fc.array(fc.option(mask), { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 1, max: 12 }),
        async (live, masks, k) => {
          await decoder.publish({ ...base, live });
          const inputs = queries.map((query, b) => ({ query, k, allowed: masks[b] ?? undefined }));
          const results = await decoder.retrieve(inputs);
          results.forEach((result, b) => {
            const permitted = [...live.keys()].filter((n) => live[n] && (masks[b]?.[n] ?? 1));
            assertRanking(result, ranking(known[b], docidRows(), permitted).slice(0, k));
          });
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });

  it('answers each query of a batch with its own number of documents', async () => {
    const decoder = await open();
    const results = await decoder.retrieve([
      { query: 'ice', k: 1 },
      { query: 'ice', k: 7 },
      { query: 'ice', k: 0 },
      { query: 'ice', k: 1_000_000 },
    ]);
    assert.deepEqual(
      results.map(({ rows }) => rows.length),
      [1, 7, 0, N],
    );
    assert.deepEqual(
      results.map(({ scores }) => scores.length),
      [1, 7, 0, N],
    );
    assert.deepEqual(await decoder.retrieve([]), []);
  });

  it('answers with none where none is allowed', async () => {
    const decoder = await open();
    const none = await decoder.retrieve([{ query: 'ice', k: 3, allowed: new Uint8Array(N) }]);
    assert.deepEqual(none, [{ rows: new Int32Array(0), scores: new Float32Array(0) }]);
    await decoder.publish({ ...base, live: new Uint8Array(N) });
    assert.deepEqual(await decoder.retrieve([{ query: 'ice', k: 3 }]), none);
  });

  it('reads a mask made before documents were appended as forbidding them', async () => {
    const decoder = await open();
    const values = random(D, 3, 8);
    await decoder.publish({ ...base, live: new Uint8Array(N + 1).fill(1), rows: [{ row: N, values }] });
    const [result] = await decoder.retrieve([{ query: 'ice', k: N + 1, allowed: new Uint8Array(N).fill(1) }]);
    assert.deepEqual(
      [...result.rows].sort((a, b) => a - b),
      [...Array(N).keys()],
    );
  });

  it('takes any text: long ones are cut at the end token, odd ones are read', async () => {
    const decoder = await open();
    const long = 'river '.repeat(5000);
    const cut = 'river '.repeat(MAX_QUERY_TOKENS - 1);
    assertSame(await decoder.retrieve([{ query: long, k: N }]), await decoder.retrieve([{ query: cut, k: N }]));
    const odd = ['\ud800', '\u0000', '🦦🦦', 'ﷺ', '@DOC_ID_d0@', '<pad> </s> <unk>', '漢字'];
    for (const { rows } of await decoder.retrieve(odd.map((query) => ({ query, k: 2 })))) assert.equal(rows.length, 2);
  });

  it('opens checkpoints whose tokenizer has a token per document', async () => {
    const { folder: published } = loadParity('added-docids');
    const decoder = await open(published);
    const [{ rows }] = await decoder.retrieve([{ query: 'what is the capital of france', k: 9 }]);
    assert.equal(rows.length, 6);
  });

  it('says what a folder without docids lacks', async () => {
    const { folder: plain } = loadParity('v1.0-tied');
    await assert.rejects(DocidDecoder.open(plain), NotAnIndexError);
  });
});

describe('a version', () => {
  const wo = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
  const live = (n: number): Uint8Array => new Uint8Array(n).fill(1);

  it('changes the rows of documents', async () => {
    const decoder = await open();
    const values = random(D, 4, 8);
    await decoder.publish({ ...base, editSeq: 5, rows: [{ row: 3, values }] });
    assert.equal(decoder.editSeq, 5);
    const rows = docidRows().with(3, values);
    const known = await states();
    (await all(decoder)).forEach((result, b) => assertRanking(result, ranking(known[b], rows, [...rows.keys()])));
  });

  it('appends documents', async () => {
    const decoder = await open();
    const appended = [random(D, 5, 8), random(D, 6, 8)];
    const rows = [...docidRows(), ...appended];
    const changes = appended.map((values, i) => ({ row: N + i, values }));
    await decoder.publish({ ...base, live: live(N + 2), rows: changes });
    const known = await states();
    const results = await all(decoder, N + 2);
    results.forEach((result, b) => assertRanking(result, ranking(known[b], rows, [...rows.keys()])));
    await decoder.publish(base);
    assert.ok((await all(decoder, N + 2)).every((result) => result.rows.length === N));
  });

  const editable = [
    wo,
    'encoder.block.0.layer.1.DenseReluDense.wo.weight',
    'encoder.block.1.layer.0.SelfAttention.q.weight',
    'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight',
    'decoder.block.0.layer.0.SelfAttention.v.weight',
    'decoder.block.0.layer.1.EncDecAttention.q.weight',
    'decoder.block.0.layer.1.EncDecAttention.k.weight',
    'decoder.block.1.layer.1.EncDecAttention.v.weight',
    'decoder.block.1.layer.1.EncDecAttention.o.weight',
    'decoder.block.1.layer.2.layer_norm.weight',
    'decoder.final_layer_norm.weight',
  ];
  for (const [i, weight] of editable.entries()) {
    it(`with a delta answers as a folder whose weight was changed (${weight})`, async () => {
      const decoder = await open();
      const before = await all(decoder);
      const { shape, data } = folder.tensor(weight);
      const change = random(data.length, 10 + i, weight.includes('q.weight') || weight.includes('k.weight') ? 1 : 0.3);
      const isMap = shape.length === 2 && !weight.includes('bias');
      const delta = isMap ? transposed({ data: change, shape }) : change;
      await decoder.publish({ ...base, editSeq: 1, deltas: [{ weight, delta }] });
      const edited = await all(decoder);

      const copy = join(dir, `edited-${i}`);
      copyModel(copy, folder, new Map([[weight, { shape, data: data.map((x, j) => x + change[j]) }]]));
      const expected = await all(await open(readModelFolder(copy)));
      assertSame(edited, expected);
      assert.ok(edited.some(({ scores }, b) => Math.abs(scores[0] - before[b].scores[0]) > 100 * TOLERANCE));
    });
  }

  it('taken back leaves the very bytes there were', async () => {
    const decoder = await open();
    const before = await all(decoder);
    const delta = random(D * folder.config.d_ff, 7, 0.3);
    const edited: ModelVersion = {
      editSeq: 2,
      live: live(N + 1),
      rows: [2, N].map((row) => ({ row, values: random(D, row, 8) })),
      deltas: editable.map((weight) => ({ weight, delta: random(sizeOf(weight), 8, 0.3) })),
    };
    await decoder.publish({ ...base, editSeq: 1, deltas: [{ weight: wo, delta }] });
    await decoder.publish(edited);
    assert.notDeepEqual(await all(decoder), before);
    await decoder.publish(base);
    assert.deepEqual(await all(decoder), before);
  });

  it('of a weight that was prepared answers as without, and what is not changed stays as it is', async () => {
    const [plain, prepared] = [await open(), await open(folder, { prepared: [wo, editable[5]] })];
    assertSame(await all(prepared), await all(plain));
    for (const weights of [[wo], [editable[2], wo], []]) {
      const deltas = weights.map((weight) => ({ weight, delta: random(sizeOf(weight), 8, 0.3) }));
      for (const decoder of [plain, prepared]) await decoder.publish({ ...base, editSeq: 1, deltas });
      assertSame(await all(prepared), await all(plain));
    }
  });

  it('that does not fit is refused, and the one before stays', async () => {
    const decoder = await open();
    const kept: ModelVersion = { ...base, editSeq: 3, rows: [{ row: 0, values: random(D, 9, 8) }] };
    await decoder.publish(kept);
    const before = await all(decoder);
    const delta = new Float32Array(D * folder.config.d_ff);
    const wrong: [RegExp, Partial<ModelVersion>][] = [
      [/live: expected a flag for each of the folder's 10 documents, got 9/, { live: live(9) }],
      [/row 10: expected values for a new live document, got none/, { live: live(11) }],
      [/rows: expected a row below 10, got 10/, { rows: [{ row: 10, values: new Float32Array(D) }] }],
      [/row 1: expected 32 values, got 31/, { rows: [{ row: 1, values: new Float32Array(31) }] }],
      [/expected an editable weight of this model, got wo/, { deltas: [{ weight: 'wo', delta }] }],
      [
        /expected an editable weight of this model, got shared.weight/,
        { deltas: [{ weight: 'shared.weight', delta }] },
      ],
      [
        /paths: expected none, since docids are single tokens, got 1/,
        { paths: [{ document: 0, tokens: Int32Array.of(3) }] },
      ],
      [/wo.weight: expected a delta of 2048 values, got 3/, { deltas: [{ weight: wo, delta: new Float32Array(3) }] }],
      [
        /expected each weight once, got .*wo.weight twice/,
        {
          deltas: [
            { weight: wo, delta },
            { weight: wo, delta },
          ],
        },
      ],
    ];
    for (const [message, change] of wrong) {
      await assert.rejects(decoder.publish({ ...base, editSeq: 4, ...change }), (error: unknown) => {
        assert.ok(error instanceof VersionError);
        assert.match(error.message, message);
        return true;
      });
      assert.equal(decoder.editSeq, 3);
      assert.deepEqual(await all(decoder), before);
    }
  });
});

const sizeOf = (weight: string): number => folder.weights.get(weight)!.shape.reduce((a, b) => a * b, 1);

it('queries of these tests are words the tokenizer has', () => {
  const tokenizer = loadTokenizer(folder);
  const rng = createRng(1);
  for (let i = 0; i < 20; i++) {
    const query = randomQuery(rng);
    assert.equal(tokenizer.decode(tokenizer.encode(query)), query.split(' ').map(stem).join(' '));
  }
});
