/**
 * @file E6 (arXiv 2503.19715 §5.2): what one type of component says by itself. The model runs as it is; then the final
 * residual stream is taken to be the sum of that type's outputs alone, and read by the lens.
 */
import type { T5Config } from '../../models/config.ts';
import type { FloatTensor } from '../../models/session.ts';
import { componentTypes, writers, type ComponentType, type Writer } from '../components.ts';
import { startPosition, type DecodedPosition, type Work } from '../decoded-position.ts';
import { rankings, type Ranking } from '../population.ts';
import { formatValue } from '../report/format.ts';
import type { Section, Value } from '../report/section.ts';
import { dot, meanOfDefined, medianOfDefined } from '../vectors.ts';
import type { Experiment } from './experiment.ts';

/** Ranks below which documents are counted. */
export const DEPTHS = [1, 5, 10, 100] as const;

/** Outputs summed: of one type, of the embedding alone, or all, which is the model's own final residual. */
type Part = ComponentType | 'embedding' | 'all';

export interface PartLogits {
  readonly part: Part;
  /** Whether the start token's embedding is in the sum. */
  readonly withEmbedding: boolean;
  /** Of the document. A sum of zeros ranks nothing: it has no rank here, and is beyond all depths. */
  readonly ranks: {
    readonly [R in Ranking]: {
      readonly median: Value;
      /** Share of queries whose document has a rank greater than each of `DEPTHS`. */
      readonly beyond: readonly number[];
    };
  };
  /** Mean logit of the document, with the final norm dividing by … */
  readonly logit: {
    /** … the rms of the sum itself, as the lens does. */
    readonly ownRms: Value;
    /** … the rms of the model's true final state: the logits of parts then sum to the model's. */
    readonly trueRms: Value;
  };
  /** Queries for which the sum is zero. */
  readonly silent: number;
}

export interface ComponentLogits {
  readonly queries: number;
  readonly depths: typeof DEPTHS;
  readonly parts: readonly PartLogits[];
}

/** Sums looked at: the embedding, each type without and with it, everything. */
const sums: readonly { readonly part: Part; readonly withEmbedding: boolean }[] = [
  { part: 'embedding', withEmbedding: true },
  ...componentTypes.flatMap((part) => [
    { part, withEmbedding: false },
    { part, withEmbedding: true },
  ]),
  { part: 'all', withEmbedding: true },
];

/** What each type of component says by itself at one position of the decoder. */
export async function componentLogitsAt(at: DecodedPosition, { signal, onProgress }: Work): Promise<ComponentLogits> {
  const { config, layers } = at.model;
  const D = config.d_model;
  const all = writers(layers);
  const reading = await at.read(all.map((writer) => writer.at));
  const trueRms = rmsOf(config, reading.state);
  const parts: PartLogits[] = [];
  for (const { part, withEmbedding } of sums) {
    signal?.throwIfAborted();
    const summed = all.filter(({ type }) => (type === 'embedding' ? withEmbedding : part === 'all' || type === part));
    const states = sumOf(reading, summed, [at.count, D]);
    const { rank, docidRank, logit } = await at.ranks(states);
    const ownRms = rmsOf(config, states);
    const isSilent = Array.from({ length: at.count }, (_, q) =>
      states.data.subarray(q * D, (q + 1) * D).every((x) => x === 0),
    );
    const spoken = (of: ArrayLike<number>): number[] => Array.from(isSilent, (silent, q) => (silent ? NaN : of[q]));
    const statistics = (ranks: readonly number[]) => ({
      median: medianOfDefined(ranks),
      beyond: DEPTHS.map((depth) => ranks.filter((one) => !(one <= depth)).length / ranks.length),
    });
    parts.push({
      part,
      withEmbedding,
      ranks: { vocabulary: statistics(spoken(rank)), docids: statistics(spoken(docidRank)) },
      logit: {
        ownRms: meanOfDefined(logit),
        trueRms: meanOfDefined(logit.map((value, q) => (value * ownRms[q]) / trueRms[q])),
      },
      silent: isSilent.filter(Boolean).length,
    });
    onProgress(parts.length, sums.length);
  }
  return { queries: at.count, depths: DEPTHS, parts };
}

/** @param shape  [Q, D] */
function sumOf(
  reading: Readonly<Record<string, FloatTensor>>,
  summed: readonly Writer[],
  shape: readonly [number, number],
): FloatTensor {
  const data = new Float32Array(shape[0] * shape[1]);
  for (const { at } of summed) reading[at].data.forEach((x, i) => (data[i] += x));
  return { data, shape };
}

/** What the final norm divides each state by: √(mean(x²) + ε). */
function rmsOf({ d_model: D, layer_norm_epsilon }: T5Config, { data }: FloatTensor): Float64Array {
  return Float64Array.from({ length: data.length / D }, (_, q) => {
    const x = data.subarray(q * D, (q + 1) * D);
    return Math.sqrt(dot(x, x) / D + layer_norm_epsilon);
  });
}

/** What a sum is called. */
export const nameOf = ({ part, withEmbedding }: Pick<PartLogits, 'part' | 'withEmbedding'>): string =>
  part === 'embedding' || part === 'all' ? part : withEmbedding ? `${part} + embedding` : part;

function section({ parts, queries }: ComponentLogits): Section {
  const percent = (share: number): string => formatValue(share, 'percent');
  const finding = (type: ComponentType): string => {
    const { ranks, silent } = parts.find(({ part, withEmbedding }) => part === type && !withEmbedding)!;
    if (silent === queries) return `\`${type}\` writes nothing.`;
    const [first, , tenth, hundredth] = ranks.vocabulary.beyond;
    return (
      `By the outputs of \`${type}\` alone, ${percent(first)} of the documents leave rank 1, ${percent(tenth)} the best 10 ` +
      `and ${percent(hundredth)} the best 100; among docids ${percent(ranks.docids.beyond[0])} leave rank 1.`
    );
  };
  return {
    id: 'component-logits',
    title: 'Logits of one component type',
    about:
      'The model runs as it is; then its final residual stream is replaced by the sum of the outputs of one type of ' +
      'component over all layers, and read like the true one. Where the document stays in front, that type alone holds ' +
      'the answer in a form that the last step can read; it may still have needed the others to get there.\n\n' +
      'arXiv 2503.19715 does not say whether the start token’s embedding belongs to such a sum, nor which length the final norm ' +
      'divides by. Both sums are here. The length cannot change a rank, only the size of logits: with the rms of the sum ' +
      'itself they are those of the lens; with the rms of the true final state those of the embedding and of the three ' +
      'types add up to the model’s own.',
    findings: componentTypes.map(finding),
    figures: rankings.map((ranking) => ({
      kind: 'bars' as const,
      title: ranking === 'vocabulary' ? 'Documents that leave rank 1' : 'Documents that leave rank 1 among docids',
      caption: 'Share of queries; `all` is the model itself.',
      xLabel: 'share of queries',
      yLabel: 'outputs summed',
      bars: parts.map((one) => ({ name: nameOf(one), value: one.ranks[ranking].beyond[0] })),
      format: 'percent' as const,
    })),
    tables: [
      {
        title: 'Rank of the document by the sum of some outputs',
        columns: [
          { name: 'outputs' },
          { name: 'rank' },
          { name: 'median', format: 'number' },
          ...DEPTHS.map((depth) => ({ name: `> ${depth}`, format: 'percent' as const })),
        ],
        rows: parts.flatMap((one) =>
          rankings.map((ranking) => {
            const { median, beyond } = one.ranks[ranking];
            return [nameOf(one), ranking === 'vocabulary' ? 'of all' : 'among docids', median, ...beyond];
          }),
        ),
      },
      {
        title: 'Logit of the document by the sum of some outputs',
        columns: [
          { name: 'outputs' },
          { name: 'rms of the sum', format: 'number' },
          { name: 'rms of the final state', format: 'number' },
          { name: 'queries with a sum of zero', format: 'integer' },
        ],
        rows: parts.map((one) => [nameOf(one), one.logit.ownRms, one.logit.trueRms, one.silent]),
      },
    ],
  };
}

export const componentLogits: Experiment<ComponentLogits> = {
  label: 'E6',
  version: 1,
  needsStages: false,
  run: (subject) => componentLogitsAt(startPosition(subject.lab, subject.encoded, subject.population), subject),
  section,
};
