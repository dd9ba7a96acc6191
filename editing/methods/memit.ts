import { factorize, solve } from '../linear-algebra/cholesky.ts';
import { currentDelta, prior, widen, type EditMethod, type PriorOptions } from './method.ts';
import { addInto, addMoments, crossMoments, missing } from './products.ts';

export interface MemitOptions extends PriorOptions {
  /** Whether the keys of earlier edits are protected too. */
  readonly history: boolean;
}

/** Adds (λC₀ + εI [+ Σ_history w kᵀk] + KᵀΩK)⁻¹ KᵀΩ (R − K ΔW) to the delta ΔW in force. */
export const memit: EditMethod<MemitOptions> = {
  meaning:
    'many edits at once, by ridge regression on what is missing; without history, later edits forget earlier ones',
  source: 'Meng et al., ICLR 2023, equation 14; history as in sequential editing (ENCORE)',
  defaults: { lambda: 100, ridge: 1, history: true },
  prepare: (layer, options) => {
    const { covariance, d_model: D } = layer;
    const F = covariance.size;
    const base = prior(covariance, options);
    return ({ pairs, history = [], current }) => {
      const delta = currentDelta(layer, current);
      const wide = widen(layer, pairs);
      const a = base.slice();
      for (const earlier of options.history ? history : []) addMoments(a, F, widen(layer, earlier));
      addMoments(a, F, wide);
      const b = crossMoments(F, D, wide.keys, missing(wide, F, D, delta), wide.weights);
      return Float32Array.from(addInto(delta, solve(factorize(a, F, 'MEMIT'), b, D)));
    };
  },
};
