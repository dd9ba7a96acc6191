/** @file The decoding steps of a model whose docids are paths, each as one position of the decoder. */
import { withoutPosition, type DecodedPosition, type Work } from '../decoded-position.ts';
import type { Ranks, Reading } from '../lab.ts';
import type { Outcome } from '../patch-runs.ts';
import type { PathLab } from '../path-lab.ts';
import type { TokenOutcome } from '../path-population.ts';
import type { Ranking } from '../population.ts';
import { pastOf, runPatchedStep, selfAttentionOf, tokensAt, type Step } from '../step-patching.ts';
import { queriesByStep, spread, type PathSubject } from './path-experiment.ts';

/** Queries looked at in each step, at most. */
const QUERIES = 200;

/** A step, and the queries that are looked at there: positions in the population. */
export interface PlannedStep {
  /** Counted from 1. */
  readonly step: number;
  readonly queries: readonly number[];
}

/** Steps at which some query has more than one token to choose from, each with those queries. */
export function choices(subject: Pick<PathSubject, 'lab' | 'population'>): PlannedStep[] {
  const { lab, population } = subject;
  const { questions, ranking } = population;
  const isChoice = (q: number, position: number): boolean =>
    ranking === 'vocabulary' || lab.expectedOf(questions[q].document)[position].allowed.length > 1;
  return queriesByStep(subject)
    .map((queries, position) => ({
      step: position + 1,
      queries: spread(
        queries.filter((q) => isChoice(q, position)),
        QUERIES,
      ),
    }))
    .filter(({ queries }) => queries.length > 0);
}

/** The decoder at a step of some questions, behind what an unpatched run over their own paths left. */
export async function openStep(
  { lab, population }: Pick<PathSubject, 'lab' | 'population'>,
  { step, queries }: PlannedStep,
): Promise<Step> {
  const texts = queries.map((q) => population.questions[q].text);
  const documents = queries.map((q) => population.questions[q].document);
  return {
    ...{ position: step - 1, queries: queries.map((_, i) => i), documents },
    encoded: await lab.encode(texts),
    own: await selfAttentionOf(lab, texts, documents),
  };
}

export function stepPosition(lab: PathLab, step: Step): DecodedPosition {
  const { encoded, documents, position } = step;
  const tokens = tokensAt(lab, step);
  const past = pastOf(lab, step);
  const expected = documents.map((document) => lab.expectedOf(document)[position]);
  return {
    model: lab,
    decoder: 'cached',
    count: encoded.count,
    batches: encoded.batches.map((batch) => ({
      queries: batch.queries,
      feeds: () => lab.feeds(batch, tokens, past(batch)),
    })),
    read: async (names): Promise<Reading> => withoutPosition(await lab.decode(encoded, tokens, { read: names, past })),
    async *readBatches(names) {
      for await (const { batch, out } of lab.decodeBatches(encoded, tokens, { read: names, past }))
        yield { queries: batch.queries, out };
    },
    docidTokens: lab.isDocidToken.reduce((a, b) => a + b, 0),
    favourites: (states, k) => lab.favourites(states, k),
    async ranks(states): Promise<Ranks> {
      const { rank, allowed_rank: docidRank, logit } = await lab.lens(states, expected, 'token');
      return { rank, docidRank, logit };
    },
    async patched(table, ranking, { signal, onProgress }): Promise<Outcome[]> {
      let done = 0;
      const onRun = (): void => onProgress(++done, table.length);
      const outcomes = await runPatchedStep(lab, step, table, { signal, onRun });
      return outcomes.map((one) => outcomeOf(one, ranking));
    },
  };
}

const outcomeOf = (outcomes: readonly TokenOutcome[], ranking: Ranking): Outcome => ({
  rank: outcomes.map(({ rank }) => rank.vocabulary),
  docidRank: outcomes.map(({ rank }) => rank.docids),
  margin: outcomes.map(({ margin }) => Number(margin[ranking].toPrecision(6))),
});

/** What was measured at one step. */
export type OfStep<R> = R & {
  /** Counted from 1. */
  readonly step: number;
};

/** The same measured at each step of the queries that have something to choose there. */
export async function atEachStep<R>(
  subject: PathSubject,
  measure: (at: DecodedPosition, work: Work, planned: PlannedStep) => Promise<R>,
): Promise<OfStep<R>[]> {
  const plan = choices(subject);
  const found: OfStep<R>[] = [];
  for (const [i, planned] of plan.entries()) {
    subject.signal?.throwIfAborted();
    const step = await openStep(subject, planned);
    const onProgress = (done: number, total: number): void => subject.onProgress(i + done / total, plan.length);
    const work: Work = { signal: subject.signal, onProgress };
    found.push({ ...(await measure(stepPosition(subject.lab, step), work, planned)), step: planned.step });
  }
  return found;
}
