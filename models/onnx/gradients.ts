/**
 * @file Reverse-mode differentiation: for every operator the rule that turns the gradient of its output into the
 * gradients of its inputs, as more nodes of the same graph. The table is complete by type.
 */
import { GraphError, type GraphNode, type Value } from './graph.ts';
import {
  Add,
  Cast,
  Div,
  Expand,
  Gather,
  Gemm,
  Greater,
  Identity,
  MatMul,
  Mul,
  Neg,
  ReduceMean,
  ReduceSum,
  Reshape,
  ReshapeLike,
  ScatterND,
  Exp,
  ShapeOf,
  Sub,
  T,
  Transpose,
  Unsqueeze,
  Where,
  scalar,
  type OpName,
} from './ops.ts';

/**
 * @param dy    gradient of the loss by the node's first output, of that output's shape
 * @param node  the node, whose inputs and outputs are at hand
 * @returns     one gradient per input; `undefined` where the input is not differentiable
 */
type GradientRule = (dy: Value, node: GraphNode) => (Value | undefined)[];

/** Sums `dy` over the axes along which `x` was broadcast, so that it has the shape of `x`. */
function unbroadcast(dy: Value, x: Value): Value {
  const extra = dy.shape.length - x.shape.length;
  const leading = Array.from({ length: extra }, (_, i) => i);
  const stretched = x.shape.flatMap((d, i) => (d === 1 && dy.shape[i + extra] !== 1 ? [i] : []));
  const outer = leading.length ? ReduceSum(dy, leading, false) : dy;
  return stretched.length ? ReduceSum(outer, stretched, true) : outer;
}

/** [..., D] as a matrix [rows, D]. */
const flat = (x: Value): Value =>
  x.shape.length === 2 ? x : Reshape(x, [x.shape.slice(0, -1).join('*'), x.shape.at(-1)!]);

/** Made by `T`. */
function isTransposed(x: Value): boolean {
  const node = x.graph.nodes.find(({ outputs }) => outputs[0].name === x.name);
  if (node?.op !== 'Transpose') return false;
  const perm = node.attributes.perm.value as readonly number[];
  const rank = perm.length;
  return perm[rank - 1] === rank - 2 && perm[rank - 2] === rank - 1;
}

/** Cannot be differentiated, or only by integers: no gradient flows. */
const stop: GradientRule = (_dy, node) => node.inputs.map(() => undefined);

const inputsOf = (node: GraphNode): Value[] => node.inputs as Value[];

const axesOf = (node: GraphNode): number[] => {
  const literal = node.inputs[1]!.name; // named by its values in Graph.literal
  return literal
    .slice(literal.lastIndexOf(':') + 1)
    .split(',')
    .map(Number);
};

/** The gradient of a reduction, spread over the reduced axes again. */
function spread(dy: Value, node: GraphNode): Value {
  const [x] = inputsOf(node);
  const kept = node.outputs[0].shape.length === x.shape.length;
  const full = kept ? dy : [...axesOf(node)].sort((a, b) => a - b).reduce((v, axis) => Unsqueeze(v, axis), dy);
  return Expand(full, ShapeOf(x), x.shape);
}

export const gradients: { [O in OpName]: GradientRule } = {
  Add: (dy, n) => inputsOf(n).map((x) => unbroadcast(dy, x)),
  Sub: (dy, n) => [unbroadcast(dy, n.inputs[0]!), unbroadcast(Neg(dy), n.inputs[1]!)],
  Mul: (dy, n) => {
    const [a, b] = inputsOf(n);
    return [unbroadcast(Mul(dy, b), a), unbroadcast(Mul(dy, a), b)];
  },
  Div: (dy, n) => {
    const [a, b] = inputsOf(n);
    const da = Div(dy, b);
    return [unbroadcast(da, a), unbroadcast(Neg(Mul(da, n.outputs[0])), b)];
  },
  Neg: (dy) => [Neg(dy)],
  Exp: (dy, n) => [Mul(dy, n.outputs[0])],
  Sqrt: (dy, n) => [Div(Mul(dy, scalar(dy, 0.5)), n.outputs[0])],
  Relu: (dy, n) => [Where(Greater(n.outputs[0], scalar(dy, 0)), dy, scalar(dy, 0))],
  Tanh: (dy, n) => [Mul(dy, Sub(scalar(dy, 1), Mul(n.outputs[0], n.outputs[0])))],
  Identity: (dy) => [Identity(dy)],
  Cast: (dy, n) => (n.inputs[0]!.dtype === 'float32' ? [Cast(dy, 'float32')] : [undefined]),
  Clip: stop, // only ever used on integer positions
  Greater: stop,
  Where: (dy, n) => {
    const [condition, a, b] = inputsOf(n);
    const zero = scalar(dy, 0);
    return [undefined, unbroadcast(Where(condition, dy, zero), a), unbroadcast(Where(condition, zero, dy), b)];
  },
  // Y = AB: dA = dY Bᵀ, dB = Aᵀ dY; a matrix B shared by all leading axes of A collects over them.
  MatMul: (dy, n) => {
    const [a, b] = inputsOf(n);
    const da = unbroadcast(MatMul(dy, T(b)), a);
    if (b.shape.length === 2) return [da, Gemm(flat(a), flat(dy), { transA: true })];
    // Of B = Cᵀ the transposed gradient is computed, dC = dYᵀ A: the two transpositions cancel.
    return [da, unbroadcast(isTransposed(b) ? T(MatMul(T(dy), a)) : MatMul(T(a), dy), b)];
  },
  // Y = ABᵀ: dA = dY B, dB = dYᵀ A over all leading axes.
  FusedMatMul: (dy, n) => {
    const [a, b] = inputsOf(n);
    return [MatMul(dy, b), Gemm(flat(dy), flat(a), { transA: true })];
  },
  MatMulNBits: stop, // of serving alone
  // Y = A′B′ with A′ = A or Aᵀ: the gradient of A′ is dY B′ᵀ, transposed back where A was.
  Gemm: (dy, n) => {
    const [a, b] = inputsOf(n);
    const flag = (name: string): boolean => n.attributes[name].value === 1;
    const [tA, tB] = [flag('transA'), flag('transB')];
    if (n.inputs.length > 2) throw new GraphError('Gemm: what is taken from a matrix is not differentiated');
    const da = tA ? Gemm(b, dy, { transA: tB, transB: true }) : Gemm(dy, b, { transB: !tB });
    const db = tB ? Gemm(dy, a, { transA: true, transB: tA }) : Gemm(a, dy, { transA: !tA });
    return [da, db];
  },
  Gather: (dy, n) => {
    const [data, indices] = inputsOf(n);
    if (data.dtype !== 'float32') return [undefined, undefined];
    const zeros = Expand(scalar(dy, 0), ShapeOf(data), data.shape);
    return [ScatterND(zeros, Unsqueeze(indices, indices.shape.length), dy), undefined];
  },
  ScatterND: (dy, n) => {
    const indices = n.inputs[1]!; // [..., 1]
    return [dy, undefined, Gather(dy, Reshape(indices, indices.shape.slice(0, -1)))];
  },
  Reshape: (dy, n) => [ReshapeLike(dy, n.inputs[0]!), undefined],
  Transpose: (dy, n) => {
    const perm = n.attributes.perm.value as readonly number[];
    return [
      Transpose(
        dy,
        perm.map((_, i) => perm.indexOf(i)),
      ),
    ];
  },
  Unsqueeze: (dy, n) => [ReshapeLike(dy, n.inputs[0]!), undefined],
  Expand: (dy, n) => [unbroadcast(dy, n.inputs[0]!), undefined],
  Concat: () => {
    throw new GraphError('Concat: joins cached keys and values while decoding; training graphs do not contain it');
  },
  // Of the analysis, which counts with them and differentiates before.
  CumSum: stop,
  GatherElements: stop,
  Range: stop,
  Shape: stop,
  Slice: () => {
    throw new GraphError('Slice: cuts matrices that equations are solved with; training graphs do not contain it');
  },
  // dx = y ⊙ (dy − Σ dy⊙y)
  Softmax: (dy, n) => {
    const [y] = n.outputs;
    return [Mul(y, Sub(dy, ReduceSum(Mul(dy, y), [y.shape.length - 1], true)))];
  },
  // dx = dy − softmax(x) Σ dy
  LogSoftmax: (dy, n) => {
    const [y] = n.outputs;
    return [Sub(dy, Mul(Exp(y), ReduceSum(dy, [y.shape.length - 1], true)))];
  },
  ReduceSum: (dy, n) => [spread(dy, n), undefined],
  ReduceMean: (dy, n) => {
    const [x] = inputsOf(n);
    const size = axesOf(n).reduce((product, axis) => {
      const d = x.shape[axis];
      if (typeof d !== 'number')
        throw new GraphError(`ReduceMean: the gradient needs a known size of axis ${axis}, got ${d}`);
      return product * d;
    }, 1);
    return [Mul(spread(dy, n), scalar(dy, 1 / size)), undefined];
  },
  // With x̂ = x·r, r = 1/√(mean(x²)+ε):  dx = r (dy⊙g − x̂ mean(dy⊙g⊙x̂)),  dg = Σ dy⊙x̂
  SimplifiedLayerNormalization: (dy, n) => {
    const [x, gain] = inputsOf(n);
    const r = n.outputs[1];
    const last = x.shape.length - 1;
    const xHat = Mul(x, r);
    const dxHat = Mul(dy, gain);
    const mean = ReduceMean(Mul(dxHat, xHat), [last], true);
    return [Mul(r, Sub(dxHat, Mul(xHat, mean))), unbroadcast(Mul(dy, xHat), gain)];
  },
  TopK: stop,
};

/**
 * The gradients of the scalar `loss` by each of `targets` (inputs, constants or intermediate values of its graph),
 * appended to the graph.
 *
 * @throws GraphError  when the loss does not depend on a target
 */
export function differentiate(loss: Value, targets: readonly Value[]): Value[] {
  const { graph } = loss;
  const forward = [...graph.nodes];
  const wanted = dependents(forward, targets);
  const collected = new Map<string, Value>([[loss.name, graph.literal('float32', [1], loss.shape as number[])]]);
  for (let i = forward.length - 1; i >= 0; i--) {
    const node = forward[i];
    const dy = collected.get(node.outputs[0].name);
    if (!dy || !node.outputs.some((v) => wanted.has(v.name))) continue;
    gradients[node.op](dy, node).forEach((dx, j) => {
      const x = node.inputs[j];
      if (!dx || !x || !wanted.has(x.name)) return;
      const sum = collected.get(x.name);
      collected.set(x.name, sum ? Add(sum, dx) : dx);
    });
  }
  return targets.map((target) => {
    const gradient = collected.get(target.name);
    if (!gradient) throw new GraphError(`differentiate: ${loss.name} does not depend on ${target.name}`);
    return gradient;
  });
}

/** Names of all values that depend on one of `targets`, themselves included. */
function dependents(nodes: readonly GraphNode[], targets: readonly Value[]): Set<string> {
  const names = new Set(targets.map((v) => v.name));
  for (const node of nodes) {
    if (node.inputs.some((v) => v && names.has(v.name))) for (const v of node.outputs) names.add(v.name);
  }
  return names;
}
