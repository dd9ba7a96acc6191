import * as ort from 'onnxruntime-node';
import { encodeModel } from './onnx/protobuf.ts';
import type { DType, Graph } from './onnx/graph.ts';

export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array;

/** A dense tensor: `data` in row-major order of `shape`. */
export interface Tensor<D extends TensorData = TensorData> {
  readonly data: D;
  readonly shape: readonly number[];
}
export type FloatTensor = Tensor<Float32Array>;
export type Feeds = Readonly<Record<string, Tensor>>;

export const tensor = <D extends TensorData>(data: D, shape: readonly number[]): Tensor<D> => ({ data, shape });

/** int64 [n] from plain numbers. */
export const int64 = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor<BigInt64Array> =>
  tensor(BigInt64Array.from(values, BigInt), shape);

export interface SessionOptions {
  /** Threads that one run may use. @default 1 */
  readonly threads?: number;
}

const DTYPES = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array } as const;

function toOrt({ data, shape }: Tensor): ort.Tensor {
  if (data instanceof Float32Array) return new ort.Tensor('float32', data, shape);
  if (data instanceof Float64Array) return new ort.Tensor('float64', data, shape);
  if (data instanceof BigInt64Array) return new ort.Tensor('int64', data, shape);
  return new ort.Tensor('int32', data, shape);
}

const isNames = (outputs: readonly string[] | Feeds | undefined): outputs is readonly string[] =>
  Array.isArray(outputs);

function fromOrt(t: ort.Tensor): Tensor {
  if (!(t.type in DTYPES)) throw new TypeError(`session: outputs of type ${t.type} are not read here`);
  return { data: t.data as Float32Array, shape: t.dims };
}

/**
 * An opened graph. Runs block the thread they are called on (onnxruntime-node 1.30), so serving keeps sessions in
 * worker threads. This is the only file that touches onnxruntime.
 */
export class Session {
  private readonly session: ort.InferenceSession;
  readonly inputs: ReadonlyMap<string, DType>;
  /** Of the graph's constants, as they were given. */
  readonly constantBytes: number;

  private constructor(session: ort.InferenceSession, inputs: ReadonlyMap<string, DType>, constantBytes: number) {
    this.session = session;
    this.inputs = inputs;
    this.constantBytes = constantBytes;
  }

  /**
   * Copies the graph's constants: nothing of the graph is read afterwards. Those in files are mapped, and what operators
   * make of them is all that stays in memory; the files must stay as they are until the session is released.
   */
  static async open(graph: Graph, { threads = 1 }: SessionOptions = {}): Promise<Session> {
    const inputs = new Map(graph.live().inputs.map((v) => [v.name, v.dtype]));
    const { model, externalData, folder } = encodeModel(graph);
    const session = await ort.InferenceSession.create(model, {
      externalData,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      extra: {
        session: {
          // Threads that spin after a run keep a core from the next session's: two threads were slower than one.
          'intra_op.allow_spinning': '0',
          ...(folder !== undefined && {
            model_external_initializers_file_folder_path: folder,
            use_device_allocator_for_initializers: '1', // its arena grows in powers of two
          }),
        },
      },
    });
    return new Session(session, inputs, graph.constantBytes);
  }

  /**
   * @param feeds    one tensor for every input; float32 data is read in place, without a copy
   * @param outputs  names to compute, or tensors to write into; all outputs where left out
   */
  async run(feeds: Feeds, outputs?: readonly string[] | Feeds): Promise<Record<string, Tensor>> {
    const given: Record<string, ort.Tensor> = {};
    for (const name of this.inputs.keys()) {
      if (!(name in feeds))
        throw new TypeError(`session: the input "${name}" is missing; given: ${Object.keys(feeds).join(', ')}`);
      given[name] = toOrt(feeds[name]);
    }
    const results = await (isNames(outputs)
      ? this.session.run(given, outputs)
      : outputs
        ? this.session.run(given, Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, toOrt(t)])))
        : this.session.run(given));
    return Object.fromEntries(Object.entries(results).map(([name, t]) => [name, fromOrt(t)]));
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}
