/** Docid rows found in graphs, against all rows looked at in plain JavaScript. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createRng, type Rng } from '../../../corpus/random.ts';
import type { Retrieved, RowChange } from '../../../models/decode.ts';
import { along, type Axes } from '../../../models/rows/axes.ts';
import { FORBIDDEN, type RowQuery } from '../../../models/rows/exact-rows.ts';
import { findAxes } from '../../../models/rows/find-axes.ts';
import { IndexedRows } from '../../../models/rows/indexed-rows.ts';
import { Products } from '../../../models/rows/products.ts';
import { RowGraph } from '../../../models/rows/row-graph.ts';
import { membersOf, shardsOf, sizeOf } from '../../../models/rows/shards.ts';
import { tensor } from '../../../models/session.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { drawTable, type DrawnRows } from '../../support/drawn-rows.ts';

const D = 64;
const N = 4000;
const K = 10;
const dir = tempFolder();
/** Graphs of rows with all their numbers. */
const whole = { axes: undefined, reach: 64 };

const opened: IndexedRows[] = [];
after(() => Promise.all(opened.map((index) => index.close())));

/** An index of `table` in so many graphs, along axes where the rows need but a few. */
async function open(table: Float32Array, parts: number, name: string, axes?: Axes): Promise<IndexedRows> {
  const rowOf = (row: number): Float32Array => table.subarray(row * D, (row + 1) * D);
  const lengths = Float32Array.from({ length: table.length / D }, (_, row) => Math.hypot(...rowOf(row)));
  const shards = shardsOf(dir, lengths.length, parts).map((shard) => ({
    ...{ ...shard, file: `${shard.file}-${name}` },
    ...{ axes, reach: 64 },
  }));
  for (const shard of shards) {
    const graph = RowGraph.make(shard, axes?.shape[0] ?? D);
    for (const row of membersOf(lengths, shard)) graph.build(row, along(rowOf(row), axes));
    graph.save(shard.file);
  }
  const index = await IndexedRows.open(shards, D);
  opened.push(index);
  return index;
}

async function axesOf(table: Float32Array): Promise<Axes> {
  const products = await Products.open();
  const axes = await findAxes(tensor(table, [table.length / D, D]), products);
  await products.close();
  assert.deepEqual(axes?.shape, [D / 2, D]);
  return axes;
}

/** Rows as they are to be: what a version makes of a folder's. */
class Rows {
  readonly base: Float32Array;
  readonly changed = new Map<number, Float32Array>();
  /** 1 = live; with room for rows to come. */
  readonly flags: Uint8Array;
  length: number;

  constructor(base: Float32Array) {
    this.base = base;
    this.length = base.length / D;
    this.flags = new Uint8Array(this.length + 1000).fill(1, 0, this.length);
  }

  valuesOf(row: number): Float32Array {
    return this.changed.get(row) ?? this.base.subarray(row * D, (row + 1) * D);
  }

  publishTo(index: IndexedRows): void {
    const table = new Float32Array(this.length * D);
    for (let row = 0; row < this.length; row++) {
      if (row * D < this.base.length || this.changed.has(row)) table.set(this.valuesOf(row), row * D);
    }
    const rows: RowChange[] = [...this.changed].map(([row, values]) => ({ row, values }));
    const bias = Float32Array.from(this.flags.subarray(0, this.length), (live) => (live ? 0 : FORBIDDEN));
    index.publish({ rows: tensor(table, [this.length, D]), bias }, rows);
  }

  /** Logits of what may come out, best first, and the logarithm of their sum. */
  rank(state: Float32Array, allowed?: Uint8Array): { ranked: [row: number, logit: number][]; total: number } {
    const ranked: [number, number][] = [];
    for (let row = 0; row < this.length; row++) {
      if (!this.flags[row] || allowed?.[row] === 0) continue;
      const values = this.valuesOf(row);
      let logit = 0;
      for (let d = 0; d < D; d++) logit += values[d] * state[d];
      ranked.push([row, logit]);
    }
    ranked.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    const highest = ranked[0]?.[1] ?? 0;
    const sum = ranked.reduce((all, [, logit]) => all + Math.exp(logit - highest), 0);
    return { ranked, total: highest + Math.log(sum) };
  }
}

async function ask(index: IndexedRows, states: readonly Float32Array[], query: RowQuery): Promise<Retrieved[]> {
  const joined = new Float32Array(states.length * D);
  states.forEach((state, b) => joined.set(state, b * D));
  const { data, shape } = index.sample;
  const logits = new Float32Array(states.length * shape[0]);
  states.forEach((state, b) => {
    for (let m = 0; m < shape[0]; m++)
      for (let d = 0; d < D; d++) logits[b * shape[0] + m] += state[d] * data[m * D + d];
  });
  const queries = states.map(() => query);
  return index.retrieve(queries, tensor(joined, [states.length, D]), tensor(logits, [states.length, shape[0]]));
}

interface Likeness {
  /** Share of the best K documents that were found. */
  readonly recall: number;
  /** Largest distance of a score from the one over all documents. */
  readonly error: number;
}

/** Compares answers with all rows; differences between scores of a query must be those of the logits. */
async function compare(
  index: IndexedRows,
  rows: Rows,
  states: readonly Float32Array[],
  allowed?: Uint8Array,
): Promise<Likeness> {
  const answers = await ask(index, states, { k: K, allowed });
  let [found, wanted, error] = [0, 0, 0];
  answers.forEach((answer, b) => {
    const { ranked, total } = rows.rank(states[b], allowed);
    const best = new Set(ranked.slice(0, K).map(([row]) => row));
    const logits = new Map(ranked);
    assert.equal(answer.rows.length, Math.min(K, ranked.length));
    assert.equal(new Set(answer.rows).size, answer.rows.length);
    answer.rows.forEach((row, i) => {
      assert.ok(logits.has(row), `row ${row} may not come out`);
      const apart = answer.scores[i] - answer.scores[0] - (logits.get(row)! - logits.get(answer.rows[0])!);
      assert.ok(Math.abs(apart) < 1e-4, `${apart}`);
      assert.ok(i === 0 || answer.scores[i] <= answer.scores[i - 1]);
    });
    wanted += best.size;
    found += answer.rows.filter((row) => best.has(row)).length;
    if (best.size) error = Math.max(error, Math.abs(answer.scores[0] - (logits.get(answer.rows[0])! - total)));
  });
  return { recall: wanted === 0 ? 1 : found / wanted, error };
}

function world(seed: number, count = N): { rng: Rng; rows: Rows; drawn: DrawnRows; states: Float32Array[] } {
  const rng = createRng(seed);
  const { table, drawn } = drawTable({ kind: 'clustered', width: D, rng, perTopic: 20 }, count);
  const rows = new Rows(table);
  const states = Array.from({ length: 60 }, () => drawn.stateOf(rows.valuesOf(rng.int(count))));
  return { rng, rows, drawn, states };
}

const random = (rng: Rng, share: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => Number(rng.next() < share));

describe('docid rows in graphs', () => {
  for (const shards of [1, 3])
    it(`are found as by looking at all, in ${shards} of them`, async () => {
      const { rows, states } = world(shards);
      const index = await open(rows.base, shards, `plain${shards}`);
      rows.publishTo(index);
      const { recall, error } = await compare(index, rows, states);
      assert.ok(recall >= 0.99, `recall ${recall}`);
      assert.ok(error < 0.05, `error of the sum ${error}`);
    });

  it('are found along axes', async () => {
    const { rows, states } = world(6);
    const index = await open(rows.base, 2, 'axes', await axesOf(rows.base));
    rows.publishTo(index);
    const { recall, error } = await compare(index, rows, states);
    assert.ok(recall >= 0.99, `recall ${recall}`);
    assert.ok(error < 0.05, `error of the sum ${error}`);
  });

  it('are found where they lie across the axes, as a new document may', async () => {
    const { rng, rows } = world(7);
    const axes = await axesOf(rows.base);
    const index = await open(rows.base, 2, 'across', axes);
    rows.publishTo(index);
    const across = Float32Array.from({ length: D }, () => rng.next() - 0.5);
    const held = along(across, axes);
    held.forEach((x, i) => across.forEach((_, d) => (across[d] -= x * axes!.data[i * D + d])));
    const values = across.map((x) => (8 * x) / Math.hypot(...across));
    const row = rows.length++;
    rows.changed.set(row, values);
    rows.flags[row] = 1;
    rows.publishTo(index);
    // Along the axes the state is nearest to rows about another one's topic.
    const state = values.map((x, d) => x + 0.2 * rows.valuesOf(5)[d]);
    assert.equal(rows.rank(state).ranked[0][0], row);
    const answers = await ask(index, [state], { k: 1 });
    assert.deepEqual([...answers[0].rows], [row]);
    rows.flags[row] = 0;
    rows.publishTo(index);
    assert.ok(!(await ask(index, [state], { k: K }))[0].rows.includes(row));
  });

  it('come out only where they are allowed, however many are', async () => {
    const { rng, rows, states } = world(4);
    const index = await open(rows.base, 2, 'filter');
    rows.flags.forEach((_, row) => row < N && (rows.flags[row] = Number(rng.next() < 0.9)));
    rows.publishTo(index);
    for (const share of [0, 1 / N, 0.01, 0.1, 0.5, 0.95, 1]) {
      const { recall, error } = await compare(index, rows, states, random(rng, share, N));
      assert.ok(recall >= 0.99, `recall ${recall} of a share of ${share}`);
      assert.ok(error < 0.15, `error of the sum ${error} of a share of ${share}`);
    }
    // All in one graph, and far from the states: the worst that a filter can be.
    const first = Uint8Array.from({ length: N }, (_, row) => Number(row < N / 4));
    const { recall } = await compare(index, rows, states, first);
    assert.ok(recall >= 0.99, `recall ${recall}`);
  });

  for (const how of ['', ', along axes'])
    it(`follow every version: added, changed, deleted, taken back${how}`, async () => {
      const { rng, rows, drawn, states } = world(5);
      const axes = how === '' ? undefined : await axesOf(rows.base);
      const index = await open(rows.base, 2, `edits${how}`, axes);
      const undo: (() => void)[] = [];
      const newRow = (): Float32Array => {
        const values = new Float32Array(D);
        drawn.row(values);
        return values;
      };
      const edits: Record<string, () => () => void> = {
        add() {
          const row = rows.length++;
          rows.changed.set(row, newRow());
          rows.flags[row] = 1;
          return () => void (rows.flags[row] = 0);
        },
        change() {
          const row = rng.int(rows.length);
          const before = rows.changed.get(row);
          rows.changed.set(row, newRow());
          return () =>
            void (before ? rows.changed.set(row, before) : row * D < rows.base.length && rows.changed.delete(row));
        },
        delete() {
          const row = rng.int(rows.length);
          const before = rows.flags[row];
          rows.flags[row] = 0;
          return () => void (rows.flags[row] = before);
        },
      };
      rows.publishTo(index);
      for (let i = 0; i < 600; i++) {
        if (rng.next() < 0.25 && undo.length) undo.pop()!();
        else undo.push(Object.values(edits)[rng.int(3)]());
        if (i % 10 === 0) rows.publishTo(index); // a version may hold several edits
        if (i % 200 === 0) assert.ok((await compare(index, rows, states)).recall >= 0.99);
      }
      rows.publishTo(index);
      const edited = await compare(index, rows, states);

      const fresh = new Float32Array(rows.length * D);
      for (let row = 0; row < rows.length; row++) fresh.set(rows.valuesOf(row), row * D);
      const anew = new Rows(fresh);
      anew.flags.set(rows.flags.subarray(0, rows.length));
      const built = await open(fresh, 2, `anew${how}`, axes);
      anew.publishTo(built);
      const { recall } = await compare(built, anew, states);
      assert.ok(edited.recall >= Math.min(0.99, recall), `recall ${edited.recall} edited, ${recall} built anew`);

      const asked = states.concat([...rows.changed.values()].slice(-40).map((row) => drawn.stateOf(row)));
      assert.ok((await compare(index, rows, asked)).recall >= 0.99);
      while (undo.length) undo.pop()!();
      rows.publishTo(index);
      assert.ok((await compare(index, rows, states)).recall >= 0.99, 'all taken back');
    });

  it('refuse a file that is not theirs', async () => {
    const [shard] = shardsOf(dir, 100, 1);
    await assert.rejects(IndexedRows.open([{ ...shard, ...whole, file: join(dir, 'none') }], D), {
      name: 'RowGraphError',
      message: /none: expected a graph of 100 docid rows, got no such file; remove it, and start again/,
    });
    const graph = RowGraph.make({ rows: 3, part: 0, parts: 1 }, D);
    graph.build(0, new Float32Array(D).fill(1));
    graph.save(shard.file);
    await assert.rejects(
      IndexedRows.open([{ ...shard, ...whole }], D),
      /expected a graph of 100 docid rows, got one of 1/,
    );
  });

  it('refuse files that do not hold each row once', async () => {
    const shards = shardsOf(dir, 4, 2).map((shard) => ({ ...shard, ...whole, file: `${shard.file}-twice` }));
    for (const shard of shards) {
      const graph = RowGraph.make(shard, D);
      for (const row of [1, 2]) graph.build(row, new Float32Array(D).fill(row));
      graph.save(shard.file);
    }
    await assert.rejects(IndexedRows.open(shards, D), {
      name: 'RowGraphError',
      message: /2-of-2.*: expected docid rows below 4, each in one graph, got row 1 again; remove it, and start again/,
    });
  });
});

describe('parts of docid rows', () => {
  it('are by length, of like size; of equally long rows the lower ones come first', () => {
    const lengths = Float32Array.of(3, 1, 2, 2, 5, 2, 0);
    const parts = shardsOf(dir, 7, 3);
    assert.deepEqual(
      parts.map((part) => [...membersOf(lengths, part)]),
      [[1, 6], [2, 3], [0, 4, 5]], // prettier-ignore
    );
    assert.deepEqual(parts.map(sizeOf), [2, 2, 3]);
    assert.equal(shardsOf(dir, 100).length, 4);
    assert.equal(shardsOf(dir, 1_100_000).length, 5);
  });
});
