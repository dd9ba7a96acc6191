import type { Batch } from '../examples.ts';

/** The docids of a model in training: token ids, words below W, codes from W on. */
export class TrainedPaths {
  /** Of each document. */
  readonly paths: readonly Int32Array[];
  /** Tokens of the longest. */
  readonly depth: number;
  /** W */
  readonly words: number;
  /** E, the codes behind the words. */
  readonly codes: number;
  /** Ids of the words that paths are made of, ascending. */
  readonly wordIds: Int32Array;
  /** Of each document, whether its last token is in no other path. */
  private readonly hasOwn: readonly boolean[];
  private readonly placeOf = new Map<number, number>();
  private readonly children = new Map<string, Set<number>>();

  constructor(paths: readonly Int32Array[], words: number, codes: number) {
    this.paths = paths;
    this.words = words;
    this.codes = codes;
    const uses = new Map<number, number>();
    for (const path of paths) for (const id of path) uses.set(id, (uses.get(id) ?? 0) + 1);
    this.hasOwn = paths.map((path) => uses.get(path.at(-1)!) === 1);
    this.depth = paths.reduce((depth, path) => Math.max(depth, path.length), 0);
    const used = new Set(paths.flatMap((path) => Array.from(path.filter((id) => id < words))));
    this.wordIds = Int32Array.from(used).sort();
    this.wordIds.forEach((id, i) => this.placeOf.set(id, codes + i));
    for (let code = 0; code < codes; code++) this.placeOf.set(words + code, code);
    for (const path of paths)
      path.forEach((id, t) => {
        const key = path.subarray(0, t).join();
        const known = this.children.get(key) ?? new Set<number>();
        this.children.set(key, known.add(this.place(id)));
      });
  }

  /** Number of tokens that paths are made of: all codes, and behind them some words. */
  get tokens(): number {
    return this.codes + this.wordIds.length;
  }

  /** Where a token stands among them. */
  place(id: number): number {
    return this.placeOf.get(id)!;
  }

  /** Places of the tokens that may follow the first `t` ones of a document's path. */
  following(document: number, t: number): ReadonlySet<number> {
    return this.children.get(this.paths[document].subarray(0, t).join())!;
  }

  /**
   * What each step of a query's right path should choose: the shares of the documents whose paths begin as the right one
   * does so far, by their next tokens. Where that is a document's own token, all documents' own tokens have their shares,
   * whatever their paths begin with: so the last step judges the whole corpus once more, and a path's score is a product of
   * two judgements. Steps × (place, share).
   */
  targets({ rows, shares }: Batch['targets'][number]): ReadonlyMap<number, number>[] {
    const right = this.paths[rows[0]];
    const all = Array.from({ length: rows.length }, (_, i) => i);
    let alive = all;
    return Array.from(right, (id, t) => {
      const isOwn = this.isOwn(rows[0], t);
      const chosen = isOwn ? all.filter((i) => this.hasOwn[rows[i]]) : alive;
      const step = new Map<number, number>();
      const sum = chosen.reduce((sum, i) => sum + shares[i], 0);
      for (const i of chosen) {
        const place = this.place(this.paths[rows[i]].at(isOwn ? -1 : t)!);
        step.set(place, (step.get(place) ?? 0) + shares[i] / sum);
      }
      alive = alive.filter((i) => this.paths[rows[i]][t] === id);
      return step;
    });
  }

  /** Whether a document's token at position t is in no other path. */
  isOwn(document: number, t: number): boolean {
    return this.hasOwn[document] && t === this.paths[document].length - 1;
  }
}
