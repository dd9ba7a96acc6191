/**
 * @file E4 by decoding step (arXiv 2503.19715 §5.1, Table 4): the smallest part of the decoder that still gives the right token
 * at each step, and what is found where all steps have theirs.
 */
import type { ActivationName } from '../../models/activations.ts';
import type { Interval } from '../bootstrap.ts';
import type { Layers } from '../circuit.ts';
import { componentTypes } from '../components.ts';
import type { DecodedPosition } from '../decoded-position.ts';
import { meanOf } from '../patch.ts';
import { layersFrom, patchesFor } from '../patch-runs.ts';
import { forcedOutcomes } from '../path-population.ts';
import { rankings, type Ranking } from '../population.ts';
import { layersText } from '../report/layers.ts';
import type { Section } from '../report/section.ts';
import { percent } from '../source-groups.ts';
import { stepCircuitPatches, type StepCircuit } from '../step-circuits.ts';
import {
  circuitNames,
  interval,
  MAX_LOSS,
  points,
  RANKING,
  searchAt,
  share,
  titles,
  type CircuitName,
  type SearchedCircuits,
} from './minimal-circuit.ts';
import type { PathExperiment, PathSubject } from './path-experiment.ts';
import { atEachStep, type OfStep } from './step-position.ts';

/** Circuits of all steps at work together, on the test split. */
interface TestedCircuits {
  /** Share of queries of which greedy decoding finds a relevant document: over the vocabulary, or among the tokens that paths allow. */
  readonly success: { readonly [R in Ranking]: number };
  /** The latter of the whole decoder less its own, with the 95 % interval over queries. */
  readonly loss: { readonly mean: number } & Interval;
}

export interface StepMinimalCircuits {
  readonly layers: number;
  /** Share of the right tokens that a search may lose. */
  readonly maxLoss: number;
  readonly steps: readonly OfStep<{ readonly queries: number; readonly found: SearchedCircuits }>[];
  /** null where no query of the test split has a document in the model. */
  readonly test: {
    readonly queries: number;
    readonly circuits: { readonly [C in CircuitName]?: TestedCircuits };
  } | null;
}

type Means = (at: ActivationName) => Float32Array;

/** The mean of every component's output over the queries of a position. */
async function meansAt(at: DecodedPosition): Promise<Means> {
  const names = patchesFor(componentTypes, layersFrom(0, at.model.layers), () => 'zero').map((patch) => patch.at);
  const reading = await at.read(names);
  const means = new Map(names.map((name) => [name, meanOf(reading[name])]));
  return (name) => means.get(name)!;
}

async function run(subject: PathSubject): Promise<StepMinimalCircuits> {
  const { lab, stages } = subject;
  const means = new Map<number, Means>();
  // Circuits are for constrained decoding: only where there is more than one token to choose from is there something to lose.
  const constrained = { ...subject, population: { ...subject.population, ranking: RANKING } };
  const steps = await atEachStep(constrained, async (at, work, { step }) => {
    const mean = await meansAt(at);
    means.set(step, mean);
    const ofStep = stages?.find((one) => one.step === step);
    return { queries: at.count, found: await searchAt(at, mean, { stages: ofStep }, work) };
  });
  const circuitsOf = (name: CircuitName): StepCircuit[] =>
    steps.flatMap(({ step, found: { circuits } }) => {
      const layers = circuits[name]?.layers;
      return layers ? [{ position: step - 1, layers, mean: means.get(step)! }] : [];
    });
  return { layers: lab.layers, maxLoss: MAX_LOSS, steps, test: await testCircuits(subject, circuitsOf) };
}

async function testCircuits(
  { lab, test, seed, signal }: PathSubject,
  circuitsOf: (name: CircuitName) => readonly StepCircuit[],
): Promise<StepMinimalCircuits['test']> {
  const numberOf = new Map(lab.genir.docids.map((docid, document) => [docid, document]));
  const asked = test
    .map(({ text, relevant }) =>
      relevant.flatMap((docid) => numberOf.get(docid) ?? []).map((document) => ({ text, document })),
    )
    .filter((pairs) => pairs.length > 0);
  if (!asked.length) return null;
  const pairs = asked.flat();
  const T = Math.max(...pairs.map(({ document }) => lab.inputsOf(document).length));
  const circuits: { [C in CircuitName]?: TestedCircuits } = {};
  let whole: boolean[] = [];
  for (const name of circuitNames) {
    signal?.throwIfAborted();
    const own = circuitsOf(name);
    if (name !== 'full' && !own.length) continue;
    const patches = stepCircuitPatches(own, { L: lab.layers, T, D: lab.config.d_model });
    const outcomes = await forcedOutcomes(lab, pairs, patches);
    const foundBy = (ranking: Ranking): boolean[] => {
      let at = 0;
      return asked.map(({ length }) =>
        outcomes.slice(at, (at += length)).some((tokens) => tokens.every(({ rank }) => rank[ranking] === 1)),
      );
    };
    const first = foundBy(RANKING);
    if (name === 'full') whole = first;
    const losses = first.map((found, q) => Number(whole[q]) - Number(found));
    circuits[name] = {
      success: { vocabulary: share(foundBy('vocabulary')), docids: share(first) },
      loss: { mean: losses.reduce((a, b) => a + b, 0) / losses.length, ...interval(losses, seed) },
    };
  }
  return { queries: asked.length, circuits };
}

// ---------------------------------------------------------------------------------------------- report

/** What works, in words: "cross_attn in layer 0, mlp in layers 2–3". */
function keptTold(layers: Layers): string {
  const told = componentTypes.flatMap((type) => {
    const here = layers.flatMap((one, layer) => (one[type] === 'keep' ? [layer] : []));
    return here.length ? [`\`${type}\` in ${layersText(here)}`] : [];
  });
  return told.join(', ') || 'nothing';
}

function section({ layers: L, maxLoss, steps, test }: StepMinimalCircuits): Section {
  const components = 3 * L;
  const counts = Array.from({ length: components }, (_, i) => components - 1 - i);
  const present = circuitNames.filter((name) => steps.some(({ found }) => found.circuits[name]));
  return {
    id: 'step-minimal-circuits',
    title: 'The smallest part of the decoder that still answers, step by step',
    about:
      'A circuit keeps some of the decoder’s components at the position of one step; each of the others is a constant for all queries: zero, or its mean over the queries that have the step. The right tokens before it are given, and what earlier positions left stays. ' +
      'The published circuit follows the stages of the step (where there are any), the circuit found comes from the same greedy search as with atomic docids: ' +
      `the replacement of least log loss is made again and again, as long as at most ${percent(maxLoss)} of the right tokens leave rank 1 among those that paths allow. Queries with only one such token are left out.\n\n` +
      'On the test split, which the search did not see, the circuits of all steps work together, each at its own position; later steps then read what a circuit left. A query counts as found where greedy decoding gives a relevant document.',
    findings: [...steps.flatMap(finding), ...testFindings(test)],
    figures: [
      {
        kind: 'lines',
        title: 'What the search loses as fewer components work',
        caption: 'Mean log loss of the right token against the best other one that paths allow.',
        xs: counts,
        x: { label: 'components that work' },
        y: { label: 'log loss, nats' },
        series: steps.map(({ step, found }) => ({
          name: `step ${step}`,
          values: counts.map((count) => found.steps.findLast(({ kept }) => kept === count)?.logLoss ?? null),
        })),
      },
    ],
    tables: [
      {
        title: 'Right tokens seen by the search that leave rank 1 among those allowed',
        columns: [
          { name: 'step', format: 'integer' },
          { name: 'circuit' },
          { name: `components of ${components}`, format: 'integer' },
          ...['lost', 'low', 'high'].map((name) => ({ name, format: 'percent' as const })),
          { name: 'what works' },
        ],
        rows: steps.flatMap(({ step, found: { circuits } }) =>
          present.flatMap((name) => {
            const one = circuits[name];
            if (!one) return [];
            const { mean, low, high } = one.lost;
            return [[step, titles[name], one.kept, mean, low, high, keptTold(one.layers).replaceAll('`', '')]];
          }),
        ),
      },
      {
        title: `Test split${test ? `, ${test.queries} queries` : ''}: circuits at all steps`,
        columns: [
          { name: 'circuit' },
          ...rankings.map((ranking) => ({
            name: ranking === 'docids' ? 'found, among tokens that paths allow' : 'found, over the vocabulary',
            format: 'percent' as const,
          })),
        ],
        rows: present.flatMap((name) => {
          const tested = test?.circuits[name];
          return tested ? [[titles[name], ...rankings.map((ranking) => tested.success[ranking])]] : [];
        }),
      },
    ],
  };
}

function finding({ step, queries, found }: StepMinimalCircuits['steps'][number]): string[] {
  const told = (name: 'found' | 'published'): string[] => {
    const circuit = found.circuits[name];
    if (!circuit) return [];
    const { mean, low, high } = circuit.lost;
    return [
      `Step ${step}: the ${titles[name]} keeps ${circuit.kept} of ${3 * circuit.layers.length} components (${keptTold(circuit.layers)}); ${percent(mean)} of ${queries} right tokens leave rank 1 (95 % interval ${percent(low)} to ${percent(high)}).`,
    ];
  };
  return [...told('found'), ...told('published')];
}

function testFindings(test: StepMinimalCircuits['test']): string[] {
  const full = test?.circuits.full;
  if (!test || !full) return ['There is no other split to measure circuits on.'];
  return (['found', 'published'] as const).flatMap((name) => {
    const tested = test.circuits[name];
    if (!tested) return [];
    const { success, loss } = tested;
    return [
      `With the ${titles[name]} at every step, greedy decoding finds ${percent(success[RANKING])} of ${test.queries} test queries against ${percent(full.success[RANKING])} with the whole decoder, a difference of ${points(-loss.mean)} percentage points (95 % interval ${points(-loss.high)} to ${points(-loss.low)}).`,
    ];
  });
}

/** The smallest part of the decoder that still gives the right token at each decoding step. */
export const stepMinimalCircuits: PathExperiment<StepMinimalCircuits> = {
  label: 'E4 by step',
  version: 1,
  needsStages: true,
  run,
  section,
};
