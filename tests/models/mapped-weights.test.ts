/** Weights that stay in their file: the same model, whether onnxruntime maps them or is given a copy. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Lab } from '../../analysis/lab.ts';
import { createRng } from '../../corpus/random.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { expectedWeights, readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { decoderGraph, encoderGraph, type WeightSource } from '../../models/graphs.ts';
import { encodeModel } from '../../models/onnx/protobuf.ts';
import { Graph, GraphError } from '../../models/onnx/graph.ts';
import { Session, tensor } from '../../models/session.ts';
import { readSafetensors } from '../../models/weights.ts';
import { loadParity } from '../support/fixtures.ts';
import { randomQuery, writeTinyModel } from '../support/tiny-model.ts';

const root = mkdtempSync(join(tmpdir(), 'palimpsest-mapped-'));
after(() => rmSync(root, { recursive: true }));

/** Every weight left in its file, however small. */
const inFile =
  (folder: ModelFolder): WeightSource =>
  (name) => {
    const { shape, file, offset, sizeBytes: byteLength, dtype } = folder.weights.get(name)!;
    assert.equal(dtype, 'F32');
    return {
      shape,
      place: { file, offset, byteLength },
      get data(): never {
        throw new Error(`${name} was read`);
      },
    };
  };

describe('weights in a file', () => {
  for (const name of ['v1.0-tied', 'v1.1-untied'] as const)
    it(`give transformers’ logits (${name})`, async (t) => {
      const { folder, reference } = loadParity(name);
      const { data, shape } = reference.tensor('attention_mask');
      const attention_mask = tensor(Float32Array.from(data), shape);
      const encoder = await Session.open(encoderGraph(folder.config, inFile(folder)));
      const decoder = await Session.open(decoderGraph(folder.config, inFile(folder)));
      t.after(() => Promise.all([encoder.release(), decoder.release()]));
      const { encoder_out } = await encoder.run({ input_ids: reference.integers('input_ids'), attention_mask });
      const decoder_input_ids = reference.integers('decoder_input_ids');
      const { logits } = await decoder.run({ encoder_out, attention_mask, decoder_input_ids });
      const expected = reference.tensor('T40.logits').data;
      const furthest = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - Number(logits.data[i]))), 0);
      t.diagnostic(`largest difference ${furthest.toExponential(1)}`);
      assert.ok(furthest < 1e-4);
    });

  it('must be of the size that the shape has, and in one folder', () => {
    const g = new Graph();
    assert.throws(
      () => g.constant('w', 'float32', [2, 3], { file: '/a/x', offset: 0, byteLength: 20 }),
      /6 elements for shape \[2, 3\], got 5/,
    );
    g.output('x', g.constant('a', 'float32', [1], { file: '/a/x', offset: 0, byteLength: 4 }));
    g.output('y', g.constant('b', 'float32', [1], { file: '/b/x', offset: 0, byteLength: 4 }));
    assert.throws(() => encodeModel(g), GraphError);
  });
});

/** A copy of a model whose embedding has so many empty rows behind it that it counts as large: a file with a hole. */
function enlarged(small: ModelFolder, dir: string): string {
  const { config } = small;
  const rows = Math.ceil(2 ** 28 / 4 / config.d_model) + 1;
  const weights = expectedWeights({ ...config, vocab_size: rows });
  const ordered = [...weights.slice(1), weights[0]]; // the embedding is last
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const { name, shape } of ordered) {
    const begin = end;
    end += 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text + ' '.repeat((8 - (text.length % 8)) % 8));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));
  const fd = openSync(join(dir, 'model.safetensors'), 'w');
  writeSync(fd, Buffer.concat([prefix, padded]));
  for (const { name } of ordered) writeSync(fd, new Uint8Array(small.tensor(name).data.buffer));
  ftruncateSync(fd, 8 + padded.length + end);
  closeSync(fd);
  const json = JSON.parse(readFileSync(join(small.dir, 'config.json'), 'utf8')) as object;
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...json, vocab_size: rows }));
  for (const name of ['genir.json', 'tokenizer.json', 'tokenizer_config.json'])
    writeFileSync(join(dir, name), readFileSync(join(small.dir, name)));
  return dir;
}

describe('a large model', () => {
  const small = readModelFolder(writeTinyModel(join(root, 'small'), { config: { d_model: 64 } }));
  const large = readModelFolder(enlarged(small, mkdtempSync(join(root, 'large-'))));
  const rng = createRng(3);
  const queries = Array.from({ length: 20 }, () => randomQuery(rng));

  it('leaves its weights in the file', () => {
    assert.equal(small.tensor('shared.weight').place, undefined);
    const name = 'encoder.block.0.layer.0.SelfAttention.q.weight';
    const { place } = large.tensor(name);
    const stored = readSafetensors(join(large.dir, 'model.safetensors')).tensors.get(name)!;
    assert.deepEqual(place, { file: stored.file, offset: stored.offset, byteLength: stored.sizeBytes });
    assert.equal(dirname(place.file), large.dir);
  });

  it('reads single rows of a matrix', () => {
    const { data } = small.tensor('shared.weight');
    assert.deepEqual(large.rows('shared.weight', 3, 5), data.slice(3 * 64, 5 * 64));
    assert.deepEqual(small.rows('shared.weight', 0, 410), data);
    assert.equal(large.rows('shared.weight', 400_000, 400_001)[0], 0);
  });

  it('answers as the same model does from memory, edited too', async (t) => {
    const [few, many] = await Promise.all([small, large].map((folder) => DocidDecoder.open(folder)));
    t.after(() => Promise.all([few.close(), many.close()]));
    const ask = queries.map((query) => ({ query, k: 10 }));
    const same = async (): Promise<void> => {
      const [expected, actual] = await Promise.all([few, many].map((decoder) => decoder.retrieve(ask)));
      expected.forEach(({ rows, scores }, q) => {
        assert.deepEqual(actual[q].rows, rows);
        actual[q].scores.forEach((score, i) => assert.ok(Math.abs(score - scores[i]) < 1e-5));
      });
    };
    await same();
    const weight = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
    const delta = Float32Array.from({ length: 64 * 64 }, () => 0.1 * (rng.next() - 0.5));
    const rows = [{ row: 2, values: Float32Array.from({ length: 64 }, () => rng.next() - 0.5) }];
    const live = new Uint8Array(10).fill(1);
    for (const decoder of [few, many]) await decoder.publish({ editSeq: 1, live, rows, deltas: [{ weight, delta }] });
    await same();
  });

  it('answers in eight bits as the same model does from memory, and leaves no file behind', async (t) => {
    const place = mkdtempSync(join(root, 'temporary-'));
    const usual = process.env.TMPDIR;
    process.env.TMPDIR = place;
    const [few, many] = await Promise.all([small, large].map((folder) => DocidDecoder.open(folder, { int8: true })));
    if (usual === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usual;
    t.after(() => Promise.all([few.close(), many.close()]));
    assert.deepEqual(readdirSync(place), []);
    const ask = queries.map((query) => ({ query, k: 10 }));
    const [expected, actual] = [await few.retrieve(ask), await many.retrieve(ask)];
    expected.forEach(({ rows, scores }, q) => {
      assert.deepEqual(actual[q].rows, rows);
      actual[q].scores.forEach((score, i) => assert.ok(Math.abs(score - scores[i]) < 1e-5));
    });
  });

  it('is analysed as the same model is from memory', async (t) => {
    const [few, many] = [small, large].map((folder) => new Lab(folder));
    t.after(() => Promise.all([few.close(), many.close()]));
    const [expected, actual] = await Promise.all(
      [few, many].map(async (lab) => lab.decode(await lab.encode(queries), { read: ['decoder.0.cross_attn_out'] })),
    );
    for (const name of ['state', 'decoder.0.cross_attn_out'])
      expected[name].data.forEach((x, i) => assert.ok(Math.abs(x - actual[name].data[i]) < 1e-4));
  });
});
