import { PathConflictError } from './scheme.ts';
import { sortPaths, type PathIds } from './sort-paths.ts';

/**
 * The trie of a set of paths, in flat arrays that never change. Leaves (documents) are numbered in the order of their
 * paths, so that what lies under a node is a range of leaves; nodes level by level, each level in that order, so that
 * the children of a node are a range of nodes with ascending tokens:
 *
 *     paths  d0: 7 1    d1: 7 2 4 5    d2: 9 3         node  0 root         1      2      3      4
 *                                                      token             7      9      1      2
 *     nodes  root ─ 7 ─ 1 (d0)                         first 1            3      5      5      5      5
 *              │    └── 2 (d1) ┄ 4 ┄ 5                 leaf  0            0      2      0      1
 *              └─── 9 (d2) ┄ 3                         tails of leaves 0, 1, 2: [], [4 5], [3]
 *
 * From where a path is alone (┄) it has no nodes of its own any more: its tail stands in one array of tokens, and place p of that is
 * node `nodes + p`.
 */
export class BaseTrie {
  readonly documents: number;
  /** Tokens of the longest path. */
  readonly depth: number;
  /** Nodes above the tails. */
  readonly nodes: number;
  /** int32 [nodes]: the token that leads to a node. */
  readonly token: Int32Array;
  /** int32 [nodes + 1]: the children of node i are first[i] … first[i + 1]. */
  readonly first: Int32Array;
  /** int32 [nodes]: the first leaf under a node. */
  readonly leaf: Int32Array;
  /** int32: the tokens of all tails. */
  readonly tails: Int32Array;
  /** int32 [N + 1]: the tail of leaf l is tails[tailStart[l] … tailStart[l + 1]). */
  readonly tailStart: Int32Array;
  /** int32 [N] */
  readonly documentOfLeaf: Int32Array;
  /** int32 [N] */
  readonly leafOfDocument: Int32Array;

  /** @throws PathConflictError, RangeError for an empty path or a negative token */
  constructor(paths: PathIds) {
    checkTokens(paths);
    const { tokens, offsets } = paths;
    const order = sortPaths(paths);
    const N = order.length;
    const length = (l: number): number => offsets[order[l] + 1] - offsets[order[l]];
    const { shared, own, levelSizes } = sharing(paths, order);

    // The next node to be made on each level; node 0 is the root.
    const next = new Int32Array(levelSizes.length + 1);
    for (let t = 1; t < next.length; t++) next[t] = next[t - 1] + levelSizes[t - 1];
    const nodes = next[levelSizes.length];
    this.nodes = nodes;
    this.token = new Int32Array(nodes);
    this.leaf = new Int32Array(nodes);
    this.first = new Int32Array(nodes + 1).fill(nodes);
    this.first[0] = 1;
    this.tailStart = new Int32Array(N + 1);
    for (let l = 0; l < N; l++) {
      const start = offsets[order[l]];
      for (let t = shared[l] + 1; t <= own[l]; t++) {
        const node = next[t]++;
        this.token[node] = tokens[start + t - 1];
        this.leaf[node] = l;
        this.first[node] = next[t + 1];
      }
      this.tailStart[l + 1] = this.tailStart[l] + length(l) - own[l];
    }
    this.tails = new Int32Array(this.tailStart[N]);
    this.leafOfDocument = new Int32Array(N);
    let depth = 0;
    for (let l = 0; l < N; l++) {
      const document = order[l];
      this.tails.set(tokens.subarray(offsets[document] + own[l], offsets[document + 1]), this.tailStart[l]);
      this.leafOfDocument[document] = l;
      depth = Math.max(depth, length(l));
    }
    this.documents = N;
    this.depth = depth;
    this.documentOfLeaf = order;
  }

  /** Nodes and places of tails: the number of the first node that is not this trie's. */
  get size(): number {
    return this.nodes + this.tails.length;
  }

  /** The leaf that a node without children of its own, or a place in a tail, leads to; −1 for any other node. */
  leafOf(node: number): number {
    if (node >= this.nodes) return lastAtMost(this.tailStart, node - this.nodes);
    return this.documents > 0 && this.first[node] === this.first[node + 1] ? this.leaf[node] : -1;
  }

  /** The place of a tail that follows a node with this leaf; −1 where its path ends. */
  nextInTail(node: number, leaf: number): number {
    const place = node < this.nodes ? this.tailStart[leaf] : node - this.nodes + 1;
    return place < this.tailStart[leaf + 1] ? place : -1;
  }

  /** One more than the last leaf under a node that has children. */
  leafEnd(node: number): number {
    if (node === 0) return this.documents;
    while (this.first[node] < this.first[node + 1]) node = this.first[node + 1] - 1;
    return this.leaf[node] + 1;
  }

  documentOf(node: number): number {
    const leaf = this.leafOf(node);
    return leaf >= 0 && this.nextInTail(node, leaf) < 0 ? this.documentOfLeaf[leaf] : -1;
  }

  /** −1 where there is none. */
  childOf(node: number, token: number): number {
    const leaf = this.leafOf(node);
    if (leaf >= 0) {
      const place = this.nextInTail(node, leaf);
      return place >= 0 && this.tails[place] === token ? this.nodes + place : -1;
    }
    let [low, high] = [this.first[node], this.first[node + 1]];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.token[middle] < token) low = middle + 1;
      else high = middle;
    }
    return low < this.first[node + 1] && this.token[low] === token ? low : -1;
  }

  /** int32: the tokens from the root to a leaf. */
  pathOfLeaf(leaf: number): Int32Array {
    const path: number[] = [];
    let node = 0;
    while (this.first[node] < this.first[node + 1]) {
      node = lastAtMost(this.leaf, leaf, this.first[node], this.first[node + 1]);
      path.push(this.token[node]);
    }
    return Int32Array.of(...path, ...this.tails.subarray(this.tailStart[leaf], this.tailStart[leaf + 1]));
  }
}

/** The last place from `low` up to `high` with a value of at most `value`, among ascending values. */
function lastAtMost(values: Int32Array, value: number, low = 0, high = values.length): number {
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (values[middle] <= value) low = middle;
    else high = middle;
  }
  return low;
}

function checkTokens({ tokens, offsets }: PathIds): void {
  for (let n = 0; n + 1 < offsets.length; n++)
    if (offsets[n + 1] <= offsets[n])
      throw new RangeError(`docid paths: expected at least one token for document ${n}, got none`);
  const negative = tokens.findIndex((token) => token < 0);
  if (negative >= 0) throw new RangeError(`docid paths: expected token ids from 0 on, got ${tokens[negative]}`);
}

interface Sharing {
  /** int32 [N]: the tokens each leaf shares with the one before it. */
  shared: Int32Array;
  /** int32 [N]: the depth of each leaf's last node, where its path is alone. */
  own: Int32Array;
  /** Nodes on each level. */
  levelSizes: number[];
}

/** @throws PathConflictError */
function sharing({ tokens, offsets }: PathIds, order: Int32Array): Sharing {
  const N = order.length;
  const shared = new Int32Array(N);
  for (let l = 1; l < N; l++) {
    const [a, b] = [order[l - 1], order[l]];
    const [startA, lengthA, startB] = [offsets[a], offsets[a + 1] - offsets[a], offsets[b]];
    const least = Math.min(lengthA, offsets[b + 1] - startB);
    let t = 0;
    while (t < least && tokens[startA + t] === tokens[startB + t]) t++;
    // A path stands right before those it is a prefix of.
    if (t === lengthA) throw new PathConflictError(a, b, t);
    shared[l] = t;
  }
  const own = new Int32Array(N);
  const levelSizes = [1];
  for (let l = 0; l < N; l++) {
    const before = l > 0 ? shared[l] + 1 : 0;
    const after = l + 1 < N ? shared[l + 1] + 1 : 0;
    own[l] = Math.max(before, after);
    for (let t = shared[l] + 1; t <= own[l]; t++) levelSizes[t] = (levelSizes[t] ?? 0) + 1;
  }
  return { shared, own, levelSizes };
}
