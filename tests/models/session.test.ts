import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { Graph } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { int64, Session, tensor } from '../../models/session.ts';

/** y = x · w + 1 and its positive part z, for x [B, 2]. */
function graph(): Graph {
  const g = new Graph();
  const x = g.input('x', 'float32', ['B', 2]);
  g.input('unused', 'float32', [1]);
  const w = g.constant('w', 'float32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
  const y = op.Add(op.MatMul(x, w), op.scalar(x, 1));
  g.output('y', y);
  g.output('z', op.Relu(y));
  return g;
}
const x = tensor(Float32Array.of(1, 0, 0, -1), [2, 2]);

describe('a session', async () => {
  const session = await Session.open(graph());
  after(() => session.release());

  it('computes all outputs, or those asked for', async () => {
    const { y, z } = await session.run({ x });
    assert.deepEqual(y, { data: Float32Array.of(2, 3, 4, -3, -4, -5), shape: [2, 3] });
    assert.deepEqual(z.data, Float32Array.of(2, 3, 4, 0, 0, 0));
    assert.deepEqual(Object.keys(await session.run({ x }, ['z'])), ['z']);
  });

  it('writes into tensors that are given', async () => {
    const y = tensor(new Float32Array(6), [2, 3]);
    await session.run({ x }, { y });
    assert.deepEqual(y.data, Float32Array.of(2, 3, 4, -3, -4, -5));
  });

  it('wants the inputs that the outputs depend on, and no others', async () => {
    assert.deepEqual([...session.inputs], [['x', 'float32']]);
    await assert.rejects(session.run({ X: x }), /session: the input "x" is missing; given: X/);
    assert.equal((await session.run({ x, more: x })).y.data.length, 6);
  });

  it('refuses tensors of another shape or element type', async () => {
    await assert.rejects(session.run({ x: tensor(x.data, [1, 4]) }), /dimension/i);
    await assert.rejects(session.run({ x: tensor(x.data, [3, 2]) }));
    await assert.rejects(session.run({ x: int64([1, 0], [1, 2]) }), /type|float/i);
  });

  it('takes empty tensors', async () => {
    const { y } = await session.run({ x: tensor(new Float32Array(0), [0, 2]) });
    assert.deepEqual(y, { data: new Float32Array(0), shape: [0, 3] });
  });

  it('gives the same bytes with more threads', async () => {
    const wide = await Session.open(graph(), { threads: 2 });
    assert.deepEqual(await wide.run({ x }), await session.run({ x }));
    await wide.release();
  });
});

it('int64 makes a vector of plain numbers, or a tensor of the shape given', () => {
  assert.deepEqual(int64([3, -1]), { data: BigInt64Array.of(3n, -1n), shape: [2] });
  assert.deepEqual(int64([3, 4], [1, 2]).shape, [1, 2]);
});
