import { createRng } from '../../corpus/random.ts';
import type { Retrieved, RowChange } from '../decode.ts';
import { rowScoresGraph } from '../graphs.ts';
import { Session, tensor, type FloatTensor } from '../session.ts';
import { readTop, rowFeeds, type LiveRows, type RowQuery } from './exact-rows.ts';
import { along, type Axes } from './axes.ts';
import { lengthOf } from './dot.ts';
import { PickedRows } from './picked-rows.ts';
import { RowGraph } from './row-graph.ts';
import { RowGraphError, type RowShard } from './shards.ts';

/** A part with as many rows that may come out is followed; of fewer in it, those are looked at, which takes as long. */
const FEW = 256;

/** Rows that a limited search may come by in a graph; one that needs more looks at all rows. */
const MOST_ASKED = 20_000;

/** Rows that stand for all others in the sum over all documents: one of each block of like length. */
const SAMPLE = 4096;
const SAMPLE_SEED = 1;

/** Rows of the folder from which is told how much of a row the axes hold. */
const MEASURED = 512;

/** Rows of like length, and the graph that leads to them. */
interface Part {
  /** The folder's, ascending, then those that came later. */
  readonly rows: number[];
  readonly graph: RowGraph;
  /** Rows that a search keeps in view beside those that are asked for. */
  readonly reach: number;
}

/** Rows of a query with their logits. */
interface Found {
  readonly rows: readonly number[];
  readonly logits: Float32Array;
}

/**
 * The best docid rows of a state without looking at all: graphs lead to candidates, those of the nearest directions, along
 * a few axes where these suffice, whose logits are then computed as they are. Ranks and differences of scores are thus those of the candidates' own logits. What they are normalised by, the sum
 * of e^logit over all permitted documents, is estimated: the candidates' part as it is, that of the others from a sample
 * (Mussmann and Ermon 2016, arXiv 1610.01085, without their noise).
 *
 * Where few rows may come out of a range, it is those that are looked at, one by one; and where a graph leads to fewer rows than
 * were asked for, or to none that may come out for too long, all rows are looked at.
 */
export class IndexedRows {
  private readonly parts: readonly Part[];
  /** [N] The part of each row, as long as it stands for a document: an edit moves no row to another. */
  private readonly partOf: number[];
  /** Mean length of the folder's rows in each part. */
  private means: readonly number[] = [];
  private readonly width: number;
  private readonly axes: Axes;
  /** Rows of the folder. */
  private readonly base: number;
  private readonly picked: PickedRows;
  private readonly all: Session;
  private live!: LiveRows;
  /** Live rows of each part. */
  private liveCounts: number[] = [];
  /** Whether a row can come out of its graph: 1, 0; longer than there are rows where some were taken back. */
  private shown: Uint8Array;
  /** Rows that the version changes. */
  private changed: readonly number[] = [];
  /** Rows that do not have the folder's values in their graph. */
  private readonly placed = new Map<number, Float32Array>();
  /** Those of which the axes hold a lesser share than of the folder's rows: every search looks at them, too. */
  private readonly aside = new Set<number>();
  /** That share, of the squared length. */
  private leastShare = 0;
  /** Rows in ascending order. */
  private sampled: number[] = [];
  /** Their values: float32 [M, D]. */
  sample: FloatTensor = tensor(new Float32Array(0), [0, 0]);

  private constructor(
    parts: readonly Part[],
    partOf: number[],
    sessions: readonly [PickedRows, Session],
    width: number,
    axes: Axes,
  ) {
    this.parts = parts;
    this.axes = axes;
    this.partOf = partOf;
    this.base = partOf.length;
    this.width = width;
    [this.picked, this.all] = sessions;
    this.shown = new Uint8Array(this.base).fill(1);
  }

  /** @param width  of a row @throws RowGraphError */
  static async open(shards: readonly RowShard[], width: number): Promise<IndexedRows> {
    const partOf = new Array<number>(shards[0].rows).fill(-1);
    const { axes } = shards[0];
    const parts = shards.map((shard, part): Part => {
      const graph = RowGraph.load(shard, axes?.shape[0] ?? width);
      const rows = [...graph.members].sort((a, b) => a - b);
      for (const row of rows) {
        if (partOf[row] === -1) partOf[row] = part;
        else
          throw new RowGraphError(
            shard.file,
            `docid rows below ${partOf.length}, each in one graph`,
            `row ${row}${row < partOf.length ? ' again' : ''}`,
            'remove it, and start again to have it built anew',
          );
      }
      return { rows, graph, reach: shard.reach };
    });
    const sessions = [await PickedRows.open(width), await Session.open(rowScoresGraph(width))] as const;
    return new IndexedRows(parts, partOf, sessions, width, axes);
  }

  /**
   * Brings the graphs to the rows of a version. All of it happens before the next search, or where memory is short, an error
   * leaves some rows as they were.
   *
   * @param changed  rows that differ from the folder's
   */
  publish(live: LiveRows, changed: readonly RowChange[]): void {
    const { bias } = live;
    const n = bias.length;
    this.live = live;
    if (n > this.shown.length) {
      const longer = new Uint8Array(n);
      longer.set(this.shown);
      this.shown = longer;
    }
    const differing = new Set([...this.changed, ...changed.map(({ row }) => row)]);
    this.changed = changed.map(({ row }) => row);
    if (!this.means.length) this.measure();
    for (let row = this.partOf.length; row < n; row++) this.assign(row);
    const others = new Set(this.changed);
    for (const row of [...this.placed.keys()])
      if (row < this.base && bias[row] === 0 && !others.has(row)) this.restore(row);
    for (const row of others) if (bias[row] === 0) this.place(row);
    for (let row = 0; row < this.shown.length; row++) {
      const isLive = row < n && bias[row] === 0 ? 1 : 0;
      if (isLive !== this.shown[row]) {
        if (isLive) this.graphOf(row).show(row);
        else this.graphOf(row).hide(row);
        this.shown[row] = isLive;
      }
    }
    this.liveCounts = this.parts.map(({ rows }) => countOf(bias, undefined, rows));
    this.drawSample(n, differing);
  }

  /**
   * @param states        float32 [B, D], ready for the unembedding
   * @param sampleLogits  float32 [B, M], of `sample`
   * @returns             one list per query, in order; fewer than k documents where fewer are allowed
   */
  async retrieve(queries: readonly RowQuery[], states: FloatTensor, sampleLogits: FloatTensor): Promise<Retrieved[]> {
    const lineOf = ({ data, shape }: FloatTensor, b: number): Float32Array =>
      data.subarray(b * shape[1], (b + 1) * shape[1]);
    const lists: (Retrieved | undefined)[] = [];
    for (const [b, query] of queries.entries())
      lists.push(await this.find(query, lineOf(states, b), lineOf(sampleLogits, b)));
    const left = lists.flatMap((list, b) => (list ? [] : [b]));
    if (left.length) {
      const asked = left.map((b) => queries[b]);
      const rest = new Float32Array(left.length * this.width);
      left.forEach((b, i) => rest.set(lineOf(states, b), i * this.width));
      const feeds = { known_state: tensor(rest, [left.length, this.width]), ...rowFeeds(asked, this.live) };
      const out = readTop(await this.all.run(feeds, ['scores', 'row_indices']), asked, this.live);
      left.forEach((b, i) => (lists[b] = out[i]));
    }
    return lists as Retrieved[];
  }

  async close(): Promise<void> {
    await Promise.all([this.picked.close(), this.all.release()]);
  }

  /** Undefined where all rows have to be looked at. */
  private async find(
    { k, allowed }: RowQuery,
    state: Float32Array,
    sampleLogits: Float32Array,
  ): Promise<Retrieved | undefined> {
    const { bias, rows: table } = this.live;
    const plain = Array.from(along(state, this.axes));
    const rows: number[] = [];
    let permitted = 0;
    for (const [i, part] of this.parts.entries()) {
      const count = allowed ? countOf(bias, allowed, part.rows) : this.liveCounts[i];
      permitted += count;
      const isFew = count <= Math.sqrt(FEW * part.rows.length);
      const candidates = isFew ? rowsOf(bias, allowed, part.rows) : follow(part, k, plain, allowed);
      if (!candidates || candidates.length < Math.min(k, count)) return undefined;
      for (const row of candidates) rows.push(row);
    }
    const known = new Set(rows);
    for (const row of this.aside) if (!known.has(row) && isPermitted(bias, allowed, row)) rows.push(row);
    const found = { rows, logits: await this.picked.logits(table, rows, state) };
    const total = this.logSum(found, permitted - rows.length, allowed, sampleLogits);
    if (total === undefined) return undefined;
    const order = best(found, k);
    return {
      rows: Int32Array.from(order, (i) => rows[i]),
      scores: Float32Array.from(order, (i) => found.logits[i] - total),
    };
  }

  /** log Σ e^logit over what was found and `rest` rows beside; undefined where nothing is known of these. */
  private logSum(
    { rows, logits }: Found,
    rest: number,
    allowed: Uint8Array | undefined,
    sampleLogits: Float32Array,
  ): number | undefined {
    const highest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
    let sum = 0;
    for (const logit of logits) sum += Math.exp(logit - highest);
    if (rest === 0) return highest + Math.log(sum);
    const known = new Set(rows);
    let [count, others] = [0, 0];
    this.sampled.forEach((row, i) => {
      if (known.has(row) || !isPermitted(this.live.bias, allowed, row)) return;
      count++;
      others += Math.exp(sampleLogits[i] - highest);
    });
    return count === 0 ? undefined : highest + Math.log(sum + (others * rest) / count);
  }

  /** Gives a row that came later to the part whose rows are about as long. */
  private assign(row: number): void {
    const length = lengthOf(this.valuesOf(row));
    const away = this.means.map((mean) => Math.abs(length - mean));
    const part = away.indexOf(Math.min(...away));
    this.partOf[row] = part;
    this.parts[part].rows.push(row);
  }

  /** What the folder's rows are like. */
  private measure(): void {
    this.means = this.parts.map(({ rows }) => this.meanLength(rows));
    if (!this.axes) return;
    const count = Math.min(MEASURED, this.base);
    const shares = Array.from({ length: count }, (_, i) =>
      this.shareOf(this.valuesOf(Math.floor((i * this.base) / count))),
    );
    this.leastShare = Math.min(...shares);
  }

  /** Of a row's squared length, what the axes hold. */
  private shareOf(values: Float32Array): number {
    return (lengthOf(along(values, this.axes)) / lengthOf(values)) ** 2;
  }

  private meanLength(rows: readonly number[]): number {
    return rows.reduce((sum, row) => sum + lengthOf(this.valuesOf(row)), 0) / Math.max(1, rows.length);
  }

  private valuesOf(row: number): Float32Array {
    return this.live.rows.data.subarray(row * this.width, (row + 1) * this.width);
  }

  private graphOf(row: number): RowGraph {
    return this.parts[this.partOf[row]].graph;
  }

  /** Gives a live row its values in the graph, unless it has them. */
  private place(row: number): void {
    const values = this.valuesOf(row);
    const before = this.placed.get(row);
    if (before && isEqual(before, values)) return;
    this.graphOf(row).put(row, along(values, this.axes));
    if (this.axes && this.shareOf(values) < this.leastShare) this.aside.add(row);
    else this.aside.delete(row);
    this.shown[row] = 1;
    this.placed.set(row, values.slice());
  }

  /** Gives a live row the folder's values. */
  private restore(row: number): void {
    this.graphOf(row).restore(row);
    this.shown[row] = 1;
    this.placed.delete(row);
    this.aside.delete(row);
  }

  private drawSample(n: number, differing: ReadonlySet<number>): void {
    const block = Math.max(1, Math.floor(this.base / SAMPLE));
    const rng = createRng(SAMPLE_SEED);
    const sampled: number[] = [];
    for (let first = 0; first < n; first += block) {
      const row = first + rng.int(block);
      if (row < n) sampled.push(row);
    }
    // Of equally many, it is the same rows.
    const isSame = sampled.length === this.sampled.length;
    const values = isSame ? this.sample.data : new Float32Array(sampled.length * this.width);
    sampled.forEach((row, i) => {
      if (!isSame || differing.has(row)) values.set(this.valuesOf(row), i * this.width);
    });
    this.sampled = sampled;
    this.sample = tensor(values, [sampled.length, this.width]);
  }
}

/** Whether a row is live and, where that is limited, allowed. */
const isPermitted = (bias: Float32Array, allowed: Uint8Array | undefined, row: number): boolean =>
  bias[row] === 0 && (!allowed || allowed[row] === 1);

/** Rows that a shorter version has not are not live. */
const countOf = (bias: Float32Array, allowed: Uint8Array | undefined, rows: readonly number[]): number => {
  let count = 0;
  for (const row of rows) if (isPermitted(bias, allowed, row)) count++;
  return count;
};

const rowsOf = (bias: Float32Array, allowed: Uint8Array | undefined, rows: readonly number[]): number[] =>
  rows.filter((row) => isPermitted(bias, allowed, row));

/** Places of the k largest logits, best first; of equal ones that of the lower row first, as TopK has it. */
function best({ rows, logits }: Found, k: number): number[] {
  const least = rows.length > k ? logits.slice().sort()[rows.length - k] : -Infinity;
  const places = rows.flatMap((_, i) => (logits[i] >= least ? [i] : []));
  return places.sort((a, b) => logits[b] - logits[a] || rows[a] - rows[b]).slice(0, k);
}

/** Rows that a graph leads to; undefined where these are not such as may come out. */
function follow({ graph, reach }: Part, k: number, state: number[], allowed?: Uint8Array): number[] | undefined {
  let asked = 0;
  // Past the limit every row is let through, which ends the search.
  const permits = allowed && ((row: number) => ++asked > MOST_ASKED || allowed[row] === 1);
  const rows = graph.nearest(state, reach + k, permits);
  return asked > MOST_ASKED ? undefined : rows;
}

const isEqual = (a: Float32Array, b: Float32Array): boolean => a.every((value, i) => Object.is(value, b[i]));
