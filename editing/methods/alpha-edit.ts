import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { meanEnergy, type Covariance } from '../covariance.ts';
import { factorize, solve } from '../linear-algebra/cholesky.ts';
import { addProduct, block } from '../linear-algebra/multiply.ts';
import { InvalidEditError, checkOption, currentDelta, widen, type EditMethod, type WidePairs } from './method.ts';
import { addMoments, crossMoments, missing } from './products.ts';

export interface AlphaEditOptions {
  /** Share of tr C₀ that is preserved; edits live in the directions that have the rest. */
  readonly energy: number;
  /** ε in keys of mean energy, as with the ridge of the other methods. */
  readonly ridge: number;
}

/** Directions with the least energy of stored keys. */
export interface QuietSpace {
  /** float64 [F, r]  orthonormal columns U; the projector is U Uᵀ. */
  readonly basis: Float64Array;
  readonly rank: number;
  /** float64 [F]  C₀'s eigenvalues, ascending. */
  readonly eigenvalues: Float64Array;
}

/**
 * The largest set of eigenvectors of C₀ that together have at most 1 − energy of its trace. A cut by share, since an
 * absolute one depends on the scale of the keys, and ReLU keys, which all lie on one side of 0, may have nothing under it.
 */
export function quietSpace({ size, moment }: Covariance, energy: number): QuietSpace {
  checkOption('energy', energy, 'a share above 0 and below 1', energy > 0 && energy < 1);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(Matrix.from1DArray(size, size, moment), {
    assumeSymmetric: true,
  });
  const eigenvalues = Float64Array.from(realEigenvalues);
  const trace = eigenvalues.reduce((sum, x) => sum + x, 0);
  let [rank, used] = [0, 0];
  while (rank < size && (used += eigenvalues[rank]) <= (1 - energy) * trace) rank++;
  const basis = new Float64Array(size * rank);
  for (let i = 0; i < size; i++) for (let j = 0; j < rank; j++) basis[i * rank + j] = eigenvectorMatrix.get(i, j);
  return { basis, rank, eigenvalues };
}

/**
 * Adds U (UᵀKᵀΩK U + Uᵀ(Σ_history w kᵀk)U + εI)⁻¹ UᵀKᵀΩ (R − K ΔW) to the delta ΔW in force: the published solution
 * with the projector P = U Uᵀ, written in the r coordinates that P keeps.
 */
export const alphaEdit: EditMethod<AlphaEditOptions> = {
  meaning: 'many edits at once, in directions only that stored queries hardly use',
  source: 'Fang et al., ICLR 2025 (AlphaEdit), with a cut by share of energy instead of an absolute one',
  defaults: { energy: 0.99, ridge: 1 },
  prepare: (layer, { energy, ridge }) => {
    const { covariance, d_model: D } = layer;
    const F = covariance.size;
    checkOption('ridge', ridge, 'a number above 0', ridge > 0 && ridge < Infinity);
    const { basis, rank } = quietSpace(covariance, energy);
    if (!rank) {
      const advice = 'lower energy, or use the ledger';
      throw new InvalidEditError('AlphaEdit', 'directions that stored queries hardly use', 'none', advice);
    }
    const u = block(basis, rank);
    const project = (wide: WidePairs): WidePairs => {
      const keys = new Float64Array(wide.count * rank);
      const size = { rows: wide.count, columns: rank, inner: F };
      addProduct(block(keys, rank), block(wide.keys, F), u, size);
      return { ...wide, keys };
    };
    const added = ridge * meanEnergy(covariance);
    return ({ pairs, history = [], current }) => {
      const delta = currentDelta(layer, current);
      const wide = widen(layer, pairs);
      const projected = project(wide);
      const a = new Float64Array(rank * rank);
      for (let i = 0; i < rank; i++) a[i * (rank + 1)] = added;
      for (const earlier of history) addMoments(a, rank, project(widen(layer, earlier)));
      addMoments(a, rank, projected);
      const b = crossMoments(rank, D, projected.keys, missing(wide, F, D, delta), wide.weights);
      const x = solve(factorize(a, rank, 'AlphaEdit'), b, D);
      addProduct(block(delta, D), u, block(x, D), { rows: F, columns: D, inner: rank });
      return Float32Array.from(delta);
    };
  },
};
