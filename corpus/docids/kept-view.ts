import type { ChildList, TrieView } from './trie-view.ts';

/** Children of a node, at least, that are worth keeping: fewer are found as fast. */
const worthKeeping = 1000;

interface Children {
  readonly tokens: Int32Array;
  readonly nodes: Int32Array;
}

/**
 * A view that is asked for the same nodes by every search, and keeps their children where these are many: the first
 * tokens of words as docids have tens of thousands. Whoever changes what it shows says so by `forget`.
 */
export class KeptView implements TrieView {
  readonly #view: TrieView;
  readonly #kept = new Map<number, Children>();

  constructor(view: TrieView) {
    this.#view = view;
  }

  get size(): number {
    return this.#view.size;
  }

  children(node: number, out: ChildList): number {
    const kept = this.#kept.get(node);
    if (kept) {
      out.append(kept);
      return kept.tokens.length;
    }
    const count = this.#view.children(node, out);
    if (count >= worthKeeping) {
      const [from, to] = [out.length - count, out.length];
      this.#kept.set(node, { tokens: out.tokens.slice(from, to), nodes: out.nodes.slice(from, to) });
    }
    return count;
  }

  forget(): void {
    this.#kept.clear();
  }
}
