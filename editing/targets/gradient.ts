import { norm } from '../../analysis/vectors.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { checkOption } from '../methods/method.ts';
import type { Stream } from './stream.ts';

export interface GradientOptions {
  /** Adam's steps at most. */
  readonly steps: number;
  /** Length of a step, as a share of the stream's. */
  readonly rate: number;
  /** What the own row has of the labels at the first step; the rest is what the base model says. All of it at the last step. */
  readonly alpha: number;
  /** A query whose own row leads by this much, in logits, stops. */
  readonly margin: number;
  /** Longest change, as a share of the stream's length. */
  readonly clamp: number;
  /** Weight of ‖δ‖²/‖z‖² beside the cross-entropy. */
  readonly decay: number;
}

const [FIRST, SECOND, TINY] = [0.9, 0.999, 1e-12];

/**
 * The change δ of every query's stream z by Adam on the cross-entropy with labels that go from soft to hard,
 *
 *     y = α·onehot(own row) + (1 − α)·p of the base model, α from `alpha` to 1,
 *
 * plus decay·‖δ‖²/‖z‖²; after each step ‖δ‖ ≤ clamp·‖z‖ (MEMIT's v*, with DOME's labels). Queries do not see each other.
 * One that has its margin keeps the δ that it has then, 0 if it had the margin before. There is no term for other queries'
 * answers: δ is added to this query's stream alone, and what an edit does to others is the closed form's concern.
 *
 * @param own  float32 [Q, D]
 * @returns    float32 [Q, D]
 */
export async function descend(stream: Stream, own: FloatTensor, options: GradientOptions): Promise<FloatTensor> {
  const { steps, rate, alpha, margin, clamp, decay } = options;
  checkOption('steps', steps, 'a whole number above 0', Number.isInteger(steps) && steps > 0);
  checkOption('rate', rate, 'a number above 0', rate > 0 && rate < Infinity);
  checkOption('alpha', alpha, 'a share from 0 to 1', alpha >= 0 && alpha <= 1);
  checkOption('margin', margin, 'a number', Number.isFinite(margin));
  checkOption('clamp', clamp, 'a number above 0', clamp > 0 && clamp < Infinity);
  checkOption('decay', decay, 'a number from 0', decay >= 0 && decay < Infinity);
  const [Q, D] = own.shape;
  const change = tensor(new Float32Array(Q * D), [Q, D]);
  const [first, second] = [new Float64Array(Q * D), new Float64Array(Q * D)];
  const lengths = Float64Array.from({ length: Q }, (_, q) => norm(stream.start.data.subarray(q * D, (q + 1) * D)));
  const { expected: soft, lead } = await stream.at(change, own);
  let running = Array.from(lengths.keys()).filter((q) => lead[q] < margin);
  for (let step = 0; step < steps && running.length; step++) {
    const hard = steps > 1 ? alpha + ((1 - alpha) * step) / (steps - 1) : 1;
    const wanted = tensor(
      own.data.map((x, i) => hard * x + (1 - hard) * soft.data[i]),
      own.shape,
    );
    const { gradient, lead } = await stream.at(change, wanted);
    if (step > 0) running = running.filter((q) => lead[q] < margin);
    for (const q of running) {
      const size = (rate * lengths[q]) / Math.sqrt(D);
      for (let i = q * D; i < (q + 1) * D; i++) {
        const slope = gradient.data[i] + (2 * decay * change.data[i]) / lengths[q] ** 2;
        first[i] = FIRST * first[i] + (1 - FIRST) * slope;
        second[i] = SECOND * second[i] + (1 - SECOND) * slope * slope;
        const mean = first[i] / (1 - FIRST ** (step + 1));
        change.data[i] -= (size * mean) / (Math.sqrt(second[i] / (1 - SECOND ** (step + 1))) + TINY);
      }
      project(change.data.subarray(q * D, (q + 1) * D), clamp * lengths[q]);
    }
  }
  return change;
}

/** Shortens a vector to a length, in place. */
export function project(vector: Float32Array, longest: number): void {
  const length = norm(vector);
  if (length > longest) vector.forEach((x, i) => (vector[i] = (x * longest) / length));
}
