/** Linear maps in eight bits: what is rounded, what the product makes of it, and models that answer with them. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRng } from '../../corpus/random.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { BLOCK, inInt8, toInt8 } from '../../models/int8.ts';
import { Graph } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { Session, tensor } from '../../models/session.ts';
import { randomQuery, writeTinyModel } from '../support/tiny-model.ts';

const root = mkdtempSync(join(tmpdir(), 'palimpsest-int8-'));
after(() => rmSync(root, { recursive: true }));

const rng = createRng(5);
const random = (length: number): Float32Array => Float32Array.from({ length }, () => rng.next() - 0.5);

describe('eight bits', () => {
  it('keep the largest value of a block, zeros, and the others to half a step', () => {
    const data = Float32Array.of(1, -2, 0, 0.5, /**/ 0, 0, 0, 0, /**/ 3, 1.5, -3, 0.02, /**/ 127, -1, 1, 64);
    const { codes, scales } = toInt8({ data, shape: [2, 8] }, 4);
    assert.deepEqual(
      [...scales],
      [2, 0, 3, 127].map((largest) => Math.fround(largest / 127)),
    );
    assert.deepEqual([...codes], [192, 1, 128, 160, 128, 128, 128, 128, 255, 192, 1, 129, 255, 127, 129, 192]);
    data.forEach((x, i) => {
      const scale = scales[i >> 2];
      assert.ok(Math.abs(x - scale * (codes[i] - 128)) <= scale / 2 + 1e-7, `${x}`);
    });
  });

  it('are multiplied as the matrix that they stand for, in rows that do not know of each other', async (t) => {
    const [K, N, B] = [96, 40, 7];
    const weight = { data: random(N * K), shape: [N, K] };
    const { codes, scales, block } = toInt8(weight);
    const g = new Graph();
    const x = g.input('x', 'float32', ['B', K]);
    const values = g.constant('codes', 'uint8', [N, K / block, block], codes);
    g.output('y', op.MatMulNBits(x, values, g.constant('scales', 'float32', [scales.length], scales), N));
    const session = await Session.open(g);
    t.after(() => session.release());
    const rows = random(B * K);
    const { y } = await session.run({ x: tensor(rows, [B, K]) });
    let [error, all] = [0, 0];
    for (let b = 0; b < B; b++)
      for (let n = 0; n < N; n++) {
        let sum = 0;
        for (let k = 0; k < K; k++)
          sum += rows[b * K + k] * scales[(n * K + k - (k % block)) / block] * (codes[n * K + k] - 128);
        error += (sum - Number(y.data[b * N + n])) ** 2;
        all += sum ** 2;
      }
    assert.ok(Math.sqrt(error / all) < 0.01, `${Math.sqrt(error / all)}`); // inputs are rounded as well
    for (let b = 0; b < B; b++) {
      const alone = (await session.run({ x: tensor(rows.slice(b * K, (b + 1) * K), [1, K]) })).y;
      alone.data.forEach((value, n) => assert.ok(Math.abs(Number(value) - Number(y.data[b * N + n])) < 1e-5));
    }
  });

  it('are for linear maps whose rows are whole blocks', () => {
    const weights = inInt8(
      (name) => ({ shape: [8, name.includes('wi') ? BLOCK : BLOCK + 4], data: random(8 * 40) }),
      () => assert.fail('small weights stay in memory'),
    );
    assert.ok(weights('a.wi.weight').int8);
    assert.ok(!weights('a.wo.weight').int8 && !weights('shared.weight').int8 && !weights('layer_norm.weight').int8);
  });
});

describe('a decoder in eight bits', () => {
  const folder = readModelFolder(writeTinyModel(join(root, 'model'), { config: { d_model: 64, d_kv: 16 } }));
  const queries = Array.from({ length: 60 }, () => randomQuery(rng));
  const ask = queries.map((query) => ({ query, k: 11 }));
  const weight = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';

  it('answers much as the model does, with a fraction of the weights, before and after edits', async (t) => {
    const exact = await DocidDecoder.open(folder);
    const rounded = await DocidDecoder.open(folder, { int8: true });
    t.after(() => Promise.all([exact.close(), rounded.close()]));
    assert.ok(rounded.weightBytes < 0.6 * exact.weightBytes, `${rounded.weightBytes} of ${exact.weightBytes}`);
    const compare = async (): Promise<Int32Array[]> => {
      const [a, b] = [await exact.retrieve(ask), await rounded.retrieve(ask)];
      const same = a.filter(({ rows }, q) => rows[0] === b[q].rows[0]).length;
      const furthest = a.flatMap(({ rows, scores }, q) =>
        [...rows].map((row, i) => Math.abs(scores[i] - b[q].scores[b[q].rows.indexOf(row)])),
      );
      assert.ok(same >= 0.9 * queries.length, `${same} of ${queries.length} first documents`);
      assert.ok(Math.max(...furthest) < 0.5, `${Math.max(...furthest)}`);
      return b.map(({ rows }) => rows);
    };
    const before = await compare();
    const version = {
      editSeq: 1,
      live: new Uint8Array(11).fill(1),
      rows: [{ row: 10, values: random(64) }],
      deltas: [{ weight, delta: random(64 * 64) }],
    };
    for (const decoder of [exact, rounded]) await decoder.publish(version);
    assert.notDeepEqual(await compare(), before);
  });
});
