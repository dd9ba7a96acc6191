import { InvalidEditError } from './method.ts';

/** Outputs with wanted changes. */
export interface Targets {
  /** float32 [n, D]  what the base weights give: y = k W₀ */
  readonly outputs: Float32Array;
  /** float32 [n, D]  wanted change r; the value is v = y + r */
  readonly residuals: Float32Array;
}

/** Values longer than this many pilot means are not anchored but left out. */
const LONGEST = 2;

/** Mean ‖v‖ over the values of pilot edits. */
export function pilotNorm(targets: Targets, d_model: number): number {
  const norms = valueNorms(targets, d_model);
  return norms.reduce((sum, x) => sum + x, 0) / norms.length;
}

/**
 * Rescales each value to the mean norm of pilot edits, so that norms cannot grow from edit to edit (NAS).
 *
 * @param pilot  from `pilotNorm`
 * @returns      residuals of the values kept, float32 [kept, D], and which those are: values twice as long as the pilot mean
 *               are signs of a target search gone astray, values of length 0 have no direction
 */
export function anchorNorms(
  targets: Targets,
  d_model: number,
  pilot: number,
): { readonly residuals: Float32Array; readonly kept: readonly number[] } {
  if (!(pilot > 0 && pilot < Infinity))
    throw new InvalidEditError('pilot norm', 'a number above 0', `${pilot}`, 'take it from some hundred pilot edits');
  const norms = valueNorms(targets, d_model);
  const kept = Array.from(norms.keys()).filter((t) => norms[t] > 0 && norms[t] <= LONGEST * pilot);
  const residuals = new Float32Array(kept.length * d_model);
  kept.forEach((t, at) => {
    const scale = pilot / norms[t];
    for (let i = 0; i < d_model; i++) {
      const output = targets.outputs[t * d_model + i];
      residuals[at * d_model + i] = scale * (output + targets.residuals[t * d_model + i]) - output;
    }
  });
  return { residuals, kept };
}

function valueNorms({ outputs, residuals }: Targets, d_model: number): Float64Array {
  if (outputs.length !== residuals.length || !outputs.length || outputs.length % d_model) {
    const actual = `${outputs.length} and ${residuals.length} numbers`;
    throw new InvalidEditError('targets', `outputs and residuals [n, ${d_model}]`, actual, 'give one of each per key');
  }
  const norms = new Float64Array(outputs.length / d_model);
  outputs.forEach((y, i) => (norms[Math.floor(i / d_model)] += (y + residuals[i]) ** 2));
  const bad = norms.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0)
    throw new InvalidEditError('targets', 'finite numbers', `${norms[bad]} as ‖v‖² of ${bad}`, 'leave it out');
  return norms.map(Math.sqrt);
}
