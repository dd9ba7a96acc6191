/**
 * @file The stages of a decoder, found from what patching by layer does to the queries it answers.
 *
 * Two measures of a run, both means over the correct queries: `left`, the share whose document leaves rank 1 in the
 * ranking in force (the paper's), which says whether something matters at all; and `fall`, by how many logits the document
 * falls against the best other entry, which is graded also where no rank changes, and so says where.
 *
 *   interaction  There is one if replacing all MLPs by their means over queries makes more than `TOLERANCE` leave rank 1.
 *                It is the core of all layers.
 *   bridging     The same for cross-attention of the layers before the interaction stage (of all, without one). What
 *                cross-attention does inside the interaction stage is not bridging.
 *   priming      [0, p): the longest run of layers before the other stages of which all components can be replaced
 *                by their means while at most `TOLERANCE` leave rank 1 (nothing there depends on the query), if setting
 *                its MLPs to zero makes more than `TOLERANCE` more leave it (it is needed). A decoder that can be
 *                replaced by its means from end to end, as on one query, gives no evidence of priming.
 *
 * The core [s, e) of [m, n), with W the fall when the components of all of [m, n) are replaced: e is the first layer, and
 * then s the last, for which replacing what is inside costs at least `CARRIED`·W and replacing what is outside, before
 * or behind, at most `IDLE`·W. The second condition alone would leave out a component that others can make up for, the
 * first alone one that is needed together with another. Where the document does not fall on average (W ≤ 0), though some
 * queries leave rank 1, nothing says where: the core is all of [m, n).
 *
 * The whole search is repeated on resampled queries. A stage that is missing in more than 2.5 % of the resamples is not
 * claimed: its effect is not clearly above the tolerance.
 */
import { bootstrapIntervals } from './bootstrap.ts';
import { componentTypes } from './components.ts';
import type { Rng } from '../corpus/random.ts';
import type { MlpEffect, Stage, StageName, Stages } from './stages.ts';
import { sweepEvidence, type LayerSweeps, type SweepEvidence } from './sweep-evidence.ts';

/** Share of correct queries that may leave rank 1 while a patch still counts as harmless. */
export const TOLERANCE = 0.05;
/** Of the fall with all layers replaced: what those outside a stage may cost at most, and its own must at least. */
export const IDLE = 0.1;
export const CARRIED = 0.9;
/** Share of resamples in which a stage must exist: the low end of a 95 % interval. */
const SURE = 0.975;

export interface LocalizeOptions {
  readonly rng: Rng;
  /** @default 1000 */
  readonly resamples?: number;
}

type Range = readonly [from: number, to: number];
/** The mean over queries of one number for each, in one resample. */
type Mean = (values: Float64Array) => number;

export function localize(sweeps: LayerSweeps, { rng, resamples = 1000 }: LocalizeOptions): Stages {
  const evidence = sweepEvidence(sweeps);
  const { queries, layers } = evidence;
  const means: Mean[] = [
    meanBy(new Uint32Array(queries).fill(1)),
    ...Array.from({ length: resamples }, () => {
      const drawn = new Uint32Array(queries);
      for (let i = 0; i < queries; i++) drawn[rng.int(queries)]++;
      return meanBy(drawn);
    }),
  ];
  /** In all queries (first) and in each resample; nowhere if not clearly in all queries. */
  const search = (find: (mean: Mean, sample: number) => Range | null): (Range | null)[] => {
    const found = means.map(find);
    return found[0] && confidenceOf(found) >= SURE ? found : found.map(() => null);
  };
  const interaction = search((mean) => findInteraction(evidence, mean));
  const bridging = search((mean, i) => findBridging(evidence, mean, interaction[i]));
  const priming = search((mean, i) => findPriming(evidence, mean, bridging[i] ?? interaction[i]));
  const [from, to] = interaction[0] ?? [0, layers];
  const found = {
    priming: stageOfRanges(priming),
    bridging: stageOfRanges(bridging),
    interaction: stageOfRanges(interaction),
  };
  return {
    version: 1,
    layers,
    ranking: sweeps.ranking,
    queries,
    ...(found satisfies Record<StageName, Stage | null>),
    mlps: mlpEffects(evidence, from, to, { rng, resamples }),
  };
}

const meanBy =
  (weights: Uint32Array): Mean =>
  (values) => {
    let sum = 0;
    for (let q = 0; q < values.length; q++) sum += weights[q] * values[q];
    return sum / values.length;
  };

function findInteraction(evidence: SweepEvidence, mean: Mean): Range | null {
  const { layers, cost } = evidence;
  if (mean(cost('mean', 'mlp', 0, layers).left) <= TOLERANCE) return null;
  return core(0, layers, (from, to) => mean(cost('mean', 'mlp', from, to).fall));
}

function findBridging({ layers, cost }: SweepEvidence, mean: Mean, interaction: Range | null): Range | null {
  const end = interaction?.[0] ?? layers;
  if (mean(cost('mean', 'cross_attn', 0, end).left) <= TOLERANCE) return null;
  return core(0, end, (from, to) => mean(cost('mean', 'cross_attn', from, to).fall));
}

function findPriming({ layers, cost }: SweepEvidence, mean: Mean, next: Range | null): Range | null {
  const replaced = (to: number): number => mean(cost('mean', componentTypes, 0, to).left);
  if (replaced(layers) <= TOLERANCE) return null;
  let end = next?.[0] ?? layers;
  while (end > 0 && replaced(end) > TOLERANCE) end--;
  const needed = mean(cost('zero', 'mlp', 0, end).left) - replaced(end) > TOLERANCE;
  return needed ? [0, end] : null;
}

/** The layers of [m, n) that matter; see the head of this file. @param loss when the components of a range are replaced */
function core(m: number, n: number, loss: (from: number, to: number) => number): Range {
  const whole = loss(m, n);
  if (whole <= 0) return [m, n];
  const carries = (from: number, to: number): boolean => loss(from, to) >= CARRIED * whole;
  const isIdle = (from: number, to: number): boolean => loss(from, to) <= IDLE * whole;
  let to = m + 1;
  while (to < n && !(carries(m, to) && isIdle(to, n))) to++;
  let from = to - 1;
  while (from > m && !(carries(from, to) && isIdle(m, from))) from--;
  return [from, to];
}

const confidenceOf = (found: readonly (Range | null)[]): number => {
  const resampled = found.slice(1);
  return resampled.filter(Boolean).length / resampled.length;
};

function stageOfRanges(found: readonly (Range | null)[]): Stage | null {
  const [range, ...resampled] = found;
  if (!range) return null;
  const interval = (end: 0 | 1): [number, number] => {
    const sorted = resampled.flatMap((one) => (one ? [one[end]] : [])).sort((a, b) => a - b);
    const last = sorted.length - 1;
    return [
      Math.min(range[end], sorted[Math.floor(0.025 * last)]),
      Math.max(range[end], sorted[Math.ceil(0.975 * last)]),
    ];
  };
  return {
    from: range[0],
    to: range[1],
    fromInterval: interval(0),
    toInterval: interval(1),
    confidence: confidenceOf(found),
  };
}

/** MLPs of layers [from, to), the most effective first. */
function mlpEffects({ cost, layers }: SweepEvidence, from: number, to: number, options: LocalizeOptions): MlpEffect[] {
  const all = meanBy(new Uint32Array(cost('mean', 'mlp', 0, 0).left.length).fill(1));
  const own = Array.from({ length: to - from }, (_, i) => cost('mean', 'mlp', from + i, from + i + 1));
  const intervals = bootstrapIntervals(
    own.map(({ fall }) => fall),
    options,
  );
  return own
    .map(({ left, fall }, i) => ({
      layer: from + i,
      loss: all(left),
      marginLoss: all(fall),
      ...intervals[i],
      keptAlone: 1 - all(cost('mean', 'mlp', 0, layers, from + i).left),
    }))
    .sort((a, b) => b.marginLoss - a.marginLoss || a.layer - b.layer);
}
