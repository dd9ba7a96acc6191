/**
 * @file E11 with E5 by decoding step: what the residual stream and single components say of the next token, by the logit
 * lens; whether self-attention promotes the tokens of docids.
 */
import type { ActivationName } from '../../models/activations.ts';
import { componentNames, componentTypes, type ComponentType } from '../components.ts';
import { rowsAt } from '../path-population.ts';
import { formatNumber, formatValue } from '../report/format.ts';
import type { HeatmapFigure, Line, RanksFigure, Section, Value } from '../report/section.ts';
import { meanOfDefined, medianOfDefined } from '../vectors.ts';
import { queriesByStep, spread, type PathExperiment, type PathSubject } from './path-experiment.ts';

/** Points looked at in every layer, in the order of computation: outputs of components, and the stream after each. */
const POINTS = {
  attn: 'attn_out',
  resid_mid: 'resid_mid',
  cross_attn: 'cross_attn_out',
  resid_mid_cross: 'resid_mid_cross',
  mlp: 'mlp_out',
  resid_post: 'resid_post',
} as const;
type Point = keyof typeof POINTS;
const points = Object.keys(POINTS) as Point[];

/** Points of the stream by what was added last. */
const STREAM = {
  resid_mid: 'self-attention',
  resid_mid_cross: 'cross-attention',
  resid_post: 'the MLP',
} as const satisfies Partial<Record<Point, string>>;

/** What the lens shows; null where every query's vector is zero. Ranks count from 1, medians are the lower of two. */
export interface StepPoint {
  /** Counted from 1. */
  readonly step: number;
  readonly layer: number;
  readonly point: Point;
  /** Median rank of the right token over the vocabulary, and among the tokens that paths allow here. */
  readonly rank: Value;
  readonly allowedRank: Value;
  /** Median rank of the best allowed token over the vocabulary. */
  readonly bestAllowedRank: Value;
  /** Mean share of the probability that allowed tokens have. */
  readonly allowedMass: Value;
  /** Mean share of pairs of a token of docids and another one in which the first is above: .5 by chance. */
  readonly docidsAbove: Value;
}

export interface StepLens {
  readonly layers: number;
  /** By step, from 1 on. */
  readonly queries: readonly number[];
  readonly vocabulary: number;
  readonly docidTokens: number;
  /** [step · layer · points] */
  readonly points: readonly StepPoint[];
}

/** Queries looked at in each step, at most: each of their vectors is sorted into a vocabulary. */
const QUERIES = 200;

async function run(subject: PathSubject): Promise<StepLens> {
  const { lab, population, signal } = subject;
  const plan = queriesByStep(subject).map((queries) => spread(queries, QUERIES));
  const used = [...new Set(plan.flat())];
  const questions = used.map((q) => population.questions[q]);
  const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
  const places = layers.flatMap((layer) => points.map((point) => ({ layer, point })));
  const nameOf = ({ layer, point }: (typeof places)[number]): ActivationName => `decoder.${layer}.${POINTS[point]}`;
  const reading = await lab.decode(
    await lab.encode(questions.map(({ text }) => text)),
    questions.map(({ document }) => lab.inputsOf(document)),
    { read: places.map(nameOf) },
  );
  const found: StepPoint[] = [];
  for (const [position, queries] of plan.entries()) {
    const expected = queries.map((q) => lab.expectedOf(population.questions[q].document)[position]);
    for (const place of places) {
      signal?.throwIfAborted();
      const states = rowsAt(
        reading[nameOf(place)],
        queries.map((q) => [used.indexOf(q), position]),
      );
      const D = states.shape[1];
      const isSilent = queries.map((_, i) => states.data.subarray(i * D, (i + 1) * D).every((x) => x === 0));
      const out = await lab.lens(states, expected, 'token', 'promotion');
      const read = (name: keyof typeof out): number[] => Array.from(out[name], (x, i) => (isSilent[i] ? NaN : x));
      found.push({
        ...{ step: position + 1, ...place },
        rank: medianOfDefined(read('rank')),
        allowedRank: medianOfDefined(read('allowed_rank')),
        bestAllowedRank: medianOfDefined(read('best_allowed_rank')),
        allowedMass: meanOfDefined(read('allowed_mass')),
        docidsAbove: meanOfDefined(read('docids_above')),
      });
      subject.onProgress(found.length, plan.length * places.length);
    }
  }
  return {
    ...{ layers: lab.layers, queries: plan.map(({ length }) => length) },
    ...{ vocabulary: lab.config.vocab_size, docidTokens: lab.isDocidToken.reduce((a, b) => a + b, 0), points: found },
  };
}

function section(result: StepLens): Section {
  const { vocabulary, docidTokens, queries } = result;
  const layers = Array.from({ length: result.layers }, (_, layer) => layer);
  const steps = queries.map((_, i) => i + 1);
  const at = (step: number, layer: number, point: Point): StepPoint =>
    result.points.find((one) => one.step === step && one.layer === layer && one.point === point)!;
  const ranks = (title: string, caption: string, series: Line[]): RanksFigure => ({
    ...{ kind: 'ranks', title, caption, xLabel: 'layer', xs: layers, series },
    candidates: vocabulary,
  });
  const rows = steps.flatMap((step) => componentTypes.map((type) => ({ step, type })));
  const grid = (title: string, caption: string, of: (one: StepPoint) => Value): HeatmapFigure => ({
    ...{ kind: 'heatmap', title, caption, xLabel: 'layer', yLabel: 'step, output of', format: 'percent' },
    xs: layers.map(String),
    ys: rows.map(({ step, type }) => `${step}, ${type}`),
    values: rows.map(({ step, type }) => layers.map((layer) => of(at(step, layer, type)))),
    domain: [0, 1],
  });
  return {
    id: 'step-lens',
    title: 'Step by step through the logit lens',
    about:
      'Every step of a docid is read as if the decoder ended at some point of some layer: the residual stream after self-attention, cross-attention and MLP, and what each of these adds, looked at alone. ' +
      `The right tokens before the step are given. Of ${formatNumber(vocabulary)} tokens of the vocabulary ${formatNumber(docidTokens)} occur in docids; what a path allows at a step is a part of them.\n\n` +
      'A component promotes docid tokens where, by its output alone, a token of docids is above another token in more than half of all pairs, or where allowed tokens have much of the probability.',
    findings: [...steps.map((step) => reached(result, step)), ...steps.map((step) => promotion(result, step))],
    figures: [
      ranks(
        'The right token in the residual stream',
        'Median rank over the vocabulary after each layer.',
        steps.map((step) => ({
          name: `step ${step}`,
          values: layers.map((layer) => at(step, layer, 'resid_post').rank),
        })),
      ),
      ranks(
        'The right token in what self-attention adds',
        'Median rank over the vocabulary by the output of self-attention alone.',
        steps.map((step) => ({ name: `step ${step}`, values: layers.map((layer) => at(step, layer, 'attn').rank) })),
      ),
      grid('Docid tokens above others', 'Share of pairs; chance is 50 %.', ({ docidsAbove }) => docidsAbove),
      grid('Probability of the tokens allowed', 'By the output alone.', ({ allowedMass }) => allowedMass),
    ],
    tables: [
      {
        title: 'By step, layer and point',
        columns: [
          { name: 'step', format: 'integer' },
          { name: 'layer', format: 'integer' },
          { name: 'point' },
          { name: 'right token, median rank', format: 'number' },
          { name: 'among those allowed', format: 'number' },
          { name: 'best allowed token', format: 'number' },
          { name: 'probability of those allowed', format: 'percent' },
          { name: 'docid tokens above others', format: 'percent' },
        ],
        rows: result.points.map((one) => [
          ...[one.step, one.layer, one.point, one.rank, one.allowedRank, one.bestAllowedRank],
          ...[one.allowedMass, one.docidsAbove],
        ]),
      },
    ],
  };
}

/** From where on the right token's median rank stays 1. */
function reached({ points: all }: StepLens, step: number): string {
  const stream = all.filter((one) => one.step === step && one.point in STREAM);
  const last = stream.findLastIndex(({ rank }) => rank !== 1);
  const from = stream[last + 1] as StepPoint | undefined;
  return from
    ? `Step ${step}: the right token’s median rank is 1 from ${STREAM[from.point as keyof typeof STREAM]} of layer ${from.layer} on.`
    : `Step ${step}: the right token’s median rank does not reach 1; in the end it is ${formatNumber(stream[last].rank!)}.`;
}

/** Which layer's output of each component promotes docid tokens most. */
function promotion({ points: all }: StepLens, step: number): string {
  const told = componentTypes.flatMap((type: ComponentType) => {
    const [best] = all
      .filter((one) => one.step === step && one.point === type && one.docidsAbove !== null)
      .sort((a, b) => b.docidsAbove! - a.docidsAbove!);
    if (!best) return [];
    return [
      `${componentNames[type]} most in layer ${best.layer}: docid tokens above others in ${formatValue(best.docidsAbove, 'percent')} of pairs, those allowed with ${formatValue(best.allowedMass, 'percent')} of the probability, the right one at median rank ${formatNumber(best.rank!)}`,
    ];
  });
  return told.length
    ? `Step ${step}, by outputs alone: ${told.join('; ')}.`
    : `Step ${step}: no component adds anything, or all tokens occur in docids.`;
}

export const stepLens: PathExperiment<StepLens> = { label: 'E11 lens', version: 1, run, section };
