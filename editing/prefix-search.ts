import type { PathLab } from '../analysis/path-lab.ts';
import { SequenceDecoder } from '../models/beam/sequence-decoder.ts';
import { pathIds } from '../models/genir.ts';
import { prefixKey, type Prefix, type PrefixLogs } from './reading.ts';

/** Prefixes that are looked at for each query. */
const DEPTH = 10;
/** Queries that a decoder answers together. */
const BATCH = 32;

/** Places of queries that are answered together: of like length, as padding would have it. */
export function batchesOf(texts: readonly string[]): Int32Array[] {
  const order = Int32Array.from(texts.keys()).sort((a, b) => texts[a].length - texts[b].length || a - b);
  return Array.from({ length: Math.ceil(order.length / BATCH) }, (_, i) => order.subarray(i * BATCH, (i + 1) * BATCH));
}

/**
 * Where a model looks for queries: a beam search that ends one step early, in which what documents have before their last
 * tokens are the docids. Of prefixes that begin others, only those others are places.
 */
export class PrefixSearch {
  /** In the order of the first documents that have them. */
  private readonly places: readonly Prefix[];
  private readonly decoder: SequenceDecoder;

  private constructor(places: readonly Prefix[], decoder: SequenceDecoder) {
    this.places = places;
    this.decoder = decoder;
  }

  /** Undefined for a model with no prefix but the empty one. */
  static async open({ folder, genir }: PathLab, threads: number): Promise<PrefixSearch | undefined> {
    const prefixes = genir.paths.map((path) => path.split(' ').slice(0, -1));
    const begins = new Set(prefixes.flatMap((names) => names.map((_, t) => names.slice(0, t).join(' '))));
    const paths = [...new Set(prefixes.map((names) => names.join(' ')))].filter((name) => name && !begins.has(name));
    if (!paths.length) return undefined;
    const places = { ...genir, docids: paths, paths };
    const { tokens, offsets } = pathIds(places, folder.tokenizerJson);
    const decoder = await SequenceDecoder.open({ ...folder, genir: places }, { threads });
    return new PrefixSearch(
      paths.map((_, n) => tokens.slice(offsets[n], offsets[n + 1])),
      decoder,
    );
  }

  async find(texts: readonly string[]): Promise<PrefixLogs[]> {
    const found: PrefixLogs[] = [];
    for (const some of batchesOf(texts)) {
      const lists = await this.decoder.retrieve(Array.from(some, (q) => ({ query: texts[q], k: DEPTH })));
      lists.forEach(({ rows, scores }, i) => {
        found[some[i]] = new Map(Array.from(rows, (place, n) => [prefixKey(this.places[place]), scores[n]]));
      });
    }
    return found;
  }

  async close(): Promise<void> {
    await this.decoder.close();
  }
}
