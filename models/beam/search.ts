/**
 * @file Beam search over the paths of a trie, for a batch of queries. Scores are those of whole paths over the whole
 * vocabulary: what may not follow is left out, nothing is renormalised.
 *
 * As in transformers' beam search, each step looks at the M best candidates of a query: those that end a path are documents
 * found. The M best that end none go on, whatever was found. Scores only fall, so a beam behind M documents is given up.
 *
 * Prefixes that are read alike, which are those of later documents, share one beam: what follows them is computed once. So
 * they crowd nobody out, and are not crowded out by each other.
 */
import { ChildList, type DocidTrie, type TrieView } from '../../corpus/docids/trie.ts';
import type { BeamRun, Candidates, Ranked, StepInput } from './beam-model.ts';
import { candidateLists, type CandidateList } from './graphs.ts';

/** What the search needs to know of a model. */
export interface SearchedModel {
  readonly trie: DocidTrie;
  /** Size of the vocabulary, W + E. */
  readonly vocabulary: number;
  /** D */
  readonly width: number;
  readonly startToken: number;
  /** Puts the embedding of a token into `x` from `at` on. */
  embed(token: number, x: Float32Array, at: number): void;
  /** The token that another is read as: for most the same. */
  readAs(token: number): number;
}

export interface SearchedQuery {
  /** The documents that may be found. */
  readonly view: TrieView;
  /** M */
  readonly beams: number;
}

/** Prefixes that share beams, at most, in a search with so many beams. */
const mostAlike = (beams: number): number => Math.max(512, beams);

export interface Found {
  readonly document: number;
  /** Log-probability of its path. */
  readonly score: number;
}

/** An unfinished path. */
export interface Prefix {
  readonly node: number;
  /** The last token. */
  readonly token: number;
  readonly score: number;
  /** Its beam, a place among those that are read next. */
  readonly beam: number;
  /** The prefix without its last token: a place among those of the step before. */
  readonly parent: number;
}

/** What is read next for one prefix, or for several. */
interface Beam {
  readonly token: number;
  /** Of the run before, the row that it continues. */
  readonly row: number;
}

/** The log-probability of what cannot be. */
const NEVER = -1e9;

/** What the search of a query has after a step: unfinished paths that it goes on with, and documents; best first. */
export interface Searched {
  readonly prefixes: readonly Prefix[];
  readonly found: readonly Found[];
}

/**
 * @param onStep  sees all searches after each step
 * @returns       for each query at most as many documents as it has beams, best first
 */
export async function beamSearch(
  model: SearchedModel,
  run: BeamRun,
  queries: readonly SearchedQuery[],
  onStep?: (searches: readonly Searched[]) => void,
): Promise<(readonly Found[])[]> {
  const searches = queries.map((query, row) => new Search(model, query, row));
  const most = Math.max(...queries.map(({ beams }) => beams));
  for (;;) {
    const beams = Math.max(...searches.map((search) => search.beams.length));
    if (beams === 0) return searches.map(({ found }) => found);
    const edges = { inner: new Edges(), alike: new Edges(), leaves: new Edges() };
    searches.forEach((search, b) => search.collect(edges, b * beams));
    const { inner, alike, leaves } = edges;
    const lists = { inner: inner.padded(most), alike: alike.padded(mostAlike(most)), leaves: leaves.padded(most) };
    const best = await run.step({ ...lastTokens(model, searches, beams), beams, lists });
    searches.forEach((search, b) => search.advance(edges, best, b));
    onStep?.(searches);
  }
}

/** What the beams read; queries with fewer than others are filled up with rows that nobody looks at. */
function lastTokens(
  model: SearchedModel,
  searches: readonly Search[],
  beams: number,
): Pick<StepInput, 'x' | 'parents'> {
  const x = new Float32Array(searches.length * beams * model.width);
  const parents = new Int32Array(searches.length * beams);
  searches.forEach((search, b) =>
    search.beams.forEach(({ token, row }, m) => {
      parents[b * beams + m] = row;
      model.embed(token, x, (b * beams + m) * model.width);
    }),
  );
  return { x, parents };
}

/** Edges of the trie that may follow, query after query. */
class Edges {
  /** Row · vocabulary + token: where the log-probability of the token after the beam stands. */
  readonly cells: number[] = [];
  /** Where the edge leads. */
  readonly nodes: number[] = [];
  /** Log-probability of the prefix. */
  readonly before: number[] = [];
  /** Place of the prefix among those of its query. */
  readonly parents: number[] = [];
  /** Query b has the edges starts[b] … starts[b + 1]. */
  readonly starts: number[] = [0];

  add(cell: number, node: number, before: number, parent: number): void {
    this.cells.push(cell);
    this.nodes.push(node);
    this.before.push(before);
    this.parents.push(parent);
  }

  endQuery(): void {
    this.starts.push(this.cells.length);
  }

  /** As many for each query, the missing ones impossible. @param k  how many of the best are wanted, at most */
  padded(k: number): Candidates {
    const { cells, before, starts } = this;
    const B = starts.length - 1;
    const width = Math.max(1, ...starts.slice(1).map((end, b) => end - starts[b]));
    const candidates = new Int32Array(B * width);
    const befores = new Float32Array(B * width).fill(NEVER);
    for (let b = 0; b < B; b++)
      for (let i = starts[b], at = b * width; i < starts[b + 1]; i++, at++) {
        candidates[at] = cells[i];
        befores[at] = before[i];
      }
    return { candidates, before: befores, width, k: Math.min(k, width) };
  }
}

type Edge = Pick<Prefix, 'node' | 'score' | 'parent'> & { readonly cell: number };

/** The search of one query. */
class Search implements Searched {
  prefixes: readonly Prefix[];
  beams: readonly Beam[];
  found: readonly Found[] = [];
  private readonly model: SearchedModel;
  private readonly query: SearchedQuery;
  private readonly children = new ChildList();

  /** @param row  of its only beam, the start token, in the first run */
  constructor(model: SearchedModel, query: SearchedQuery, row: number) {
    this.model = model;
    this.query = query;
    const token = model.startToken;
    this.prefixes = query.view.size ? [{ node: model.trie.root, token, score: 0, beam: 0, parent: 0 }] : [];
    this.beams = this.prefixes.map(() => ({ token, row }));
  }

  /** Adds what may follow its prefixes, whose first beam is row `first` of the run. */
  collect(edges: Readonly<Record<CandidateList, Edges>>, first: number): void {
    const { children } = this;
    const { trie, vocabulary } = this.model;
    this.prefixes.forEach(({ node, score, beam }, parent) => {
      children.clear();
      const count = this.query.view.children(node, children);
      for (let i = 0; i < count; i++) {
        const [child, token] = [children.nodes[i], children.tokens[i]];
        const list = trie.documentOf(child) >= 0 ? 'leaves' : this.model.readAs(token) === token ? 'inner' : 'alike';
        edges[list].add((first + beam) * vocabulary + token, child, score, parent);
      }
    });
    for (const list of candidateLists) edges[list].endQuery();
  }

  /** Goes on with the best of what may follow. @param b  its place in the batch */
  advance(
    edges: Readonly<Record<CandidateList, Edges>>,
    best: Readonly<Record<CandidateList, Ranked>>,
    b: number,
  ): void {
    const { trie } = this.model;
    const limit = this.query.beams;
    const of = (list: CandidateList, most: number): Edge[] => bestEdges(edges[list], best[list], b, most);
    const going = [...of('inner', limit), ...of('alike', mostAlike(limit))].sort((a, b) => b.score - a.score);
    const { prefixes, beams, scores } = this.shared(going, limit);
    let ahead = 0; // beams that go on before the leaf
    const ended = of('leaves', limit).filter(({ score }, i) => {
      while (ahead < scores.length && scores[ahead] > score) ahead++;
      return i + ahead < limit;
    });
    const documents = ended.map(({ node, score }) => ({ document: trie.documentOf(node), score }));
    this.found = [...this.found, ...documents].sort((a, b) => b.score - a.score).slice(0, limit);
    const worst = this.found.length === limit ? this.found[limit - 1].score : -Infinity;
    this.prefixes = prefixes.filter(({ score }) => score > worst);
    this.beams = beams.filter((_, beam) => scores[beam] > worst);
  }

  /**
   * Prefixes on as few beams as they need, `limit` at most.
   *
   * @param going  best first
   * @returns      the beams in the order of their best prefixes, whose scores are `scores`
   */
  private shared(
    going: readonly Edge[],
    limit: number,
  ): { prefixes: readonly Prefix[]; beams: readonly Beam[]; scores: readonly number[] } {
    const { vocabulary } = this.model;
    const [prefixes, beams, scores]: [Prefix[], Beam[], number[]] = [[], [], []];
    for (const { node, score, cell, parent } of going) {
      const row = Math.floor(cell / vocabulary);
      const own = cell - row * vocabulary;
      const token = this.model.readAs(own);
      let beam = token === own ? -1 : beams.findIndex((one) => one.row === row && one.token === token);
      if (beam < 0) {
        if (beams.length === limit) continue;
        beam = beams.push({ token, row }) - 1;
        scores.push(score);
      }
      prefixes.push({ node, score, token: own, beam, parent });
    }
    return { prefixes, beams, scores };
  }
}

/** The best edges of query b, those that are no padding. */
function bestEdges(
  { cells, nodes, parents, starts }: Edges,
  { scores, places, k }: Ranked,
  b: number,
  limit: number,
): Edge[] {
  const count = Math.min(k, limit, starts[b + 1] - starts[b]);
  return Array.from({ length: count }, (_, i) => {
    const edge = starts[b] + Number(places[b * k + i]);
    return { node: nodes[edge], cell: cells[edge], parent: parents[edge], score: scores[b * k + i] };
  });
}
