import type { MeasureFamily } from './measure.ts';

/**
 * nDCG@k with trec_eval's gain and discount (m_ndcg_cut.c): the grade itself over log2(rank + 1), divided by the same of
 * the best possible ranking. (Others take 2^grade − 1; for grades 0 and 1 there is no difference.)
 * Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 20 (2002).
 */
export const ndcg: MeasureFamily = {
  meaning: 'discounted gain of the first k over that of the best ranking',
  cutoff: 'optional',
  value(ranking, grades, cutoff) {
    const best = dcg([...grades.values()].sort((a, b) => b - a).slice(0, cutoff));
    const found = dcg(ranking.slice(0, cutoff).map((docid) => grades.get(docid) ?? 0));
    return best === 0 ? 0 : found / best;
  },
};

/** Σ grade / log2(rank + 1) over grades in order of rank; grades below 0 gain nothing. */
function dcg(grades: readonly number[]): number {
  return grades.reduce((sum, grade, i) => sum + Math.max(0, grade) / Math.log2(i + 2), 0);
}
