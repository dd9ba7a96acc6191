/** Retrieval results as TREC knows them: for each query the documents a system answered, with scores. */

/** A document as a system answered it; higher is better. */
export interface Scored {
  readonly docid: string;
  readonly score: number;
}

/** Query id → the documents answered. The scores give the order, not the place in the list. */
export type Run = ReadonlyMap<string, readonly Scored[]>;

/** A run that answers a query with one document twice. */
export class RepeatedDocidError extends Error {
  override readonly name = 'RepeatedDocidError';
  readonly docid: string;
  constructor(docid: string) {
    super(`run: expected every document of a query once, got '${docid}' twice`);
    this.docid = docid;
  }
}

/**
 * The order of trec_eval (form_res_rels.c, 10.0): score descending, ties by docid descending, docids compared by their
 * bytes. The places that a system itself gave are ignored, so that no system gains by the order of its ties.
 */
export function trecOrder(a: Scored, b: Scored): number {
  return b.score - a.score || Buffer.compare(Buffer.from(b.docid), Buffer.from(a.docid));
}

/** Docids in TREC order. @throws RepeatedDocidError, as trec_eval does */
export function ranking(answered: readonly Scored[]): string[] {
  const docids = [...answered].sort(trecOrder).map(({ docid }) => docid);
  if (new Set(docids).size < docids.length)
    throw new RepeatedDocidError(docids.find((docid, i) => docids.indexOf(docid) < i)!);
  return docids;
}
