import { isRelevant } from '../qrels.ts';
import type { MeasureFamily } from './measure.ts';

/**
 * RR@k: 1 / rank of the first relevant document, 0 when none is among the first k. Its mean is MRR.
 * Kantor and Voorhees, The TREC-5 Confusion Track, Information Retrieval 2 (2000).
 */
export const rr: MeasureFamily = {
  meaning: '1 / rank of the first relevant document',
  cutoff: 'optional',
  value(ranking, grades, cutoff) {
    const first = ranking.slice(0, cutoff).findIndex((docid) => isRelevant(grades.get(docid) ?? 0));
    return first < 0 ? 0 : 1 / (first + 1);
  },
};
