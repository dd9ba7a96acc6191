import { factorize, solve } from '../linear-algebra/cholesky.ts';
import { addProduct, block } from '../linear-algebra/multiply.ts';
import { InvalidEditError, currentDelta, prior, widen, type EditMethod } from './method.ts';
import { missing } from './products.ts';

export interface RomeOptions {
  /** ε as a share of C₀'s mean energy, which keeps neurons that no stored query uses from being written to freely. */
  readonly ridge: number;
}

/** Adds (k C⁻¹)ᵀ (r − k ΔW) / (k C⁻¹ kᵀ), with C = C₀ + εI, to the delta ΔW in force. */
export const rome: EditMethod<RomeOptions> = {
  meaning: 'one key gets its value exactly, moving the outputs of stored queries as little as that allows',
  source: 'Meng et al., NeurIPS 2022, equation 2, with one key in both places as r-ROME asks',
  defaults: { ridge: 0.01 },
  prepare: (layer, { ridge }) => {
    const { covariance, d_model: D } = layer;
    const F = covariance.size;
    const factor = factorize(prior(covariance, { lambda: 1, ridge }), F, 'ROME, C₀ + εI');
    return ({ pairs, current }) => {
      const delta = currentDelta(layer, current);
      const wide = widen(layer, pairs);
      if (wide.count !== 1)
        throw new InvalidEditError('ROME', 'one key', `${wide.count}`, 'edit one after the other, or use EMMET');
      const direction = solve(factor, wide.keys.slice(), 1); // C⁻¹kᵀ  [F]
      const energy = direction.reduce((sum, x, i) => sum + x * wide.keys[i], 0);
      if (!(energy > 0))
        throw new InvalidEditError('ROME', 'a key other than 0', 'zeros', 'no output of this layer depends on W here');
      const step = missing(wide, F, D, delta).map((x) => x / energy);
      addProduct(block(delta, D), block(direction, 1), block(step, D), { rows: F, columns: D, inner: 1 });
      return Float32Array.from(delta);
    };
  },
};
