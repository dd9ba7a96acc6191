/**
 * @file E10 by decoding step (arXiv 2503.19715 §5): how far self-attention is a linear map. At step 1 it has one key and is
 * exactly W_O W_V ln(r). Later it chooses among positions, and is linear only where that choice does not depend on the query.
 */
import type { ActivationName } from '../../models/activations.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { outputOf } from '../components.ts';
import type { DecodedPosition, Work } from '../decoded-position.ts';
import { meanOf, type Patch } from '../patch.ts';
import { layersFrom } from '../patch-runs.ts';
import type { Ranking } from '../population.ts';
import type { Section } from '../report/section.ts';
import { percent } from '../source-groups.ts';
import { dependence, lossOf, type Loss } from './linear-self-attention.ts';
import type { PathExperiment, PathSubject } from './path-experiment.ts';
import { atEachStep, type OfStep } from './step-position.ts';

/**
 * What takes the place of self-attention at the position of the step:
 *   fixed  each head weighs the positions as it does on average over the queries: a linear map of all positions
 *   own    each head reads its own position alone: the linear map of step 1
 *   mean   the mean of its output over the queries
 *   zero   nothing
 */
export const substitutes = ['fixed', 'own', 'mean', 'zero'] as const;
export type Substitute = (typeof substitutes)[number];
export type Losses = { readonly [S in Substitute]: Loss };

export interface SelfAttentionAtStep {
  readonly queries: number;
  /** In all layers at once. */
  readonly all: Losses;
  /** In each layer alone. */
  readonly layers: readonly (Losses & {
    /** E‖a − E a‖² / E‖a‖² over queries: 0 = the same for every query; null where it writes nothing. */
    readonly dependence: number | null;
    /** Mean weight of the step's own position, over heads and queries. */
    readonly ownWeight: number;
  })[];
}

export interface StepLinearSelfAttention {
  readonly ranking: Ranking;
  readonly steps: readonly OfStep<SelfAttentionAtStep>[];
}

const patternOf = (layer: number): ActivationName => `decoder.${layer}.attn_pattern`;

async function selfAttentionAt(at: DecodedPosition, ranking: Ranking, work: Work): Promise<SelfAttentionAtStep> {
  const layers = layersFrom(0, at.model.layers);
  const written = await at.read(layers.map((layer) => outputOf('attn', layer)));
  const patterns = await meanPatterns(at);
  const own = patterns.map(({ data, shape }) => {
    const keys = shape[3];
    return tensor(data.map((_, i) => Number(i % keys === keys - 1)), shape); // prettier-ignore
  });
  const patchOf = {
    fixed: (layer) => ({ at: patternOf(layer), by: () => patterns[layer] }),
    own: (layer) => ({ at: patternOf(layer), by: () => own[layer] }),
    mean: (layer) => ({ at: outputOf('attn', layer), by: meanOf(written[outputOf('attn', layer)]) }),
    zero: (layer) => ({ at: outputOf('attn', layer), by: 'zero' }),
  } as const satisfies Record<Substitute, (layer: number) => Patch>;
  const places = [layers, ...layers.map((layer) => [layer])];
  const table = places.flatMap((replaced) => substitutes.map((name) => replaced.map((layer) => patchOf[name](layer))));
  const [clean, ...outcomes] = await at.patched([[], ...table], ranking, work);
  const losses = outcomes.map((outcome) => lossOf(outcome, clean, ranking));
  const lossesAt = (i: number): Losses => {
    const [fixed, ofOwn, mean, zero] = losses.slice(i * substitutes.length);
    return { fixed, own: ofOwn, mean, zero };
  };
  return {
    queries: at.count,
    all: lossesAt(0),
    layers: layers.map((layer) => ({
      ...lossesAt(layer + 1),
      dependence: dependence(written[outputOf('attn', layer)]),
      ownWeight: weightOfLast(patterns[layer]),
    })),
  };
}

/** Each layer's pattern at the position, mean over the queries: float32 [1, H, 1, P + 1] each, the own position last. */
async function meanPatterns(at: DecodedPosition): Promise<FloatTensor[]> {
  const layers = layersFrom(0, at.model.layers);
  const sums: { sum: Float64Array; shape: readonly number[] }[] = [];
  for await (const { out } of at.readBatches(layers.map(patternOf)))
    for (const layer of layers) {
      const { data, shape } = out[patternOf(layer)];
      const width = data.length / shape[0];
      sums[layer] ??= { sum: new Float64Array(width), shape: [1, ...shape.slice(1)] };
      data.forEach((x, i) => (sums[layer].sum[i % width] += x));
    }
  return sums.map(({ sum, shape }) => tensor(Float32Array.from(sum, (x) => x / at.count), shape)); // prettier-ignore
}

/** @param pattern  float32 [1, H, 1, P + 1] */
function weightOfLast({ data, shape: [, H, , keys] }: FloatTensor): number {
  let sum = 0;
  for (let h = 0; h < H; h++) sum += data[h * keys + keys - 1];
  return sum / H;
}

async function run(subject: PathSubject): Promise<StepLinearSelfAttention> {
  const { ranking } = subject.population;
  return { ranking, steps: await atEachStep(subject, (at, work) => selfAttentionAt(at, ranking, work)) };
}

/** For sentences. */
const names = {
  fixed: 'its pattern is fixed',
  own: 'it reads its own position alone',
  mean: 'its output is the mean',
  zero: 'it is left out',
} as const satisfies Record<Substitute, string>;

function section({ ranking, steps }: StepLinearSelfAttention): Section {
  return {
    id: 'step-linear-self-attention',
    title: 'How far self-attention is a linear map, step by step',
    about:
      'At step 1 self-attention has one key, its own, and is exactly the linear map `W_O W_V` of the normed residual stream. From step 2 on it weighs several positions, and is linear only as far as these weights do not depend on the query. ' +
      'At the position of one step it is replaced, in all layers or in one: its pattern is fixed at the mean over the queries (`fixed`, a linear map of all positions); each head reads its own position alone (`own`, the linear map of step 1, without anything of earlier steps); its output is the mean over the queries (`mean`); or nothing (`zero`). ' +
      'Keys and values of earlier positions stay.\n\n' +
      `A query counts as lost where its right token leaves rank 1 (${ranking === 'docids' ? 'among the tokens that paths allow' : 'over the vocabulary'}). Intervals are exact (Clopper–Pearson, 95 %).`,
    findings: steps.map(finding),
    figures: [
      {
        kind: 'bars',
        title: 'Self-attention of all layers replaced',
        caption: 'At the position of the step alone; exact 95 % intervals (Clopper–Pearson).',
        xLabel: 'share of the right tokens that leave rank 1',
        yLabel: 'step, in its place',
        bars: steps.flatMap(({ step, all }) =>
          substitutes.map((name) => ({
            ...{ name: `${step}, ${name}`, value: all[name].left, group: name },
            ...{ low: all[name].interval.low, high: all[name].interval.high },
          })),
        ),
        format: 'percent',
      },
    ],
    tables: [
      {
        title: 'Self-attention replaced, by step and layer',
        columns: [
          { name: 'step', format: 'integer' },
          { name: 'layers' },
          ...substitutes.map((name) => ({ name: `${name}: leave rank 1`, format: 'percent' as const })),
          ...substitutes.map((name) => ({ name: `${name}: margin lost`, format: 'number' as const })),
          { name: 'query’s share', format: 'percent' },
          { name: 'weight of its own position', format: 'percent' },
        ],
        rows: steps.flatMap(({ step, all, layers }) => {
          const numbers = (of: Losses): number[] => [
            ...substitutes.map((name) => of[name].left),
            ...substitutes.map((name) => of[name].marginLoss),
          ];
          return [
            [step, 'all', ...numbers(all), null, null],
            ...layers.map((one, layer) => [step, String(layer), ...numbers(one), one.dependence, one.ownWeight]),
          ];
        }),
      },
    ],
  };
}

function finding({ step, queries, all, layers }: OfStep<SelfAttentionAtStep>): string {
  const told = substitutes.map((name) => {
    const { left, interval } = all[name];
    return `${percent(left)} (${percent(interval.low)} to ${percent(interval.high)}) where ${names[name]}`;
  });
  const own = layers.reduce((sum, { ownWeight }) => sum + ownWeight, 0) / layers.length;
  return `Step ${step}: of ${queries} right tokens leave rank 1, with self-attention of all layers replaced, ${told.join(', ')}. Heads give their own position ${percent(own)} of their weight on average.`;
}

/** What of self-attention a linear map can do at each decoding step. */
export const stepLinearSelfAttention: PathExperiment<StepLinearSelfAttention> = {
  label: 'E10 by step',
  version: 1,
  run,
  section,
};
