import { createRng } from '../corpus/random.ts';
import { bootstrapIntervals, type BootstrapOptions, type Interval } from './bootstrap.ts';
import type { Measure } from './measures/measure.ts';
import type { Qrels } from './qrels.ts';
import { ranking, type Run } from './run.ts';

/** One measure over all judged queries. */
export interface MeasureResult {
  readonly mean: number;
  /** Of the mean, by bootstrap over queries. */
  readonly interval: Interval;
  /** One value per query, in the order of `Evaluation.queryIds`. */
  readonly perQuery: Float64Array;
}

export interface Evaluation {
  /** The judged queries: the same for every run under the same qrels, so that runs can be compared query by query. */
  readonly queryIds: readonly string[];
  /** By the name of the measure. */
  readonly results: ReadonlyMap<string, MeasureResult>;
}

/** There is nothing to average over. */
export class NoJudgementsError extends Error {
  override readonly name = 'NoJudgementsError';
  constructor() {
    super('qrels: expected at least one judged query, got none');
  }
}

export interface EvaluateOptions extends Omit<BootstrapOptions, 'rng'> {
  /** Of the bootstrap. @default 1 */
  readonly seed?: number;
}

/**
 * Measures a run. As with `trec_eval -c` and ir_measures, averages run over the judged queries: one that the run does not
 * answer counts 0, one that is not judged does not count.
 *
 * @throws NoJudgementsError, RepeatedDocidError
 */
export function evaluateRun(
  run: Run,
  qrels: Qrels,
  measures: readonly Measure[],
  { seed = 1, ...options }: EvaluateOptions = {},
): Evaluation {
  if (qrels.size === 0) throw new NoJudgementsError();
  const queryIds = [...qrels.keys()];
  const columns = measures.map(() => new Float64Array(queryIds.length));
  queryIds.forEach((id, i) => {
    const ranked = ranking(run.get(id) ?? []);
    measures.forEach((measure, m) => (columns[m][i] = measure.value(ranked, qrels.get(id)!)));
  });
  const intervals = bootstrapIntervals(columns, { ...options, rng: createRng(seed) });
  const results = measures.map(({ name }, m) => {
    const perQuery = columns[m];
    const mean = perQuery.reduce((sum, value) => sum + value, 0) / perQuery.length;
    return [name, { mean, interval: intervals[m], perQuery }] as const;
  });
  return { queryIds, results: new Map(results) };
}
