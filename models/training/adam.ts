/**
 * @file Adam with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101) over typed arrays, dense and by row.
 */

import { CHUNK, dataChunk, gradientChunk, kernel, mChunk, vChunk } from './adam-kernel.ts';

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export const ADAM: AdamOptions = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8 };

/** A parameter with its optimiser state, all float32 of the same length. */
export interface Parameter {
  readonly data: Float32Array;
  /** First moment: running mean of the gradient. */
  readonly m: Float32Array;
  /** Second moment: running mean of its square. */
  readonly v: Float32Array;
}

export const parameter = (data: Float32Array): Parameter => ({
  data,
  m: new Float32Array(data.length),
  v: new Float32Array(data.length),
});

/** The factor that makes Adam's step size `lr` unbiased at step `t` (from 1). */
const unbias = (t: number, { beta1, beta2 }: AdamOptions): number => Math.sqrt(1 - beta2 ** t) / (1 - beta1 ** t);

/**
 * One step over a whole parameter, in place.
 *
 * @param gradient  float32, as long as the parameter
 * @param step      number of this step, from 1
 * @param decay     decoupled weight decay, as a factor of `lr`
 * @param scale     multiplies the gradient (gradient clipping)
 */
export function adamStep(
  { data, m, v }: Parameter,
  gradient: Float32Array,
  { lr, step, decay = 0, scale = 1 }: { lr: number; step: number; decay?: number; scale?: number },
  options: AdamOptions = ADAM,
): void {
  const { beta1, beta2, epsilon } = options;
  const rate = lr * unbias(step, options);
  const eps = epsilon * Math.sqrt(1 - beta2 ** step);
  const n = data.length;
  for (let at = 0; at < n; at += CHUNK) {
    const end = Math.min(n, at + CHUNK);
    dataChunk.set(data.subarray(at, end));
    mChunk.set(m.subarray(at, end));
    vChunk.set(v.subarray(at, end));
    gradientChunk.set(gradient.subarray(at, end));
    // What lies behind the end of a last chunk of odd length is computed and not read.
    kernel.step(end - at, beta1, 1 - beta1, beta2, 1 - beta2, rate, eps, 1 - lr * decay, scale);
    data.set(dataChunk.subarray(0, end - at), at);
    m.set(mChunk.subarray(0, end - at), at);
    v.set(vChunk.subarray(0, end - at), at);
  }
}

/**
 * One step over the rows of a table that a batch used; the others keep value and state ("lazy" Adam).
 *
 * @param rows       the rows, each once
 * @param gradients  float32 [rows.length, width], in the order of `rows`
 */
export function adamRowsStep(
  { data, m, v }: Parameter,
  rows: ArrayLike<number>,
  gradients: Float32Array,
  { width, lr, step }: { width: number; lr: number; step: number },
  options: AdamOptions = ADAM,
): void {
  for (let r = 0; r < rows.length; r++) {
    const [from, to] = [rows[r] * width, (rows[r] + 1) * width];
    const row = { data: data.subarray(from, to), m: m.subarray(from, to), v: v.subarray(from, to) };
    adamStep(row, gradients.subarray(r * width, (r + 1) * width), { lr, step }, options);
  }
}

/** √Σ g², over all of `gradients`. */
export function globalNorm(gradients: Iterable<Float32Array>): number {
  let sum = 0;
  for (const g of gradients) {
    for (let at = 0; at < g.length; at += CHUNK) {
      const end = Math.min(g.length, at + CHUNK);
      gradientChunk.set(g.subarray(at, end));
      if ((end - at) % 4) gradientChunk.fill(0, end - at, end - at + 4);
      sum += kernel.squares(end - at);
    }
  }
  return Math.sqrt(sum);
}

/** Linear warm-up to 1, then half a cosine down to `floor`. @param step from 1 */
export function cosineSchedule(
  step: number,
  { steps, warmup, floor }: { steps: number; warmup: number; floor: number },
): number {
  const rise = Math.min(1, step / warmup);
  const fall = 0.5 * (1 + Math.cos(Math.PI * Math.min(1, step / steps)));
  return rise * (floor + (1 - floor) * fall);
}
