/** @file The section on stages: what was found, by which curves, and what other experiments show beside it. */
import { createRng } from '../corpus/random.ts';
import { clopperPearson } from './binomial.ts';
import { bootstrapIntervals } from './bootstrap.ts';
import { componentNames, componentTypes, type ComponentType } from './components.ts';
import type { Contributions } from './experiments/contributions.ts';
import type { RankDevelopment } from './experiments/rank-development.ts';
import { CARRIED, IDLE, TOLERANCE } from './localize.ts';
import { layersFrom } from './patch-runs.ts';
import { formatValue } from './report/format.ts';
import { layersText } from './report/layers.ts';
import type { BarsFigure, Line, LinesFigure, Section, Table } from './report/section.ts';
import { stageNames, stageOf, type StageName, type Stages } from './stages.ts';
import { sweepEvidence, type LayerSweeps, type SweepEvidence } from './sweep-evidence.ts';

/** Results that are shown beside the stages and have no say in them. */
export interface Beside {
  readonly contributions?: Contributions | undefined;
  readonly rankDevelopment?: RankDevelopment | undefined;
}

const percent = (share: number): string => formatValue(share, 'percent');

/** The share of queries that left rank 1 with its exact 95 % interval, in words. @param left 1 or 0 for each query */
function told(left: Float64Array): string {
  const { low, high } = clopperPearson(left.filter(Boolean).length, left.length);
  return `${percent(meanOf(left))} (${percent(low)} to ${percent(high)})`;
}
const meanOf = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / values.length;

export function stagesSection(sweeps: LayerSweeps, stages: Stages, beside: Beside = {}): Section {
  const evidence = sweepEvidence(sweeps);
  return {
    id: 'stages',
    title: 'Stages',
    about:
      'A decoder that answers with docids may work in stages: MLPs that do the same for every query (priming), then cross-attention that reads the query (bridging), then MLPs that turn what was read into a document (interaction). ' +
      `Whether this one does is decided by replacing components by their means over the ${stages.queries} correct queries. ` +
      `There is a stage of a kind where this makes more than ${percent(TOLERANCE)} of the queries leave rank 1, clearly so over resampled queries. ` +
      `Its boundaries are drawn by how far the document falls against the best other entry: replacing the layers outside costs at most ${percent(IDLE)} of the fall with all layers replaced, replacing those inside at least ${percent(CARRIED)}. ` +
      'Priming is the run of first layers that can all be replaced by their means but whose MLPs cannot be set to zero.\n\n' +
      'Intervals of boundaries hold 95 % of the resampled sets of queries; those of shares are exact (Clopper–Pearson, 95 %).',
    findings: stageNames.map((name) => findings[name](evidence, stages)),
    figures: [boundaries(evidence, stages), effects(stages)],
    tables: [
      {
        title: 'Stages',
        columns: [
          { name: 'stage' },
          { name: 'layers' },
          { name: 'first layer, interval' },
          { name: 'last layer, interval' },
          { name: 'found in resamples', format: 'percent' },
        ],
        rows: stageNames.map((name) => {
          const stage = stages[name];
          if (!stage) return [name, 'none', null, null, null];
          const { from, to, fromInterval, toInterval, confidence } = stage;
          return [
            name,
            `${from}–${to - 1}`,
            fromInterval.join('–'),
            toInterval.map((end) => end - 1).join('–'),
            confidence,
          ];
        }),
      },
      ...besideTable(stages, beside),
    ],
  };
}

const findings = {
  priming({ cost, layers }, { priming, bridging, interaction }) {
    const next = bridging ?? interaction;
    const end = priming?.to ?? next?.from ?? layers;
    if (end === 0) return 'There is no priming stage: the first layer already answers to the query.';
    const zero = told(cost('zero', 'mlp', 0, end).left);
    const mean = told(cost('mean', componentTypes, 0, end).left);
    const first = layersText(layersFrom(0, end));
    const costs = `with the MLPs of ${first} set to zero ${zero} of the queries leave rank 1, with all components of ${first} replaced by their means ${mean}`;
    return priming
      ? `There is a priming stage, ${first}: ${costs}.`
      : `There is no priming stage that shows: ${costs}.`;
  },
  bridging({ cost, layers }, { bridging, interaction }) {
    const end = interaction?.from ?? layers;
    const before = end > 0 ? `Cross-attention of ${layersText(layersFrom(0, end))} replaced by its means makes ` : '';
    const effect = before && `${before}${told(cost('mean', 'cross_attn', 0, end).left)} of the queries leave rank 1`;
    const within = interaction
      ? ` Inside the interaction stage cross-attention costs ${told(cost('mean', 'cross_attn', interaction.from, layers).left)}.`
      : '';
    if (!bridging) return `There is no bridging stage that shows. ${effect && `${effect}.`}${within}`;
    return `Bridging is the work of ${layersText(layersFrom(bridging.from, bridging.to))}. ${effect}.${within}`;
  },
  interaction({ cost, layers }, { interaction, mlps }) {
    const effect = `all MLPs replaced by their means make ${told(cost('mean', 'mlp', 0, layers).left)} of the queries leave rank 1`;
    const [first] = mlps;
    if (!interaction)
      return `There is no interaction stage that shows: ${effect}. The MLP whose mean costs most of the margin is that of layer ${first.layer}.`;
    const alone = mlps.filter(({ keptAlone }) => keptAlone >= 1 - TOLERANCE).map(({ layer }) => layer);
    const enough = alone.length
      ? ` Each alone suffices: ${layersText([...alone].sort((a, b) => a - b))}.`
      : ` No MLP suffices alone; that of layer ${first.layer} matters most.`;
    return `The interaction stage is ${layersText(layersFrom(interaction.from, interaction.to))}: ${effect}.${enough}`;
  },
} satisfies Record<StageName, (evidence: SweepEvidence, stages: Stages) => string>;

/** The fall of the margin when the layers before, and from, each boundary are replaced. */
function boundaries({ cost, layers }: SweepEvidence, stages: Stages): LinesFigure {
  const at = layersFrom(0, layers + 1);
  const ends: readonly [ComponentType, number][] = [
    ['cross_attn', stages.interaction?.from ?? layers],
    ['mlp', layers],
  ];
  const line = (name: string, range: (boundary: number) => [number, number] | null, type: ComponentType): Line => {
    const columns = at.map((boundary) => {
      const ends = range(boundary);
      return ends && cost('mean', type, ...ends).fall;
    });
    const known = columns.filter((values) => values !== null);
    const intervals = bootstrapIntervals(known, { rng: createRng(1) });
    const from = columns.findIndex((values) => values !== null);
    const interval = (end: 'low' | 'high') => columns.map((values, i) => (values ? intervals[i - from][end] : null));
    return {
      name,
      values: columns.map((values) => values && meanOf(values)),
      low: interval('low'),
      high: interval('high'),
    };
  };
  return {
    kind: 'lines',
    title: 'Either side of a boundary',
    caption:
      'Cross-attention up to the interaction stage, and MLPs, replaced by their means before a boundary or from it on. A stage starts where the first curve leaves 0 or the second begins to fall, whichever is earlier.',
    xs: at,
    x: { label: 'boundary before layer' },
    y: { label: 'fall of the margin, logits' },
    series: ends.flatMap(([type, end]) => [
      line(`${type}, before`, (boundary) => (boundary <= end ? [0, boundary] : null), type),
      line(`${type}, from it on`, (boundary) => (boundary <= end ? [boundary, end] : null), type),
    ]),
    bands: stageNames.flatMap((label) => {
      const stage = stages[label];
      return stage ? [{ from: stage.from, to: stage.to, label }] : [];
    }),
  };
}

function effects({ mlps, interaction }: Stages): BarsFigure {
  return {
    kind: 'bars',
    title: interaction ? 'MLPs of the interaction stage' : 'All MLPs',
    caption: 'Mean fall of the margin when one MLP alone is replaced by its mean, with its 95 % interval.',
    xLabel: 'fall of the margin, logits',
    yLabel: 'layer',
    bars: mlps.map(({ layer, marginLoss, low, high }) => ({ name: `layer ${layer}`, value: marginLoss, low, high })),
  };
}

/** What other experiments show of each layer. */
function besideTable(stages: Stages, { contributions, rankDevelopment }: Beside): Table[] {
  if (!contributions && !rankDevelopment) return [];
  const above = (layer: number): number | null =>
    rankDevelopment?.development.find((one) => one.layer === layer && one.point === 'resid_post')?.docidsAbove ?? null;
  return [
    {
      title: 'Beside the stages: what each layer writes, and whether docids are above words',
      columns: [
        { name: 'layer', format: 'integer' },
        { name: 'stage' },
        ...(contributions
          ? componentTypes.map((type) => ({ name: `length, ${componentNames[type]}`, format: 'number' as const }))
          : []),
        ...(rankDevelopment ? [{ name: 'docids above words', format: 'percent' as const }] : []),
      ],
      rows: layersFrom(0, stages.layers).map((layer) => [
        layer,
        stageOf(stages, layer) ?? 'none',
        ...(contributions ? componentTypes.map((type) => contributions.ratio[type][layer]) : []),
        ...(rankDevelopment ? [above(layer)] : []),
      ]),
    },
  ];
}
