/**
 * @file A⁻¹B by graphs: onnxruntime multiplies float64 five times as fast as WebAssembly. With A = UᵀU, blocks of rows are
 * solved one after the other: what those before take from one is products of matrices, and so is the block on the diagonal, of
 * which the inverse is given. The same bytes each time on one machine with one build of onnxruntime.
 */
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { tensor, type Feeds, type Session } from '../../models/session.ts';
import { giveWay } from '../right-of-way.ts';
import { factorize, solveUpper, wholeOf, type Factor, type Whole } from './cholesky.ts';

/** Rows of a block: large enough for products to be fast, small enough for a block of B to stay in the second-level cache. */
const BLOCK = 128;

/** Rows up to which WebAssembly finds a factor as fast as graphs do. */
const SMALL = 512;

/** Opens the session of a graph once, and keeps it under a name. */
export interface Sessions {
  session(key: string, build: () => Graph): Promise<Session>;
}

/** The triangle U as inputs: upper float64 [F, F], inverses float64 [F, BLOCK] of its blocks on the diagonal. */
class Blocks {
  /** Of all blocks. */
  readonly all: readonly number[];
  private readonly upper: Value;
  private readonly inverses: Value;
  private readonly F: number;

  constructor(g: Graph, F: number) {
    this.F = F;
    this.upper = g.input('upper', 'float64', [F, F]);
    this.inverses = g.input('inverses', 'float64', [F, BLOCK]);
    this.all = Array.from({ length: Math.ceil(F / BLOCK) }, (_, i) => i);
  }

  /** U⁻ᵀB in blocks. */
  lower(right: Value): Value[] {
    const solved: Value[] = [];
    for (const i of this.all) {
      let left = op.Slice(right, this.part(i), [0, right.shape[1] as number]);
      for (let k = 0; k < i; k++) left = op.Gemm(this.u(k, i), solved[k], { transA: true, from: left });
      solved[i] = op.Gemm(this.inverse(i), left, { transA: true });
    }
    return solved;
  }

  /** U⁻¹B of blocks. */
  back(right: readonly Value[]): Value[] {
    const solved: Value[] = [];
    for (const i of this.all.toReversed()) {
      let left = right[i];
      for (let k = i + 1; k < this.all.length; k++) left = op.Gemm(this.u(i, k), solved[k], { from: left });
      solved[i] = op.Gemm(this.inverse(i), left);
    }
    return solved;
  }

  private part(i: number): readonly [number, number] {
    return [i * BLOCK, Math.min(this.F, (i + 1) * BLOCK)];
  }

  private u(i: number, k: number): Value {
    return op.Slice(this.upper, this.part(i), this.part(k));
  }

  private inverse(i: number): Value {
    const [from, to] = this.part(i);
    return op.Slice(this.inverses, [from, to], [0, to - from]);
  }
}

/** The triangle, right float64 [F, D] → solution float32 [F, D] = A⁻¹B */
function solveGraph(F: number, D: number): Graph {
  const g = new Graph();
  const blocks = new Blocks(g, F);
  const solution = blocks.back(blocks.lower(g.input('right', 'float64', [F, D])));
  const rounded = solution.map((x) => op.Cast(x, 'float32'));
  g.output('solution', op.Concat(rounded, 0, F));
  return g;
}

/**
 * The triangle of A's first rows, beside float64 [F, D] what A has beside them, corner float64 [D, D] what it has below that
 * → above float64 [F, D] what U has beside them, rest float64 [D, D], of which the corner's factor is U's.
 */
function eliminateGraph(F: number, D: number): Graph {
  const g = new Graph();
  const above = op.Concat(new Blocks(g, F).lower(g.input('beside', 'float64', [F, D])), 0, F);
  g.output('above', above);
  g.output('rest', op.Gemm(above, above, { transA: true, from: g.input('corner', 'float64', [D, D]) }));
  return g;
}

/** Inputs of `Blocks`. The inverses have 0 below their diagonals. */
function blocksOf({ size, upper }: Factor): Feeds {
  const inverses = new Float64Array(size * BLOCK);
  for (let from = 0; from < size; from += BLOCK) {
    const rows = Math.min(BLOCK, size - from);
    const inverse = new Float64Array(rows * rows);
    for (let i = 0; i < rows; i++) inverse[i * rows + i] = 1;
    solveUpper({ size: rows, upper: partOf(upper, size, from, from, rows, rows) }, inverse, rows);
    for (let i = 0; i < rows; i++) inverses.set(inverse.subarray(i * rows, (i + 1) * rows), (from + i) * BLOCK);
  }
  return { upper: tensor(upper, [size, size]), inverses: tensor(inverses, [size, BLOCK]) };
}

/** Some rows and columns of a matrix of `width` columns. */
function partOf(
  a: Float64Array,
  width: number,
  row: number,
  column: number,
  rows: number,
  columns: number,
): Float64Array {
  const part = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    const from = (row + i) * width + column;
    part.set(a.subarray(from, from + columns), i * columns);
  }
  return part;
}

/** A's factor, in place: the first half of the rows, then what they leave of the others. */
async function factorIn(
  sessions: Sessions,
  a: Float64Array,
  size: number,
  what: string,
  whole: Whole,
): Promise<Factor> {
  giveWay();
  if (size <= SMALL) return factorize(a, size, what, undefined, whole);
  const first = BLOCK * Math.ceil(size / BLOCK / 2);
  const others = size - first;
  const top = await factorIn(sessions, partOf(a, size, 0, 0, first, first), first, what, whole);
  const session = await sessions.session(`eliminate ${first} ${others}`, () => eliminateGraph(first, others));
  const { above, rest } = await session.run({
    ...blocksOf(top),
    beside: tensor(partOf(a, size, 0, first, first, others), [first, others]),
    corner: tensor(partOf(a, size, first, first, others, others), [others, others]),
  });
  const left = { ...whole, row: whole.row + first };
  const below = await factorIn(sessions, rest.data as Float64Array, others, what, left);
  const beside = above.data as Float64Array;
  for (let i = 0; i < size; i++) {
    const isTop = i < first;
    if (isTop) a.set(top.upper.subarray(i * first, (i + 1) * first), i * size);
    const [from, row] = isTop ? [beside, i] : [below.upper, i - first];
    a.set(from.subarray(row * others, (row + 1) * others), i * size + first);
  }
  return { size, upper: a };
}

/**
 * A⁻¹B, rounded to float32 [F, D].
 *
 * @param left   A, float64 [F, F], of which the upper triangle is read; its factor takes its place
 * @param right  B, float64 [F, D]
 * @param what   the equations as an error calls them
 * @throws NotPositiveDefiniteError
 */
export async function solveEquations(
  sessions: Sessions,
  left: Float64Array,
  right: Float64Array,
  what: string,
): Promise<Float32Array> {
  const F = Math.sqrt(left.length);
  const D = right.length / F;
  const factor = await factorIn(sessions, left, F, what, wholeOf(left, F));
  const session = await sessions.session(`solve ${F} ${D}`, () => solveGraph(F, D));
  giveWay();
  const { solution } = await session.run({ ...blocksOf(factor), right: tensor(right, [F, D]) });
  return solution.data as Float32Array;
}
