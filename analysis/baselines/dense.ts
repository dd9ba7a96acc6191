import hnswlib from 'hnswlib-node';
import type { Store } from '../../corpus/store.ts';
import type { ModelFolder } from '../../models/folder.ts';
import type { SessionOptions } from '../../models/session.ts';
import { PooledEncoder } from '../pooled-encoder.ts';
import type { Scored } from '../run.ts';
import type { Retriever } from '../retriever.ts';

/** Parameters of HNSW (Malkov and Yashunin 2018): links of a node, and how widely building and searching look around. */
const links = 16;
const buildWidth = 200;
const searchWidth = 200;
const seed = 1;

export interface DenseOptions extends SessionOptions {
  /** Called while documents are encoded. */
  readonly onProgress?: (documents: number, total: number) => void;
}

/**
 * Nearest documents by the cosine of mean-pooled encoder states, title and text of a live document against the query, out of
 * the model's own encoder. It was never trained for this: it shows what the encoder alone knows about likeness.
 */
export async function denseRetriever(
  store: Store,
  folder: ModelFolder,
  options: DenseOptions = {},
): Promise<Retriever> {
  const encoder = await PooledEncoder.open(folder, options);
  const documents = [...store.eachDocument()].map(({ docid, title, text }) => ({ docid, text: `${title} ${text}` }));
  const texts = documents.map(({ text }) => text);
  const vectors = await encoder.encode(texts, (done) => options.onProgress?.(done, texts.length));
  const index = buildIndex(vectors, encoder.dimensions);
  return {
    async retrieve(queries, k) {
      const count = Math.min(k, documents.length);
      if (count === 0) return queries.map(() => []);
      index.setEf(Math.max(searchWidth, count));
      const asked = await encoder.encode(queries);
      return queries.map((_, i): Scored[] => {
        const { neighbors, distances } = index.searchKnn(row(asked, i, encoder.dimensions), count);
        return neighbors.map((label, n) => ({ docid: documents[label].docid, score: 1 - distances[n] }));
      });
    },
    close: () => encoder.close(),
  };
}

/** @param vectors float32 [N, D], row-major */
function buildIndex(vectors: Float32Array, dimensions: number): hnswlib.HierarchicalNSW {
  const index = new hnswlib.HierarchicalNSW('cosine', dimensions);
  const size = vectors.length / dimensions;
  index.initIndex(Math.max(1, size), links, buildWidth, seed);
  for (let i = 0; i < size; i++) index.addPoint(row(vectors, i, dimensions), i);
  return index;
}

function row(matrix: Float32Array, i: number, dimensions: number): number[] {
  return Array.from(matrix.subarray(i * dimensions, (i + 1) * dimensions));
}
