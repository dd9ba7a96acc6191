import type { Grades } from '../qrels.ts';

/** One kind of measure, such as Success@k for every k. Names and values are those of ir_measures and trec_eval. */
export interface MeasureFamily {
  readonly meaning: string;
  /** Whether the name needs `@k`. */
  readonly cutoff: 'required' | 'optional';
  /**
   * The value for one query.
   * @param ranking  docids, best first, each once
   * @param grades   the query's judgements
   * @param cutoff   how many of the ranking count; Infinity for all
   */
  value(ranking: readonly string[], grades: Grades, cutoff: number): number;
}

/** A measure ready to be applied: `nDCG@10`. */
export interface Measure {
  readonly name: string;
  value(ranking: readonly string[], grades: Grades): number;
}
