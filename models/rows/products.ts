import { Graph } from '../onnx/graph.ts';
import * as op from '../onnx/ops.ts';
import { Session, type FloatTensor } from '../session.ts';

/** Products of many rows with many others. */
export class Products {
  private readonly session: Session;

  private constructor(session: Session) {
    this.session = session;
  }

  static async open(): Promise<Products> {
    const g = new Graph();
    const [a, b] = [g.input('a', 'float32', ['M', 'D']), g.input('b', 'float32', ['N', 'D'])];
    g.output('products', op.Gemm(a, b, { transB: true }));
    return new Products(await Session.open(g));
  }

  /** float32 [M, N]: A · Bᵀ of a [M, D] and b [N, D] */
  async of(a: FloatTensor, b: FloatTensor): Promise<Float32Array> {
    return (await this.session.run({ a, b })).products.data as Float32Array;
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}

/** Numbers with the largest values so far, best first. */
export class Best {
  readonly rows: number[] = [];
  private readonly values: number[] = [];
  private readonly count: number;

  constructor(count: number) {
    this.count = count;
  }

  add(row: number, value: number): void {
    const { rows, values, count } = this;
    let at = values.length;
    if (at === count && value <= values[at - 1]) return;
    while (at > 0 && values[at - 1] < value) at--;
    rows.splice(at, 0, row);
    values.splice(at, 0, value);
    if (rows.length > count) {
      rows.pop();
      values.pop();
    }
  }
}

/** Places of the largest values but one, best first. */
export function bestOf(values: Float32Array, count: number, except: number): number[] {
  const best = new Best(count);
  for (let i = 0; i < values.length; i++) if (i !== except) best.add(i, values[i]);
  return best.rows;
}
