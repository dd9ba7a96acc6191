import { int64, tensor, type FloatTensor } from '../models/session.ts';
import { bestRows, type BestRows } from './best-rows.ts';
import { nearGraph, scoresGraph } from './edit-graphs.ts';
import { ASIDE, RUN_SCORES, type EditModel } from './edit-model.ts';
import { giveWay } from './right-of-way.ts';

/** Rows that are kept for each query, at most. */
const NEAR = 8;

/** Scores are float32: what one may have more than is computed. */
const ROUNDING = 1e-3;

/**
 * The best rows of queries whose states move a little from edit to edit. A state that has moved by Δ changes no score by more
 * than ‖Δ‖ times the length of the longest row: mostly the best row is among the few that were near before, and no other can
 * have caught up. The queries of which this cannot be said are looked up among all rows.
 */
export class NearRows {
  private readonly model: EditModel;
  /** float32 [1, N] what counts for nothing. */
  private readonly bias: FloatTensor;
  /** float32 [Q, D] where the states were. */
  private readonly before: FloatTensor;
  /** [Q · k] */
  private readonly near: Int32Array;
  /** float32 [Q, k, D] */
  private readonly rows: FloatTensor;
  /** float32 [Q, k] the scores that near rows had. */
  private readonly had: Float32Array;
  private readonly longest: number;

  private constructor(model: EditModel, bias: FloatTensor, before: FloatTensor, near: Int32Array, had: Float32Array) {
    const [Q, D] = before.shape;
    const { data } = model.rows;
    const rows = new Float32Array(near.length * D);
    near.forEach((row, i) => rows.set(data.subarray(row * D, (row + 1) * D), i * D));
    let longest = 0;
    for (let from = 0; from < data.length; from += D)
      longest = Math.max(longest, distance(data, from, undefined, 0, D));
    this.model = model;
    this.bias = bias;
    this.before = before;
    this.near = near;
    this.rows = tensor(rows, [Q, near.length / Q, D]);
    this.had = had;
    this.longest = longest;
  }

  /**
   * @param states  float32 [Q, D]
   * @param bias    float32 [1, N] that is added to the scores of base rows
   */
  static async of(model: EditModel, states: FloatTensor, bias: FloatTensor): Promise<NearRows> {
    const { lab, rows } = model;
    const [Q, D] = states.shape;
    const N = rows.shape[0];
    const k = Math.min(NEAR, N);
    const [near, had] = [new Int32Array(Q * k), new Float32Array(Q * k)];
    const session = await lab.session('edit scores', () => scoresGraph(lab.config));
    const step = Math.max(1, Math.floor(RUN_SCORES / N));
    for (let from = 0; from < Q; from += step) {
      const size = Math.min(step, Q - from);
      const part = tensor(states.data.subarray(from * D, (from + size) * D), [size, D]);
      const own = int64(new Array<number>(size).fill(0), [size, 1]);
      giveWay();
      const out = await session.run({ states: part, rows, bias, own, k: int64([k]) });
      near.set(Int32Array.from(out.rivals.data as BigInt64Array, Number), from * k);
      had.set(out.best.data as Float32Array, from * k);
    }
    return new NearRows(model, bias, states, near, had);
  }

  /** @param states  float32 [Q, D] where they are now */
  async best(states: FloatTensor): Promise<BestRows> {
    const { model, before, near, had } = this;
    const [Q, k, D] = this.rows.shape;
    const session = await model.lab.session('edit near', () => nearGraph(model.lab.config));
    giveWay();
    const { scores } = await session.run({ states: tensor(states.data, [Q, D, 1]), rows: this.rows });
    const found = { rivals: new Int32Array(Q).fill(-1), best: new Float64Array(Q).fill(-Infinity) };
    const open: number[] = [];
    for (let q = 0; q < Q; q++) {
      for (let i = q * k; i < (q + 1) * k; i++) {
        const score = (scores.data as Float32Array)[i];
        if (had[i] <= ASIDE / 2 || score < found.best[q]) continue;
        [found.rivals[q], found.best[q]] = [near[i], score];
      }
      const moved = distance(states.data, q * D, before.data, q * D, D);
      const others = k < model.rows.shape[0] ? had[(q + 1) * k - 1] + moved * this.longest + ROUNDING : -Infinity;
      if (found.best[q] < others) open.push(q);
    }
    if (!open.length) return found;
    const part = new Float32Array(open.length * D);
    open.forEach((q, i) => part.set(states.data.subarray(q * D, (q + 1) * D), i * D));
    const all = await bestRows(model, tensor(part, [open.length, D]), model.rows, this.bias);
    open.forEach((q, i) => ([found.rivals[q], found.best[q]] = [all.rivals[i], all.best[i]]));
    return found;
  }
}

/** ‖a − b‖ of D numbers from two places on; ‖a‖ without b. */
function distance(a: Float32Array, i: number, b: Float32Array | undefined, j: number, D: number): number {
  let square = 0;
  for (let d = 0; d < D; d++) square += (a[i + d] - (b ? b[j + d] : 0)) ** 2;
  return Math.sqrt(square);
}
