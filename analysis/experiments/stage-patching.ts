/**
 * @file E3 (arXiv 2503.19715 §5.1, Table 3): what is lost when all components of one type in one stage are replaced; by
 * donors also in each layer alone, which the layer sweeps do for zero and means.
 */
import type { ActivationName } from '../../models/activations.ts';
import { clopperPearson } from '../binomial.ts';
import type { Interval } from '../bootstrap.ts';
import { componentNames, componentTypes, outputOf, type ComponentType } from '../components.ts';
import { donorOutputs } from '../donor-outputs.ts';
import { openDonors } from '../donors.ts';
import type { Patch, Replacement } from '../patch.ts';
import { componentMeans, layersFrom, patchesFor, ranksIn, runPatched, type Outcome } from '../patch-runs.ts';
import type { Ranking } from '../population.ts';
import { formatValue } from '../report/format.ts';
import type { HeatmapFigure, Section } from '../report/section.ts';
import { stageNames, type StageName, type Stages } from '../stages.ts';
import type { Experiment, Subject } from './experiment.ts';

/** Ranks that a document can leave: it has then a greater one. */
export const DEPTHS = [1, 5, 10, 100] as const;

/** What became of the documents of the correct queries in one run. */
interface Loss {
  /** Share beyond each of `DEPTHS`, in the ranking in force. */
  readonly beyond: readonly number[];
  /** Of the share beyond rank 1, exact (Clopper and Pearson). */
  readonly interval: Interval;
}

export interface StagePatching {
  readonly queries: number;
  readonly ranking: Ranking;
  /** Nothing replaced, in the same batches. */
  readonly baseline: Loss;
  readonly rows: readonly (Loss & {
    readonly stage: StageName;
    readonly type: ComponentType;
    /** 'zero'; 'mean' over the correct queries; or a donor's output on the same query. */
    readonly by: 'zero' | 'mean' | { readonly donor: string };
  })[];
  /** One component of one layer replaced by a donor's output on the same query. */
  readonly layers: readonly (Loss & {
    readonly layer: number;
    readonly type: ComponentType;
    readonly donor: string;
  })[];
}

function lossOf(outcome: Outcome, ranking: Ranking): Loss {
  const ranks = ranksIn(outcome, ranking);
  const count = (depth: number): number => ranks.filter((rank) => rank > depth).length;
  return {
    beyond: DEPTHS.map((depth) => count(depth) / ranks.length),
    interval: clopperPearson(count(1), ranks.length),
  };
}

async function run(subject: Subject): Promise<StagePatching> {
  const { lab, encoded, population, stages, signal } = subject;
  const { ranking, questions } = population;
  const means = await componentMeans(lab, encoded);
  const donors = openDonors(lab, subject.donors, 'decoder');
  const replacements: { by: StagePatching['rows'][number]['by']; at: (name: ActivationName) => Replacement }[] = [
    { by: 'zero', at: () => 'zero' },
    { by: 'mean', at: means },
  ];
  const places = componentTypes.flatMap((type) => layersFrom(0, lab.layers).map((layer) => ({ type, layer })));
  const read = places.map(({ type, layer }) => outputOf(type, layer));
  const singles: { layer: number; type: ComponentType; donor: string; patches: Patch[] }[] = [];
  for (const donor of donors) {
    signal?.throwIfAborted();
    const outputs = await donorOutputs(lab, donor, encoded, read);
    const at = (name: ActivationName): Replacement => outputs.get(name)!;
    replacements.push({ by: { donor: donor.name }, at });
    for (const { type, layer } of places)
      singles.push({ layer, type, donor: donor.name, patches: patchesFor([type], [layer], at) });
  }
  const table = stageNames.flatMap((stage) => {
    const layers = stages?.[stage] ? layersFrom(stages[stage].from, stages[stage].to) : [];
    const types = layers.length > 0 ? componentTypes : [];
    return replacements.flatMap(({ by, at }) =>
      types.map((type) => ({ stage, type, by, patches: patchesFor([type], layers, at) })),
    );
  });
  const runs = [[], ...[...table, ...singles].map(({ patches }) => patches)];
  const [baseline, ...outcomes] = await runPatched(lab, runs, {
    encoded,
    documents: questions.map(({ document }) => document),
    ranking,
    signal,
    onProgress: (done, total) => subject.onProgress(done, total),
  });
  return {
    queries: questions.length,
    ranking,
    baseline: lossOf(baseline, ranking),
    rows: table.map(({ stage, type, by }, i) => ({ stage, type, by, ...lossOf(outcomes[i], ranking) })),
    layers: singles.map(({ layer, type, donor }, i) => ({
      ...{ layer, type, donor },
      ...lossOf(outcomes[table.length + i], ranking),
    })),
  };
}

const told = (by: StagePatching['rows'][number]['by']): string => (typeof by === 'string' ? by : `donor ${by.donor}`);
const percent = (share: number): string => formatValue(share, 'percent');

function findings({ rows, baseline, queries }: StagePatching, absent: readonly StageName[]): string[] {
  const missing = absent.map((stage) => `This model has no ${stage} stage, so there is nothing to replace in one.`);
  const worst = stageNames
    .filter((stage) => !absent.includes(stage))
    .map((stage) => {
      const here = rows.filter((row) => row.stage === stage && typeof row.by === 'string');
      const most = here.reduce((a, b) => (b.beyond[0] > a.beyond[0] ? b : a));
      if (most.beyond[0] <= baseline.beyond[0])
        return `Nothing replaced in the ${stage} stage makes a query leave rank 1.`;
      const { low, high } = most.interval;
      return `In the ${stage} stage the ${componentNames[most.type]} replaced by ${most.by === 'zero' ? 'zero' : 'its mean'} costs most: ${percent(most.beyond[0])} of ${queries} queries leave rank 1 (95 % interval ${percent(low)} to ${percent(high)}).`;
    });
  const priming = (by: string): number | undefined =>
    rows.find((row) => row.stage === 'priming' && row.type === 'mlp' && row.by === by)?.beyond[0];
  const [zero, mean] = [priming('zero'), priming('mean')];
  const same =
    zero !== undefined && mean !== undefined
      ? [
          `The MLPs of the priming stage cost ${percent(zero)} when set to zero and ${percent(mean)} when replaced by their means.`,
        ]
      : [];
  return [...missing, ...worst, ...same];
}

/** Documents leaving rank 1 when a donor's output stands in one layer, a figure for each donor. */
function singleLayers({ layers }: StagePatching): HeatmapFigure[] {
  return [...new Set(layers.map(({ donor }) => donor))].map((donor) => {
    const own = layers.filter((one) => one.donor === donor);
    const of = (type: ComponentType) => own.filter((one) => one.type === type);
    return {
      kind: 'heatmap',
      title: `One component of one layer replaced by donor ${donor}`,
      caption: 'Share of documents leaving rank 1.',
      xLabel: 'layer',
      yLabel: 'component',
      xs: of('mlp').map(({ layer }) => String(layer)),
      ys: [...componentTypes],
      values: componentTypes.map((type) => of(type).map(({ beyond }) => beyond[0])),
      format: 'percent',
      domain: [0, 1],
    };
  });
}

function section(result: StagePatching, stages: Stages | undefined): Section {
  const { rows, baseline, queries, ranking } = result;
  const present = stageNames.filter((stage) => rows.some((row) => row.stage === stage));
  const absent = stageNames.filter((stage) => !present.includes(stage));
  const kinds = [...new Set(rows.map(({ type, by }) => `${type}, ${told(by)}`))];
  const shareOf = (kind: string, stage: StageName): number | null =>
    rows.find((row) => row.stage === stage && `${row.type}, ${told(row.by)}` === kind)?.beyond[0] ?? null;
  const layersOf = (name: StageName): string => {
    const stage = stages?.[name];
    return stage ? `${name}, ${stage.from}–${stage.to - 1}` : name;
  };
  const byStage: HeatmapFigure = {
    kind: 'heatmap',
    title: 'Documents leaving rank 1',
    xLabel: 'stage',
    yLabel: 'component, replaced by',
    xs: present.map(layersOf),
    ys: kinds,
    values: kinds.map((kind) => present.map((stage) => shareOf(kind, stage))),
    format: 'percent',
    domain: [0, 1],
  };
  return {
    id: 'stage-patching',
    title: 'What each stage is needed for',
    about:
      `All outputs of one kind of component in one stage are replaced together, for ${queries} correct queries, and the share of documents that leave rank 1 (or 5, 10, 100) is counted, in the ranking ${ranking === 'docids' ? 'among docids' : 'over the vocabulary'}. ` +
      'Zero takes away all that a component does; its mean over the queries takes away only what differs between queries; a donor puts in what another model computes there for the same query.\n\n' +
      `Padding is masked. Without any replacement, in the same batches, ${percent(baseline.beyond[0])} are not at rank 1.`,
    findings: findings(result, absent),
    figures: [...(present.length ? [byStage] : []), ...singleLayers(result)],
    tables: [
      {
        title: 'Share of documents beyond a rank',
        columns: [
          { name: 'stage' },
          { name: 'component' },
          { name: 'replaced by' },
          ...DEPTHS.map((depth) => ({ name: `> ${depth}`, format: 'percent' as const })),
          { name: '> 1, low', format: 'percent' },
          { name: '> 1, high', format: 'percent' },
        ],
        rows: [
          ['', '', 'nothing', ...baseline.beyond, baseline.interval.low, baseline.interval.high],
          ...rows.map(({ stage, type, by, beyond, interval }) => [
            stage,
            componentNames[type],
            told(by),
            ...beyond,
            interval.low,
            interval.high,
          ]),
        ],
      },
    ],
  };
}

/** E3. A component that a stage has in every layer is replaced in all of them at once. */
export const stagePatching: Experiment<StagePatching> = {
  label: 'E3',
  version: 2,
  needsStages: true,
  run,
  section,
};
