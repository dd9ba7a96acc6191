import { createRng, type Rng } from '../random.ts';
import { centredDirections, cosinesWith, seedCentroids, unitMeans, type Points } from './k-means.ts';

export interface ClusterOptions {
  /** Clusters that one is split into, at most; from 2 on. */
  readonly branching: number;
  /** A cluster with more vectors is split, into as many as would have so many each if `branching` allows. */
  readonly leafSize: number;
  /** Levels of clusters at most. @default without limit */
  readonly depth?: number;
  readonly seed: number;
}

/** Rounds of k-means at most; the assignments seldom change longer, and never by much. */
const MAX_ROUNDS = 12;
/** Vectors for each centroid that k-means learns from; more make it slower, not better. */
const SAMPLE = 128;
/** No cluster has more vectors than so many times the mean, so that no prefix of a docid holds half of the corpus. */
const MOST_TIMES_MEAN = 3;

/**
 * Hierarchical k-means by the cosine of centred vectors (the semantic docids of DSI, arXiv 2202.06991 §3.2), with clusters
 * kept from growing too large. Equal vectors, options and seed give equal clusters.
 *
 * @param vectors  float32 [N, D]
 * @returns        for each vector, its cluster on each level from the top, numbered from 0 within the one above; a list
 *                 is empty where all fit one cluster. A cluster of equal vectors is not split, however many they are.
 * @throws RangeError
 */
export function clusterHierarchy(vectors: Float32Array, D: number, options: ClusterOptions): number[][] {
  const { branching, leafSize, depth = Infinity, seed } = options;
  if (!(branching >= 2) || !(leafSize >= 1))
    throw new RangeError(
      `clusters: expected branching from 2 and a leaf size from 1, got ${branching} and ${leafSize}`,
    );
  const points = centredDirections(vectors, D);
  const rng = createRng(seed);
  const paths = Array.from({ length: vectors.length / D }, (): number[] => []);
  const split = (members: Int32Array, level: number): void => {
    if (members.length <= leafSize || level >= depth) return;
    const clusters = splitOnce(points, members, Math.min(branching, Math.ceil(members.length / leafSize)), rng);
    if (clusters.length < 2) return;
    clusters.forEach((cluster, number) => {
      for (const member of cluster) paths[member].push(number);
      split(cluster, level + 1);
    });
  };
  split(Int32Array.from(paths.keys()), 0);
  return paths;
}

/** At most k clusters of the members, none of them empty. */
function splitOnce(points: Points, members: Int32Array, k: number, rng: Rng): Int32Array[] {
  const sample = members.length > k * SAMPLE ? drawn(members, k * SAMPLE, rng) : members;
  let centroids = seedCentroids(points, sample, k, rng);
  if (centroids.length < 2 * points.D) return [members];
  let before: Int32Array | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { nearest, cosines } = nearestOf(points, sample, centroids);
    if (before?.every((cluster, i) => cluster === nearest[i])) break;
    before = nearest;
    centroids = unitMeans(points, sample, nearest, cosines, centroids.length / points.D);
  }
  return membersOf(balanced(points, members, centroids), members);
}

interface Nearest {
  /** int32: for each member the centroid with the greatest cosine, the first of equal ones. */
  nearest: Int32Array;
  /** float32: that cosine. */
  cosines: Float32Array;
}

function nearestOf(points: Points, members: Int32Array, centroids: Float32Array): Nearest {
  const nearest = new Int32Array(members.length);
  const cosines = new Float32Array(members.length);
  const row = new Float64Array(centroids.length / points.D);
  members.forEach((member, i) => {
    cosinesWith(points, member, centroids, row);
    for (let c = 1; c < row.length; c++) if (row[c] > row[nearest[i]]) nearest[i] = c;
    cosines[i] = row[nearest[i]];
  });
  return { nearest, cosines };
}

/** The nearest centroid of each member, or where that has too many nearer ones, the nearest one with room. */
function balanced(points: Points, members: Int32Array, centroids: Float32Array): Int32Array {
  const k = centroids.length / points.D;
  const most = Math.ceil((MOST_TIMES_MEAN * members.length) / k);
  const { nearest, cosines } = nearestOf(points, members, centroids);
  const sizes = new Int32Array(k);
  for (const c of nearest) sizes[c]++;
  const row = new Float64Array(k);
  for (let full = 0; full < k; full++) {
    if (sizes[full] <= most) continue;
    const inOrder = [...nearest.keys()].filter((i) => nearest[i] === full).sort((a, b) => cosines[b] - cosines[a]);
    for (const i of inOrder.slice(most)) {
      cosinesWith(points, members[i], centroids, row);
      let best = -1;
      for (let c = 0; c < k; c++) if (sizes[c] < most && (best < 0 || row[c] > row[best])) best = c;
      nearest[i] = best;
      sizes[best]++;
      sizes[full]--;
    }
  }
  return nearest;
}

function membersOf(clusterOf: Int32Array, members: Int32Array): Int32Array[] {
  const clusters: number[][] = [];
  clusterOf.forEach((c, i) => (clusters[c] ??= []).push(members[i]));
  return clusters.filter(() => true).map((cluster) => Int32Array.from(cluster)); // without the holes of empty ones
}

/** `count` of the members without repetition, in their order. */
function drawn(members: Int32Array, count: number, rng: Rng): Int32Array {
  let left = count;
  return members.filter((_, i) => {
    const takes = rng.next() * (members.length - i) < left;
    if (takes) left--;
    return takes;
  });
}
