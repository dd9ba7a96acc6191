import type { FilePlace } from '../weights.ts';
import type { OpName } from './ops.ts';

/** A dimension: a known size, or the letter of the shape alphabet in `models/t5.ts` that stands for it. */
export type Dim = number | string;
export type Shape = readonly Dim[];
export type DType = 'float32' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool';
export type ConstantData = Float32Array | BigInt64Array | Int32Array | Uint8Array;

export type AttributeValue =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] };

/** One tensor of a graph, known by name, with its element type and its shape. */
export interface Value {
  readonly graph: Graph;
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface GraphNode {
  readonly op: OpName;
  /** `undefined` stands for an optional input left out. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Its values in memory, or in a file that onnxruntime is to map. */
export interface Constant {
  readonly value: Value;
  readonly data: ConstantData | FilePlace;
}

/** TensorProto.DataType of ONNX. */
export const DATA_TYPE: { readonly [D in DType]: number } = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};

const BYTES: { readonly [D in DType]: number } = { float32: 4, float64: 8, int64: 8, int32: 4, uint8: 1, bool: 1 };

export const isInFile = (data: ConstantData | FilePlace): data is FilePlace => 'file' in data;

export class GraphError extends Error {
  override readonly name = 'GraphError';
}

/**
 * An ONNX graph under construction: values, and the nodes that make them, in order of execution.
 * Built by the functions of `ops.ts`, differentiated by `gradients.ts`, encoded by `protobuf.ts`.
 */
export class Graph {
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  readonly nodes: GraphNode[] = [];
  private readonly constants = new Map<string, Constant>();
  private readonly names = new Set<string>();
  private counter = 0;

  private value(name: string, dtype: DType, shape: Shape): Value {
    if (this.names.has(name))
      throw new GraphError(`graph: the name "${name}" is already taken; values need unique names`);
    this.names.add(name);
    return { graph: this, name, dtype, shape };
  }

  /** A tensor that the caller feeds at every run. */
  input(name: string, dtype: DType, shape: Shape): Value {
    const value = this.value(name, dtype, shape);
    this.inputs.push(value);
    return value;
  }

  /** A tensor that is part of the model; onnxruntime may prepack it. */
  constant(name: string, dtype: DType, shape: readonly number[], data: ConstantData | FilePlace): Value {
    const size = shape.reduce((a, b) => a * b, 1);
    const length = isInFile(data) ? data.byteLength / BYTES[dtype] : data.length;
    if (length !== size)
      throw new GraphError(`${name}: expected ${size} elements for shape [${shape.join(', ')}], got ${length}`);
    const value = this.value(name, dtype, shape);
    this.constants.set(name, { value, data });
    return value;
  }

  /** A small unnamed constant: a shape, a scalar, an axis list. Equal ones are shared. */
  literal(dtype: 'int64' | 'float32', values: readonly number[], shape: readonly number[] = [values.length]): Value {
    const name = `literal:${dtype}:[${shape.join(',')}]:${values.join(',')}`;
    const known = this.constants.get(name);
    if (known) return known.value;
    const data = dtype === 'int64' ? BigInt64Array.from(values, BigInt) : Float32Array.from(values);
    return this.constant(name, dtype, shape, data);
  }

  node(
    op: OpName,
    inputs: readonly (Value | undefined)[],
    outputs: readonly { dtype: DType; shape: Shape }[],
    attributes: Record<string, AttributeValue> = {},
  ): Value[] {
    const values = outputs.map(({ dtype, shape }) => this.value(`${op}:${this.counter++}`, dtype, shape));
    this.nodes.push({ op, inputs, outputs: values, attributes });
    return values;
  }

  /** Makes `value` a result of the graph, under `name`. */
  output(name: string, value: Value): void {
    const named = this.value(name, value.dtype, value.shape);
    this.nodes.push({ op: 'Identity', inputs: [value], outputs: [named], attributes: {} });
    this.outputs.push(named);
  }

  /** Memory of the constants that the outputs depend on. */
  get constantBytes(): number {
    return this.live().constants.reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  /** What the outputs depend on: nodes in order, constants and inputs. */
  live(): { nodes: GraphNode[]; constants: Constant[]; inputs: Value[] } {
    const needed = new Set(this.outputs.map((v) => v.name));
    const nodes: GraphNode[] = [];
    for (let i = this.nodes.length - 1; i >= 0; i--) {
      const node = this.nodes[i];
      if (!node.outputs.some((v) => needed.has(v.name))) continue;
      nodes.push(node);
      for (const v of node.inputs) if (v) needed.add(v.name);
    }
    return {
      nodes: nodes.reverse(),
      constants: [...this.constants.values()].filter(({ value }) => needed.has(value.name)),
      inputs: this.inputs.filter((v) => needed.has(v.name)),
    };
  }
}
