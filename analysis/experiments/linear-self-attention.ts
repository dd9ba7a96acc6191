/**
 * @file E10 (arXiv 2503.19715 §5): what self-attention does at the decoder's one position. Attention over a single key
 * has weight 1, so its output is W_O W_V ln(r): linear in the normed residual stream, whatever queries, keys and position
 * biases are.
 */
import type { ActivationName } from '../../models/activations.ts';
import type { FloatTensor } from '../../models/session.ts';
import { clopperPearson } from '../binomial.ts';
import type { Interval } from '../bootstrap.ts';
import { outputOf } from '../components.ts';
import { meanOf, type Replacement } from '../patch.ts';
import { layersFrom, patchesFor, ranksIn, runPatched, type Outcome } from '../patch-runs.ts';
import type { Ranking } from '../population.ts';
import { stageBands } from '../report/bands.ts';
import { formatNumber, formatValue } from '../report/format.ts';
import { norm } from '../vectors.ts';
import type { Experiment } from './experiment.ts';

/** What a replacement costs. */
export interface Loss {
  /** Share of correct queries whose document leaves rank 1, with its exact 95 % interval (Clopper and Pearson). */
  readonly left: number;
  readonly interval: Interval;
  /** Mean fall of the document's logit above the best other entry. */
  readonly marginLoss: number;
}

export interface LinearSelfAttentionResult {
  readonly ranking: Ranking;
  readonly queries: number;
  /** All layers at once: replaced by zero, or each by its mean over the correct queries. */
  readonly all: { readonly zero: Loss; readonly mean: Loss };
  /** Each layer alone. */
  readonly layers: readonly {
    readonly zero: Loss;
    readonly mean: Loss;
    /** E‖a − E a‖² / E‖a‖² over queries: 0 = the same for every query, 1 = nothing in common; null where it writes nothing. */
    readonly dependence: number | null;
    /** Mean of ‖a‖ / ‖residual stream behind it‖. */
    readonly size: number;
  }[];
}

export const linearSelfAttention: Experiment<LinearSelfAttentionResult> = {
  label: 'E10',
  version: 1,
  needsStages: false,

  async run(subject) {
    const { lab, population, encoded, signal } = subject;
    const { ranking, questions } = population;
    const layers = layersFrom(0, lab.layers);
    const behind = (layer: number): ActivationName => `decoder.${layer}.resid_mid`;
    const read = layers.flatMap((layer) => [outputOf('attn', layer), behind(layer)]);
    const clean = await lab.decode(encoded, { read });
    const methods: ((at: ActivationName) => Replacement)[] = [() => 'zero', (at) => meanOf(clean[at])];
    const table = [layers, ...layers.map((layer) => [layer])].flatMap((replaced) =>
      methods.map((by) => patchesFor(['attn'], replaced, by)),
    );
    const [unpatched, ...outcomes] = await runPatched(lab, [[], ...table], {
      encoded,
      documents: questions.map(({ document }) => document),
      ranking,
      signal,
      onProgress: (done, total) => subject.onProgress(done, total),
    });
    const losses = outcomes.map((outcome) => lossOf(outcome, unpatched, ranking));
    const pair = (i: number) => ({ zero: losses[2 * i], mean: losses[2 * i + 1] });
    return {
      ranking,
      queries: questions.length,
      all: pair(0),
      layers: layers.map((layer) => {
        const written = clean[outputOf('attn', layer)];
        return {
          ...pair(layer + 1),
          dependence: dependence(written),
          size: relativeSize(written, clean[behind(layer)]),
        };
      }),
    };
  },

  section({ queries, all, layers }, stages) {
    const xs = layers.map((_, layer) => layer);
    const bands = stageBands(stages);
    const line = (name: string, of: (layer: (typeof layers)[number]) => Loss) => ({
      name,
      values: layers.map((one) => of(one).left),
      low: layers.map((one) => of(one).interval.low),
      high: layers.map((one) => of(one).interval.high),
    });
    return {
      id: 'linear-self-attention',
      title: 'What self-attention does at one position',
      about: [
        'The decoder answers after one position, its start token. Attention over a single key has weight 1, so self-attention is ' +
          'exactly the linear map `W_O W_V` of the normed residual stream: it has no pattern, its queries, keys and position ' +
          'biases do nothing, and it could be folded into one matrix. Layer 0 reads the start token’s embedding alone, so its output is a constant. ' +
          'Nothing of this holds for docids of several tokens.',
        'Its output is replaced by zero, or by its mean over the correct queries, in all layers or in one. What zero costs and the mean does not is ' +
          'a constant that later components count on; what the mean costs too is about the query. The query’s share is ' +
          'E‖a − E a‖² / E‖a‖²: 0 where the output is the same for every query. In arXiv 2503.19715 (NQ10k, by stage) zero costs ' +
          '1.5 to 6.6 % of the correct queries, the mean 0 to 6.1 %. Intervals are exact (Clopper–Pearson, 95 %).',
      ].join('\n\n'),
      findings: [
        `Without any self-attention ${percent(all.zero.left)} of ${queries} correct queries leave rank 1 (95 % interval ${percent(all.zero.interval.low)} to ${percent(all.zero.interval.high)}); with its means in all layers ${percent(all.mean.left)} do (${percent(all.mean.interval.low)} to ${percent(all.mean.interval.high)}).`,
        `Layer 0 writes ${describe(layers[0].dependence)}.`,
        ...mostDependent(layers),
      ],
      figures: [
        {
          kind: 'lines',
          title: 'Queries that leave rank 1 without self-attention, one layer at a time',
          xs,
          x: { label: 'decoder layer' },
          y: { label: 'leave rank 1', domain: [0, 1], format: 'percent' },
          series: [line('attn, zero', ({ zero }) => zero), line('attn, mean', ({ mean }) => mean)],
          bands,
        },
        {
          kind: 'lines',
          title: 'How much of self-attention’s output depends on the query',
          xs,
          x: { label: 'decoder layer' },
          y: { label: 'share', domain: [0, 1], format: 'percent' },
          series: [{ name: 'attn', values: layers.map((one) => one.dependence) }],
          bands,
        },
      ],
      tables: [
        {
          title: 'Self-attention replaced',
          columns: [
            { name: 'layers' },
            { name: 'zero: leave rank 1', format: 'percent' },
            { name: 'zero: margin lost', format: 'number' },
            { name: 'mean: leave rank 1', format: 'percent' },
            { name: 'mean: margin lost', format: 'number' },
            { name: 'query’s share', format: 'percent' },
            { name: 'size against the stream', format: 'percent' },
          ],
          rows: [
            ['all', all.zero.left, all.zero.marginLoss, all.mean.left, all.mean.marginLoss, null, null],
            ...layers.map(({ zero, mean, dependence, size }, layer) => [
              ...[String(layer), zero.left, zero.marginLoss, mean.left, mean.marginLoss, dependence, size],
            ]),
          ],
        },
      ],
    };
  },
};

/** What replacing costs beside the unpatched baseline. */
export function lossOf(outcome: Outcome, clean: Outcome, ranking: Ranking): Loss {
  const n = outcome.rank.length;
  const left = ranksIn(outcome, ranking).filter((rank) => rank > 1).length;
  const fall = outcome.margin.reduce((sum, margin, q) => sum + clean.margin[q] - margin, 0);
  return { left: left / n, interval: clopperPearson(left, n), marginLoss: fall / n };
}

/** Sums of squares below this share of all are float32 rounding. */
const ROUNDING = 1e-10;

/** E‖a − E a‖² / E‖a‖² over queries; null where nothing is written. @param written  float32 [Q, D] */
export function dependence(written: FloatTensor): number | null {
  const { data } = written;
  const mean = meanOf(written);
  const all = norm(data) ** 2;
  if (all === 0) return null;
  let apart = 0;
  data.forEach((x, i) => (apart += (x - mean[i % mean.length]) ** 2));
  return apart < ROUNDING * all ? 0 : apart / all;
}

/** @param written, stream  float32 [Q, D] */
function relativeSize({ data, shape: [Q, D] }: FloatTensor, stream: FloatTensor): number {
  let sum = 0;
  for (let q = 0; q < Q; q++)
    sum += norm(data.subarray(q * D, (q + 1) * D)) / (norm(stream.data.subarray(q * D, (q + 1) * D)) || 1);
  return sum / Q;
}

const percent = (share: number): string => formatValue(share, 'percent');

const describe = (share: number | null): string =>
  share === null
    ? 'nothing'
    : share === 0
      ? 'the same for every query: a constant'
      : `what depends on the query (${percent(share)} of its square)`;

function mostDependent(layers: LinearSelfAttentionResult['layers']): string[] {
  const shares = layers.map((one) => one.dependence ?? 0);
  const most = Math.max(...shares);
  if (most === 0) return ['No layer’s self-attention depends on the query.'];
  const layer = shares.indexOf(most);
  return [
    `Self-attention depends on the query most in layer ${layer}: ${percent(most)} of its square. Replacing it by its mean there costs ${percent(layers[layer].mean.left)} of the queries and ${formatNumber(layers[layer].mean.marginLoss)} of the logit’s margin on average.`,
  ];
}
