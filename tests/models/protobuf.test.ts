/** Encoded graphs: what onnxruntime reads of them, and what they leave out. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import protobuf from 'protobufjs';
import { Graph, GraphError } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { encodeModel } from '../../models/onnx/protobuf.ts';
import { Session, tensor } from '../../models/session.ts';

/** Field numbers of onnx.proto, written down here a second time. */
const { root } = protobuf.parse(
  `syntax = "proto3"; package onnx;
   message Model { int64 ir_version = 1; Graph graph = 7; repeated Opset opset_import = 8; }
   message Opset { string domain = 1; int64 version = 2; }
   message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated Info input = 11; repeated Info output = 12; }
   message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; repeated Attribute attribute = 5; }
   message Attribute { string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated int64 ints = 8; int32 type = 20; }
   message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
   message Info { string name = 1; Type type = 2; }
   message Type { TensorType tensor_type = 1; }
   message TensorType { int32 elem_type = 1; Shape shape = 2; }
   message Shape { repeated Dimension dim = 1; }
   message Dimension { int64 dim_value = 1; string dim_param = 2; }`,
  { keepCase: true },
);

interface Decoded {
  opset_import: { version: number }[];
  graph: {
    node: { op_type: string; input: string[]; output: string[]; attribute?: Record<string, unknown>[] }[];
    initializer: { name: string; dims: number[]; data_type: number; raw_data: Uint8Array }[];
    input: { name: string; type: { tensor_type: { elem_type: number; shape: { dim: object[] } } } }[];
    output: { name: string }[];
  };
}
const decode = (g: Graph): Decoded => {
  const model = root.lookupType('onnx.Model');
  return model.toObject(model.decode(encodeModel(g).model), { longs: Number }) as Decoded;
};

describe('an encoded graph', () => {
  it('has nodes in order, shapes with letters, constants as raw little-endian bytes', () => {
    const g = new Graph();
    const x = g.input('x', 'float32', ['B', 4]);
    const w = g.constant('w', 'float32', [4, 1], Float32Array.of(1, -2, 0.5, 3));
    g.output('y', op.Softmax(op.MatMul(x, w)));
    const { graph, opset_import } = decode(g);
    assert.deepEqual(
      opset_import.map(({ version }) => version),
      [18],
    );
    assert.deepEqual(
      graph.node.map(({ op_type }) => op_type),
      ['MatMul', 'Softmax', 'Identity'],
    );
    assert.deepEqual(graph.node[0].input, ['x', 'w']);
    assert.deepEqual(graph.node[1].attribute, [{ name: 'axis', type: 2, i: -1 }]);
    const { elem_type, shape } = graph.input[0].type.tensor_type;
    assert.deepEqual([elem_type, shape.dim], [1, [{ dim_param: 'B' }, { dim_value: 4 }]]);
    const [{ raw_data, dims, data_type }] = graph.initializer;
    assert.deepEqual([dims, data_type], [[4, 1], 1]);
    const bytes = Buffer.from(raw_data);
    assert.deepEqual(
      [0, 4, 8, 12].map((at) => bytes.readFloatLE(at)),
      [1, -2, 0.5, 3],
    );
    assert.deepEqual(
      graph.output.map(({ name }) => name),
      ['y'],
    );
  });

  it('leaves out nodes, inputs and constants that no output needs', () => {
    const g = new Graph();
    const [x, unread] = [g.input('x', 'float32', [2]), g.input('unread', 'float32', [2])];
    op.Mul(unread, g.constant('unreadWeight', 'float32', [2], Float32Array.of(1, 2)));
    g.output('y', op.Neg(x));
    const { graph } = decode(g);
    assert.deepEqual(
      graph.node.map(({ op_type }) => op_type),
      ['Neg', 'Identity'],
    );
    assert.deepEqual(
      graph.input.map(({ name }) => name),
      ['x'],
    );
    assert.equal(graph.initializer, undefined);
  });

  it('holds a view of a larger buffer as the view alone', async () => {
    const g = new Graph();
    const x = g.input('x', 'float32', [2]);
    const view = Float32Array.of(9, 9, 1, 2, 9).subarray(2, 4);
    g.output('y', op.Add(x, g.constant('w', 'float32', [2], view)));
    const session = await Session.open(g);
    const { y } = await session.run({ x: tensor(Float32Array.of(10, 20), [2]) });
    assert.deepEqual(y.data, Float32Array.of(11, 22));
    await session.release();
  });

  it('has large constants beside it, which a session copies', async () => {
    const g = new Graph();
    const weights = Float32Array.from({ length: 200 * 200 }, (_, i) => Math.sin(i));
    const before = weights.slice();
    const x = g.input('x', 'float32', [1, 200]);
    g.output('y', op.MatMul(x, g.constant('block.0.w', 'float32', [200, 200], weights)));
    const [{ name, raw_data }] = decode(g).graph.initializer;
    assert.deepEqual([name, raw_data], ['block.0.w', undefined]);
    const [{ path, data }, ...more] = encodeModel(g).externalData;
    assert.deepEqual([path, data.buffer === weights.buffer, more.length], ['block.0.w', true, 0]);
    assert.equal(g.constantBytes, 160_000);

    const session = await Session.open(g);
    weights.fill(NaN);
    const unit = new Float32Array(200);
    unit[7] = 1;
    const { y } = await session.run({ x: tensor(unit, [1, 200]) });
    assert.deepEqual(y.data, before.subarray(7 * 200, 8 * 200));
    await session.release();
  });

  it('shares equal literals', () => {
    const g = new Graph();
    const x = g.input('x', 'float32', [2]);
    g.output('y', op.Add(op.Add(x, op.scalar(x, 3)), op.scalar(x, 3)));
    assert.equal(decode(g).graph.initializer.length, 1);
  });
});

describe('a graph under construction', () => {
  it('refuses shapes that do not fit, naming both values', () => {
    const g = new Graph();
    const [a, b] = [g.input('a', 'float32', ['B', 3]), g.input('b', 'float32', [4, 2])];
    assert.throws(() => op.MatMul(a, b), /MatMul: inner dimensions differ: a \[B, 3\] and b \[4, 2\]/);
    assert.throws(() => op.Add(a, b), /Add: shapes do not broadcast: a \[B, 3\] and b \[4, 2\]/);
    assert.throws(() => op.Gemm(a, b), GraphError);
  });

  it('refuses a name twice, and a constant of another size than its shape', () => {
    const g = new Graph();
    g.input('x', 'float32', [2]);
    assert.throws(() => g.input('x', 'float32', [2]), /the name "x" is already taken/);
    assert.throws(
      () => g.constant('w', 'float32', [2, 2], new Float32Array(3)),
      /w: expected 4 elements for shape \[2, 2\], got 3/,
    );
  });
});
