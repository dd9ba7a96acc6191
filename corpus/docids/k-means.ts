import type { Rng } from '../random.ts';

/** Vectors of length 1 or 0 to be clustered by their directions. */
export interface Points {
  /** float32 [N, D] */
  readonly vectors: Float32Array;
  readonly D: number;
}

/**
 * The directions of vectors, seen from the mean direction: encoders put all they give into a narrow cone, where the
 * mean is most of every vector and k-means finds one large cluster. A vector in the mean has none and becomes 0.
 *
 * @param vectors  float32 [N, D]
 * @throws RangeError
 */
export function centredDirections(vectors: Float32Array, D: number): Points {
  if (!(D >= 1) || vectors.length % D !== 0)
    throw new RangeError(`clusters: expected vectors of ${D} values, got ${vectors.length} values in all`);
  const N = vectors.length / D;
  const directions = vectors.slice();
  const mean = new Float64Array(D);
  for (let n = 0; n < N; n++) {
    if (!Number.isFinite(scaleToUnit(directions, n * D, D)))
      throw new RangeError(`clusters: expected finite numbers, got others in vector ${n}`);
    for (let d = 0; d < D; d++) mean[d] += directions[n * D + d] / N;
  }
  for (let n = 0; n < N; n++) {
    for (let d = 0; d < D; d++) directions[n * D + d] -= mean[d];
    scaleToUnit(directions, n * D, D);
  }
  return { vectors: directions, D };
}

/** Shorter than this is rounding of float32 that made a vector of what should be none. */
const NOTHING = 1e-6;

/** Gives the vector at `start` length 1, or 0 where it has nearly none; returns the length it had. */
function scaleToUnit(vectors: Float32Array, start: number, D: number): number {
  let sum = 0;
  for (let d = start; d < start + D; d++) sum += vectors[d] * vectors[d];
  const norm = Math.sqrt(sum);
  const scale = norm > NOTHING ? 1 / norm : 0;
  for (let d = start; d < start + D; d++) vectors[d] *= scale;
  return norm;
}

/**
 * The cosines of one point with centroids of length 1.
 *
 * @param centroids  float32 [k, D]
 * @param out        float64 [k]
 */
export function cosinesWith({ vectors, D }: Points, point: number, centroids: Float32Array, out: Float64Array): void {
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
    out[c] = a + b + e + f;
  }
}

/**
 * First centroids by k-means++ (Arthur and Vassilvitskii 2007): members drawn with a chance by their squared distance
 * to the nearest centroid so far, 2 − 2 cos. Fewer than k where the members have fewer directions.
 *
 * @returns float32 [≤ k, D], each of length 1
 */
export function seedCentroids(points: Points, members: Int32Array, k: number, rng: Rng): Float32Array {
  const { vectors, D } = points;
  const centroids = new Float32Array(k * D);
  const distances = Float64Array.from(members, (member) => (isZero(vectors, member * D, D) ? 0 : 1));
  const cosine = new Float64Array(1);
  for (let c = 0; c < k; c++) {
    const chosen = drawByWeight(distances, rng);
    if (chosen < 0) return centroids.slice(0, c * D);
    const centroid = centroids.subarray(c * D, (c + 1) * D);
    centroid.set(vectors.subarray(members[chosen] * D, (members[chosen] + 1) * D));
    members.forEach((other, i) => {
      cosinesWith(points, other, centroid, cosine);
      distances[i] = 1 - cosine[0] < SAME ? 0 : Math.min(distances[i], 1 - cosine[0]);
    });
  }
  return centroids;
}

const isZero = (vectors: Float32Array, start: number, D: number): boolean => {
  for (let d = start; d < start + D; d++) if (vectors[d] !== 0) return false;
  return true;
};

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
 * @returns          float32 [k, D], each of length 1; 0 where the members point nowhere together
 */
export function unitMeans(
  { vectors, D }: Points,
  members: Int32Array,
  clusterOf: Int32Array,
  cosines: Float32Array,
  k: number,
): Float32Array {
  const centroids = new Float32Array(k * D);
  const sizes = new Int32Array(k);
  const addTo = (c: number, member: number): void => {
    sizes[c]++;
    for (let d = 0; d < D; d++) centroids[c * D + d] += vectors[member * D + d];
  };
  members.forEach((member, i) => addTo(clusterOf[i], member));
  if (sizes.includes(0)) {
    const farthest = [...members.keys()].sort((a, b) => cosines[a] - cosines[b]);
    sizes.forEach((size, c) => {
      if (size === 0) addTo(c, members[farthest.shift()!]);
    });
  }
  for (let c = 0; c < k; c++) scaleToUnit(centroids, c * D, D);
  return centroids;
}
