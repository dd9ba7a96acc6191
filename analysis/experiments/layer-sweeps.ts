import { clopperPearson } from '../binomial.ts';
import { componentNames, componentTypes, type ComponentType } from '../components.ts';
import { componentMeans, layersFrom, patchesFor, runPatched } from '../patch-runs.ts';
import { stageBands } from '../report/bands.ts';
import { formatValue } from '../report/format.ts';
import type { Figure, HeatmapFigure, Line, Section } from '../report/section.ts';
import type { Stages } from '../stages.ts';
import { settingKey, sweepEvidence, type Cost, type LayerSweeps, type Setting } from '../sweep-evidence.ts';
import type { Experiment } from './experiment.ts';

/**
 * The table of runs for a decoder of L layers. Ranges of cross-attention and of MLPs are L(L+1)/2 each, since where a stage
 * begins depends on where it ends; everything else grows with L.
 */
export function settingsFor(layers: number): Setting[] {
  const all = layersFrom(0, layers);
  const each = (types: readonly ComponentType[], by: Setting['by'], ranges: readonly [number, number][]): Setting[] =>
    ranges.map(([from, to]) => ({ types, from, to, except: null, by }));
  const singles = all.map((l): [number, number] => [l, l + 1]);
  const prefixes = all.map((l): [number, number] => [0, l + 1]);
  const suffixes = all.map((l): [number, number] => [l, layers]);
  const windows = all.flatMap((from) => all.slice(from).map((l): [number, number] => [from, l + 1]));
  const settings = [
    ...componentTypes.flatMap((type) => [...each([type], 'zero', singles), ...each([type], 'mean', singles)]),
    ...each(['attn'], 'mean', [...prefixes, ...suffixes]),
    ...each(['cross_attn'], 'mean', windows),
    ...each(['mlp'], 'mean', windows),
    ...each(componentTypes, 'mean', prefixes),
    ...each(['mlp'], 'zero', prefixes),
    ...all.map((except): Setting => ({ types: ['mlp'], from: 0, to: layers, except, by: 'mean' })),
  ];
  return [...new Map(settings.map((setting) => [settingKey(setting), setting])).values()];
}

/** Components of layers, prefixes and suffixes of the decoder replaced by zero or by their means over the correct queries. */
export const layerSweeps: Experiment<LayerSweeps> = {
  label: 'E3 by layer',
  version: 1,
  needsStages: false,
  async run({ lab, population, encoded, signal, ...subject }) {
    const means = await componentMeans(lab, encoded);
    const settings = settingsFor(lab.layers);
    const table = settings.map(({ types, from, to, except, by }) => {
      const layers = layersFrom(from, to).filter((layer) => layer !== except);
      return patchesFor(types, layers, (at) => (by === 'zero' ? 'zero' : means(at)));
    });
    const [clean, ...outcomes] = await runPatched(lab, [[], ...table], {
      encoded,
      documents: population.questions.map(({ document }) => document),
      ranking: population.ranking,
      signal,
      onProgress: (done, total) => subject.onProgress(done, total),
    });
    const runs = settings.map((setting, i) => ({ ...setting, ...outcomes[i] }));
    return { layers: lab.layers, ranking: population.ranking, clean, runs };
  },
  section,
};

const percent = (share: number): string => formatValue(share, 'percent');
const capital = (text: string): string => text[0].toUpperCase() + text.slice(1);
const meanOf = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / values.length;

function section(result: LayerSweeps, stages: Stages | undefined): Section {
  const { layers, ranking } = result;
  const { queries, cost } = sweepEvidence(result);
  const all = layersFrom(0, layers);
  const left = (one: Cost): number => meanOf(one.left);
  const single = (type: ComponentType, by: Setting['by'], layer: number): Cost => cost(by, type, layer, layer + 1);
  const worst = componentTypes.map((type) => {
    const losses = all.map((layer) => left(single(type, 'mean', layer)));
    const most = Math.max(...losses);
    return most > 0
      ? `Of single ${componentNames[type]} outputs replaced by their means, layer ${losses.indexOf(most)} costs most: ${percent(most)} of the queries leave rank 1.`
      : `No single ${componentNames[type]} output replaced by its mean makes a query leave rank 1.`;
  });
  const whole = componentTypes.map(
    (type) => `${percent(left(cost('mean', type, 0, layers)))} (${componentNames[type]})`,
  );
  return {
    id: 'layer-sweeps',
    title: 'Layer by layer: what can be replaced',
    about:
      `Outputs of the decoder's components are replaced, either by zero or by their means over the ${queries} correct queries, and the share of queries whose document leaves rank 1 (ranking: ${ranking}) is counted. ` +
      `Without any replacement, in the same batches under the same padding, ${percent(left(cost('mean', [], 0, 0)))} leave it. ` +
      'A mean keeps what a component does at every query and takes away what it does for this one; zero takes both.\n\n' +
      'The fall of the margin is graded: by how many logits the document falls against the best other entry, on average. ' +
      'The stages are found from these runs.',
    findings: [...worst, `All layers of one kind replaced by their means: ${whole.join(', ')} leave rank 1.`],
    figures: [
      singleLayers(all, single),
      cumulative('prefix', all, cost, stages),
      cumulative('suffix', all, cost, stages),
      ranges('cross_attn', all, cost),
      ranges('mlp', all, cost),
    ],
    tables: [],
  };
}

type CostOf = ReturnType<typeof sweepEvidence>['cost'];

function singleLayers(
  all: readonly number[],
  single: (type: ComponentType, by: Setting['by'], layer: number) => Cost,
): HeatmapFigure {
  const rows = (['zero', 'mean'] as const).flatMap((by) => componentTypes.map((type) => ({ by, type })));
  return {
    kind: 'heatmap',
    title: 'One component of one layer replaced',
    caption:
      'Share of the correct queries that leave rank 1. Where one component can do what another does, neither alone is missed.',
    xLabel: 'layer',
    yLabel: 'component, by what',
    xs: all.map(String),
    ys: rows.map(({ by, type }) => `${type}, ${by}`),
    values: rows.map(({ by, type }) => all.map((layer) => meanOf(single(type, by, layer).left))),
    format: 'percent',
    domain: [0, 1],
  };
}

/** Share leaving rank 1 when the layers up to, or from, each layer are replaced; exact 95 % intervals (Clopper and Pearson). */
function cumulative(
  which: 'prefix' | 'suffix',
  all: readonly number[],
  cost: CostOf,
  stages: Stages | undefined,
): Figure {
  const ends = (layer: number): [number, number] => (which === 'prefix' ? [0, layer + 1] : [layer, all.length]);
  const line = (name: string, by: Setting['by'], types: ComponentType | readonly ComponentType[]): Line => {
    const columns = all.map((layer) => cost(by, types, ...ends(layer)).left);
    const intervals = columns.map((left) => clopperPearson(left.filter(Boolean).length, left.length));
    return {
      name,
      values: columns.map(meanOf),
      low: intervals.map(({ low }) => low),
      high: intervals.map(({ high }) => high),
    };
  };
  const series = componentTypes.map((type) => line(`${type}, mean`, 'mean', type));
  if (which === 'prefix') series.push(line('all, mean', 'mean', componentTypes), line('mlp, zero', 'zero', 'mlp'));
  return {
    kind: 'lines',
    title: which === 'prefix' ? 'All layers up to one replaced' : 'All layers from one replaced',
    caption:
      which === 'prefix'
        ? 'As long as a curve stays at 0, the layers so far do nothing that this query needs. Where zero costs much and the mean nothing, they do the same for every query.'
        : 'Where a curve falls to 0, the layers from here on do nothing that this query needs.',
    xs: all,
    x: { label: which === 'prefix' ? 'last layer replaced' : 'first layer replaced' },
    y: { label: 'queries leaving rank 1', domain: [0, 1], format: 'percent' },
    series,
    bands: stageBands(stages),
  };
}

function ranges(type: ComponentType, all: readonly number[], cost: CostOf): HeatmapFigure {
  return {
    kind: 'heatmap',
    title: `${capital(componentNames[type])} of a range of layers replaced by its means`,
    caption: 'Mean fall of the margin in logits, by the first and the last layer replaced.',
    xLabel: 'last layer',
    yLabel: 'first layer',
    xs: all.map(String),
    ys: all.map(String),
    values: all.map((from) =>
      all.map((last) => (last < from ? null : meanOf(cost('mean', type, from, last + 1).fall))),
    ),
    format: 'number',
  };
}
