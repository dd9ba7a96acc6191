import type { PathLab } from '../analysis/path-lab.ts';
import { SequenceDecoder } from '../models/beam/sequence-decoder.ts';
import { pathIds } from '../models/genir.ts';
import type { Prefix } from './reading.ts';

/** Queries that are asked for a place, at most: more of a document's do not change where most of them lead. */
const SAMPLE = 16;
/** Prefixes that are looked at for each of them. */
const DEPTH = 10;

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

  /**
   * The prefix with the greatest mean log-probability; of equal ones the first. What a query does not lead to counts as
   * much as the last of what it leads to.
   */
  async best(texts: readonly string[]): Promise<Prefix> {
    const found = await this.decoder.retrieve(texts.slice(0, SAMPLE).map((query) => ({ query, k: DEPTH })));
    const sums = new Float64Array(this.places.length);
    for (const { rows, scores } of found) {
      const least = scores[scores.length - 1];
      rows.forEach((place, i) => (sums[place] += scores[i] - least));
    }
    return this.places[sums.indexOf(sums.reduce((a, b) => Math.max(a, b)))];
  }

  async close(): Promise<void> {
    await this.decoder.close();
  }
}
