import type { FloatTensor } from '../../models/session.ts';
import { writers } from '../components.ts';
import { startPosition, type DecodedPosition, type Work } from '../decoded-position.ts';
import { headOutputs, headSourcesGraph, modes, type Mode } from '../graphs/sources.ts';
import { bySourceGroup, percent, ShareSum, sumOf, type Source } from '../source-groups.ts';
import { stageOf, type Stages } from '../stages.ts';
import type { Section } from '../report/section.ts';
import type { Experiment } from './experiment.ts';

/** What drives one head of cross-attention. Lists are by writer: those of `HeadSources.sources` that come before it. */
export interface HeadScore {
  /** Of the source position that the head looks at most, mean over queries. */
  readonly score: number;
  /** Share of the positive contributions to it, raw products. Zeros where there never are any. */
  readonly published: readonly number[];
  /** Share of the positive contributions, with the norm. */
  readonly exact: readonly number[];
  /** Contributions with their sign and the norm, mean over queries; they sum to `score`. */
  readonly signed: readonly number[];
}

export interface HeadSources {
  readonly queries: number;
  /** All writers of the decoder, in the order in which they write. */
  readonly sources: readonly Source[];
  /** By layer, the heads of its cross-attention. */
  readonly layers: readonly (readonly HeadScore[])[];
}

/** [C] signed contributions of one head summed over queries. */
function addHead(sums: number[], { data, shape: [, C, H] }: FloatTensor, head: number): void {
  for (let i = head; i < data.length; i += H) {
    const c = Math.floor(i / H) % C;
    sums[c] = (sums[c] ?? 0) + data[i];
  }
}

/** What drives the heads of cross-attention at one position of the decoder. */
export async function headSourcesAt(at: DecodedPosition, { signal, onProgress }: Work): Promise<HeadSources> {
  const { config, layers, weight } = at.model;
  const sums = Array.from({ length: layers }, () =>
    Array.from({ length: config.num_heads }, () => ({
      published: new ShareSum(),
      exact: new ShareSum(),
      signed: [] as number[],
    })),
  );
  const wanted = sums.flatMap((_, layer) => {
    const { shares, contributions } = headOutputs(layer);
    return [...modes.map((mode) => shares[mode]), contributions.exact];
  });
  for (const [i, batch] of at.batches.entries()) {
    signal?.throwIfAborted();
    const session = await at.model.session('head sources', () => headSourcesGraph(config, weight, wanted, at.decoder));
    const out = (await session.run(batch.feeds())) as Record<string, FloatTensor>;
    sums.forEach((heads, layer) => {
      const { shares, contributions } = headOutputs(layer);
      heads.forEach((sum, head) => {
        for (const mode of modes) sum[mode].add(out[shares[mode]], head);
        addHead(sum.signed, out[contributions.exact], head);
      });
    });
    onProgress(i + 1, at.batches.length);
  }
  return {
    queries: at.count,
    sources: writers(layers).map(({ type, layer }) => ({ type, layer })),
    layers: sums.map((heads) =>
      heads.map(({ published, exact, signed }) => {
        const mean = signed.map((sum) => sum / at.count);
        const score = mean.reduce((a, b) => a + b, 0);
        return { score, published: published.mean(), exact: exact.mean(), signed: mean };
      }),
    ),
  };
}

const about = `Who decides what cross-attention looks at. Each head of each layer compares its query vector, made of the decoder's \
residual stream, with a key at every token of the question, and looks most at the token of the greatest score. That score is a sum over \
all that was written to the stream before: the start token's embedding and the output of every earlier component.

Measured in two ways. As published, a contribution is the plain product of a component's output with the head's query matrix and the key at \
that token, negative ones are left out, and the rest is scaled to sum to 1 for each query and head; queries are averaged, then heads. \
The exact way applies the norm before cross-attention first, so that the signed contributions sum to the score. Those are shown in the \
score's own units: a score of 3 above all others leaves less than 5 % of the attention to each of them.`;

/** Shares by writer, mean over the heads that have some. */
export function meanOfHeads(heads: readonly HeadScore[], mode: Mode): number[] {
  const sums = heads[0][mode].map((_, c) => heads.reduce((sum, head) => sum + head[mode][c], 0));
  const total = sums.reduce((a, b) => a + b, 0);
  return sums.map((sum) => (total > 0 ? sum / total : 0));
}

const meanContributions = (heads: readonly HeadScore[]): number[] =>
  heads[0].signed.map((_, c) => heads.reduce((sum, { signed }) => sum + signed[c], 0) / heads.length);

/** Whether a head's scores are zero. */
export const isIdle = ({ exact, published }: HeadScore): boolean =>
  [...exact, ...published].every((share) => share === 0);

function section({ sources, layers }: HeadSources, stages: Stages | undefined): Section {
  const xs = layers.map((_, layer) => `${layer}`);
  const shares = (title: string, caption: string, mode: Mode) =>
    ({
      kind: 'stacked',
      title,
      caption,
      xLabel: 'layer of the cross-attention',
      yLabel: 'share of the score',
      xs,
      series: bySourceGroup(
        sources,
        layers.map((heads) => meanOfHeads(heads, mode)),
        stages,
      ),
      format: 'percent',
    }) as const;
  return {
    id: 'head-sources',
    title: 'What drives cross-attention',
    about,
    findings: findings({ sources, layers }, stages),
    figures: [
      shares('Positive score, as published', 'Plain products, without the norm; mean over heads.', 'published'),
      shares('Positive score, exact', 'With the norm; mean over heads.', 'exact'),
      {
        kind: 'stacked',
        title: 'Whole score, exact',
        caption: 'Signed contributions sum to the score; below 0 is what turns heads away from the token they look at.',
        xLabel: 'layer of the cross-attention',
        yLabel: 'contribution to the score',
        xs,
        series: bySourceGroup(sources, layers.map(meanContributions), stages),
      },
    ],
    tables: [
      {
        title: 'What drives each head most, exactly',
        columns: [
          { name: 'layer', format: 'integer' },
          { name: 'head', format: 'integer' },
          { name: 'score', format: 'number' },
          { name: 'greatest writer' },
          { name: 'share of the positive score', format: 'percent' },
          { name: 'most against' },
          { name: 'contribution', format: 'number' },
        ],
        rows: layers.flatMap((heads, layer) =>
          heads.map((one, head) => {
            if (isIdle(one)) return [layer, head, one.score, null, null, null, null];
            const best = one.exact.indexOf(Math.max(...one.exact));
            const worst = one.signed.indexOf(Math.min(...one.signed));
            const against = one.signed[worst] < 0;
            return [
              layer,
              head,
              one.score,
              nameOf(sources[best]),
              one.exact[best],
              against ? nameOf(sources[worst]) : null,
              against ? one.signed[worst] : null,
            ];
          }),
        ),
      },
    ],
  };
}

const nameOf = ({ type, layer }: Source): string => (type === 'embedding' ? type : `${type} ${layer}`);

function findings({ sources, layers }: Pick<HeadSources, 'sources' | 'layers'>, stages: Stages | undefined): string[] {
  const all = layers.map((heads, layer) => ({ layer, heads: heads.filter((head) => !isIdle(head)) }));
  const idle = layers.flat().filter(isIdle).length;
  const found: string[] = [];
  if (idle) found.push(`${idle} of ${layers.flat().length} heads have scores of zero.`);
  const bridging = stages && all.filter(({ layer }) => stageOf(stages, layer) === 'bridging');
  if (bridging && !bridging.length)
    found.push('There is no bridging stage in this model; the following is of all layers.');
  const looked = (bridging?.length ? bridging : all).filter(({ heads }) => heads.length);
  if (!looked.length) return found;
  const where = bridging?.length ? 'cross-attention of the bridging stage' : 'cross-attention of all layers';
  const groups = (mode: Mode): { name: string; share: number }[] =>
    bySourceGroup(
      sources,
      looked.map(({ heads }) => meanOfHeads(heads, mode)),
      stages,
    )
      .map(({ name, values }) => ({ name, share: values.reduce<number>((a, b) => a + (b ?? 0), 0) / looked.length }))
      .sort((a, b) => b.share - a.share);
  const [published, exact] = [groups('published'), groups('exact')];
  found.push(
    `The positive score of ${where} comes most from \`${published[0].name}\` as published (${percent(published[0].share)}) and from \`${exact[0].name}\` exactly (${percent(exact[0].share)}).`,
  );
  if (stages?.priming && bridging?.length) {
    const priming = ({ type, layer }: Source): boolean => type === 'mlp' && stageOf(stages, layer) === 'priming';
    const share = (mode: Mode): number =>
      looked.reduce((sum, { heads }) => sum + sumOf(sources, meanOfHeads(heads, mode), priming), 0) / looked.length;
    found.push(
      `The MLPs of the priming stage give ${percent(share('published'))} of it as published, ${percent(share('exact'))} exactly.`,
    );
  }
  const heads = looked.flatMap((one) => one.heads);
  const led = heads.filter(({ exact: shares }) => Math.max(...shares) > 0.5).length;
  found.push(`${led} of these ${heads.length} heads get more than half of their positive score from a single writer.`);
  return found;
}

/** Which writers drive the heads of cross-attention: E8 of arXiv 2503.19715 (§5.3, figure 5 left), as published and exactly. */
export const headSources: Experiment<HeadSources> = {
  label: 'E8',
  version: 1,
  needsStages: false,
  run: (subject) => headSourcesAt(startPosition(subject.lab, subject.encoded, subject.population), subject),
  section,
};
