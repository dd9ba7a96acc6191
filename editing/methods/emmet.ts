import { factorize, solve } from '../linear-algebra/cholesky.ts';
import { addProduct, block } from '../linear-algebra/multiply.ts';
import { checkOption, currentDelta, prior, widen, type EditMethod, type PriorOptions } from './method.ts';
import { columns, missing } from './products.ts';

export interface EmmetOptions extends PriorOptions {
  /** What equality may give way where keys are nearly dependent; 0 asks for equality, 1 is MEMIT's trade. */
  readonly slack: number;
}

/** Adds C⁻¹Kᵀ (K C⁻¹ Kᵀ + slack·Ω⁻¹)⁻¹ (R − K ΔW), with C = λC₀ + εI, to the delta ΔW in force. */
export const emmet: EditMethod<EmmetOptions> = {
  meaning: 'many edits at once with equality, moving the outputs of stored queries as little as that allows',
  source: 'Gupta et al., Findings of EMNLP 2024 (EMMET); slack .1 as in its code',
  defaults: { lambda: 100, ridge: 1, slack: 0.1 },
  prepare: (layer, options) => {
    const { covariance, d_model: D } = layer;
    const F = covariance.size;
    checkOption('slack', options.slack, 'a number from 0', options.slack >= 0 && options.slack < Infinity);
    const factor = factorize(prior(covariance, options), F, 'EMMET, λC₀ + εI');
    return ({ pairs, current }) => {
      const delta = currentDelta(layer, current);
      const wide = widen(layer, pairs);
      const n = wide.count;
      const g = solve(factor, columns(wide, F), n); // C⁻¹Kᵀ  [F, n]
      const s = new Float64Array(n * n);
      for (let t = 0; t < n; t++) s[t * (n + 1)] = options.slack / wide.weights[t];
      addProduct(block(s, n), block(wide.keys, F), block(g, n), { rows: n, columns: n, inner: F });
      const held = factorize(s, n, 'EMMET, keys of the batch', 'merge keys that are nearly equal, or raise slack');
      const y = solve(held, missing(wide, F, D, delta), D);
      addProduct(block(delta, D), block(g, n), block(y, D), { rows: F, columns: D, inner: n });
      return Float32Array.from(delta);
    };
  },
};
