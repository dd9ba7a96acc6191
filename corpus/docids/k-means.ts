import type { Rng } from '../random.ts';

/** Vectors to be clustered by their directions. */
export interface Points {
  /** float32 [N, D] */
  readonly vectors: Float32Array;
  readonly D: number;
  /** float32 [N]: 1 / ‖vector‖; 0 for a vector of zeros. */
  readonly inverseNorms: Float32Array;
}

/**
 * The cosines of one point with centroids of length 1.
 *
 * @param centroids  float32 [k, D]
 * @param out        float64 [k]
 */
export function similarities(
  { vectors, D, inverseNorms }: Points,
  point: number,
  centroids: Float32Array,
  out: Float64Array,
): void {
  const start = point * D;
  const whole = D - (D % 4);
  for (let c = 0; c < out.length; c++) {
    const at = c * D;
    let [a, b, e, f] = [0, 0, 0, 0]; // four sums, so that no addition waits for the one before
    for (let d = 0; d < whole; d += 4) {
      a += vectors[start + d] * centroids[at + d];
      b += vectors[start + d + 1] * centroids[at + d + 1];
      e += vectors[start + d + 2] * centroids[at + d + 2];
      f += vectors[start + d + 3] * centroids[at + d + 3];
    }
    for (let d = whole; d < D; d++) a += vectors[start + d] * centroids[at + d];
    out[c] = (a + b + e + f) * inverseNorms[point];
  }
}

/**
 * First centroids by k-means++ (Arthur and Vassilvitskii 2007): members drawn with a chance by their squared distance
 * to the nearest centroid so far, 2 − 2 cos. Fewer than k where the members have fewer directions.
 *
 * @returns float32 [≤ k, D], each of length 1
 */
export function seedCentroids(points: Points, members: Int32Array, k: number, rng: Rng): Float32Array {
  const { vectors, D, inverseNorms } = points;
  const centroids = new Float32Array(k * D);
  const distances = new Float64Array(members.length).fill(1);
  const cosine = new Float64Array(1);
  for (let c = 0; c < k; c++) {
    const chosen = drawByWeight(distances, rng);
    if (chosen < 0) return centroids.slice(0, c * D);
    const member = members[chosen];
    const centroid = centroids.subarray(c * D, (c + 1) * D);
    for (let d = 0; d < D; d++) centroid[d] = vectors[member * D + d] * inverseNorms[member];
    members.forEach((other, i) => {
      similarities(points, other, centroid, cosine);
      const distance = other === member || 1 - cosine[0] < SAME ? 0 : 1 - cosine[0];
      distances[i] = c === 0 ? distance : Math.min(distances[i], distance);
    });
  }
  return centroids;
}

/** Vectors whose cosine is nearer to 1 count as one direction: float32 does not tell them apart. */
const SAME = 1e-6;

/** An index with a chance by its weight; −1 where all weights are 0. */
function drawByWeight(weights: Float64Array, rng: Rng): number {
  let left = rng.next() * weights.reduce((sum, weight) => sum + weight, 0);
  let last = -1;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) return i;
  }
  return last;
}

/**
 * The mean direction of each cluster. A cluster without members starts anew at the member that lies farthest from its own.
 *
 * @param clusterOf  int32, for each member
 * @param cosines    float32, of each member with its centroid
 * @returns          float32 [k, D], each of length 1
 */
export function unitMeans(
  { vectors, D, inverseNorms }: Points,
  members: Int32Array,
  clusterOf: Int32Array,
  cosines: Float32Array,
  k: number,
): Float32Array {
  const centroids = new Float32Array(k * D);
  const sizes = new Int32Array(k);
  const addTo = (c: number, member: number): void => {
    sizes[c]++;
    for (let d = 0; d < D; d++) centroids[c * D + d] += vectors[member * D + d] * inverseNorms[member];
  };
  members.forEach((member, i) => addTo(clusterOf[i], member));
  if (sizes.includes(0)) {
    const farthest = [...members.keys()].sort((a, b) => cosines[a] - cosines[b]);
    sizes.forEach((size, c) => {
      if (size === 0) addTo(c, members[farthest.shift()!]);
    });
  }
  for (let c = 0; c < k; c++) {
    const centroid = centroids.subarray(c * D, (c + 1) * D);
    const norm = Math.sqrt(centroid.reduce((sum, x) => sum + x * x, 0));
    if (norm > 0) for (let d = 0; d < D; d++) centroid[d] /= norm;
  }
  return centroids;
}
