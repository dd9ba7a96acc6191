/** Sources of neurons by loops over single ones. */
import { writersBefore } from '../../analysis/components.ts';
import { modes, TOP, type Mode } from '../../analysis/graphs/sources.ts';
import type { Lab } from '../../analysis/lab.ts';
import type { ActivationName } from '../../models/activations.ts';
import type { FloatTensor } from '../../models/session.ts';

/**
 * What E7 is to find for one MLP, one query, neuron and writer at a time.
 *
 * @param reading  [Q, …] outputs of all writers, results of cross-attention's heads, `mlp_pre` and `resid_mid_cross`
 */
export function neuronsByHand(
  lab: Pick<Lab, 'config' | 'layers' | 'weight'>,
  reading: Readonly<Record<string, FloatTensor>>,
  queryCount: number,
  layer: number,
) {
  const { d_model: D, num_heads: H, feed_forward_proj, layer_norm_epsilon } = lab.config;
  const sublayer = `decoder.block.${layer}.layer.2`;
  const wi = lab.weight(`${sublayer}.DenseReluDense.${feed_forward_proj === 'relu' ? 'wi' : 'wi_0'}.weight`).data;
  const gain = lab.weight(`${sublayer}.layer_norm.weight`).data;
  const before = writersBefore(lab.layers, 'mlp', layer);
  const shares: Record<Mode, number[]> = { published: before.map(() => 0), exact: before.map(() => 0) };
  const signed = before.map(() => 0);
  const headsOnTop: Record<Mode, Set<string>[]> = { published: [], exact: [] };
  let activeNeurons = 0;
  for (let q = 0; q < queryCount; q++) {
    const vector = (at: ActivationName, part = 0, parts = 1): Float32Array =>
      reading[at].data.subarray((q * parts + part) * D, (q * parts + part + 1) * D);
    const x = vector(`decoder.${layer}.resid_mid_cross`);
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / D + layer_norm_epsilon);
    const into = (neuron: number, output: Float32Array, mode: Mode): number => {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += wi[neuron * D + d] * output[d] * (mode === 'exact' ? gain[d] / rms : 1);
      return sum;
    };
    const F = wi.length / D;
    const active = Array.from({ length: F }, (_, i) => i).filter(
      (i) => reading[`decoder.${layer}.mlp_pre`].data[q * F + i] > 0,
    );
    activeNeurons += active.length;
    for (const mode of modes) {
      const onTop = new Set<string>();
      for (const i of active) {
        const t = before.map(({ at }) => into(i, vector(at), mode));
        const positive = t.map((value) => Math.max(0, value));
        const total = positive.reduce((a, b) => a + b, 0);
        positive.forEach((value, c) => (shares[mode][c] += value / total / active.length / queryCount));
        const split = before.flatMap(({ type, layer: l, at }) =>
          type === 'cross_attn'
            ? Array.from({ length: H }, (_, h) => ({
                name: `${l}.${h}`,
                t: into(i, vector(`decoder.${l}.cross_attn_result`, h, H), mode),
              }))
            : [{ name: '', t: into(i, vector(at), mode) }],
        );
        split.sort((a, b) => b.t - a.t);
        for (const { name, t: value } of split.slice(0, TOP)) if (name && value > 0) onTop.add(name);
      }
      headsOnTop[mode].push(onTop);
    }
    const whole = before.map(({ at }) => active.reduce((sum, i) => sum + into(i, vector(at), 'exact'), 0));
    const total = whole.reduce((a, b) => a + b, 0);
    whole.forEach((value, c) => (signed[c] += value / total / queryCount));
  }
  const topShares = (sets: readonly Set<string>[]): { always: number; ever: number } => {
    const heads = Array.from({ length: (layer + 1) * H }, (_, i) => `${Math.floor(i / H)}.${i % H}`);
    const share = (test: (head: string) => boolean): number => heads.filter(test).length / heads.length;
    return {
      always: share((head) => sets.every((set) => set.has(head))),
      ever: share((head) => sets.some((set) => set.has(head))),
    };
  };
  return { shares, signed, active: activeNeurons / queryCount, headsOnTop, topShares };
}
