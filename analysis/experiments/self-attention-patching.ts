/**
 * @file E11: what decoder self-attention carries between decoding steps. Its reads are replaced by those of a run over
 * another path (*previous tokens*) or with another query (*query*), at one step at a time.
 *
 * After the talk "The Role of Self-Attention in Generative IR", of which slides alone are known: the design here is a
 * reconstruction.
 */
import { bootstrapIntervals, type Interval } from '../bootstrap.ts';
import { createRng } from '../../corpus/random.ts';
import { drawDonors, type PathDonors } from '../path-donors.ts';
import type { PathLab } from '../path-lab.ts';
import type { TokenOutcome } from '../path-population.ts';
import type { Question, Ranking } from '../population.ts';
import {
  patchSites,
  runStep,
  selfAttentionOf,
  type PatchSite,
  type SelfAttention,
  type Step,
  type StepPatch,
} from '../step-patching.ts';
import { selfAttentionSection } from './self-attention-section.ts';
import { queriesByStep, spread, type PathExperiment, type PathSubject } from './path-experiment.ts';

/** What the other run has that this one has not. 'none': it is the same run made again, a control. */
export const donorKinds = ['prefix', 'query', 'both', 'none'] as const;
export type DonorKind = (typeof donorKinds)[number];

/** A mean over queries with its bootstrap interval. */
export interface Estimate extends Interval {
  readonly mean: number;
}

export interface PatchEffect {
  readonly site: PatchSite;
  readonly donor: DonorKind;
  /** null: all layers together. */
  readonly layer: number | null;
  /** null: all heads. */
  readonly head: number | null;
  /** Mean probability of the right token, over the vocabulary, and its median rank there. */
  readonly probability: number;
  readonly medianRank: number;
  /** By how much the right token's log-probability falls. */
  readonly fall: Estimate;
  /** Share of the tokens right before that are not first any more, in the ranking in force. */
  readonly lost: Estimate;
}

export interface PatchedStep {
  /** Counted from 1. */
  readonly step: number;
  /** Queries with donors that differ here, and those of them that heads were looked at on. */
  readonly queries: number;
  readonly headQueries: number;
  /** Share of the queries to which paths allow one token only: it cannot be lost among those allowed. */
  readonly onlyOneAllowed: number;
  /** Nothing replaced. */
  readonly probability: number;
  readonly medianRank: number;
  readonly effects: readonly PatchEffect[];
}

export interface SelfAttentionPatching {
  readonly queries: number;
  readonly ranking: Ranking;
  readonly scheme: string;
  readonly layers: number;
  readonly heads: number;
  readonly steps: readonly PatchedStep[];
  /** All layers, each step of a docid patched by itself: share of the docids of which some token is lost. */
  readonly docids: readonly {
    readonly site: PatchSite;
    readonly donor: DonorKind;
    readonly queries: number;
    readonly lost: Estimate;
  }[];
  /** The largest change of a log-probability by the control that replaces everything by the same: rounding. */
  readonly noise: number;
}

/** Queries that single heads are looked at on, at most. */
const HEAD_QUERIES = 100;

async function run(subject: PathSubject): Promise<SelfAttentionPatching> {
  const { lab, population, seed, signal } = subject;
  const { questions, ranking } = population;
  const donors = drawDonors(lab, questions, createRng(seed));
  const runs = await donorRuns(lab, questions, donors);
  const { whole, byLayer, byHead } = placesOf(lab);
  const plan = queriesByStep(subject)
    .map((queries, position) => ({
      position,
      queries: queries.filter((q) => hasDonors(lab, questions, donors, q, position)),
    }))
    .filter(({ position, queries }) => position > 0 && queries.length > 0);
  const total = plan.length * (whole.length + byLayer.length + byHead.length + 2);
  let done = 0;
  const patched = async (position: number, queries: readonly number[], places: readonly Place[]): Promise<Patched> => {
    const step = await stepOf(lab, questions, runs.none, position, queries);
    const table = places.map((place) => patchOf(lab, runs, place));
    const onRun = (): void => subject.onProgress(++done, total);
    const [clean, ...outcomes] = await runStep(lab, step, [null, ...table], { signal, onRun });
    return { places, clean, outcomes };
  };

  const steps: PatchedStep[] = [];
  const docids = new Map(whole.map((place) => [place, new Map<number, boolean>()]));
  let noise = 0;
  for (const { position, queries } of plan) {
    const few = spread(queries, HEAD_QUERIES);
    const all = await patched(position, queries, [...whole, ...byLayer]);
    const ofHeads = await patched(position, few, byHead);
    whole.forEach((place, i) => {
      const lost = docids.get(place)!;
      const outcomes = all.outcomes[i];
      queries.forEach((q, n) => lost.set(q, (lost.get(q) ?? false) || outcomes[n].rank[ranking] > 1));
      if (place.donor === 'none') noise = Math.max(noise, largestChange(all.clean, outcomes));
    });
    const forced = queries.filter((q) => lab.expectedOf(questions[q].document)[position].allowed.length === 1);
    steps.push({
      step: position + 1,
      queries: queries.length,
      headQueries: few.length,
      onlyOneAllowed: forced.length / queries.length,
      ...summary(all.clean),
      effects: [...effectsOf(all, ranking, seed), ...effectsOf(ofHeads, ranking, seed)],
    });
  }
  return {
    ...{ queries: questions.length, ranking, scheme: lab.genir.scheme },
    ...{ layers: lab.layers, heads: lab.config.num_heads, steps, noise },
    docids: [...docids].flatMap(([{ site, donor }, lost]) =>
      lost.size
        ? [{ site, donor, queries: lost.size, lost: estimates([[...lost.values()].map(Number)], seed)[0] }]
        : [],
    ),
  };
}

/** What is replaced and by what. */
type Place = Pick<PatchEffect, 'site' | 'donor' | 'layer' | 'head'>;

/** What became of one step's tokens without a patch, and with each of some. */
interface Patched {
  readonly places: readonly Place[];
  readonly clean: readonly TokenOutcome[];
  readonly outcomes: readonly (readonly TokenOutcome[])[];
}

/** All layers with all donors and controls; single layers and single heads with those that differ in one thing. */
function placesOf({ layers, config }: PathLab): Record<'whole' | 'byLayer' | 'byHead', Place[]> {
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  const whole = patchSites.flatMap((site) => donorKinds.map((donor) => ({ site, donor, layer: null, head: null })));
  const single = whole.filter(({ donor }) => donor === 'prefix' || donor === 'query');
  const byLayer = single.flatMap((place) => upTo(layers).map((layer) => ({ ...place, layer })));
  const byHead = byLayer.flatMap((place) => upTo(config.num_heads).map((head) => ({ ...place, head })));
  return { whole, byLayer, byHead };
}

const patchOf = (
  lab: PathLab,
  runs: Record<DonorKind, SelfAttention>,
  { site, donor, layer, head }: Place,
): StepPatch => ({
  ...{ site, by: runs[donor], head: head ?? undefined },
  layers: layer === null ? Array.from({ length: lab.layers }, (_, i) => i) : [layer],
});

const largestChange = (a: readonly TokenOutcome[], b: readonly TokenOutcome[]): number =>
  Math.max(...a.map(({ logProbability }, n) => Math.abs(logProbability - b[n].logProbability)));

/** The runs that stand in, each over all queries; those without a donor have their own. */
async function donorRuns(
  lab: PathLab,
  questions: readonly Question[],
  { paths, queries }: PathDonors,
): Promise<Record<DonorKind, SelfAttention>> {
  const texts = questions.map(({ text }) => text);
  const otherTexts = questions.map(({ text }, q) => questions[queries[q]]?.text ?? text);
  const documents = questions.map(({ document }) => document);
  const otherDocuments = documents.map((document, q) => (paths[q] < 0 ? document : paths[q]));
  return {
    none: await selfAttentionOf(lab, texts, documents),
    prefix: await selfAttentionOf(lab, texts, otherDocuments),
    query: await selfAttentionOf(lab, otherTexts, documents),
    both: await selfAttentionOf(lab, otherTexts, otherDocuments),
  };
}

/** Whether a query has another query, and another path that is long enough and differs before a position. */
function hasDonors(
  lab: PathLab,
  questions: readonly Question[],
  { paths, queries }: PathDonors,
  q: number,
  position: number,
): boolean {
  if (paths[q] < 0 || queries[q] < 0) return false;
  const [own, other] = [lab.pathOf(questions[q].document), lab.pathOf(paths[q])];
  return other.length > position && own.subarray(0, position).some((token, p) => other[p] !== token);
}

async function stepOf(
  lab: PathLab,
  questions: readonly Question[],
  own: SelfAttention,
  position: number,
  queries: readonly number[],
): Promise<Step> {
  const encoded = await lab.encode(queries.map((q) => questions[q].text));
  return { position, queries, documents: queries.map((q) => questions[q].document), encoded, own };
}

function summary(outcomes: readonly TokenOutcome[]): { probability: number; medianRank: number } {
  const probabilities = outcomes.map(({ logProbability }) => Math.exp(logProbability));
  const ranks = outcomes.map(({ rank }) => rank.vocabulary).sort((a, b) => a - b);
  return {
    probability: probabilities.reduce((a, b) => a + b, 0) / outcomes.length,
    medianRank: ranks[(ranks.length - 1) >> 1],
  };
}

function effectsOf({ places, clean, outcomes }: Patched, ranking: Ranking, seed: number): PatchEffect[] {
  const falls = outcomes.map((one) => one.map(({ logProbability }, n) => clean[n].logProbability - logProbability));
  const lost = outcomes.map((one) => one.map(({ rank }) => Number(rank[ranking] > 1)));
  const estimated = estimates([...falls, ...lost], seed);
  return places.map((place, i) => ({
    ...place,
    ...summary(outcomes[i]),
    fall: estimated[i],
    lost: estimated[places.length + i],
  }));
}

function estimates(columns: readonly (readonly number[])[], seed: number): Estimate[] {
  const values = columns.map((column) => Float64Array.from(column));
  const intervals = bootstrapIntervals(values, { rng: createRng(seed) });
  return values.map((column, i) => ({ mean: column.reduce((a, b) => a + b, 0) / column.length, ...intervals[i] }));
}

export const selfAttentionPatching: PathExperiment<SelfAttentionPatching> = {
  label: 'E11',
  version: 1,
  run,
  section: selfAttentionSection,
};
