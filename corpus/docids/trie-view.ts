import type { LeafSet } from './leaf-set.ts';
import type { BaseTrie } from './trie-base.ts';
import type { Overlay } from './trie-overlay.ts';

/** What may be generated: the part of a trie that leads to permitted documents. */
export interface TrieView {
  /** Documents that may be generated; 0: nothing. */
  readonly size: number;
  /** Appends the permitted children of a node to `out`, by ascending tokens; returns how many. */
  children(node: number, out: ChildList): number;
}

/** Children of nodes, in arrays that grow. */
export class ChildList {
  tokens = new Int32Array(64);
  nodes = new Int32Array(64);
  length = 0;

  clear(): void {
    this.length = 0;
  }

  push(token: number, node: number): void {
    this.reserve(1);
    this.tokens[this.length] = token;
    this.nodes[this.length++] = node;
  }

  append({ tokens, nodes }: { readonly tokens: Int32Array; readonly nodes: Int32Array }): void {
    this.reserve(tokens.length);
    this.tokens.set(tokens, this.length);
    this.nodes.set(nodes, this.length);
    this.length += tokens.length;
  }

  /** Makes room for so many more. */
  reserve(more: number): void {
    const { tokens, nodes } = this;
    if (this.length + more <= tokens.length) return;
    const capacity = Math.max(2 * tokens.length, this.length + more);
    this.tokens = new Int32Array(capacity);
    this.nodes = new Int32Array(capacity);
    this.tokens.set(tokens);
    this.nodes.set(nodes);
  }
}

/** The first place from `low` up to `high` with a value above `value`, among ascending values. */
function firstAbove(values: Int32Array, value: number, low: number, high: number): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle] > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The permitted part of base and overlay. */
export class UnionView implements TrieView {
  readonly #base: BaseTrie;
  readonly #overlay: Overlay;
  /** Permitted leaves of the base. */
  readonly leaves: LeafSet;
  /** Of each place of the overlay, the permitted documents whose paths go through it. */
  readonly counts: number[];

  constructor(base: BaseTrie, overlay: Overlay, leaves: LeafSet, counts: number[]) {
    this.#base = base;
    this.#overlay = overlay;
    this.leaves = leaves;
    this.counts = counts;
  }

  get size(): number {
    return this.leaves.size + (this.counts[0] ?? 0);
  }

  children(node: number, out: ChildList): number {
    const before = out.length;
    if (node < this.#base.size) this.#appendBase(node, out);
    const place = this.#overlay.placeOf(node);
    if (place !== undefined && this.counts[place] > 0) this.#mergeAdded(this.#overlay.children[place], before, out);
    return out.length - before;
  }

  #appendBase(node: number, out: ChildList): void {
    const { leaves } = this;
    const { leaf, token, first, tails, nodes: nodeCount } = this.#base;
    const single = this.#base.leafOf(node);
    if (single >= 0) {
      const place = this.#base.nextInTail(node, single);
      if (place >= 0 && leaves.has(single)) out.push(tails[place], nodeCount + place);
      return;
    }
    const last = first[node + 1] - 1;
    const end = this.#base.leafEnd(node);
    out.reserve(last + 1 - first[node]);
    const { tokens, nodes } = out;
    let length = out.length;
    for (let child = first[node]; child <= last; child++) {
      if (!leaves.has(leaf[child])) {
        // To the next permitted leaf, past all children that have none.
        const next = leaves.next(leaf[child]);
        if (next >= end) break;
        while (child < last && leaf[child + 1] <= next) child++;
      }
      tokens[length] = token[child];
      nodes[length++] = child;
    }
    out.length = length;
  }

  /** Puts what only added paths lead to among the children of the base that stand in `out` from `before` on. */
  #mergeAdded(children: readonly number[], before: number, out: ChildList): void {
    const { tokens, nodes } = this.#overlay;
    const added = children.filter((place) => this.counts[place] > 0 && !this.#leadsThroughBase(nodes[place]));
    out.reserve(added.length);
    let end = out.length;
    out.length += added.length;
    // From the last one on: those of the base with greater tokens go to where they belong, as many places on as are left.
    for (let i = added.length; i-- > 0;) {
      const [token, node] = [tokens[added[i]], nodes[added[i]]];
      const at = firstAbove(out.tokens, token, before, end);
      out.tokens.copyWithin(at + i + 1, at, end);
      out.nodes.copyWithin(at + i + 1, at, end);
      out.tokens[at + i] = token;
      out.nodes[at + i] = node;
      end = at;
    }
  }

  /** Whether a permitted leaf of the base lies under a node. */
  #leadsThroughBase(node: number): boolean {
    if (node >= this.#base.size) return false;
    const single = this.#base.leafOf(node);
    if (single >= 0) return this.leaves.has(single);
    const start = this.#base.leaf[node];
    const leaf = this.leaves.next(start);
    return leaf === start || leaf < this.#base.leafEnd(node);
  }
}
