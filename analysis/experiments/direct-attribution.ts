/**
 * @file Direct logit attribution (nostalgebraist 2020; Elhage et al. 2021, "A Mathematical Framework for Transformer
 * Circuits"): what the embedding, each component and each head of cross-attention add to the document's logit, and to
 * its lead over the best other document.
 */
import { createRng } from '../../corpus/random.ts';
import type { ActivationName } from '../../models/activations.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { bootstrapIntervals } from '../bootstrap.ts';
import { componentTypes, writers, type Writer } from '../components.ts';
import { attributeLogit, documentRows, leadRows, logitDirections } from '../logit-attribution.ts';
import { stageBands } from '../report/bands.ts';
import { formatNumber } from '../report/format.ts';
import type { LinesFigure, Section } from '../report/section.ts';
import type { Stages } from '../stages.ts';
import { meanOfDefined } from '../vectors.ts';
import type { Experiment, Subject } from './experiment.ts';

/** A mean over queries with its 95 % bootstrap interval. */
export interface Share {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** What a part adds, at the true final state's rms. */
export interface Attribution {
  /** To the document's logit. */
  readonly logit: Share;
  /** To the document's logit minus that of the best other document. */
  readonly margin: Share;
}

export interface DirectAttribution {
  readonly layers: number;
  readonly heads: number;
  readonly queries: number;
  /** In the order in which they write. They sum to `total`. */
  readonly writers: readonly (Attribution & { readonly type: Writer['type']; readonly layer: number })[];
  /** Heads of cross-attention, layer by layer. Those of a layer sum to its cross-attention. */
  readonly crossAttentionHeads: readonly (Attribution & { readonly layer: number; readonly head: number })[];
  readonly total: Attribution;
}

const headsAt = (layer: number): ActivationName => `decoder.${layer}.cross_attn_result`;

async function run(subject: Subject): Promise<DirectAttribution> {
  const { lab, encoded, population } = subject;
  const H = lab.config.num_heads;
  const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
  const documents = population.questions.map(({ document }) => document);
  const { state } = await lab.decode(encoded);
  const readouts = { logit: documentRows(lab, documents), margin: await leadRows(lab, state, documents) };
  const all = writers(lab.layers);
  const last: ActivationName = `decoder.${lab.layers - 1}.resid_post`;

  const column = (): Float64Array => new Float64Array(encoded.count);
  /** [query] for each thing attributed to. */
  const pair = () => ({ logit: column(), margin: column() });
  const ofWriters = all.map(pair);
  const ofHeads = layers.flatMap(() => Array.from({ length: H }, pair));
  const total = pair();
  const read = [...all.map(({ at }) => at), ...layers.map(headsAt)];
  let done = 0;
  for await (const { batch, out } of lab.decodeBatches(encoded, { read })) {
    subject.signal?.throwIfAborted();
    for (const to of ['logit', 'margin'] as const) {
      const shares = attributeLogit(out, logitDirections(lab, out[last], rowsOf(readouts[to], batch.queries)));
      batch.queries.forEach((q, b) => {
        all.forEach(({ at }, i) => (ofWriters[i][to][q] = shares[at][b]));
        for (const layer of layers)
          for (let head = 0; head < H; head++) ofHeads[layer * H + head][to][q] = shares[headsAt(layer)][b * H + head];
        total[to][q] = shares[last][b];
      });
    }
    subject.onProgress((done += batch.queries.length), encoded.count);
  }

  const columns = [...ofWriters, ...ofHeads, total].flatMap(({ logit, margin }) => [logit, margin]);
  const intervals = bootstrapIntervals(columns, { rng: createRng(subject.seed) });
  const shares = columns.map((values, i): Share => ({ mean: meanOfDefined(values) ?? 0, ...intervals[i] }));
  const attribution = (i: number): Attribution => ({ logit: shares[2 * i], margin: shares[2 * i + 1] });
  return {
    layers: lab.layers,
    heads: H,
    queries: encoded.count,
    writers: all.map(({ type, layer }, i) => ({ type, layer, ...attribution(i) })),
    crossAttentionHeads: ofHeads.map((_, i) => ({
      layer: Math.floor(i / H),
      head: i % H,
      ...attribution(all.length + i),
    })),
    total: attribution(all.length + ofHeads.length),
  };
}

/** Rows of some queries. @param all float32 [Q, D] */
function rowsOf({ data, shape: [, D] }: FloatTensor, queries: Int32Array): FloatTensor {
  const rows = new Float32Array(queries.length * D);
  queries.forEach((q, i) => rows.set(data.subarray(q * D, (q + 1) * D), i * D));
  return tensor(rows, [queries.length, D]);
}

function section(result: DirectAttribution, stages: Stages | undefined): Section {
  const layers = Array.from({ length: result.layers }, (_, layer) => layer);
  const of = (type: Writer['type']) => result.writers.filter((one) => one.type === type);
  const lines = (title: string, label: string, to: keyof Attribution): LinesFigure => ({
    kind: 'lines',
    title,
    caption: `Means over queries with 95 % intervals. The embedding adds ${formatNumber(of('embedding')[0][to].mean)}.`,
    xs: layers,
    x: { label: 'layer' },
    y: { label },
    series: componentTypes.map((name) => ({
      name,
      values: of(name).map((one) => one[to].mean),
      low: of(name).map((one) => one[to].low),
      high: of(name).map((one) => one[to].high),
    })),
    bands: stageBands(stages),
  });
  const row = ({ logit, margin }: Attribution) => [
    logit.mean,
    logit.low,
    logit.high,
    margin.mean,
    margin.low,
    margin.high, // prettier-ignore
  ];
  const columns = ['logit', 'low', 'high', 'margin', 'low', 'high'].map((name) => ({
    name,
    format: 'number' as const,
  }));
  return {
    id: 'direct-attribution',
    title: 'Direct logit attribution',
    about:
      'The final state is the sum of the embedding and of all that components wrote. With the length that the final norm ' +
      'divides by held at its true value, a document’s logit is the sum of what each of them contributes by itself. The ' +
      'margin is the document’s logit minus that of the best other document: what is common to all documents cancels ' +
      'there, so it tells who decides between them.\n\n' +
      'Only direct effects are counted. A component that writes what a later one needs has no share here for that.',
    findings: [
      `The document's logit is ${formatNumber(result.total.logit.mean)} in the mean, ` +
        `${formatNumber(result.total.margin.mean)} above the best other document.`,
      ...(['logit', 'margin'] as const).map((to) => greatest(result, to)),
      againstTheDocument(result),
    ],
    figures: [
      lines('Shares of the document’s logit', 'logit', 'logit'),
      lines('Shares of the lead over the best other document', 'logit', 'margin'),
      {
        kind: 'heatmap',
        title: 'Heads of cross-attention: shares of the lead',
        xLabel: 'head',
        yLabel: 'layer',
        xs: Array.from({ length: result.heads }, (_, head) => String(head)),
        ys: layers.map(String),
        values: layers.map((layer) =>
          result.crossAttentionHeads.filter((one) => one.layer === layer).map(({ margin }) => margin.mean),
        ),
        format: 'number',
      },
    ],
    tables: [
      {
        title: 'Shares by component',
        columns: [{ name: 'component' }, { name: 'layer', format: 'integer' }, ...columns],
        rows: [
          ...result.writers.map((one) => [one.type, one.type === 'embedding' ? null : one.layer, ...row(one)]),
          ['sum', null, ...row(result.total)],
        ],
      },
      {
        title: 'Heads of cross-attention',
        columns: [{ name: 'layer', format: 'integer' }, { name: 'head', format: 'integer' }, ...columns],
        rows: [...result.crossAttentionHeads]
          .sort((a, b) => b.margin.mean - a.margin.mean)
          .map((one) => [one.layer, one.head, ...row(one)]),
      },
    ],
  };
}

const nameOf = ({ type, layer }: Pick<Writer, 'type' | 'layer'>): string =>
  type === 'embedding' ? 'the embedding' : `\`${type}\` of layer ${layer}`;

const spread = ({ mean, low, high }: Share): string =>
  `${formatNumber(mean)} (95 % interval ${formatNumber(low)} to ${formatNumber(high)})`;

function greatest({ writers: all }: DirectAttribution, to: keyof Attribution): string {
  const best = all.reduce((a, b) => (b[to].mean > a[to].mean ? b : a));
  const what = to === 'logit' ? 'the logit' : 'the margin';
  return `The greatest share of ${what} is that of ${nameOf(best)}: ${spread(best[to])}.`;
}

function againstTheDocument({ writers: all }: DirectAttribution): string {
  const against = all.filter(({ margin }) => margin.high < 0);
  return against.length
    ? `Shares of the margin wholly below 0: ${against.map(nameOf).join(', ')}.`
    : 'No share of the margin has an interval wholly below 0.';
}

export const directAttribution: Experiment<DirectAttribution> = {
  label: 'DLA',
  version: 1,
  needsStages: false,
  run,
  section,
};
