import { tensor, type FloatTensor } from '../models/session.ts';
import { sharesGraph } from './edit-graphs.ts';
import type { DocumentEntry } from './entry.ts';
import { SAMPLE, sampleOf } from './neighbours.ts';
import { prefixKey, type EditLab } from './reading.ts';
import { giveWay } from './right-of-way.ts';

/** By how much the rough strength of two documents may differ from `strengthOf`, which sums in float64. */
export const ROUGHNESS = 2e-3;

/** Documents whose samples lie in one piece of memory: few enough for what is computed of them to stay in a cache. */
const BLOCK = 256;

/** Samples of up to so many documents under one prefix. Where there is no document any more, what it left counts for nothing. */
class Block {
  readonly entries: (DocumentEntry | undefined)[] = [];
  private readonly most: number;
  private readonly D: number;
  /** float32 [most, SAMPLE, D] */
  private readonly states: Float32Array;
  /** float32 [most, SAMPLE] */
  private readonly offset: Float32Array;
  /** float32 [most, SAMPLE] */
  private readonly weights: Float32Array;
  /** float32 [most, D] */
  private readonly rows: Float32Array;

  constructor(most: number, D: number) {
    [this.most, this.D] = [most, D];
    this.states = new Float32Array(most * SAMPLE * D);
    this.offset = new Float32Array(most * SAMPLE);
    this.weights = new Float32Array(most * SAMPLE);
    this.rows = new Float32Array(most * D);
  }

  get hasRoom(): boolean {
    return this.entries.length < this.most || this.entries.includes(undefined);
  }

  /** @returns where it lies */
  put(entry: DocumentEntry): number {
    const free = this.entries.indexOf(undefined);
    const at = free < 0 ? this.entries.length : free;
    const { D } = this;
    const { states, offset, weights } = sampleOf(entry);
    this.entries[at] = entry;
    this.states.fill(0, at * SAMPLE * D, (at + 1) * SAMPLE * D).set(states, at * SAMPLE * D);
    this.offset.fill(0, at * SAMPLE, (at + 1) * SAMPLE).set(offset, at * SAMPLE);
    this.weights.fill(0, at * SAMPLE, (at + 1) * SAMPLE).set(weights, at * SAMPLE);
    this.rows.set(entry.provisional, at * D);
    return at;
  }

  /** Of all documents that were ever there: their queries, and their rows. */
  get sides(): Sides {
    const { D } = this;
    const n = this.entries.length;
    const part = (data: Float32Array, ...shape: readonly number[]): FloatTensor =>
      tensor(data.subarray(0, (n * data.length) / this.most), [n, ...shape]);
    return {
      queries: {
        states: part(this.states, SAMPLE, D),
        offset: part(this.offset, SAMPLE, 1),
        weights: part(this.weights, SAMPLE, 1),
      },
      rows: part(this.rows, D),
    };
  }
}

/** What takes, and what is taken from. */
interface Sides {
  /** states float32 [n, SAMPLE, D], offset and weights float32 [n, SAMPLE, 1] */
  readonly queries: Readonly<Record<'states' | 'offset' | 'weights', FloatTensor>>;
  /** float32 [n, D] */
  readonly rows: FloatTensor;
}

interface Place {
  readonly block: Block;
  readonly at: number;
}

/**
 * How strongly many added documents compete, by one product for all: `strengthOf` but for rounding, `ROUGHNESS` at most. It
 * tells which pairs are worth a closer look.
 */
export class RoughStrengths {
  private readonly lab: EditLab;
  private readonly blocks = new Map<string, Block[]>();
  private readonly places = new Map<string, Place>();

  constructor(lab: EditLab) {
    this.lab = lab;
  }

  /** Keeps samples of these documents and of no others. */
  keep(documents: ReadonlyMap<string, DocumentEntry>): void {
    for (const [id, { block, at }] of this.places) {
      const entry = documents.get(id);
      const isSame = entry?.provisional === block.entries[at]!.provisional;
      block.entries[at] = isSame ? entry : undefined;
      if (!isSame) this.places.delete(id);
    }
    for (const [id, entry] of documents) if (!this.places.has(id)) this.places.set(id, this.put(entry));
  }

  private put(entry: DocumentEntry): Place {
    const key = prefixKey(entry.prefix);
    const blocks = this.blocks.get(key) ?? [];
    this.blocks.set(key, blocks);
    let block = blocks.findLast(({ hasRoom }) => hasRoom);
    if (!block) blocks.push((block = new Block(BLOCK, entry.provisional.length)));
    return { block, at: block.put(entry) };
  }

  /**
   * Tells of each of some documents who competes with it, among those that are kept.
   *
   * @param least  the least strength that is told of
   */
  async around(
    of: readonly DocumentEntry[],
    least: number,
    tell: (entry: DocumentEntry, other: DocumentEntry, strength: number) => void,
  ): Promise<void> {
    for (const key of new Set(of.map(({ prefix }) => prefixKey(prefix)))) {
      const group = of.filter(({ prefix }) => prefixKey(prefix) === key);
      const own = new Block(group.length, group[0].provisional.length);
      for (const entry of group) own.put(entry);
      const mine = own.sides;
      for (const { entries, sides: theirs } of this.blocks.get(key) ?? []) {
        const taken = await this.shares(mine.queries, theirs.rows);
        const given = await this.shares(theirs.queries, mine.rows);
        for (const [i, entry] of group.entries())
          for (const [j, other] of entries.entries()) {
            const strength = Math.max(taken[i * entries.length + j], given[j * group.length + i]);
            if (strength >= least && other && other.id !== entry.id) tell(entry, other, strength);
          }
      }
    }
  }

  /** float32 [M, N] */
  private async shares(queries: Sides['queries'], rows: FloatTensor): Promise<Float32Array> {
    const D = rows.shape[1];
    const session = await this.lab.session(`edit shares ${D}`, () => sharesGraph(D, SAMPLE));
    giveWay();
    return (await session.run({ ...queries, rows })).shares.data as Float32Array;
  }
}
