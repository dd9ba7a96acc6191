import { formatNumber, formatValue } from '../report/format.ts';
import type { BarsFigure, HeatmapFigure, Section, Table } from '../report/section.ts';
import { patchSites, type PatchSite } from '../step-patching.ts';
import type {
  DonorKind,
  Estimate,
  PatchedStep,
  PatchEffect,
  SelfAttentionPatching,
} from './self-attention-patching.ts';

/** Share of tokens lost from which on something counts as carried: as for stages. */
const TOLERANCE = 0.05;

const siteNames = {
  earlier: 'keys and values of earlier positions',
  output: 'its output at this position',
} as const satisfies Record<PatchSite, string>;
const donorNames = {
  prefix: 'another path',
  query: 'another query',
  both: 'both',
  none: 'the same again',
} as const satisfies Record<DonorKind, string>;
const shown = ['prefix', 'query', 'both'] as const satisfies readonly DonorKind[];

const percent = (share: number): string => formatValue(share, 'percent');
const told = ({ mean, low, high }: Estimate): string => `${percent(mean)} [${percent(low)}, ${percent(high)}]`;

/** The effect of all layers and heads together. */
const wholeOf = ({ effects }: PatchedStep, site: PatchSite, donor: DonorKind): PatchEffect =>
  effects.find((one) => one.site === site && one.donor === donor && one.layer === null && one.head === null)!;

export function selfAttentionSection(result: SelfAttentionPatching): Section {
  const { queries, ranking, scheme, steps } = result;
  return {
    id: 'self-attention-patching',
    title: 'What self-attention carries between decoding steps',
    about:
      `Docids here are paths of tokens (${scheme}); ${queries} queries whose docid greedy decoding gives are looked at, the right tokens before each step given. ` +
      'At one step self-attention is made to read something else: the same activations of a run over another path (same query, other previous tokens), with another query (same previous tokens), or both. ' +
      `Where the right token is not first any more (${ranking === 'docids' ? 'among the tokens that paths allow' : 'over the vocabulary'}), self-attention had carried what was replaced.\n\n` +
      'Two things are replaced. Keys and values of earlier positions: all that the step can read of the past. Self-attention’s output at the step’s own position: also what it reads of the token given last, which stands at that very position. ' +
      'At step 2 the only earlier position is the start token, which no path changes; and keys and values of the first layer hold tokens, nothing of the query.\n\n' +
      'Only the step patched sees a replacement. What cross-attention reads and the embedding of the token given last stay as they are: information that comes on these ways too is not missed. ' +
      'This follows slides of the talk "The Role of Self-Attention in Generative IR"; there are no published figures to compare with.',
    findings: findings(result),
    figures: steps.length ? [wholeFigure(result), layersFigure(result), ...headFigures(result)] : [],
    tables: steps.length ? [wholeTable(result), docidsTable(result)] : [],
  };
}

/** Whether something is carried, as far as the interval tells. */
function verdict({ low, high }: Estimate): 'yes' | 'no' | 'unclear' {
  if (low > TOLERANCE) return 'yes';
  return high <= TOLERANCE ? 'no' : 'unclear';
}

function findings(result: SelfAttentionPatching): string[] {
  const { steps, noise } = result;
  if (!steps.length) return ['No docid has a second token that could be patched.'];
  const perStep = steps.map((step) => {
    const costs = patchSites.map((site) => {
      const [prefix, query, both] = shown.map((donor) => told(wholeOf(step, site, donor).lost));
      return `${siteNames[site]} from another path ${prefix}, another query ${query}, both ${both}`;
    });
    return `Step ${step.step} (${step.queries} queries): tokens lost with ${costs.join('; ')}.`;
  });
  const isIdle = steps.every(({ effects }) => effects.every(({ fall }) => fall.low === 0 && fall.high === 0));
  return [
    ...patchSites.map((site) => conclusion(result, site)),
    ...(isIdle ? ['Whatever self-attention reads, no log-probability changes: it adds nothing from step 2 on.'] : []),
    ...perStep,
    ...bestHeads(result),
    `Replaced by the same, log-probabilities change by ${formatNumber(noise)} at most.`,
  ];
}

/** What self-attention carries, as far as whole docids tell. */
function conclusion({ steps, docids }: SelfAttentionPatching, site: PatchSite): string {
  const carries = (donor: DonorKind): ReturnType<typeof verdict> =>
    verdict(docids.find((one) => one.site === site && one.donor === donor)!.lost);
  const isStartAlone = site === 'earlier' && steps.every(({ step }) => step === 2);
  const [prefix, query] = [isStartAlone ? 'none' : carries('prefix'), carries('query')];
  const what = Object.entries({
    'yes yes': 'self-attention carries both previous tokens and the query',
    'yes no': 'self-attention carries previous tokens, not the query',
    'no yes': 'self-attention carries the query, not previous tokens',
    'no no': 'self-attention carries neither previous tokens nor the query that would be missed',
    'none yes': 'self-attention carries the query',
    'none no': 'self-attention carries nothing of the query that would be missed',
  }).find(([answers]) => answers === `${prefix} ${query}`)?.[1];
  const unclear = `what self-attention carries is not clear (previous tokens: ${prefix}, query: ${query})`;
  const where = {
    earlier: isStartAlone ? 'From earlier positions, of which there is only the start token' : 'From earlier positions',
    output: 'With the token at its own position',
  }[site];
  const rule = `a kind counts when more than ${percent(TOLERANCE)} of the docids are lost without it, in 97.5 % of the resamples`;
  return `${where}, ${what ?? unclear}: ${rule}.`;
}

/** The single head whose replacement costs most, for each donor and site. */
function bestHeads({ steps }: SelfAttentionPatching): string[] {
  return patchSites.flatMap((site) =>
    (['prefix', 'query'] as const).flatMap((donor) => {
      const heads = steps.flatMap(({ step, effects }) =>
        effects
          .filter((one) => one.site === site && one.donor === donor && one.head !== null)
          .map((one) => ({ ...one, step })),
      );
      const [best] = heads.sort((a, b) => b.fall.mean - a.fall.mean);
      if (!best || best.fall.low <= 0) return [];
      return [
        `Of single heads, ${siteNames[site]} from ${donorNames[donor]} cost most in head ${best.head} of layer ${best.layer} at step ${best.step}: the right token falls by ${formatNumber(best.fall.mean)} nats, ${told(best.lost)} are lost.`,
      ];
    }),
  );
}

function wholeFigure({ steps }: SelfAttentionPatching): BarsFigure {
  return {
    kind: 'bars',
    title: 'Tokens lost when self-attention reads another run',
    caption: 'All layers and heads; 95 % bootstrap intervals over queries.',
    xLabel: 'share of the tokens not first any more',
    yLabel: 'step, replaced, by',
    bars: steps.flatMap((step) =>
      patchSites.flatMap((site) =>
        shown.map((donor) => {
          const { mean, low, high } = wholeOf(step, site, donor).lost;
          return { name: `${step.step}, ${site}, ${donor}`, value: mean, low, high, group: donorNames[donor] };
        }),
      ),
    ),
    format: 'percent',
  };
}

function layersFigure({ steps, layers }: SelfAttentionPatching): HeatmapFigure {
  const rows = steps.flatMap((step) =>
    patchSites.flatMap((site) => (['prefix', 'query'] as const).map((donor) => ({ step, site, donor }))),
  );
  const all = Array.from({ length: layers }, (_, layer) => layer);
  return {
    kind: 'heatmap',
    title: 'One layer replaced',
    caption: 'By how many nats the log-probability of the right token falls, on average.',
    xLabel: 'layer',
    yLabel: 'step, replaced, by',
    xs: all.map(String),
    ys: rows.map(({ step, site, donor }) => `${step.step}, ${site}, ${donor}`),
    values: rows.map(({ step, site, donor }) =>
      all.map(
        (layer) =>
          step.effects.find(
            (one) => one.site === site && one.donor === donor && one.layer === layer && one.head === null,
          )!.fall.mean,
      ),
    ),
    format: 'number',
  };
}

/** For each step and site: layers by heads, another path above another query. */
function headFigures({ steps, layers, heads }: SelfAttentionPatching): HeatmapFigure[] {
  const rows = (['prefix', 'query'] as const).flatMap((donor) =>
    Array.from({ length: layers }, (_, layer) => ({ donor, layer })),
  );
  const columns = Array.from({ length: heads }, (_, head) => head);
  return steps.flatMap(({ step, effects, headQueries }) =>
    patchSites.map((site): HeatmapFigure => ({
      kind: 'heatmap',
      title: `Step ${step}, one head: ${siteNames[site]}`,
      caption: `Fall of the right token’s log-probability in nats, on ${headQueries} queries.`,
      xLabel: 'head',
      yLabel: 'by, layer',
      xs: columns.map(String),
      ys: rows.map(({ donor, layer }) => `${donor}, layer ${layer}`),
      values: rows.map(({ donor, layer }) =>
        columns.map(
          (head) =>
            effects.find((one) => one.site === site && one.donor === donor && one.layer === layer && one.head === head)!
              .fall.mean,
        ),
      ),
      format: 'number',
    })),
  );
}

function wholeTable({ steps }: SelfAttentionPatching): Table {
  return {
    title: 'All layers and heads',
    columns: [
      { name: 'step', format: 'integer' },
      { name: 'replaced' },
      { name: 'by' },
      { name: 'queries', format: 'integer' },
      { name: 'only one token allowed', format: 'percent' },
      { name: 'probability of the token', format: 'percent' },
      { name: 'median rank', format: 'integer' },
      { name: 'fall, nats', format: 'number' },
      { name: 'low', format: 'number' },
      { name: 'high', format: 'number' },
      { name: 'lost', format: 'percent' },
      { name: 'lost, low', format: 'percent' },
      { name: 'lost, high', format: 'percent' },
    ],
    rows: steps.flatMap((step) => {
      const head = [step.queries, step.onlyOneAllowed] as const;
      const nothing = [step.step, 'nothing', '', ...head, step.probability, step.medianRank];
      const patched = patchSites.flatMap((site) =>
        shown.map((donor) => {
          const { probability, medianRank, fall, lost } = wholeOf(step, site, donor);
          return [
            ...[step.step, siteNames[site], donorNames[donor], ...head, probability, medianRank],
            ...[fall.mean, fall.low, fall.high, lost.mean, lost.low, lost.high],
          ];
        }),
      );
      return [[...nothing, null, null, null, null, null, null], ...patched];
    }),
  };
}

function docidsTable({ docids }: SelfAttentionPatching): Table {
  return {
    title: 'Whole docids: those of which some token is lost when each step is patched by itself',
    columns: [
      { name: 'replaced' },
      { name: 'by' },
      { name: 'docids', format: 'integer' },
      { name: 'lost', format: 'percent' },
      { name: 'low', format: 'percent' },
      { name: 'high', format: 'percent' },
      { name: 'Success@1 left', format: 'percent' },
    ],
    rows: docids
      .filter(({ donor }) => donor !== 'none')
      .map(({ site, donor, queries, lost }) => [
        ...[siteNames[site], donorNames[donor], queries],
        ...[lost.mean, lost.low, lost.high, 1 - lost.mean],
      ]),
  };
}
