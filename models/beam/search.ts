/**
 * @file Beam search over the paths of a trie, for a batch of queries. Scores are those of whole paths over the whole
 * vocabulary: what may not follow is left out, nothing is renormalised.
 *
 * As in transformers' beam search, each step looks at the M best candidates of a query: those that end a path are documents
 * found. The M best that end none go on, whatever was found. Scores only fall, so a beam behind M documents is given up.
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
}

export interface SearchedQuery {
  /** The documents that may be found. */
  readonly view: TrieView;
  /** M */
  readonly beams: number;
}

export interface Found {
  readonly document: number;
  /** Log-probability of its path. */
  readonly score: number;
}

/** An unfinished path. */
export interface Beam {
  readonly node: number;
  /** The last token. */
  readonly token: number;
  readonly score: number;
  /** Its row in the run before. */
  readonly row: number;
}

/** The log-probability of what cannot be. */
const NEVER = -1e9;

/** What the search of a query has after a step: unfinished paths that it goes on with, and documents; best first. */
export interface Searched {
  readonly beams: readonly Beam[];
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
    const edges = { inner: new Edges(), leaves: new Edges() };
    searches.forEach((search, b) => search.collect(edges, b * beams));
    const lists = { inner: edges.inner.padded(most), leaves: edges.leaves.padded(most) };
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
  /** Log-probability of the beam. */
  readonly before: number[] = [];
  /** Query b has the edges starts[b] … starts[b + 1]. */
  readonly starts: number[] = [0];

  add(cell: number, node: number, before: number): void {
    this.cells.push(cell);
    this.nodes.push(node);
    this.before.push(before);
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

type Edge = Pick<Beam, 'node' | 'score'> & { readonly cell: number };

/** The search of one query. */
class Search implements Searched {
  beams: readonly Beam[];
  found: readonly Found[] = [];
  private readonly model: SearchedModel;
  private readonly query: SearchedQuery;
  private readonly children = new ChildList();

  /** @param row  of its only beam, the start token, in the first run */
  constructor(model: SearchedModel, query: SearchedQuery, row: number) {
    this.model = model;
    this.query = query;
    this.beams = query.view.size ? [{ node: model.trie.root, token: model.startToken, score: 0, row }] : [];
  }

  /** Adds what may follow its beams, whose first one is row `first` of the run. */
  collect(edges: Readonly<Record<CandidateList, Edges>>, first: number): void {
    const { children } = this;
    const { trie, vocabulary } = this.model;
    this.beams.forEach(({ node, score }, m) => {
      children.clear();
      const count = this.query.view.children(node, children);
      for (let i = 0; i < count; i++) {
        const child = children.nodes[i];
        const list = trie.documentOf(child) < 0 ? edges.inner : edges.leaves;
        list.add((first + m) * vocabulary + children.tokens[i], child, score);
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
    const { trie, vocabulary } = this.model;
    const limit = this.query.beams;
    const [inner, leaves] = candidateLists.map((list) => bestEdges(edges[list], best[list], b, limit));
    let ahead = 0; // inner edges before the leaf
    const ended = leaves.filter(({ score }, i) => {
      while (ahead < inner.length && inner[ahead].score > score) ahead++;
      return i + ahead < limit;
    });
    const documents = ended.map(({ node, score }) => ({ document: trie.documentOf(node), score }));
    this.found = [...this.found, ...documents].sort((a, b) => b.score - a.score).slice(0, limit);
    const worst = this.found.length === limit ? this.found[limit - 1].score : -Infinity;
    this.beams = inner
      .filter(({ score }) => score > worst)
      .map(({ node, score, cell }) => {
        const row = Math.floor(cell / vocabulary);
        return { node, score, row, token: cell - row * vocabulary };
      });
  }
}

/** The best edges of query b, those that are no padding. */
function bestEdges({ cells, nodes, starts }: Edges, { scores, places, k }: Ranked, b: number, limit: number): Edge[] {
  const count = Math.min(k, limit, starts[b + 1] - starts[b]);
  return Array.from({ length: count }, (_, i) => {
    const edge = starts[b] + Number(places[b * k + i]);
    return { node: nodes[edge], cell: cells[edge], score: scores[b * k + i] };
  });
}
