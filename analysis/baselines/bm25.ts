import type { Store } from '../../corpus/store.ts';
import type { Retriever } from '../retriever.ts';

/** BM25 over title and text of the live documents, by SQLite's FTS5. The store stays its owner's. */
export function bm25Retriever(store: Store): Retriever {
  return {
    retrieve: async (queries, k) => queries.map((query) => store.searchBm25(query, k)),
    close: async () => {},
  };
}
