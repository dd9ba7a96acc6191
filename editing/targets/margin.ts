import { norm } from '../../analysis/vectors.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { marginGraph } from '../edit-graphs.ts';
import { ASIDE, type EditModel, type Observed } from '../edit-model.ts';
import { giveWay } from '../right-of-way.ts';

export interface MarginOptions {
  /** By how much a query's own row should lead the best other one, in logits. */
  readonly margin: number;
  /** Newton steps: the norm bends the way, so that one falls short. */
  readonly steps: number;
  /** Longest change, as a share of the stream's length. */
  readonly clamp: number;
}

/**
 * The smallest changes of the residual stream after the last decoder layer, and so of its MLP's output, at which the base
 * model with one more row gives every query's own row the margin over the best base row. Queries that have it keep what
 * they have.
 *
 * @param own    float32 [Q, D] the row that each query should lead to
 * @param aside  for each query the base rows that are no rivals
 * @returns      float32 [Q, D]
 */
export async function marginTargets(
  model: EditModel,
  observed: Observed,
  own: FloatTensor,
  { margin, steps, clamp }: MarginOptions,
  aside: readonly (readonly number[])[] = [],
): Promise<FloatTensor> {
  const [Q, D] = own.shape;
  const N = model.rows.shape[0];
  const { config, weight } = model.lab;
  const session = await model.lab.session(`edit margin ${steps}`, () => marginGraph(config, weight, steps));
  const shared = aside.every((list) => list === aside[0]);
  const bias = new Float32Array((shared ? 1 : Q) * N);
  (shared ? aside.slice(0, 1) : aside).forEach((list, q) => {
    for (const row of list) bias[q * N + row] = ASIDE;
  });
  giveWay();
  const out = await session.run({
    residual: observed.residual,
    keys: observed.keys.get(model.lastLayer)!,
    own,
    rows: model.rows,
    bias: tensor(bias, [shared ? 1 : Q, N]),
    margin: tensor(Float32Array.of(margin), [1]),
  });
  const [change, stream] = [out.change.data as Float32Array, out.stream.data as Float32Array];
  for (let q = 0; q < Q; q++) {
    const [from, to] = [q * D, (q + 1) * D];
    const share = norm(change.subarray(from, to)) / (norm(stream.subarray(from, to)) || 1);
    if (share > clamp) for (let i = from; i < to; i++) change[i] *= clamp / share;
  }
  return tensor(change, [Q, D]);
}
