import type { Store } from '../../corpus/store.ts';
import type { ModelFolder } from '../../models/folder.ts';
import type { Retriever } from '../retriever.ts';
import { bm25Retriever } from './bm25.ts';
import { denseRetriever, type DenseOptions } from './dense.ts';

/** What the model is measured against, on the same corpus and queries. */
export type Baseline = 'bm25' | 'dense';

/** What baselines are made of. */
export interface BaselineSources extends DenseOptions {
  readonly store: Store;
  /** Called by those that need the model. */
  readonly model: () => ModelFolder;
}

export const baselines: { readonly [B in Baseline]: (sources: BaselineSources) => Promise<Retriever> } = {
  bm25: async ({ store }) => bm25Retriever(store),
  dense: ({ store, model, ...options }) => denseRetriever(store, model(), options),
};
