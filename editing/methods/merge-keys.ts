import { widen, type EditPairs, type EditedLayer } from './method.ts';

/** Keys whose cosine is above this are taken as one. */
const SAME = 0.95;

/**
 * Pairs with nearly equal keys made one: weighted means of keys and of residuals, with the sum of the weights. Two such keys
 * with different values cannot both be served, and would pull against each other with large weights (MEMIT-Merge).
 * A key joins the first group whose first key it is near to, so groups depend on the order of the pairs.
 *
 * @param same  cosine from which on two keys are one; −1: all are
 * @throws InvalidEditError
 */
export function mergeKeys(layer: EditedLayer, pairs: EditPairs, same: number = SAME): Required<EditPairs> {
  const [F, D] = [layer.covariance.size, layer.d_model];
  const { count, keys, residuals, weights } = widen(layer, pairs);
  const key = (t: number): Float64Array => keys.subarray(t * F, (t + 1) * F);
  const groups: number[][] = [];
  for (let t = 0; t < count; t++) {
    const group = groups.find(([first]) => cosine(key(first), key(t)) > same);
    if (group) group.push(t);
    else groups.push([t]);
  }
  const totals = groups.map((group) => group.reduce((sum, t) => sum + weights[t], 0));
  const mean = (rows: Float64Array, width: number): Float32Array =>
    Float32Array.from({ length: groups.length * width }, (_, at) => {
      const g = Math.floor(at / width);
      return groups[g].reduce((sum, t) => sum + weights[t] * rows[t * width + (at % width)], 0) / totals[g];
    });
  return { keys: mean(keys, F), residuals: mean(residuals, D), weights: totals };
}

/** 0 where a vector is 0. */
function cosine(a: Float64Array, b: Float64Array): number {
  let [product, squareA, squareB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    squareA += a[i] * a[i];
    squareB += b[i] * b[i];
  }
  return squareA && squareB ? product / Math.sqrt(squareA * squareB) : 0;
}
