import protobuf from 'protobufjs';
import { basename, dirname } from 'node:path';
import { isInFile, type AttributeValue, type Constant, type ConstantData } from './graph.ts';
import { DATA_TYPE, GraphError, type Graph, type GraphNode, type Value } from './graph.ts';
import { domainOf } from './ops.ts';

// The part of onnx.proto that a graph of ours needs (field numbers are ONNX's).
const SCHEMA = `
syntax = "proto3";
package onnx;
message AttributeProto { string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated float floats = 7; repeated int64 ints = 8; int32 type = 20; }
message ValueInfoProto { string name = 1; TypeProto type = 2; }
message NodeProto { repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; repeated AttributeProto attribute = 5; string domain = 7; }
message ModelProto { int64 ir_version = 1; string producer_name = 2; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; }
message GraphProto { repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5; repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12; }
message TensorProto { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; repeated StringStringEntryProto external_data = 13; int32 data_location = 14; }
message StringStringEntryProto { string key = 1; string value = 2; }
message TensorShapeProto { message Dimension { int64 dim_value = 1; string dim_param = 2; } repeated Dimension dim = 1; }
message TypeProto { message Tensor { int32 elem_type = 1; TensorShapeProto shape = 2; } Tensor tensor_type = 1; }
message OperatorSetIdProto { string domain = 1; int64 version = 2; }
`;

const ModelProto = protobuf.parse(SCHEMA, { keepCase: true }).root.lookupType('onnx.ModelProto');

const IR_VERSION = 8;
/** Versions of the operators by their domain: ONNX's own, and those that onnxruntime adds. */
const OPSETS = { '': 18, 'com.microsoft': 1 };

/** AttributeProto.AttributeType of ONNX. */
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7 } as const;

function attribute(name: string, value: AttributeValue): object {
  const type = ATTRIBUTE_TYPE[value.kind];
  switch (value.kind) {
    case 'float':
      return { name, type, f: value.value };
    case 'int':
      return { name, type, i: value.value };
    case 'ints':
      return { name, type, ints: [...value.value] };
    case 'string':
      return { name, type, s: Buffer.from(value.value) };
  }
}

function valueInfo(value: Value): object {
  const dim = value.shape.map((d) => (typeof d === 'number' ? { dim_value: d } : { dim_param: d }));
  return { name: value.name, type: { tensor_type: { elem_type: DATA_TYPE[value.dtype], shape: { dim } } } };
}

function node(n: GraphNode, index: number): object {
  return {
    op_type: n.op,
    domain: domainOf(n.op),
    name: `${n.op}_${index}`,
    input: n.inputs.map((v) => v?.name ?? ''),
    output: n.outputs.map((v) => v.name),
    attribute: Object.entries(n.attributes).map(([name, value]) => attribute(name, value)),
  };
}

/** TensorProto.DataLocation of ONNX: the bytes are elsewhere, under a path. */
const EXTERNAL = 1;

/** Constants from here on lie beside the model; onnxruntime wants to see small ones, shapes above all, while it plans. */
const EXTERNAL_BYTES = 1 << 16;

/** An ONNX model for onnxruntime, kept in memory but for what lies in files already. */
export interface EncodedModel {
  readonly model: Uint8Array;
  /**
   * The large constants by the paths that `model` knows them under, as they lie in memory: a protobuf cannot be larger
   * than 2 GB, and in it they would be copied twice more. None where there are files: onnxruntime takes either.
   */
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
  /** Where the files are that `model` names; undefined where it names none. */
  readonly folder: string | undefined;
}

const bytesOf = (data: ConstantData): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function initializer({ value, data }: Constant, isExternal: boolean): object {
  const head = { name: value.name, dims: value.shape, data_type: DATA_TYPE[value.dtype] };
  const elsewhere = (location: string, offset: number): object => {
    const place = { location, offset: String(offset), length: String(data.byteLength) };
    const external_data = Object.entries(place).map(([key, value]) => ({ key, value }));
    return { ...head, data_location: EXTERNAL, external_data };
  };
  if (isInFile(data)) return elsewhere(basename(data.file), data.offset);
  return isExternal ? elsewhere(value.name, 0) : { ...head, raw_data: bytesOf(data) };
}

/** The one folder of all files that constants are in. @throws GraphError */
function folderOf(constants: readonly Constant[]): string | undefined {
  const folders = new Set(constants.flatMap(({ data }) => (isInFile(data) ? [dirname(data.file)] : [])));
  if (folders.size > 1)
    throw new GraphError(`graph: expected constants in files of one folder, got ${[...folders].join(', ')}`);
  return [...folders][0];
}

/** Nodes that no output needs are left out, and so are the constants that only they read. */
export function encodeModel(graph: Graph): EncodedModel {
  const { nodes, constants, inputs } = graph.live();
  const folder = folderOf(constants);
  const isExternal = ({ data }: Constant): boolean => folder === undefined && data.byteLength >= EXTERNAL_BYTES;
  const domains = new Set(['' as const, ...nodes.map(({ op }) => domainOf(op))]);
  const model = {
    ir_version: IR_VERSION,
    producer_name: 'palimpsest',
    opset_import: [...domains].map((domain) => ({ domain, version: OPSETS[domain] })),
    graph: {
      name: 'palimpsest',
      node: nodes.map(node),
      input: inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
      initializer: constants.map((constant) => initializer(constant, isExternal(constant))),
    },
  };
  return {
    model: ModelProto.encode(model).finish(),
    externalData: constants
      .filter(isExternal)
      .map(({ value, data }) => ({ path: value.name, data: bytesOf(data as ConstantData) })),
    folder,
  };
}
