/**
 * @file One function per ONNX operator, of the same name. Each adds its node to the graph of its first input and
 * returns the result with its shape inferred. Only what T5 and its gradients need (opset 18).
 */
import {
  DATA_TYPE,
  GraphError,
  type AttributeValue,
  type Dim,
  type DType,
  type Graph,
  type Shape,
  type Value,
} from './graph.ts';

/** Every operator of our graphs. `gradients.ts` must have a row for each. */
export type OpName =
  | 'Add'
  | 'Cast'
  | 'Clip'
  | 'Concat'
  | 'CumSum'
  | 'Div'
  | 'Exp'
  | 'Expand'
  | 'FusedMatMul'
  | 'Gather'
  | 'GatherElements'
  | 'Gemm'
  | 'Greater'
  | 'Identity'
  | 'LogSoftmax'
  | 'MatMul'
  | 'MatMulNBits'
  | 'Mul'
  | 'Neg'
  | 'Range'
  | 'ReduceMean'
  | 'ReduceSum'
  | 'Relu'
  | 'Reshape'
  | 'ScatterND'
  | 'Shape'
  | 'Slice'
  | 'SimplifiedLayerNormalization'
  | 'Softmax'
  | 'Sqrt'
  | 'Sub'
  | 'Tanh'
  | 'TopK'
  | 'Transpose'
  | 'Unsqueeze'
  | 'Where';

/** Where onnxruntime has an operator: ONNX's own have no domain, those that it adds one of its own. */
export const domainOf = (op: OpName): '' | 'com.microsoft' =>
  op === 'FusedMatMul' || op === 'MatMulNBits' ? 'com.microsoft' : '';

const int = (value: number): AttributeValue => ({ kind: 'int', value });
const ints = (value: readonly number[]): AttributeValue => ({ kind: 'ints', value });
const float = (value: number): AttributeValue => ({ kind: 'float', value });

const show = (v: Value): string => `${v.name} [${v.shape.join(', ')}]`;

function one(
  graph: Graph,
  op: OpName,
  inputs: readonly (Value | undefined)[],
  shape: Shape,
  options: { dtype?: DType; attributes?: Record<string, AttributeValue> } = {},
): Value {
  const dtype = options.dtype ?? inputs[0]!.dtype;
  return graph.node(op, inputs, [{ dtype, shape }], options.attributes)[0];
}

/** The shape of an elementwise result under NumPy broadcasting; symbols match themselves, 1, and "X|1" matches X. */
export function broadcast(op: OpName, a: Value, b: Value): Shape {
  const rank = Math.max(a.shape.length, b.shape.length);
  const at = (v: Value, i: number): Dim => v.shape[i - (rank - v.shape.length)] ?? 1;
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [at(a, i), at(b, i)];
    if (x === y || y === 1 || y === `${x}|1`) return x;
    if (x === 1 || x === `${y}|1`) return y;
    throw new GraphError(`${op}: shapes do not broadcast: ${show(a)} and ${show(b)}`);
  });
}

/** A scalar of the same element type, for use beside `like`. */
export function scalar(like: Value, value: number): Value {
  return like.graph.literal(like.dtype === 'int64' ? 'int64' : 'float32', [value], []);
}

const elementwise =
  (op: 'Add' | 'Sub' | 'Mul' | 'Div') =>
  (a: Value, b: Value): Value =>
    one(a.graph, op, [a, b], broadcast(op, a, b));

export const Add = elementwise('Add');
export const Sub = elementwise('Sub');
export const Mul = elementwise('Mul');
export const Div = elementwise('Div');

const unary =
  (op: 'Exp' | 'Neg' | 'Relu' | 'Sqrt' | 'Tanh' | 'Identity') =>
  (x: Value): Value =>
    one(x.graph, op, [x], x.shape);

export const Exp = unary('Exp');
export const Neg = unary('Neg');
export const Relu = unary('Relu');
export const Sqrt = unary('Sqrt');
export const Tanh = unary('Tanh');
export const Identity = unary('Identity');

export const Greater = (a: Value, b: Value): Value =>
  one(a.graph, 'Greater', [a, b], broadcast('Greater', a, b), { dtype: 'bool' });

/** `condition ? a : b`, elementwise, with broadcasting. */
export function Where(condition: Value, a: Value, b: Value): Value {
  const shape = broadcast('Where', condition, { ...a, shape: broadcast('Where', a, b) });
  return one(a.graph, 'Where', [condition, a, b], shape, { dtype: a.dtype });
}

export const Cast = (x: Value, to: DType): Value =>
  one(x.graph, 'Cast', [x], x.shape, { dtype: to, attributes: { to: int(DATA_TYPE[to]) } });

/** Values limited to [low, high]. */
export const Clip = (x: Value, low: number, high: number): Value =>
  one(x.graph, 'Clip', [x, scalar(x, low), scalar(x, high)], x.shape);

/** The product over the last two axes; leading axes are equal, 1, or absent on the right. */
export function MatMul(a: Value, b: Value): Value {
  const inner = a.shape.at(-1);
  if (inner !== b.shape.at(-2)) throw new GraphError(`MatMul: inner dimensions differ: ${show(a)} and ${show(b)}`);
  const batch = broadcast('MatMul', { ...a, shape: a.shape.slice(0, -2) }, { ...b, shape: b.shape.slice(0, -2) });
  return one(a.graph, 'MatMul', [a, b], [...batch, a.shape.at(-2)!, b.shape.at(-1)!]);
}

/** The product of `a` [..., in] with a matrix `b` [out, in] that stays as it is: a·bᵀ. An operator of onnxruntime's own. */
export function FusedMatMul(a: Value, b: Value): Value {
  if (b.shape.length !== 2 || a.shape.at(-1) !== b.shape[1])
    throw new GraphError(`FusedMatMul: expected [..., in] and [out, in], got ${show(a)} and ${show(b)}`);
  return one(a.graph, 'FusedMatMul', [a, b], [...a.shape.slice(0, -1), b.shape[0]], { attributes: { transB: int(1) } });
}

/**
 * The product of `a` [..., in] with a matrix [out, in] in eight bits, which stays as it is: a·bᵀ. Sums are of integers: a block
 * of a row of `a` is rounded to eight bits too. An operator of onnxruntime's own.
 *
 * @param codes   uint8 [out, in / block, block]  128 is zero
 * @param scales  float32 [out · in / block]
 */
export function MatMulNBits(a: Value, codes: Value, scales: Value, out: number): Value {
  const [, blocks, block] = codes.shape as number[];
  if (a.shape.at(-1) !== blocks * block)
    throw new GraphError(`MatMulNBits: inner dimensions differ: ${show(a)} and ${show(codes)}`);
  return one(a.graph, 'MatMulNBits', [a, codes, scales], [...a.shape.slice(0, -1), out], {
    attributes: {
      ...{ K: int(blocks * block), N: int(out), bits: int(8), block_size: int(block) },
      accuracy_level: int(4), // eight bits on both sides
    },
  });
}

/** A′B′ of two matrices, each transposed where asked; what is left of `from` without it, where that is given. */
export function Gemm(a: Value, b: Value, options: { transA?: boolean; transB?: boolean; from?: Value } = {}): Value {
  const { transA = false, transB = false, from } = options;
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : [a.shape[0], a.shape[1]];
  const [k2, n] = transB ? [b.shape[1], b.shape[0]] : [b.shape[0], b.shape[1]];
  if (k !== k2 || a.shape.length !== 2 || b.shape.length !== 2)
    throw new GraphError(`Gemm: shapes do not fit: ${show(a)}${transA ? 'ᵀ' : ''} and ${show(b)}${transB ? 'ᵀ' : ''}`);
  const trans = { transA: int(+transA), transB: int(+transB) };
  if (!from) return one(a.graph, 'Gemm', [a, b], [m, n], { attributes: trans });
  const attributes = { ...trans, alpha: float(-1), beta: float(1) };
  return one(a.graph, 'Gemm', [a, b, from], [m, n], { attributes });
}

/** Rows of `data` along axis 0. */
export const Gather = (data: Value, indices: Value): Value =>
  one(data.graph, 'Gather', [data, indices], [...indices.shape, ...data.shape.slice(1)], {
    attributes: { axis: int(0) },
  });

/** `data` with `updates` added at the rows `indices` [..., 1]; equal indices accumulate. */
export const ScatterND = (data: Value, indices: Value, updates: Value): Value =>
  one(data.graph, 'ScatterND', [data, indices, updates], data.shape, {
    attributes: { reduction: { kind: 'string', value: 'add' } },
  });

/** For each row of `data` [M, N] the entries at `indices` int64 [M, k]. */
export const GatherElements = (data: Value, indices: Value): Value =>
  one(data.graph, 'GatherElements', [data, indices], indices.shape, { attributes: { axis: int(1) } });

/** Running sums over the last axis, each entry included in its own. */
export const CumSum = (x: Value): Value =>
  one(x.graph, 'CumSum', [x, x.graph.literal('int64', [x.shape.length - 1], [])], x.shape);

/**
 * `shape` names the result's dimensions; a symbol keeps the dimension of the same position, and at most one
 * other symbol is computed (ONNX 0 and -1).
 */
export function Reshape(x: Value, shape: Shape): Value {
  let free = 0;
  const spec = shape.map((d, i) => {
    if (typeof d === 'number') return d;
    if (x.shape[i] === d && shape.slice(0, i).every((e, j) => e === x.shape[j])) return 0;
    if (free++)
      throw new GraphError(`Reshape: more than one dimension to compute: ${show(x)} to [${shape.join(', ')}]`);
    return -1;
  });
  return one(x.graph, 'Reshape', [x, x.graph.literal('int64', spec)], shape);
}

/** `x` in the shape that `like` has at run time. */
export const ReshapeLike = (x: Value, like: Value): Value => one(x.graph, 'Reshape', [x, ShapeOf(like)], like.shape);

/** The run-time shape of `x`, int64 [rank]. */
export const ShapeOf = (x: Value): Value => one(x.graph, 'Shape', [x], [x.shape.length], { dtype: 'int64' });

export const Transpose = (x: Value, perm: readonly number[]): Value =>
  one(
    x.graph,
    'Transpose',
    [x],
    perm.map((p) => x.shape[p]),
    { attributes: { perm: ints(perm) } },
  );

/** The last two axes exchanged. */
export const T = (x: Value): Value => {
  const rank = x.shape.length;
  return Transpose(x, [...Array.from({ length: rank - 2 }, (_, i) => i), rank - 1, rank - 2]);
};

export const Unsqueeze = (x: Value, axis: number): Value =>
  one(
    x.graph,
    'Unsqueeze',
    [x, x.graph.literal('int64', [axis])],
    [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)],
  );

/** `x` broadcast to the run-time shape `shape` (int64), whose dimensions are `dims`. */
export const Expand = (x: Value, shape: Value, dims: Shape): Value => one(x.graph, 'Expand', [x, shape], dims);

export const Concat = (parts: readonly Value[], axis: number, size: Dim): Value => {
  const shape = parts[0].shape.map((d, i) => (i === axis ? size : d));
  return one(parts[0].graph, 'Concat', parts, shape, { attributes: { axis: int(axis) } });
};

/** Of a matrix the rows and columns from the first number of each pair to before the second. */
export function Slice(x: Value, rows: readonly [number, number], columns: readonly [number, number]): Value {
  const pair = (i: 0 | 1): Value => x.graph.literal('int64', [rows[i], columns[i]]);
  return one(x.graph, 'Slice', [x, pair(0), pair(1)], [rows[1] - rows[0], columns[1] - columns[0]]);
}

/** 0, 1, …, n−1 as int64 [n], where `n` is dimension `axis` of `x`. */
export function Positions(x: Value, axis: number): Value {
  const g = x.graph;
  const n = one(g, 'Gather', [ShapeOf(x), g.literal('int64', [axis], [])], [], { attributes: { axis: int(0) } });
  return one(g, 'Range', [g.literal('int64', [0], []), n, g.literal('int64', [1], [])], [x.shape[axis]]);
}

const overLastAxis =
  (op: 'Softmax' | 'LogSoftmax') =>
  (x: Value): Value =>
    one(x.graph, op, [x], x.shape, { attributes: { axis: int(-1) } });

export const Softmax = overLastAxis('Softmax');
export const LogSoftmax = overLastAxis('LogSoftmax');

function reduced(shape: Shape, axes: readonly number[], keepdims: boolean): Shape {
  return shape.flatMap((d, i) => (axes.includes(i) ? (keepdims ? [1] : []) : [d]));
}

const reduce =
  (op: 'ReduceSum' | 'ReduceMean') =>
  (x: Value, axes: readonly number[], keepdims: boolean): Value =>
    one(x.graph, op, [x, x.graph.literal('int64', axes)], reduced(x.shape, axes, keepdims), {
      attributes: { keepdims: int(+keepdims) },
    });

export const ReduceSum = reduce('ReduceSum');
export const ReduceMean = reduce('ReduceMean');

/**
 * T5's layer norm (RMSNorm): x / √(mean(x²) + ε) · gain, over the last axis.
 * The operator is onnxruntime's own; the second output is 1/√(mean(x²) + ε), which the gradient reuses.
 */
export function SimplifiedLayerNormalization(x: Value, gain: Value, epsilon: number): Value {
  const [y] = x.graph.node(
    'SimplifiedLayerNormalization',
    [x, gain],
    [
      { dtype: x.dtype, shape: x.shape },
      { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] },
    ],
    { axis: int(-1), epsilon: float(epsilon), stash_type: int(1) },
  );
  return y;
}

/** The `k` (int64 [1]) largest over the last axis, in order. @returns values float32 [..., k], indices int64 [..., k] */
export function TopK(x: Value, k: Value, size: Dim): [values: Value, indices: Value] {
  const shape = [...x.shape.slice(0, -1), size];
  const [values, indices] = x.graph.node(
    'TopK',
    [x, k],
    [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ],
  );
  return [values, indices];
}
