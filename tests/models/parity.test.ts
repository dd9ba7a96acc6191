/** The graphs against Hugging Face transformers: every component output and the logits of tiny random models. */
import { after, describe, it, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { activationNames, type ActivationName } from '../../models/activations.ts';
import type { T5Config } from '../../models/config.ts';
import {
  crossCacheGraph,
  decoderGraph,
  docidDecoderGraph,
  encoderGraph,
  type WeightSource,
} from '../../models/graphs.ts';
import type { Graph } from '../../models/onnx/graph.ts';
import { int64, Session, tensor, type Feeds, type FloatTensor, type Tensor } from '../../models/session.ts';
import { relativeBucket, unembedName } from '../../models/t5.ts';
import { folderModels, loadParity, parityModels, type ParityModel } from '../support/fixtures.ts';

/** Two float32 implementations that add in different orders, on values of size 1 to 20 through five layers. */
const TOLERANCE = 1e-4;
/** The same numbers in another arrangement (padding, caching, batching) go through fewer differing sums. */
const SAME = 2e-5;

const opened: Session[] = [];
after(() => Promise.all(opened.map((session) => session.release())));

async function open(graph: Graph): Promise<Session> {
  const session = await Session.open(graph);
  opened.push(session);
  return session;
}

type Floats = Pick<FloatTensor, 'shape'> & { readonly data: ArrayLike<number> };

/** The largest difference over all entries, or over those whose place [b, s, …] has `mask` [b, s] = 1. */
function largestDifference(actual: Tensor, expected: Floats, mask?: Floats): number {
  assert.deepEqual([...actual.shape], [...expected.shape]);
  const inner = mask ? actual.data.length / mask.data.length : 0;
  let largest = 0;
  for (let i = 0; i < actual.data.length; i++) {
    if (mask && mask.data[Math.floor(i / inner)] === 0) continue;
    const difference = Math.abs(Number(actual.data[i]) - expected.data[i]);
    if (!(difference <= largest)) largest = difference; // NaN too
  }
  return largest;
}

function assertClose(
  t: TestContext,
  differences: readonly (readonly [name: string, difference: number])[],
  tolerance: number,
): void {
  const [name, largest] = differences.reduce((a, b) => (b[1] <= a[1] ? a : b));
  t.diagnostic(`largest difference ${largest.toExponential(1)}, of ${name}`);
  assert.ok(largest < tolerance, `${name} differs by ${largest}`);
}

/** Columns from `start` to `end` of a row-major matrix [B, n, …]. */
function columns<D extends Float32Array | BigInt64Array | Int32Array>(
  t: Tensor<D>,
  start: number,
  end: number,
): Tensor<D> {
  const [b, n, ...rest] = t.shape;
  const inner = rest.reduce((x, y) => x * y, 1);
  const data = t.data.slice(0, b * (end - start) * inner) as D;
  for (let i = 0; i < b; i++)
    (data as Float32Array).set(
      t.data.subarray((i * n + start) * inner, (i * n + end) * inner) as Float32Array,
      i * (end - start) * inner,
    );
  return tensor(data, [b, end - start, ...rest]);
}

/** Row b of a tensor, as a batch of one. */
function row<D extends Float32Array | BigInt64Array | Int32Array>(t: Tensor<D>, b: number): Tensor<D> {
  const inner = t.data.length / t.shape[0];
  return tensor(t.data.slice(b * inner, (b + 1) * inner) as D, [1, ...t.shape.slice(1)]);
}

function setUp(name: ParityModel) {
  const { folder, reference } = loadParity(name);
  const weights: WeightSource = (weight) => folder.tensor(weight);
  const { config } = folder;
  const { data, shape } = reference.tensor('attention_mask');
  return {
    config,
    weights,
    reference,
    ids: reference.integers('input_ids'),
    mask: tensor(Float32Array.from(data), shape),
    decoderIds: reference.integers('decoder_input_ids'),
    unembed: folder.tensor(unembedName(config)),
  };
}

/** Names whose reference values were dumped: all but scores, patterns, neurons and per-head values. */
const dumped = (config: T5Config, stack: 'encoder' | 'decoder'): ActivationName[] =>
  activationNames(config).filter(
    (name) => name.startsWith(stack) && !/scores|pattern|_[qkvz]$|result|mlp_pre|mlp_post/.test(name),
  );

/** input_ids, attention_mask → encoder_out; with decoder_input_ids → logits. */
async function runner({ config, weights }: Pick<ReturnType<typeof setUp>, 'config' | 'weights'>) {
  const encoder = await open(encoderGraph(config, weights));
  const decoder = await open(decoderGraph(config, weights));
  return async (input_ids: Tensor, attention_mask: Tensor, decoder_input_ids: Tensor) => {
    const { encoder_out } = await encoder.run({ input_ids, attention_mask });
    const { logits } = await decoder.run({ encoder_out, attention_mask, decoder_input_ids });
    return { encoder_out, logits };
  };
}

describe('parity with transformers', () => {
  for (const name of parityModels) {
    describe(name, () => {
      const model = setUp(name);
      const { config, weights, reference, ids, mask, decoderIds } = model;

      it('has every component output of the encoder', async (t) => {
        const names = dumped(config, 'encoder');
        assert.equal(names.length, 5 * config.num_layers + 1);
        const encoder = await open(encoderGraph(config, weights, { read: names }));
        const out = await encoder.run({ input_ids: ids, attention_mask: mask });
        const differences = names.map((n) => [n, largestDifference(out[n], reference.tensor(n), mask)] as const);
        assertClose(t, differences, TOLERANCE);
        assert.deepEqual(out.encoder_out.data, out['encoder.final_norm'].data);
      });

      it('has every component output of the decoder, at lengths 1 and 8', async (t) => {
        const names = dumped(config, 'decoder');
        assert.equal(names.length, 7 * config.num_decoder_layers + 1);
        const encoder = await open(encoderGraph(config, weights));
        const decoder = await open(decoderGraph(config, weights, { read: names }));
        const { encoder_out } = await encoder.run({ input_ids: ids, attention_mask: mask });
        const differences: [string, number][] = [];
        for (const length of [1, 8]) {
          const decoder_input_ids = columns(decoderIds, 0, length);
          const out = await decoder.run({ encoder_out, attention_mask: mask, decoder_input_ids });
          for (const n of names)
            differences.push([`T${length}.${n}`, largestDifference(out[n], reference.tensor(`T${length}.${n}`))]);
        }
        assertClose(t, differences, TOLERANCE);
      });

      it('has the logits at decoder lengths 1, 2, 8 and 40', async (t) => {
        const run = await runner(model);
        const differences: [string, number][] = [];
        for (const length of [1, 2, 8, 40]) {
          const expected = reference.tensor(`T${length}.logits`);
          const best = new Set(
            columns(tensor(Float32Array.from(expected.data), expected.shape), length - 1, length).data,
          );
          assert.ok(best.size > 3 * config.vocab_size - 5, 'the expected logits are not all alike');
          const { logits } = await run(ids, mask, columns(decoderIds, 0, length));
          differences.push([`T${length}.logits`, largestDifference(logits, expected)]);
        }
        assertClose(t, differences, TOLERANCE);
      });

      it('gives a padded query the logits it has alone, padded on either side', async (t) => {
        const run = await runner(model);
        const start = columns(decoderIds, 0, 8);
        const together = (await run(ids, mask, start)).logits as FloatTensor;
        const [batch, longest] = ids.shape;
        const differences: [string, number][] = [];
        for (let b = 0; b < batch; b++) {
          const length = row(mask, b).data.reduce((n, m) => n + m, 0);
          const own = columns(row(ids, b), 0, length);
          const ones = new Float32Array(length).fill(1);
          const alone = await run(own, tensor(ones, [1, length]), row(start, b));
          differences.push([`query ${b} alone`, largestDifference(alone.logits, row(together, b))]);

          const left = int64(
            [...new Array<number>(longest - length).fill(7), ...Array.from(own.data, Number)],
            [1, longest],
          );
          const leftMask = tensor(
            Float32Array.from({ length: longest }, (_, i) => +(i >= longest - length)),
            [1, longest],
          );
          const { logits } = await run(left, leftMask, row(start, b));
          differences.push([`query ${b} padded on the left`, largestDifference(logits, row(together, b))]);
        }
        assertClose(t, differences, SAME);
      });

      it('does not look at what stands in padded places', async () => {
        const run = await runner(model);
        const start = columns(decoderIds, 0, 2);
        const other = tensor(
          ids.data.map((id, i) => (mask.data[i] ? id : 9n)),
          ids.shape,
        );
        const [a, b] = [await run(ids, mask, start), await run(other, mask, start)];
        assert.deepEqual(a.logits.data, b.logits.data);
      });

      it('lets no later decoder token change an earlier logit', async () => {
        const run = await runner(model);
        const changed = tensor(decoderIds.data.slice(), decoderIds.shape);
        for (let b = 0; b < 3; b++) changed.data.fill(5n, b * 40 + 23, (b + 1) * 40);
        const [a, b] = [await run(ids, mask, decoderIds), await run(ids, mask, changed)];
        const [first, second] = [a, b].map(({ logits }) => logits as FloatTensor);
        assert.deepEqual(columns(first, 0, 23).data, columns(second, 0, 23).data);
        assert.notDeepEqual(columns(first, 23, 24).data, columns(second, 23, 24).data);
      });

      it('scores docid rows from one start token as the whole decoder does', async (t) => {
        const docids = await open(docidDecoderGraph(config, weights));
        const { data, shape } = model.unembed;
        const [V] = shape;
        const feeds: Feeds = { rows: tensor(data, shape), bias: tensor(new Float32Array(V), [1, V]), k: int64([V]) };
        const out = await docids.run({ input_ids: ids, attention_mask: mask, ...feeds });
        const expected = reference.tensor('T1.logits'); // the decoder's first token is the start token
        const logits = rowsTimes(out.state as FloatTensor, { data, shape });
        const scores = out.scores as FloatTensor;
        const indices = out.row_indices.data;
        const byRow = new Float32Array(scores.data.length);
        for (let i = 0; i < byRow.length; i++) byRow[Math.floor(i / V) * V + Number(indices[i])] = scores.data[i];
        assertClose(
          t,
          [
            ['state · rowsᵀ', largestDifference(tensor(logits, expected.shape), expected)],
            [
              'scores',
              largestDifference(tensor(byRow, expected.shape), {
                shape: expected.shape,
                data: logSoftmax(expected.data, V),
              }),
            ],
          ],
          TOLERANCE,
        );
      });
    });
  }

  for (const name of folderModels) {
    it(`has the logits of a folder saved otherwise (${name})`, async (t) => {
      const model = setUp(name);
      const run = await runner(model);
      const { logits } = await run(model.ids, model.mask, columns(model.decoderIds, 0, 2));
      assertClose(t, [['T2.logits', largestDifference(logits, model.reference.tensor('T2.logits'))]], TOLERANCE);
    });
  }

  it('keeps cross-attention keys and values apart for every layer and head', async () => {
    const { config, weights, ids, mask } = setUp('v1.0-tied');
    const out = await (await open(crossCacheGraph(config, weights))).run({ input_ids: ids, attention_mask: mask });
    assert.equal(Object.keys(out).length, 2 * config.num_decoder_layers);
    for (const { shape } of Object.values(out))
      assert.deepEqual(shape, [3, config.num_heads, ids.shape[1], config.d_kv]);
  });
});

describe('relativeBucket', () => {
  // transformers' T5Attention._relative_position_bucket with T5's own 32 buckets up to distance 128
  const config = { relative_attention_num_buckets: 32, relative_attention_max_distance: 128 } as T5Config;
  const distances = [-200, -128, -127, -64, -16, -15, -8, -7, -1, 0, 1, 7, 8, 15, 16, 64, 127, 128, 200];

  it('gives both directions half of the buckets each in the encoder', () => {
    const buckets = distances.map((d) => relativeBucket(d, config, true));
    assert.deepEqual(buckets, [15, 15, 15, 14, 10, 9, 8, 7, 1, 0, 17, 23, 24, 25, 26, 30, 31, 31, 31]);
  });

  it('gives all buckets to earlier positions in the decoder', () => {
    const buckets = distances.map((d) => relativeBucket(d, config, false));
    assert.deepEqual(buckets, [31, 31, 31, 26, 16, 15, 8, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

/** state [B, D] · rows [V, D] ᵀ, in float64. */
function rowsTimes(state: FloatTensor, rows: Floats): Float32Array {
  const [b, d] = state.shape;
  const [v] = rows.shape;
  return Float32Array.from({ length: b * v }, (_, i) => {
    const [q, n] = [Math.floor(i / v), i % v];
    let sum = 0;
    for (let j = 0; j < d; j++) sum += state.data[q * d + j] * rows.data[n * d + j];
    return sum;
  });
}

function logSoftmax(logits: Float32Array, v: number): Float32Array {
  const out = new Float32Array(logits.length);
  for (let i = 0; i < logits.length; i += v) {
    const one = logits.subarray(i, i + v);
    const top = Math.max(...one);
    const total = Math.log(one.reduce((sum, x) => sum + Math.exp(x - top), 0)) + top;
    one.forEach((x, j) => (out[i + j] = x - total));
  }
  return out;
}
