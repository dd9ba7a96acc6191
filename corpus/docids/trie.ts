import { LeafSet } from './leaf-set.ts';
import { PathConflictError } from './scheme.ts';
import type { PathIds } from './sort-paths.ts';
import { BaseTrie } from './trie-base.ts';
import { Overlay } from './trie-overlay.ts';

export type { PathIds } from './sort-paths.ts';

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

/**
 * The docid paths of a model as a trie over token ids, for decoding that can only generate docids. Documents are
 * numbers, and so are nodes (int32). An edit changes what it touches: added paths stand in an overlay, removed ones are
 * struck from the set of live leaves, so that a subtree without live documents is not offered any more. A path stays its
 * document's when that is removed: nobody else gets it, and `revive` finds it again.
 */
export class DocidTrie {
  readonly root = 0;
  readonly #base: BaseTrie;
  readonly #overlay: Overlay;
  /** Where in the overlay the paths of documents end; all others end in the base. */
  readonly #places = new Map<number, number>();
  readonly #live: View;
  #documents: number;
  #depth: number;

  private constructor(base: BaseTrie) {
    this.#base = base;
    this.#overlay = new Overlay(base.size);
    this.#live = new View(base, this.#overlay, LeafSet.full(base.documents), []);
    this.#documents = base.documents;
    this.#depth = base.depth;
  }

  /**
   * Document n has the n-th path. Keeps nothing of `paths`.
   * @throws PathConflictError, RangeError for an empty path or a negative token
   */
  static build(paths: PathIds): DocidTrie {
    return new DocidTrie(new BaseTrie(paths));
  }

  /** The trie as it was built, every document live; shares its arrays and takes one bit a document. */
  asBuilt(): DocidTrie {
    return new DocidTrie(this.#base);
  }

  /** One more than the greatest number of a document, removed ones included. */
  get documents(): number {
    return this.#documents;
  }

  /** Tokens of the longest path. */
  get depth(): number {
    return this.#depth;
  }

  /**
   * Gives a path to a new document, or another path to a removed one; its old path stays taken, and may be given back to it.
   * @throws PathConflictError, RangeError
   */
  add(document: number, tokens: ArrayLike<number>): void {
    this.#checkNew(document, tokens);
    const node = this.#endOf(document, tokens);
    if (node >= 0 && node < this.#base.size) this.#places.delete(document);
    else this.#places.set(document, node >= 0 ? this.#overlay.placeOf(node)! : this.#grow(document, tokens));
    this.#documents = Math.max(this.#documents, document + 1);
    this.#depth = Math.max(this.#depth, tokens.length);
    this.#mark(document, true);
  }

  /** No view that is taken from now on leads to the document. Removing twice is removing. */
  remove(document: number): void {
    this.#mark(document, false);
  }

  /** Makes a removed document live again under the path it had last. */
  revive(document: number): void {
    this.#mark(document, true);
  }

  /** The document, live or not, whose path ends at a node; −1 where paths go on. */
  documentOf(node: number): number {
    if (node < this.#base.size) return this.#base.documentOf(node);
    return this.#overlay.documents[this.#overlay.placeOf(node)!];
  }

  /** int32: the tokens of a document's path, live or not. @throws RangeError */
  pathOf(document: number): Int32Array {
    const place = this.#places.get(document);
    return place === undefined ? this.#base.pathOfLeaf(this.#leafOf(document)) : this.#overlay.pathOf(place);
  }

  /**
   * Which nodes lead to a live document that `allowed` [N] (1 = may) lets through. Without it, all live documents: that
   * view follows later edits, one with a filter stays what it is. A filter costs one pass over the documents.
   */
  restrict(allowed?: Uint8Array): TrieView {
    if (!allowed) return this.#live;
    const leaves = new LeafSet(this.#base.documents);
    const { leafOfDocument } = this.#base;
    const end = Math.min(leafOfDocument.length, allowed.length);
    for (let document = 0; document < end; document++) {
      const leaf = leafOfDocument[document];
      if (allowed[document] && this.#live.leaves.has(leaf)) leaves.add(leaf);
    }
    const counts: number[] = [];
    for (const [document, place] of this.#places)
      if (allowed[document] && this.#live.counts[place]) this.#overlay.count(counts, place, 1);
    return new View(this.#base, this.#overlay, leaves, counts);
  }

  #mark(document: number, live: boolean): void {
    const place = this.#places.get(document);
    const { leaves, counts } = this.#live;
    if (place === undefined) {
      if (live) leaves.add(this.#leafOf(document));
      else leaves.delete(this.#leafOf(document));
    } else if ((counts[place] === 1) !== live) this.#overlay.count(counts, place, live ? 1 : -1);
  }

  #isLive(document: number): boolean {
    const place = this.#places.get(document);
    if (place !== undefined) return this.#live.counts[place] === 1;
    return document < this.#base.documents && this.#live.leaves.has(this.#leafOf(document));
  }

  #leafOf(document: number): number {
    const leaf = this.#base.leafOfDocument[document] as number | undefined;
    if (leaf === undefined) throw new RangeError(`document: expected one with a path, got ${document}; add it first`);
    return leaf;
  }

  #checkNew(document: number, tokens: ArrayLike<number>): void {
    if (!Number.isInteger(document) || document < 0 || this.#isLive(document))
      throw new RangeError(`document: expected a new or a removed one, got ${document}; remove it first`);
    if (tokens.length === 0)
      throw new RangeError(`docid paths: expected at least one token for document ${document}, got none`);
    for (let t = 0; t < tokens.length; t++)
      if (!Number.isInteger(tokens[t]) || tokens[t] < 0)
        throw new RangeError(`docid paths: expected token ids from 0 on, got ${tokens[t]}`);
  }

  /** The node where this very path ends, if it was the document's before; −1 for a path that is free. */
  #endOf(document: number, tokens: ArrayLike<number>): number {
    let node = this.root;
    for (let t = 0; t < tokens.length; t++) {
      const child = this.#childOf(node, tokens[t]);
      if (child < 0) {
        const other = this.documentOf(node);
        if (other >= 0) throw new PathConflictError(other, document, t);
        return -1;
      }
      node = child;
    }
    const other = this.#someDocumentUnder(node);
    if (other !== document || this.documentOf(node) < 0) throw new PathConflictError(document, other, tokens.length);
    return node;
  }

  #childOf(node: number, token: number): number {
    const child = node < this.#base.size ? this.#base.childOf(node, token) : -1;
    if (child >= 0) return child;
    const place = this.#overlay.placeOf(node);
    const added = place === undefined ? undefined : this.#overlay.childOf(place, token);
    return added === undefined ? -1 : this.#overlay.nodes[added];
  }

  #someDocumentUnder(node: number): number {
    if (node >= this.#base.size) {
      let place = this.#overlay.placeOf(node)!;
      while (this.#overlay.documents[place] < 0) [place] = this.#overlay.children[place];
      return this.#overlay.documents[place];
    }
    const leaf = this.#base.leafOf(node);
    return this.#base.documentOfLeaf[leaf < 0 ? this.#base.leaf[node] : leaf];
  }

  /** Puts a path into the overlay and returns the place where it ends. */
  #grow(document: number, tokens: ArrayLike<number>): number {
    let place = 0;
    let base = this.root;
    for (let t = 0; t < tokens.length; t++) {
      base = base < 0 ? -1 : this.#base.childOf(base, tokens[t]);
      const child = this.#overlay.childOf(place, tokens[t]);
      place = child ?? this.#overlay.add(place, tokens[t], base < 0 ? undefined : base);
    }
    this.#overlay.documents[place] = document;
    return place;
  }
}

/** The permitted part of base and overlay. */
class View implements TrieView {
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
    let child = first[node];
    const last = first[node + 1] - 1;
    const end = this.#base.leafEnd(node);
    out.reserve(last + 1 - child);
    const { tokens, nodes } = out;
    let length = out.length;
    // From permitted leaf to permitted leaf, past all children that have none.
    for (let at = leaves.next(leaf[node]); at < end; at = leaves.next(leaf[child])) {
      while (child < last && leaf[child + 1] <= at) child++;
      tokens[length] = token[child];
      nodes[length++] = child;
      if (child++ === last) break;
    }
    out.length = length;
  }

  /** Puts what only added paths lead to among the children of the base that stand in `out` from `before` on. */
  #mergeAdded(children: readonly number[], before: number, out: ChildList): void {
    const { tokens, nodes } = this.#overlay;
    const added = children.filter((place) => this.counts[place] > 0 && !this.#leadsThroughBase(nodes[place]));
    if (added.length === 0) return;
    out.reserve(added.length);
    let from = out.length - 1;
    out.length += added.length;
    for (let to = out.length - 1, i = added.length - 1; i >= 0; to--) {
      const moves = from >= before && out.tokens[from] > tokens[added[i]];
      out.tokens[to] = moves ? out.tokens[from] : tokens[added[i]];
      out.nodes[to] = moves ? out.nodes[from--] : nodes[added[i--]];
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
