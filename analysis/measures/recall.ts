import { isRelevant } from '../qrels.ts';
import type { MeasureFamily } from './measure.ts';

/** R@k: the share of the relevant documents that are among the first k; 0 where nothing is relevant. */
export const recall: MeasureFamily = {
  meaning: 'share of the relevant documents among the first k',
  cutoff: 'required',
  value(ranking, grades, cutoff) {
    const relevant = [...grades.values()].filter(isRelevant).length;
    const found = ranking.slice(0, cutoff).filter((docid) => isRelevant(grades.get(docid) ?? 0)).length;
    return relevant === 0 ? 0 : found / relevant;
  },
};
