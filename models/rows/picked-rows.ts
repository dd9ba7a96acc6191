import { Graph } from '../onnx/graph.ts';
import * as op from '../onnx/ops.ts';
import { int64, Session, tensor, type FloatTensor } from '../session.ts';

/** Logits of a few of many rows: some three times as fast as in JavaScript, of rows that lie anywhere. */
export class PickedRows {
  private readonly session: Session;

  private constructor(session: Session) {
    this.session = session;
  }

  /** @param width  of a row */
  static async open(width: number): Promise<PickedRows> {
    const g = new Graph();
    const picked = op.Gather(g.input('rows', 'float32', ['N', width]), g.input('picked', 'int64', ['M']));
    g.output('logits', op.Gemm(g.input('state', 'float32', [1, width]), picked, { transB: true }));
    return new PickedRows(await Session.open(g));
  }

  /**
   * @param rows    float32 [N, D]
   * @param picked  M of them
   * @param state   float32 [D]
   * @returns       float32 [M]
   */
  async logits(rows: FloatTensor, picked: readonly number[], state: Float32Array): Promise<Float32Array> {
    if (!picked.length) return new Float32Array(0);
    const feeds = { rows, picked: int64(picked), state: tensor(state, [1, state.length]) };
    return (await this.session.run(feeds)).logits.data as Float32Array;
  }

  async close(): Promise<void> {
    await this.session.release();
  }
}
