import { isRelevant } from '../qrels.ts';
import type { MeasureFamily } from './measure.ts';

/** Success@k: 1 when a relevant document is among the first k, else 0. Papers on generative retrieval call it Hits@k. */
export const success: MeasureFamily = {
  meaning: 'a relevant document among the first k',
  cutoff: 'required',
  value: (ranking, grades, cutoff) =>
    ranking.slice(0, cutoff).some((docid) => isRelevant(grades.get(docid) ?? 0)) ? 1 : 0,
};
