import { KeptView } from './kept-view.ts';
import { LeafSet } from './leaf-set.ts';
import { PathConflictError } from './scheme.ts';
import type { PathIds } from './sort-paths.ts';
import { BaseTrie } from './trie-base.ts';
import { Overlay } from './trie-overlay.ts';
import { UnionView, type TrieView } from './trie-view.ts';

export type { PathIds } from './sort-paths.ts';
export { ChildList, type TrieView } from './trie-view.ts';

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
  readonly #live: UnionView;
  readonly #keptLive: KeptView;
  #documents: number;
  #depth: number;

  private constructor(base: BaseTrie) {
    this.#base = base;
    this.#overlay = new Overlay(base.size);
    this.#live = new UnionView(base, this.#overlay, LeafSet.full(base.documents), []);
    this.#keptLive = new KeptView(this.#live);
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

  /** The node that a path or a part of one leads to, whatever lives there; −1 where nothing does. */
  nodeOf(tokens: ArrayLike<number>): number {
    let node = this.root;
    for (let t = 0; t < tokens.length && node >= 0; t++) node = this.#childOf(node, tokens[t]);
    return node;
  }

  /** Whether a new document may have this path: it is not taken, and none ends inside another. */
  isFree(tokens: ArrayLike<number>): boolean {
    let node = this.root;
    for (let t = 0; t < tokens.length; t++) {
      const child = this.#childOf(node, tokens[t]);
      if (child < 0) return this.documentOf(node) < 0;
      node = child;
    }
    return false;
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
    if (!allowed) return this.#keptLive;
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
    return new UnionView(this.#base, this.#overlay, leaves, counts);
  }

  #mark(document: number, live: boolean): void {
    this.#keptLive.forget();
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
