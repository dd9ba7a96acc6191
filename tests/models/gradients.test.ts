import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { differentiate } from '../../models/onnx/gradients.ts';
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { Session, tensor } from '../../models/session.ts';
import { createRng } from '../../corpus/random.ts';

/** Central differences in float32: the step balances rounding (1e-7/h) against curvature (h²). */
const STEP = 1e-2;
const TOLERANCE = 4e-3;

/**
 * Checks d(Σ w·f(x))/dx for every input of `f` against central finite differences, with a fixed random w.
 */
async function checkGradient(
  shapes: number[][],
  f: (g: Graph, xs: Value[]) => Value,
  low = -1,
  high = 1,
): Promise<void> {
  const rng = createRng(7);
  const g = new Graph();
  const xs = shapes.map((shape, i) => g.input(`x${i}`, 'float32', shape));
  const y = f(g, xs);
  const size = (y.shape as number[]).reduce((a, b) => a * b, 1);
  const w = g.constant(
    'w',
    'float32',
    y.shape as number[],
    Float32Array.from({ length: size }, () => rng.next() * 2 - 1),
  );
  const loss = op.ReduceSum(op.Reshape(op.Mul(y, w), [size]), [0], false);
  g.output('loss', loss);
  differentiate(loss, xs).forEach((d, i) => {
    assert.deepEqual(d.shape, shapes[i], `the gradient of input ${i} has the input's shape`);
    g.output(`d${i}`, d);
  });
  const session = await Session.open(g);
  const data = shapes.map((shape) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => low + (high - low) * rng.next()),
  );
  const feeds = Object.fromEntries(data.map((d, i) => [`x${i}`, tensor(d, shapes[i])]));
  const run = async (): Promise<number> => (await session.run(feeds, ['loss'])).loss.data[0] as number;
  const results = await session.run(feeds);
  for (let i = 0; i < data.length; i++) {
    const analytic = results[`d${i}`].data as Float32Array;
    for (let j = 0; j < data[i].length; j++) {
      const kept = data[i][j];
      data[i][j] = kept + STEP;
      const up = await run();
      data[i][j] = kept - STEP;
      const down = await run();
      data[i][j] = kept;
      const numeric = (up - down) / (2 * STEP);
      const difference = Math.abs(numeric - analytic[j]);
      assert.ok(
        difference < TOLERANCE * Math.max(1, Math.abs(numeric)),
        `input ${i}[${j}]: differences ${numeric}, rule ${analytic[j]}`,
      );
    }
  }
  await session.release();
}

/** One case or more for every operator that training graphs contain. */
const CASES: Record<string, () => Promise<void>> = {
  'Add, broadcast both ways': () =>
    checkGradient(
      [
        [3, 1],
        [2, 1, 4],
      ],
      (_, [a, b]) => op.Add(a, b),
    ),
  'Sub, broadcast': () => checkGradient([[3], [2, 3]], (_, [a, b]) => op.Sub(a, b)),
  'Mul, broadcast': () =>
    checkGradient(
      [
        [2, 3],
        [1, 3],
      ],
      (_, [a, b]) => op.Mul(a, b),
    ),
  'Mul by itself': () => checkGradient([[4]], (_, [a]) => op.Mul(a, a)),
  'Div, broadcast': () =>
    checkGradient(
      [
        [2, 3],
        [2, 1],
      ],
      (_, [a, b]) => op.Div(a, b),
      0.5,
      2,
    ),
  Neg: () => checkGradient([[3]], (_, [a]) => op.Neg(a)),
  Exp: () => checkGradient([[3]], (_, [a]) => op.Exp(a)),
  Sqrt: () => checkGradient([[3]], (_, [a]) => op.Sqrt(a), 0.5, 2),
  Relu: () => checkGradient([[12]], (_, [a]) => op.Relu(op.Add(a, op.scalar(a, 0.013)))),
  Tanh: () => checkGradient([[5]], (_, [a]) => op.Tanh(a)),
  Identity: () => checkGradient([[3]], (_, [a]) => op.Identity(a)),
  Cast: () => checkGradient([[3]], (_, [a]) => op.Cast(a, 'float32')),
  Where: () =>
    checkGradient([[4], [1]], (g, [a, b]) =>
      op.Where(op.Greater(g.literal('float32', [1, -1, 1, -1]), op.scalar(a, 0)), a, b),
    ),
  'MatMul of matrices': () =>
    checkGradient(
      [
        [3, 4],
        [4, 2],
      ],
      (_, [a, b]) => op.MatMul(a, b),
    ),
  'MatMul with a shared matrix': () =>
    checkGradient(
      [
        [2, 3, 4],
        [4, 2],
      ],
      (_, [a, b]) => op.MatMul(a, b),
    ),
  'MatMul in batches': () =>
    checkGradient(
      [
        [2, 2, 3, 4],
        [2, 2, 4, 3],
      ],
      (_, [a, b]) => op.MatMul(a, b),
    ),
  'MatMul with a broadcast batch': () =>
    checkGradient(
      [
        [1, 2, 3],
        [4, 3, 2],
      ],
      (_, [a, b]) => op.MatMul(a, b),
    ),
  FusedMatMul: () =>
    checkGradient(
      [
        [2, 3, 4],
        [5, 4],
      ],
      (_, [a, b]) => op.FusedMatMul(a, b),
    ),
  Gemm: () =>
    checkGradient(
      [
        [3, 4],
        [4, 2],
      ],
      (_, [a, b]) => op.Gemm(a, b),
    ),
  'Gemm, A transposed': () =>
    checkGradient(
      [
        [4, 3],
        [4, 2],
      ],
      (_, [a, b]) => op.Gemm(a, b, { transA: true }),
    ),
  'Gemm, B transposed': () =>
    checkGradient(
      [
        [3, 4],
        [2, 4],
      ],
      (_, [a, b]) => op.Gemm(a, b, { transB: true }),
    ),
  'Gemm, both transposed': () =>
    checkGradient(
      [
        [4, 3],
        [2, 4],
      ],
      (_, [a, b]) => op.Gemm(a, b, { transA: true, transB: true }),
    ),
  'Gather with repeated rows': () =>
    checkGradient([[4, 3]], (g, [a]) => op.Gather(a, g.literal('int64', [1, 0, 1, 3], [2, 2]))),
  ScatterND: () =>
    checkGradient(
      [
        [4, 2],
        [3, 2],
      ],
      (g, [a, b]) => op.ScatterND(a, g.literal('int64', [1, 1, 3], [3, 1]), b),
    ),
  Reshape: () => checkGradient([[2, 6]], (_, [a]) => op.Reshape(a, [2, 3, 2])),
  Transpose: () => checkGradient([[2, 3, 4]], (_, [a]) => op.Transpose(a, [2, 0, 1])),
  Unsqueeze: () => checkGradient([[2, 3]], (_, [a]) => op.Unsqueeze(a, 1)),
  Expand: () => checkGradient([[2, 1]], (g, [a]) => op.Expand(a, g.literal('int64', [3, 2, 4]), [3, 2, 4])),
  Softmax: () => checkGradient([[2, 5]], (_, [a]) => op.Softmax(a)),
  LogSoftmax: () => checkGradient([[2, 5]], (_, [a]) => op.LogSoftmax(a)),
  'ReduceSum, keeping axes': () => checkGradient([[2, 3, 2]], (_, [a]) => op.ReduceSum(a, [0, 2], true)),
  'ReduceSum, dropping axes': () => checkGradient([[2, 3, 2]], (_, [a]) => op.ReduceSum(a, [0, 2], false)),
  ReduceMean: () => checkGradient([[2, 3]], (_, [a]) => op.ReduceMean(a, [1], false)),
  SimplifiedLayerNormalization: () =>
    checkGradient([[2, 3, 4], [4]], (_, [x, gain]) => op.SimplifiedLayerNormalization(x, gain, 1e-6)),
  'a value used twice': () => checkGradient([[3]], (_, [a]) => op.Mul(op.Exp(a), op.Tanh(a))),
};

describe('gradients', () => {
  for (const [name, check] of Object.entries(CASES)) it(`agrees with finite differences: ${name}`, check);

  it('says which target the loss does not depend on', () => {
    const g = new Graph();
    const [a, b] = [g.input('a', 'float32', [2]), g.input('b', 'float32', [2])];
    assert.throws(() => differentiate(op.ReduceSum(a, [0], false), [b]), /does not depend on b/);
  });
});
