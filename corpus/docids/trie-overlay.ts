/**
 * The paths added to a trie since it was built, as a small trie of their own. Its places bear the node numbers of the
 * base where the base has the node too, and new ones beyond the base's elsewhere, so what may follow a node is what
 * follows it in either. Place 0 is the root.
 */
export class Overlay {
  /** Of each place: its node, the token that leads to it, its parent's place, the document whose path ends there or −1. */
  readonly nodes: number[] = [0];
  readonly tokens: number[] = [-1];
  readonly documents: number[] = [-1];
  readonly #parents: number[] = [-1];
  /** Of each place: the places of its children by ascending tokens. */
  readonly children: number[][] = [[]];
  readonly #placeOfNode = new Map<number, number>([[0, 0]]);
  #nextNode: number;

  /** @param nextNode  the first node number that the base does not use */
  constructor(nextNode: number) {
    this.#nextNode = nextNode;
  }

  /** Undefined for a node of the base that no added path goes through. */
  placeOf(node: number): number | undefined {
    return this.#placeOfNode.get(node);
  }

  childOf(place: number, token: number): number | undefined {
    const siblings = this.children[place];
    const child = siblings[this.#rank(siblings, token)];
    return child !== undefined && this.tokens[child] === token ? child : undefined;
  }

  /** @param node  of the base, where it has one there */
  add(parent: number, token: number, node?: number): number {
    const place = this.nodes.length;
    const number = node ?? this.#nextNode++;
    this.nodes.push(number);
    this.tokens.push(token);
    this.documents.push(-1);
    this.#parents.push(parent);
    this.children.push([]);
    this.#placeOfNode.set(number, place);
    const siblings = this.children[parent];
    siblings.splice(this.#rank(siblings, token), 0, place);
    return place;
  }

  /** Adds `change` to the counts of a place and of all above it. */
  count(counts: number[], place: number, change: number): void {
    for (let p = place; p >= 0; p = this.#parents[p]) counts[p] = (counts[p] ?? 0) + change;
  }

  /** int32: the tokens from the root to a place. */
  pathOf(place: number): Int32Array {
    const path: number[] = [];
    for (let p = place; p > 0; p = this.#parents[p]) path.push(this.tokens[p]);
    return Int32Array.from(path.reverse());
  }

  /** Where a token stands, or would, among places in the order of their tokens. */
  #rank(places: readonly number[], token: number): number {
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.tokens[places[middle]] < token) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
