import { existsSync } from 'node:fs';
import hnswlib from 'hnswlib-node';
import { GRAPH, RowGraphError, sizeOf, type RowPart, type ShardFile } from './shards.ts';

/** A graph that grows has room for so many times its rows. */
const ROOM = 1.1;

/** Labels of nodes from here on are not rows. */
const OWN = 2 ** 31;

/** Nodes that lead nowhere are used again from so many on, or this share of all: it takes several times as long. */
const [LEAST_FREE, FREE_SHARE] = [1000, 0.05];

/**
 * A navigable graph of docid rows, float32 [D] each, in which those of much the same direction are found without
 * looking at the others. Every call blocks its thread, and a graph cannot be shared between threads.
 *
 * The rows that it was built of are nodes for good. Other values of a row are a node beside, while the first is hidden: that
 * is faster than moving a node, searches afterwards miss fewer, and to take it back costs nothing.
 */
export class RowGraph {
  private readonly graph: hnswlib.HierarchicalNSW;
  /** Rows of the folder; none of them stands for a row that came later. */
  private readonly base: number;
  private readonly hidden = new Set<number>();
  /** Nodes of rows that are not those they were built with. */
  private readonly nodes = new Map<number, number>();
  /** Rows of the nodes from `OWN` on. */
  private readonly rows: number[] = [];
  private readonly free: number[] = [];

  private constructor(graph: hnswlib.HierarchicalNSW, base: number) {
    this.graph = graph;
    this.base = base;
  }

  /** An empty graph for the rows of a part, `width` numbers each. */
  static make(part: RowPart, width: number): RowGraph {
    const graph = new hnswlib.HierarchicalNSW(GRAPH.space, width);
    const capacity = Math.ceil(Math.max(1, sizeOf(part)) * ROOM);
    graph.initIndex(capacity, GRAPH.links, GRAPH.buildWidth, GRAPH.seed);
    return new RowGraph(graph, part.rows);
  }

  /** The graph of a shard that was found to be whole. @throws RowGraphError */
  static load(shard: ShardFile, width: number): RowGraph {
    const { file } = shard;
    const rows = sizeOf(shard);
    const advice = 'remove it, and start again to have it built anew';
    const expected = `a graph of ${rows} docid rows`;
    const graph = new hnswlib.HierarchicalNSW(GRAPH.space, width);
    try {
      graph.readIndexSync(file);
    } catch (cause) {
      const actual = existsSync(file) ? (cause as Error).message : 'no such file';
      throw new RowGraphError(file, expected, actual, advice, { cause });
    }
    const count = graph.getCurrentCount();
    if (count !== rows) throw new RowGraphError(file, expected, `one of ${count}`, advice);
    return new RowGraph(graph, shard.rows);
  }

  /** Does not say where the disk is full: the file is then too short. */
  save(file: string): void {
    this.graph.writeIndexSync(file);
  }

  get size(): number {
    return this.graph.getCurrentCount();
  }

  /** The rows that it was built of, while no others were put into it. */
  get members(): readonly number[] {
    return this.graph.getIdsList();
  }

  /** A row of those that the graph is built of. */
  build(row: number, values: Float32Array): void {
    this.graph.addPoint(Array.from(values), row);
  }

  /** Gives a row other values, or a new row its first; it can be found from now on. */
  put(row: number, values: Float32Array): void {
    const isMany = this.free.length > Math.max(LEAST_FREE, FREE_SHARE * this.size);
    const node = (isMany ? this.free.pop() : undefined) ?? OWN + this.rows.length;
    if (this.size === this.graph.getMaxElements() && node === OWN + this.rows.length)
      this.graph.resizeIndex(Math.ceil((this.size + 1) * ROOM));
    this.graph.addPoint(Array.from(values), node);
    this.hidden.delete(node);
    this.rows[node - OWN] = row;
    this.leave(row);
    this.nodes.set(row, node);
  }

  /** Gives a row the values that it was built with; it can be found from now on. */
  restore(row: number): void {
    this.leave(row);
    this.show(row);
  }

  /** Keeps a row from coming out; the graph still leads through it. */
  hide(row: number): void {
    this.hideNode(this.nodes.get(row) ?? row);
  }

  /** Lets a row come out again. */
  show(row: number): void {
    const node = this.nodes.get(row) ?? row;
    if (this.hidden.delete(node)) this.graph.unmarkDelete(node);
  }

  /**
   * Rows with the largest cosine, best first, almost always: fewer than `count` where no more are reached.
   *
   * @param state    float32 [D] as plain numbers
   * @param count    rows that the search keeps in view, of which all come out; the more, the fewer are missed
   * @param permits  is asked of each row that the search comes by
   */
  nearest(state: number[], count: number, permits?: (row: number) => boolean): number[] {
    this.graph.setEf(count);
    const rowOf = (node: number): number => (node < OWN ? node : this.rows[node - OWN]);
    const most = Math.min(count, this.graph.getMaxElements());
    const isAsked = permits && ((node: number) => permits(rowOf(node)));
    return this.graph.searchKnn(state, most, isAsked).neighbors.map(rowOf);
  }

  private hideNode(node: number): void {
    if (this.hidden.has(node)) return;
    this.graph.markDelete(node);
    this.hidden.add(node);
  }

  /** Hides what stands for a row, and forgets it where the row was not built with it. */
  private leave(row: number): void {
    const node = this.nodes.get(row);
    if (node !== undefined) {
      this.nodes.delete(row);
      this.hideNode(node);
      this.free.push(node);
    } else if (row < this.base) this.hideNode(row);
  }
}
