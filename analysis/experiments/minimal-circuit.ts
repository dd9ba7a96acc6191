/**
 * @file E4 (arXiv 2503.19715 §5.1, Table 4): what the model still finds when only a circuit of its decoder works, for
 * the published circuit and for the smallest that a search finds.
 */
import { createRng, shuffle } from '../../corpus/random.ts';
import type { LayerCircuit, StoredCircuit } from '../../models/circuit-record.ts';
import type { ActivationName } from '../../models/activations.ts';
import { clopperPearson } from '../binomial.ts';
import { bootstrapIntervals, type Interval } from '../bootstrap.ts';
import {
  circuitMeans,
  circuitPatches,
  keptIn,
  publishedCircuit,
  searchCircuit,
  toStored,
  wholeDecoder,
  type Component,
  type Effect,
  type Layers,
  type Step,
} from '../circuit.ts';
import { componentNames, componentTypes } from '../components.ts';
import { startPosition, type DecodedPosition, type Work } from '../decoded-position.ts';
import { componentMeans, ranksIn, type Outcome } from '../patch-runs.ts';
import { bestDocuments, questionsFor, rankings, type Ranking } from '../population.ts';
import { formatNumber, formatValue } from '../report/format.ts';
import type { Section } from '../report/section.ts';
import { stageNames, stageOf, type Stages } from '../stages.ts';
import type { Experiment, Subject } from './experiment.ts';

/** Success@k is reported for these k. */
export const DEPTHS = [1, 5, 10] as const;

/** Share of Success@1 that the search may give up on the queries it sees. */
export const MAX_LOSS = 0.02;

/** What counts: the rank among docids, since a circuit is served with constrained decoding. */
export const RANKING: Ranking = 'docids';

/** Queries that the search sees at most. */
const SEARCHED = 400;

export const circuitNames = ['full', 'published', 'found'] as const;
export type CircuitName = (typeof circuitNames)[number];

/** A circuit on the test split. */
interface Tested {
  /** Success@k by `DEPTHS`. */
  readonly success: { readonly [R in Ranking]: readonly number[] };
  /** Success@1 among docids of the whole decoder less its own, with the 95 % interval over queries. */
  readonly loss: { readonly mean: number } & Interval;
}

export interface Described {
  readonly layers: readonly LayerCircuit[];
  /** Components that work, of 3 L. */
  readonly kept: number;
  /** Share of the searched queries that lose rank 1 among docids, with its exact 95 % interval (Clopper and Pearson). */
  readonly lost: { readonly mean: number } & Interval;
}

export interface MinimalCircuit {
  /** Correct queries that the means were taken over. */
  readonly queries: number;
  /** Those of them that the search saw. */
  readonly searched: number;
  readonly maxLoss: number;
  /** Components that had to be kept, since edits write to them. */
  readonly required: readonly Component[];
  /** 'published' is absent where no stage was found. */
  readonly circuits: { readonly [C in CircuitName]?: Described };
  /** The changes that the search made, in order. */
  readonly steps: readonly Step[];
  /** null where no query of the test split has a document in the model. */
  readonly test: { readonly queries: number; readonly circuits: { readonly [C in CircuitName]?: Tested } } | null;
  /** The circuit found, as `genir.json` keeps it. */
  readonly stored: StoredCircuit;
}

export const minimalCircuit: Experiment<MinimalCircuit> = {
  label: 'E4',
  version: 2,
  needsStages: true,
  run,
  section,
};

export const share = (flags: Iterable<boolean>): number => {
  const all = [...flags];
  return all.filter(Boolean).length / (all.length || 1);
};

/** Circuits at one position of the decoder, and how the smallest was found. */
export interface SearchedCircuits {
  readonly circuits: { readonly [C in CircuitName]?: Described };
  /** The changes that the search made, in order. */
  readonly steps: readonly Step[];
}

/**
 * The published circuit of some stages and the smallest that a search finds, on the queries of one position.
 *
 * @param mean  of each component's output
 */
export async function searchAt(
  at: DecodedPosition,
  mean: (at: ActivationName) => Float32Array,
  { stages, required = [] }: { readonly stages?: Stages | undefined; readonly required?: readonly Component[] },
  { signal, onProgress }: Work,
): Promise<SearchedCircuits> {
  const L = at.model.layers;
  let runs = 0;
  const quiet: Work = { signal, onProgress: () => undefined };
  const outcomeOf = async (layers: Layers): Promise<Outcome> => {
    const [outcome] = await at.patched([circuitPatches(layers, mean)], RANKING, quiet);
    onProgress(++runs, Math.max(runs + 1, expectedRuns(L)));
    return outcome;
  };
  const isLost = (outcome: Outcome): boolean[] => ranksIn(outcome, RANKING).map((rank) => rank > 1);
  const found = await searchCircuit({
    layers: L,
    maxLoss: MAX_LOSS,
    required,
    async evaluate(layers): Promise<Effect> {
      const outcome = await outcomeOf(layers);
      const logLoss = outcome.margin.reduce((sum, margin) => sum + softplus(-margin), 0) / outcome.margin.length;
      return { lost: share(isLost(outcome)), logLoss };
    },
  });
  const candidates: { [C in CircuitName]?: Layers } = {
    full: wholeDecoder(L),
    ...(stages && stageNames.some((name) => stages[name]) && { published: publishedCircuit(stages) }),
    found: found.layers,
  };
  const circuits: { [C in CircuitName]?: Described } = {};
  for (const name of circuitNames) {
    const layers = candidates[name];
    if (!layers) continue;
    const lost = isLost(await outcomeOf(layers));
    circuits[name] = {
      layers,
      kept: keptIn(layers),
      lost: { mean: share(lost), ...clopperPearson(lost.filter(Boolean).length, lost.length) },
    };
  }
  onProgress(runs, runs);
  return { circuits, steps: found.steps };
}

async function run(subject: Subject): Promise<MinimalCircuit> {
  const { lab, population, stages, seed } = subject;
  const { questions } = population;
  const mean = await componentMeans(lab, subject.encoded);
  const sample = shuffle(
    Int32Array.from(questions, (_, i) => i),
    createRng(seed),
  ).slice(0, SEARCHED);
  const seen = Array.from(sample.sort(), (i) => questions[i]);
  const at = startPosition(lab, await lab.encode(seen.map(({ text }) => text)), { questions: seen });
  const required: Component[] = (stages?.mlps ?? []).slice(0, 1).map(({ layer }) => ({ layer, type: 'mlp' }));
  const { circuits, steps } = await searchAt(at, mean, { stages, required }, subject);
  const test = await testCircuits(subject, circuits, mean);
  const stored = toStored(
    { layers: circuits.found!.layers, means: circuitMeans(circuits.found!.layers, mean) },
    {
      queries: questions.length,
      loss: {
        searched: circuits.found!.lost,
        test: test && {
          queries: test.queries,
          full: test.circuits.full!.success.docids[0],
          circuit: test.circuits.found!.success.docids[0],
        },
      },
    },
  );
  return {
    queries: questions.length,
    searched: seen.length,
    maxLoss: MAX_LOSS,
    required,
    circuits,
    steps,
    test,
    stored,
  };
}

/** Runs of the decoder that a search takes, roughly: for progress alone. */
const expectedRuns = (layers: number): number => 20 * layers;

/** log(1 + eˣ) */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** 95 % interval of a mean over queries. */
export const interval = (values: readonly number[], seed: number): Interval =>
  bootstrapIntervals([Float64Array.from(values)], { rng: createRng(seed) })[0];

async function testCircuits(
  { lab, test, seed, signal }: Subject,
  candidates: SearchedCircuits['circuits'],
  mean: (at: ActivationName) => Float32Array,
): Promise<MinimalCircuit['test']> {
  const asked = questionsFor(lab, test);
  if (!asked.length) return null;
  const encoded = await lab.encode(asked.map(({ text }) => text));
  const circuits: { [C in CircuitName]?: Tested } = {};
  let whole: boolean[] = [];
  for (const name of circuitNames) {
    const layers = candidates[name]?.layers;
    if (!layers) continue;
    signal?.throwIfAborted();
    const { state } = await lab.decode(encoded, { patches: circuitPatches(layers, mean) });
    const best = await bestDocuments(lab, state, asked);
    const first = best.map(({ rank }) => rank[RANKING] === 1);
    if (name === 'full') whole = first;
    const losses = first.map((found, q) => Number(whole[q]) - Number(found));
    const success = (by: Ranking): number[] => DEPTHS.map((depth) => share(best.map(({ rank }) => rank[by] <= depth)));
    circuits[name] = {
      success: { vocabulary: success('vocabulary'), docids: success('docids') },
      loss: { mean: losses.reduce((a, b) => a + b, 0) / losses.length, ...interval(losses, seed) },
    };
  }
  return { queries: asked.length, circuits };
}

// ---------------------------------------------------------------------------------------------- report

const percent = (value: number): string => formatValue(value, 'percent');
/** Of a difference of shares, in percentage points. */
export const points = (difference: number): string => formatNumber(difference * 100);

export const titles = {
  full: 'whole decoder',
  published: 'published circuit',
  found: 'circuit found',
} as const satisfies Record<CircuitName, string>;

function section(result: MinimalCircuit, stages: Stages | undefined): Section {
  const { circuits, test, steps, required, queries, searched, maxLoss } = result;
  const present = circuitNames.filter((name) => circuits[name]);
  const components = 3 * circuits.full!.layers.length;
  const keys = required.map(({ type, layer }) => `${componentNames[type]} ${layer}`).join(', ');
  return {
    id: 'minimal-circuit',
    title: 'The smallest part of the decoder that still answers',
    about: [
      'A circuit keeps some of the decoder’s components; each of the others is a constant for all queries: zero, or its mean over the correct queries. ' +
        'The published circuit follows the stages: self-attention is zero everywhere; cross-attention is zero and the MLP its mean in the priming stage; the MLP is its mean in the bridging stage; all else works. Layers of no stage are kept whole.',
      `The circuit found comes from a greedy search: again and again the replacement of least log loss is made, as long as at most ${percent(maxLoss)} of the queries lose rank 1; then components are made to work again where that makes two others needless. ` +
        `The search saw ${searched} of the ${queries} correct queries and no wrong ones, so that queries which a circuit sets right do not count for it. ` +
        (keys ? `It had to keep what edits write to: ${keys}. ` : '') +
        'Ranks are those among docids, since the circuit is for serving (`serve --circuit`), where decoding is constrained; over the whole vocabulary, where words compete, it may lose more. ' +
        'The figures to judge by are those of the test split, which it did not see. Success@5 is the R@5 of arXiv 2503.19715 where a query has one relevant document. There the published circuit keeps 78 to 94 % of Success@1.',
    ].join('\n\n'),
    findings: findings(result, stages),
    figures: steps.length
      ? [
          {
            kind: 'lines',
            title: 'What each step of the search costs',
            caption: 'From the whole decoder to the circuit found.',
            xs: steps.map(({ type, layer, to }) => `${type} ${layer}: ${to}`),
            x: { label: 'change' },
            y: { label: 'queries that lost rank 1', format: 'percent' },
            series: [{ name: 'lost', values: steps.map(({ lost }) => lost) }],
          },
        ]
      : [],
    tables: [
      {
        title: `Test split${test ? `, ${test.queries} queries` : ''}`,
        columns: [
          { name: 'circuit' },
          { name: 'ranking' },
          { name: 'components', format: 'integer' },
          ...DEPTHS.map((depth) => ({ name: `Success@${depth}`, format: 'percent' as const })),
          ...DEPTHS.map((depth) => ({ name: `of the whole, @${depth}`, format: 'percent' as const })),
        ],
        rows: present.flatMap((name) =>
          rankings.flatMap((by) => {
            const [own, full] = [name, 'full' as const].map((one) => test?.circuits[one]?.success[by]);
            if (!own || !full) return [];
            return [
              [titles[name], by, circuits[name]!.kept, ...own, ...own.map((x, i) => (full[i] ? x / full[i] : null))],
            ];
          }),
        ),
      },
      {
        title: 'Correct queries seen by the search that lose rank 1 among docids',
        columns: [
          { name: 'circuit' },
          { name: `components of ${components}`, format: 'integer' },
          ...['lost', 'low', 'high'].map((name) => ({ name, format: 'percent' as const })),
        ],
        rows: present.map((name) => {
          const { kept, lost } = circuits[name]!;
          return [titles[name], kept, lost.mean, lost.low, lost.high];
        }),
      },
      {
        title: 'What is kept',
        columns: [
          { name: 'layer', format: 'integer' },
          { name: 'stage' },
          ...present.slice(1).flatMap((name) => componentTypes.map((type) => ({ name: `${titles[name]}: ${type}` }))),
        ],
        rows: circuits.full!.layers.map((_, layer) => [
          layer,
          (stages && stageOf(stages, layer)) ?? '',
          ...present.slice(1).flatMap((name) => componentTypes.map((type) => circuits[name]!.layers[layer][type])),
        ]),
      },
    ],
  };
}

function findings({ circuits, test }: MinimalCircuit, stages: Stages | undefined): string[] {
  const components = 3 * circuits.full!.layers.length;
  const absent = stageNames.filter((name) => !stages?.[name]);
  const free = stages ? circuits.full!.layers.filter((_, layer) => !stageOf(stages, layer)).length : 0;
  const told = (name: 'published' | 'found'): string[] => {
    const circuit = circuits[name];
    if (!circuit) return ['No stage was found in this model, so there is no published circuit for it.'];
    const tested = test?.circuits[name];
    const full = test?.circuits.full?.success[RANKING][0];
    const { lost } = circuit;
    const onTest =
      tested && full
        ? ` On the test split Success@1 is ${percent(tested.success[RANKING][0])} against ${percent(full)} of the whole decoder, a difference of ${points(-tested.loss.mean)} percentage points (95 % interval ${points(-tested.loss.high)} to ${points(-tested.loss.low)}), ${percent(-tested.loss.mean / full)} of it.`
        : ' There is no other split to measure it on.';
    return [
      `The ${titles[name]} keeps ${circuit.kept} of ${components} components; ${percent(lost.mean)} of the correct queries lose rank 1 (95 % interval ${percent(lost.low)} to ${percent(lost.high)}).${onTest}`,
    ];
  };
  return [
    ...told('found'),
    ...told('published'),
    ...(circuits.published && absent.length
      ? [
          `This model has no ${absent.join(' and no ')} stage${free ? `; ${free === 1 ? 'the layer' : `the ${free} layers`} of no stage ${free === 1 ? 'is' : 'are'} kept whole in the published circuit` : ''}.`,
        ]
      : []),
  ];
}
