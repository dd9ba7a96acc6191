/**
 * @file E5 (arXiv 2503.19715 §5.2, Fig. 4): where in the decoder docids part from words, and where the right document
 * comes to the top, by the logit lens at every point of every layer.
 */
import type { ActivationName } from '../../models/activations.ts';
import type { FloatTensor } from '../../models/session.ts';
import type { Lab } from '../lab.ts';
import { stageBands } from '../report/bands.ts';
import { formatNumber } from '../report/format.ts';
import type { Line, RanksFigure, Section, Value } from '../report/section.ts';
import type { Stages } from '../stages.ts';
import { meanOfDefined, medianOfDefined } from '../vectors.ts';
import type { Experiment, Subject } from './experiment.ts';

/** Points looked at in every layer, by the name of their line: the residual stream after each component, and two outputs. */
const POINTS = {
  resid_mid: 'resid_mid',
  resid_mid_cross: 'resid_mid_cross',
  resid_post: 'resid_post',
  cross_attn: 'cross_attn_out',
  mlp: 'mlp_out',
} as const;
type Point = keyof typeof POINTS;
const points = Object.keys(POINTS) as Point[];

/** Points of the residual stream in the order of computation, by what was added last. */
const STREAM = {
  resid_mid: 'self-attention',
  resid_mid_cross: 'cross-attention',
  resid_post: 'the MLP',
} as const satisfies Partial<Record<Point, string>>;
const streamPoints = Object.keys(STREAM) as (keyof typeof STREAM)[];

export interface RankStatistics {
  readonly mean: Value;
  /** The lower of two in the middle. */
  readonly median: Value;
}

/** What the lens shows at one point. Ranks count from 1; null where every query's vector is zero and ranks nothing. */
export interface RankPoint {
  readonly layer: number;
  readonly point: Point;
  /** Of each query's document, over the vocabulary and among docids. */
  readonly rank: RankStatistics;
  readonly docidRank: RankStatistics;
  /** Mean over all documents, then over queries. */
  readonly meanDocidRank: Value;
  /** Median over all words (the lower of two in the middle), then the mean over queries. */
  readonly medianWordRank: Value;
  /** Share of the pairs of a docid and a word in which the docid is above. */
  readonly docidsAbove: Value;
}

export interface RankDevelopment {
  readonly layers: number;
  readonly queries: number;
  readonly documents: number;
  readonly words: number;
  /** [layer · points] */
  readonly development: readonly RankPoint[];
}

/** Mean docid rank and median word rank once every docid is above every word. */
export const rankLimits = (documents: number, words: number): { meanDocidRank: number; medianWordRank: number } => ({
  meanDocidRank: (documents + 1) / 2,
  medianWordRank: documents + Math.ceil(words / 2),
});

async function run(subject: Subject): Promise<RankDevelopment> {
  const { lab, encoded, population } = subject;
  const documents = population.questions.map(({ document }) => document);
  const places = Array.from({ length: lab.layers }, (_, layer) => points.map((point) => ({ layer, point }))).flat();
  const nameOf = ({ layer, point }: (typeof places)[number]): ActivationName => `decoder.${layer}.${POINTS[point]}`;
  const reading = await lab.decode(encoded, { read: places.map(nameOf) });
  const development: RankPoint[] = [];
  for (const place of places) {
    subject.signal?.throwIfAborted();
    development.push({ ...place, ...(await seen(lab, reading[nameOf(place)], documents)) });
    subject.onProgress(development.length, places.length);
  }
  const [N, W] = [lab.genir.docids.length, lab.wordTokens.length];
  return { layers: lab.layers, queries: encoded.count, documents: N, words: W, development };
}

/** @param states float32 [Q, D] */
async function seen(
  lab: Lab,
  states: FloatTensor,
  documents: readonly number[],
): Promise<Omit<RankPoint, 'layer' | 'point'>> {
  const out = await lab.lens(states, { kinds: ['ranks', 'split'], documents });
  const D = lab.config.d_model;
  const isSilent = documents.map((_, q) => states.data.subarray(q * D, (q + 1) * D).every((x) => x === 0));
  const read = (name: string): number[] =>
    Array.from((out[name] as FloatTensor).data, (value, q) => (isSilent[q] ? NaN : value));
  const statistics = (ranks: number[]): RankStatistics => ({
    mean: meanOfDefined(ranks),
    median: medianOfDefined(ranks),
  });
  const meanDocidRank = meanOfDefined(read('docid_mean_rank'));
  const [N, W] = [lab.genir.docids.length, lab.wordTokens.length];
  return {
    rank: statistics(read('rank')),
    docidRank: statistics(read('docid_rank')),
    meanDocidRank,
    medianWordRank: meanOfDefined(read('word_median_rank')),
    // A docid's rank is its rank among docids and the words above it: the Mann–Whitney statistic.
    docidsAbove: meanDocidRank === null ? null : 1 - (meanDocidRank - rankLimits(N, W).meanDocidRank) / W,
  };
}

function section(result: RankDevelopment, stages: Stages | undefined): Section {
  const { documents, words } = result;
  const limits = rankLimits(documents, words);
  const layers = Array.from({ length: result.layers }, (_, layer) => layer);
  const at = (point: Point): RankPoint[] => result.development.filter((one) => one.point === point);
  const figure = (title: string, caption: string, series: Line[], candidates: number): RanksFigure => ({
    kind: 'ranks',
    title,
    caption,
    xLabel: 'layer',
    xs: layers,
    series,
    candidates,
    bands: stageBands(stages),
  });
  const medians = (of: (one: RankPoint) => RankStatistics): Line[] =>
    points.map((name) => ({ name, values: at(name).map((one) => of(one).median) }));
  const after = at('resid_post');
  return {
    id: 'rank-development',
    title: 'Rank development',
    about:
      'The logit lens reads the residual stream at every point as if the decoder ended there: final norm, then the logits ' +
      'of all words and docids. Lines named `resid_…` are the stream after self-attention (`resid_mid`), after ' +
      'cross-attention (`resid_mid_cross`) and after the MLP (`resid_post`); `cross_attn` and `mlp` are what these ' +
      'components add, looked at alone.\n\n' +
      'Ranks count from 1, over the whole vocabulary unless said otherwise. Once every docid stands above every word, the ' +
      `mean docid rank is ${formatNumber(limits.meanDocidRank)} and the median word rank is ` +
      `${formatNumber(limits.medianWordRank)}. The last layer's \`resid_post\` is what the model answers with. ` +
      'What the lens does not show in early layers may still be there, in directions that later layers turn.',
    findings: [split(result), ...[10, 1].map((rank) => reached(result, rank))],
    figures: [
      figure(
        'Docids, words, and the document asked for',
        'The residual stream after each layer.',
        [
          { name: 'the document, median', values: after.map(({ rank }) => rank.median) },
          { name: 'the document, mean', values: after.map(({ rank }) => rank.mean) },
          { name: 'all docids, mean', values: after.map(({ meanDocidRank }) => meanDocidRank) },
          { name: 'all words, median', values: after.map(({ medianWordRank }) => medianWordRank) },
        ],
        documents + words,
      ),
      figure(
        'Rank of the document',
        'Median over queries, among words and docids.',
        medians(({ rank }) => rank),
        documents + words,
      ),
      figure(
        'Rank of the document among docids',
        'Median over queries: what constrained decoding would see.',
        medians(({ docidRank }) => docidRank),
        documents,
      ),
    ],
    tables: [
      {
        title: 'Ranks by point',
        columns: [
          { name: 'layer', format: 'integer' },
          { name: 'point' },
          { name: 'document, median', format: 'number' },
          { name: 'document, mean', format: 'number' },
          { name: 'among docids, median', format: 'number' },
          { name: 'among docids, mean', format: 'number' },
          { name: 'all docids, mean', format: 'number' },
          { name: 'all words, median', format: 'number' },
          { name: 'docids above words', format: 'percent' },
        ],
        rows: result.development.map((one) => [
          one.layer,
          one.point,
          one.rank.median,
          one.rank.mean,
          one.docidRank.median,
          one.docidRank.mean,
          one.meanDocidRank,
          one.medianWordRank,
          one.docidsAbove,
        ]),
      },
    ],
  };
}

/** The first point of the stream from which on `holds` does not fail any more, in words. */
function settledAfter(
  { layers, development }: RankDevelopment,
  holds: (one: RankPoint) => boolean,
): string | undefined {
  let found: string | undefined;
  for (let layer = layers - 1; layer >= 0; layer--)
    for (const point of streamPoints.toReversed()) {
      const one = development.find((other) => other.layer === layer && other.point === point)!;
      if (!holds(one)) return found;
      found = `${STREAM[point]} of layer ${layer}`;
    }
  return `${found!}, the first point there is`;
}

/** Docids have parted from words where this share of the pairs of both has the docid above. */
const PARTED = 0.99;

function split(result: RankDevelopment): string {
  const where = settledAfter(result, ({ docidsAbove }) => (docidsAbove ?? 0) >= PARTED);
  const last = result.development.findLast(({ point }) => point === 'resid_post')!;
  return where
    ? `Docids have parted from words after ${where}; from there on a docid is above a word in 99 % of all pairs or more.`
    : `Docids do not part from words altogether: in the end a docid is above a word in ${formatNumber((last.docidsAbove ?? 0) * 100)} % of all pairs.`;
}

function reached(result: RankDevelopment, rank: number): string {
  const where = settledAfter(result, (one) => (one.rank.median ?? Infinity) <= rank);
  const wanted = rank === 1 ? 'rank 1' : `the best ${rank}`;
  return where
    ? `The document's median rank reaches ${wanted} after ${where}; it stays there.`
    : `The document's median rank does not reach ${wanted}.`;
}

export const rankDevelopment: Experiment<RankDevelopment> = {
  label: 'E5',
  version: 1,
  needsStages: false,
  run,
  section,
};
