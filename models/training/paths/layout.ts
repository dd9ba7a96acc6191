import { z } from 'zod';
import type { T5Config } from '../../config.ts';
import type { Genir } from '../../genir.ts';
import { RESERVED } from '../docid-space.ts';

/**
 * Where a model of two-token docids (a cluster, then a document) keeps what. Each step of decoding reads the query anew
 * and has D dimensions of its own for what it read:
 *
 *   step 1   the first layers add up the *topics* of the query's words: for each cluster what the word says of it; in what is
 *            left of the state they add up the words' codes, a *sketch* of the query
 *   step 2   the last layers add up the words' *seeds*: each head reads one *class* of words only, and has its own slice
 *            of the state, so that K dimensions of a word become M·K dimensions of the state
 *
 * A word's embedding: importance (0), topics, seeds, flags of its class, and in the last dimension what is missing to the
 * length √D. Reserved dimensions 1 to 3 are empty in words: the start token's mark, the sink's (`</s>`, which a head
 * attends to when it should read nothing), and the mark of a path that has begun.
 */
export interface PathLayout {
  /** C, also the number of cluster entries in the vocabulary. */
  readonly clusters: number;
  /** Dimensions behind the topics, in which each word has a random code that no cluster reads: those of later documents do. */
  readonly sketch: number;
  /** M, classes of words: one for each head of the layers that read seeds. */
  readonly classes: number;
  readonly topicLayers: number;
  readonly seedLayers: number;
  /** First dimension of the topics, the seeds and the flags in a word's embedding. */
  readonly topics: number;
  readonly seeds: number;
  readonly flags: number;
  /** First of the dimensions that stand for the clusters in the decoder, and behind them for the sketch: the last ones. */
  readonly axes: number;
}

const places = z.int().nonnegative();
const layoutSchema = z.object({
  sketch: places.default(0),
  ...{ clusters: places, classes: places, topicLayers: places, seedLayers: places },
  ...{ topics: places, seeds: places, flags: places, axes: places },
});

/** Of a trained model, as `genir.json` keeps it; undefined where docids are made in another way. */
export function layoutOf({ training }: Genir): PathLayout | undefined {
  return layoutSchema.safeParse(training?.layout).data;
}

/** @param size  documents of a cluster, on average, where the width of the model allows so many clusters */
export function pathLayout(config: T5Config, documents: number, size: number): PathLayout {
  const { d_model: D, num_heads: H, d_kv: K, num_decoder_layers: L } = config;
  const seedLayers = Math.max(1, Math.min(L - 1, Math.ceil((D - RESERVED) / (H * K))));
  const topicLayers = L - seedLayers;
  const classes = H * seedLayers;
  const most = Math.min(topicLayers * H * K, D - RESERVED - K - classes - 1);
  if (most < 1)
    throw new RangeError(
      `docids of paths: expected a model with room for clusters, got ${L} decoder layers of width ${D}`,
    );
  const clusters = Math.max(1, Math.min(most, Math.ceil(documents / size)));
  const sketch = most - clusters;
  const seeds = RESERVED + most;
  return {
    ...{ clusters, sketch, classes, topicLayers: Math.ceil(most / (H * K)), seedLayers },
    ...{ topics: RESERVED, seeds, flags: seeds + K, axes: D - most },
  };
}
