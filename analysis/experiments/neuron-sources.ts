import type { FloatTensor } from '../../models/session.ts';
import { writers, writersBefore } from '../components.ts';
import { modes, neuronOutputs, neuronSourcesGraph, TOP, type Mode } from '../graphs/sources.ts';
import { startPosition, type DecodedPosition, type Work } from '../decoded-position.ts';
import { bySourceGroup, percent, ShareSum, sumOf, type Source } from '../source-groups.ts';
import { stageOf, type Stages } from '../stages.ts';
import type { Section } from '../report/section.ts';
import type { Experiment } from './experiment.ts';

/** What activates the neurons of one MLP. Lists are by writer: those of `NeuronSources.sources` that come before it. */
export interface MlpSources {
  readonly layer: number;
  /** Active neurons, mean over queries. */
  readonly active: number;
  /** Share of the positive contributions, raw products. Zeros where no neuron was ever active. */
  readonly published: readonly number[];
  /** Share of the positive contributions, with the norm. */
  readonly exact: readonly number[];
  /** Share of the active neurons' whole input, with the norm; they sum to 1. */
  readonly signed: readonly number[];
  readonly heads: TopHeads;
}

/** Shares of the cross-attention heads before an MLP that are among the `TOP` contributors of an active neuron. */
export type TopHeads = { readonly [M in Mode]: { readonly always: number; readonly ever: number } };

export interface NeuronSources {
  readonly queries: number;
  readonly heads: number;
  /** All writers of the decoder, in the order in which they write. */
  readonly sources: readonly Source[];
  /** By layer. */
  readonly mlps: readonly MlpSources[];
  /** The same of all MLPs together: heads that are a top contributor somewhere. */
  readonly topHeads: TopHeads;
}

/** How often each head is a top contributor. */
class HeadTally {
  /** [heads] queries in which it is. */
  private readonly counts: Float64Array;
  private queries = 0;
  constructor(heads: number) {
    this.counts = new Float64Array(heads);
  }

  /** @param isTop  [heads] for one query */
  add(isTop: ArrayLike<boolean>): void {
    this.queries++;
    for (let h = 0; h < isTop.length; h++) if (isTop[h]) this.counts[h]++;
  }

  shares(): { always: number; ever: number } {
    const share = (test: (count: number) => boolean): number => this.counts.filter(test).length / this.counts.length;
    return { always: share((count) => count === this.queries), ever: share((count) => count > 0) };
  }
}

/** Where the heads of cross-attention stand among the writers when each is one of its own. */
function headColumns(layers: number, layer: number, heads: number): number[] {
  let at = 0;
  return writersBefore(layers, 'mlp', layer).flatMap(({ type }) => {
    const first = at;
    at += type === 'cross_attn' ? heads : 1;
    return type === 'cross_attn' ? Array.from({ length: heads }, (_, h) => first + h) : [];
  });
}

/** What activates the neurons of the MLPs at one position of the decoder. */
export async function neuronSourcesAt(at: DecodedPosition, { signal, onProgress }: Work): Promise<NeuronSources> {
  const { config, layers, weight } = at.model;
  const H = config.num_heads;
  const sums = Array.from({ length: layers }, () => ({
    published: new ShareSum(),
    exact: new ShareSum(),
    signed: new ShareSum(),
    active: 0,
    columns: [] as number[],
  }));
  sums.forEach((sum, layer) => (sum.columns = headColumns(layers, layer, H)));
  const tally = (heads: number): Record<Mode, HeadTally> => ({
    published: new HeadTally(heads),
    exact: new HeadTally(heads),
  });
  const tallies = sums.map(({ columns }) => tally(columns.length));
  const together = tally(layers * H);
  const wanted = sums.flatMap((_, layer) => {
    const { shares, signed, active, top } = neuronOutputs(layer);
    return [...modes.flatMap((mode) => [shares[mode], top[mode]]), signed, active];
  });

  for (const [i, batch] of at.batches.entries()) {
    signal?.throwIfAborted();
    const session = await at.model.session('neuron sources', () =>
      neuronSourcesGraph(config, weight, wanted, at.decoder),
    );
    const out = (await session.run(batch.feeds())) as Record<string, FloatTensor>;
    const B = batch.queries.length;
    const isTop: Record<Mode, boolean[][]> = { published: [], exact: [] };
    for (const mode of modes) isTop[mode] = Array.from({ length: B }, () => new Array<boolean>(layers * H).fill(false));
    sums.forEach((sum, layer) => {
      const names = neuronOutputs(layer);
      sum.signed.add(out[names.signed]);
      out[names.active].data.forEach((count) => (sum.active += count));
      for (const mode of modes) {
        sum[mode].add(out[names.shares[mode]]);
        const { data, shape } = out[names.top[mode]];
        for (let b = 0; b < B; b++) {
          const here = sum.columns.map((column) => data[b * shape[1] + column] > 0);
          tallies[layer][mode].add(here);
          here.forEach((is, head) => (isTop[mode][b][head] ||= is));
        }
      }
    });
    for (const mode of modes) isTop[mode].forEach((heads) => together[mode].add(heads));
    onProgress(i + 1, at.batches.length);
  }
  const topHeads = (of: Record<Mode, HeadTally>): TopHeads => ({
    published: of.published.shares(),
    exact: of.exact.shares(),
  });
  return {
    queries: at.count,
    heads: H,
    sources: writers(layers).map(({ type, layer }) => ({ type, layer })),
    mlps: sums.map(({ published, exact, signed, active }, layer) => ({
      layer,
      active: active / at.count,
      published: published.mean(),
      exact: exact.mean(),
      signed: signed.mean(),
      heads: topHeads(tallies[layer]),
    })),
    topHeads: topHeads(together),
  };
}

const about = (heads: number): string => `Which earlier parts of the decoder switch on the neurons of each MLP. \
A neuron is active where its input is above 0; in gated MLPs that is the input of the gate, which is then what is \
divided. Its input is a sum over all that was written to the residual stream before: the start token's embedding \
and the output of every earlier component.

Measured in two ways. As published, a contribution is the plain product of the neuron's weights and a component's output, \
negative ones are left out, and each neuron's are scaled to sum to 1; neurons are averaged within a query, then queries. \
The exact way applies the norm before the MLP first: its weights, and its division by the size of the stream. Then the signed \
contributions sum to what the neuron computes, and their shares of the active neurons' whole input can be shown as well, \
negative ones for components that hold neurons back. A tall area says which part the MLP listens to.

The table of heads takes each of the ${heads} cross-attention heads of a layer as a writer of its own: a head is counted for a query \
if it is among the ${TOP} greatest contributors of at least one active neuron.`;

function section(result: NeuronSources, stages: Stages | undefined): Section {
  const { sources, mlps } = result;
  const xs = mlps.map(({ layer }) => `${layer}`);
  const figure = (title: string, caption: string, of: (mlp: MlpSources) => readonly number[]) =>
    ({
      kind: 'stacked',
      title,
      caption,
      xLabel: 'layer of the MLP',
      yLabel: 'share of the input',
      xs,
      series: bySourceGroup(sources, mlps.map(of), stages),
      format: 'percent',
    }) as const;
  return {
    id: 'neuron-sources',
    title: 'What activates MLP neurons',
    about: about(result.heads),
    findings: findings(result, stages),
    figures: [
      figure('Positive input, as published', 'Plain products, without the norm.', ({ published }) => published),
      figure('Positive input, exact', 'With the weights of the norm.', ({ exact }) => exact),
      figure(
        'Whole input, exact',
        'Signed shares sum to 1; below 0 is what holds neurons back.',
        ({ signed }) => signed,
      ),
    ],
    tables: [
      {
        title: 'Input from cross-attention and top heads, by MLP',
        columns: [
          { name: 'layer', format: 'integer' },
          { name: 'stage' },
          { name: 'active neurons', format: 'number' },
          { name: 'cross-attention, published', format: 'percent' },
          { name: 'cross-attention, exact', format: 'percent' },
          { name: 'heads on top for every query, published', format: 'percent' },
          { name: 'for at least one', format: 'percent' },
          { name: 'for every query, exact', format: 'percent' },
          { name: 'for at least one', format: 'percent' },
        ],
        rows: mlps.map(({ layer, active, published, exact, heads }) => [
          layer,
          (stages && stageOf(stages, layer)) ?? null,
          active,
          sumOf(sources, published, isCross),
          sumOf(sources, exact, isCross),
          heads.published.always,
          heads.published.ever,
          heads.exact.always,
          heads.exact.ever,
        ]),
      },
    ],
  };
}

const isCross = ({ type }: Source): boolean => type === 'cross_attn';

function findings(result: NeuronSources, stages: Stages | undefined): string[] {
  const { sources, mlps, topHeads } = result;
  const heard = mlps.filter(({ active }) => active > 0);
  const silent = mlps.filter(({ active }) => active === 0);
  const found: string[] = [];
  if (silent.length)
    found.push(`No neuron is ever active in the MLP of layer ${silent.map(({ layer }) => layer).join(', ')}.`);
  if (!heard.length) return found;

  const inStage = heard.filter(({ layer }) => stages && stageOf(stages, layer) === 'interaction');
  const looked = inStage.length ? inStage : heard.slice(-1);
  const where = inStage.length ? 'the MLPs of the interaction stage' : `the last MLP (layer ${looked[0].layer})`;
  const mean = (mode: Mode, wanted: (source: Source) => boolean): number =>
    looked.reduce((sum, mlp) => sum + sumOf(sources, mlp[mode], wanted), 0) / looked.length;
  if (stages && !inStage.length) found.push('There is no interaction stage with active neurons in this model.');
  found.push(
    `Cross-attention gives ${percent(mean('published', isCross))} of the positive input of ${where} as published, ${percent(mean('exact', isCross))} exactly.`,
  );
  if (stages?.bridging && inStage.length) {
    const bridging = (s: Source): boolean => isCross(s) && stageOf(stages, s.layer) === 'bridging';
    found.push(
      `Cross-attention of the bridging stage alone gives ${percent(mean('published', bridging))} as published, ${percent(mean('exact', bridging))} exactly.`,
    );
  }
  const groups = bySourceGroup(
    sources,
    looked.map(({ signed }) => signed),
    stages,
  ).map(({ name, values }) => ({ name, share: values.reduce<number>((a, b) => a + (b ?? 0), 0) / looked.length }));
  const [least] = groups.sort((a, b) => a.share - b.share);
  const greatest = groups.at(-1)!;
  found.push(
    `Counted with its sign, \`${greatest.name}\` gives the greatest part of the input of ${where}, ${percent(greatest.share)}; ` +
      (least.share < 0 ? `\`${least.name}\` takes away ${percent(-least.share)}.` : 'nothing takes any away.'),
  );
  const { always, ever } = topHeads.published;
  found.push(
    `${percent(always)} of the cross-attention heads are among the top ${TOP} contributors of some neuron for every query and ${percent(ever)} for at least one, as published; exactly ${percent(topHeads.exact.always)} and ${percent(topHeads.exact.ever)}.`,
  );
  return found;
}

/** Which writers activate MLP neurons: E7 of arXiv 2503.19715 (§5.3, figure 5 right), as published and exactly. */
export const neuronSources: Experiment<NeuronSources> = {
  label: 'E7',
  version: 1,
  needsStages: false,
  run: (subject) => neuronSourcesAt(startPosition(subject.lab, subject.encoded, subject.population), subject),
  section,
};
