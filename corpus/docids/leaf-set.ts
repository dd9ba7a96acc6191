/**
 * A set of leaves, numbers below `length`, that finds its next member in constant time. One bit each, and over every
 * 32 words of bits a word that says which of them are not empty, and so on up: a million leaves take 130 kB and four
 * levels. What lies under a node of the trie is a range of leaves, so "may this node be taken" is one search.
 */
export class LeafSet {
  readonly length: number;
  #size = 0;
  /** Bit i of levels[0] is leaf i; bit i of levels[n + 1] says that word i of levels[n] is not 0. */
  readonly #levels: Int32Array[] = [];
  /** levels[0] */
  readonly #bits: Int32Array;

  constructor(length: number) {
    this.length = length;
    let words = length;
    do this.#levels.push(new Int32Array((words = (words + 31) >>> 5)));
    while (words > 1);
    this.#bits = this.#levels[0];
  }

  static full(length: number): LeafSet {
    const set = new LeafSet(length);
    let bits = length;
    for (const words of set.#levels) {
      words.fill(-1);
      if (bits & 31) words[words.length - 1] = ~(-1 << (bits & 31));
      bits = words.length;
    }
    set.#size = length;
    return set;
  }

  /** Number of members. */
  get size(): number {
    return this.#size;
  }

  has(leaf: number): boolean {
    return ((this.#bits[leaf >>> 5] >>> (leaf & 31)) & 1) === 1;
  }

  add(leaf: number): void {
    if (this.has(leaf)) return;
    this.#size++;
    let position = leaf;
    for (const words of this.#levels) {
      words[position >>> 5] |= 1 << (position & 31);
      position >>>= 5;
    }
  }

  delete(leaf: number): void {
    if (!this.has(leaf)) return;
    this.#size--;
    let position = leaf;
    for (const words of this.#levels) {
      const left = (words[position >>> 5] &= ~(1 << (position & 31)));
      if (left !== 0) return;
      position >>>= 5;
    }
  }

  /** The least member from `leaf` on; `length` where there is none. */
  next(leaf: number): number {
    const near = leaf < this.length ? this.#bits[leaf >>> 5] & (-1 << (leaf & 31)) : 0;
    if (near !== 0) return (leaf & ~31) + lowestBit(near);
    let position = (leaf >>> 5) + 1;
    for (let level = 1; level < this.#levels.length; level++) {
      const words = this.#levels[level];
      const word = position >>> 5;
      const bits = word < words.length ? words[word] & (-1 << (position & 31)) : 0;
      if (bits !== 0) return this.#descend(level, (word << 5) + lowestBit(bits));
      position = word + 1;
    }
    return this.length;
  }

  #descend(level: number, position: number): number {
    while (level > 0) position = (position << 5) + lowestBit(this.#levels[--level][position]);
    return position;
  }
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);
