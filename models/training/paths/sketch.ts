import type { PathBag } from './bag.ts';
import { randomSeeds } from './bag.ts';

/**
 * The bag with a random code of each word behind its topics, in the dimensions that the layout leaves for it: topics [V, C + E].
 * Clusters do not read codes, so that base documents are found as without; the row of a later document can tell words by them
 * of which no cluster has anything to say. As long as topics are on average.
 *
 * @param names  of the tokens, which codes are functions of
 */
export function withSketch(bag: PathBag, names: readonly string[], seed: number): PathBag {
  const { clusters: C, sketch: E } = bag.layout;
  if (!E) return bag;
  const V = names.length;
  const lengths = Array.from({ length: V }, (_, token) =>
    Math.hypot(...bag.topics.data.subarray(token * C, (token + 1) * C)),
  );
  const known = lengths.filter((length) => length > 0);
  const mean = known.reduce((a, b) => a + b, 0) / (known.length || 1);
  const { seeds: codes } = randomSeeds(names, E, 1, seed + SKETCH);
  const topics = new Float32Array(V * (C + E));
  for (let token = 0; token < V; token++) {
    const at = token * (C + E);
    topics.set(bag.topics.data.subarray(token * C, (token + 1) * C), at);
    for (let e = 0; e < E; e++) topics[at + C + e] = mean * codes[token * E + e];
  }
  return { ...bag, topics: { ...bag.topics, data: topics } };
}

/** Codes are others than seeds. */
const SKETCH = 1_000_000;
