import type { Qrel } from '../corpus/documents.ts';

/** Docid → grade, for one query. Grades below 1 mean judged and not relevant. */
export type Grades = ReadonlyMap<string, number>;

/** Query id → judgements. */
export type Qrels = ReadonlyMap<string, Grades>;

/** Relevant from grade 1 on, trec_eval's default (`-l 1`). */
export function isRelevant(grade: number): boolean {
  return grade >= 1;
}

/** Groups judgements by query, in the order in which the queries first come. */
export function toQrels(judgements: Iterable<Qrel>): Qrels {
  const qrels = new Map<string, Map<string, number>>();
  for (const { queryId, docid, score } of judgements) {
    let grades = qrels.get(queryId);
    if (!grades) qrels.set(queryId, (grades = new Map<string, number>()));
    grades.set(docid, score);
  }
  return qrels;
}
