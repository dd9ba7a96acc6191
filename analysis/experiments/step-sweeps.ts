/**
 * @file E3 by decoding step: components of the decoder replaced by zero or their means at the position of one step, and the
 * stages that follow from it.
 */
import { createRng } from '../../corpus/random.ts';
import type { ActivationName } from '../../models/activations.ts';
import { clopperPearson } from '../binomial.ts';
import { componentNames, componentTypes } from '../components.ts';
import { localize } from '../localize.ts';
import { meanOf } from '../patch.ts';
import { layersFrom, patchesFor } from '../patch-runs.ts';
import type { Ranking } from '../population.ts';
import { formatValue } from '../report/format.ts';
import { layersText } from '../report/layers.ts';
import type { BarsFigure, HeatmapFigure, Section, Table } from '../report/section.ts';
import { stageNames, type Stages } from '../stages.ts';
import { sweepEvidence, type LayerSweeps } from '../sweep-evidence.ts';
import { settingsFor } from './layer-sweeps.ts';
import type { PathExperiment, PathSubject } from './path-experiment.ts';
import { atEachStep, type OfStep } from './step-position.ts';

export type SweptStep = OfStep<{ readonly sweeps: LayerSweeps; readonly stages: Stages }>;

export interface StepSweeps {
  readonly layers: number;
  readonly ranking: Ranking;
  /** Steps at which some query has more than one token to choose from. */
  readonly steps: readonly SweptStep[];
}

async function run(subject: PathSubject): Promise<StepSweeps> {
  const { lab, population, seed } = subject;
  const { ranking } = population;
  const settings = settingsFor(lab.layers);
  const places = patchesFor(componentTypes, layersFrom(0, lab.layers), () => 'zero').map(({ at }) => at);
  const steps = await atEachStep(subject, async (position, work) => {
    const reading = await position.read(places);
    const means = new Map(places.map((at) => [at, meanOf(reading[at])]));
    const table = settings.map(({ types, from, to, except, by }) => {
      const layers = layersFrom(from, to).filter((layer) => layer !== except);
      return patchesFor(types, layers, (at: ActivationName) => (by === 'zero' ? 'zero' : means.get(at)!));
    });
    const [clean, ...outcomes] = await position.patched([[], ...table], ranking, work);
    const runs = settings.map((setting, i) => ({ ...setting, ...outcomes[i] }));
    const sweeps: LayerSweeps = { layers: lab.layers, ranking, clean, runs };
    return { sweeps, stages: localize(sweeps, { rng: createRng(seed) }) };
  });
  return { layers: lab.layers, ranking, steps };
}

const percent = (share: number): string => formatValue(share, 'percent');
const shareOf = (left: Float64Array): number => left.reduce((a, b) => a + b, 0) / left.length;

function section({ layers: L, ranking, steps }: StepSweeps): Section {
  const layers = layersFrom(0, L);
  const evidence = steps.map(({ step, sweeps }) => ({ step, ...sweepEvidence(sweeps) }));
  const rows = evidence.flatMap(({ step, cost }) => componentTypes.map((type) => ({ step, type, cost })));
  const single: HeatmapFigure = {
    kind: 'heatmap',
    title: 'One component of one layer replaced by its mean',
    caption: 'Share of the right tokens that leave rank 1.',
    xLabel: 'layer',
    yLabel: 'step, component',
    xs: layers.map(String),
    ys: rows.map(({ step, type }) => `${step}, ${type}`),
    values: rows.map(({ type, cost }) => layers.map((layer) => shareOf(cost('mean', type, layer, layer + 1).left))),
    format: 'percent',
    domain: [0, 1],
  };
  const whole: BarsFigure = {
    kind: 'bars',
    title: 'All layers of one kind replaced by their means',
    caption: 'At the position of the step alone; exact 95 % intervals (Clopper–Pearson).',
    xLabel: 'share of the right tokens that leave rank 1',
    yLabel: 'step, component',
    bars: rows.map(({ step, type, cost }) => {
      const { left } = cost('mean', type, 0, L);
      const { low, high } = clopperPearson(left.filter(Boolean).length, left.length);
      return { name: `${step}, ${type}`, value: shareOf(left), low, high, group: type };
    }),
    format: 'percent',
  };
  return {
    id: 'step-sweeps',
    title: 'Layer by layer at each step: what can be replaced, and stages',
    about:
      'At the position of one decoding step outputs of the decoder’s components are replaced, by zero or by their means over the queries that have the step; what earlier positions left stays. ' +
      `A query counts as lost where its right token leaves rank 1 (${ranking === 'docids' ? 'among the tokens that paths allow; queries with only one are left out' : 'over the vocabulary'}). ` +
      'The stages of each step are found from these runs as those of a decoder of atomic docids are: see there, or `localize.ts`.',
    findings: steps.flatMap((one, i) => [stagesTold(one), wholeTold(one.step, evidence[i].cost, L)]),
    figures: steps.length ? [single, whole] : [],
    tables: [stagesTable(steps)],
  };
}

function stagesTold({ step, stages, sweeps }: SweptStep): string {
  const told = stageNames.map((name) => {
    const stage = stages[name];
    return stage ? `${name} in ${layersText(layersFrom(stage.from, stage.to))}` : `no ${name} that shows`;
  });
  return `Step ${step} (${sweeps.clean.rank.length} queries): ${told.join(', ')}.`;
}

function wholeTold(step: number, cost: ReturnType<typeof sweepEvidence>['cost'], layers: number): string {
  const told = componentTypes.map((type) => {
    const lost = percent(shareOf(cost('mean', type, 0, layers).left));
    return `${lost} (${componentNames[type]})`;
  });
  return `Step ${step}: all layers of one kind replaced by their means: ${told.join(', ')} of the right tokens leave rank 1.`;
}

function stagesTable(steps: readonly SweptStep[]): Table {
  return {
    title: 'Stages by step',
    columns: [
      { name: 'step', format: 'integer' },
      { name: 'stage' },
      { name: 'layers' },
      { name: 'first layer, interval' },
      { name: 'last layer, interval' },
      { name: 'found in resamples', format: 'percent' },
    ],
    rows: steps.flatMap(({ step, stages }) =>
      stageNames.map((name) => {
        const stage = stages[name];
        if (!stage) return [step, name, 'none', null, null, null];
        const { from, to, fromInterval, toInterval, confidence } = stage;
        const last = toInterval.map((end) => end - 1);
        return [step, name, `${from}–${to - 1}`, fromInterval.join('–'), last.join('–'), confidence];
      }),
    ),
  };
}

export const stepSweeps: PathExperiment<StepSweeps> = { label: 'E3 by step', version: 1, run, section };
