/**
 * @file A⁻¹B in a graph: onnxruntime multiplies float64 five times as fast as WebAssembly. With A = UᵀU, blocks of rows are
 * solved one after the other: what those before take from one is products of matrices, and so is the block on the diagonal, of
 * which the inverse is given. The same bytes each time on one machine with one build of onnxruntime.
 */
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { tensor, type Session } from '../../models/session.ts';
import { solveUpper, type Factor } from './cholesky.ts';

/** Rows of a block: large enough for products to be fast, small enough for a block of B to stay in the second-level cache. */
const BLOCK = 128;

/** Where the blocks begin, and where the last one ends. */
const bounds = (F: number): number[] => [...Array.from({ length: Math.ceil(F / BLOCK) }, (_, i) => i * BLOCK), F];

/**
 * upper float64 [F, F], of which the upper triangle is read, inverses float64 [F, BLOCK] (`inverseBlocks`),
 * right float64 [F, D] → solution float32 [F, D]
 */
export function solveGraph(F: number, D: number): Graph {
  const g = new Graph();
  const upper = g.input('upper', 'float64', [F, F]);
  const inverses = g.input('inverses', 'float64', [F, BLOCK]);
  const right = g.input('right', 'float64', [F, D]);
  const at = bounds(F);
  const blocks = Array.from({ length: at.length - 1 }, (_, i) => i);
  const part = (i: number): readonly [number, number] => [at[i], at[i + 1]];
  const inverse = (i: number): Value => op.Slice(inverses, part(i), [0, at[i + 1] - at[i]]);
  const u = (i: number, k: number): Value => op.Slice(upper, part(i), part(k));

  const lower: Value[] = []; // U⁻ᵀB
  for (const i of blocks) {
    let left = op.Slice(right, part(i), [0, D]);
    for (let k = 0; k < i; k++) left = op.Gemm(u(k, i), lower[k], { transA: true, from: left });
    lower[i] = op.Gemm(inverse(i), left, { transA: true });
  }
  const solution: Value[] = []; // U⁻¹ of that
  for (const i of blocks.toReversed()) {
    let left = lower[i];
    for (let k = i + 1; k < blocks.length; k++) left = op.Gemm(u(i, k), solution[k], { from: left });
    solution[i] = op.Gemm(inverse(i), left);
  }
  const rounded = solution.map((x) => op.Cast(x, 'float32'));
  g.output('solution', op.Concat(rounded, 0, F));
  return g;
}

/** The inverses of U's blocks on the diagonal, one under the other: float64 [F, BLOCK], 0 below their diagonals. */
function inverseBlocks({ size, upper }: Factor): Float64Array {
  const inverses = new Float64Array(size * BLOCK);
  for (let from = 0; from < size; from += BLOCK) {
    const rows = Math.min(BLOCK, size - from);
    const block = new Float64Array(rows * rows);
    const inverse = new Float64Array(rows * rows);
    for (let i = 0; i < rows; i++) {
      const start = (from + i) * size + from;
      block.set(upper.subarray(start, start + rows), i * rows);
      inverse[i * rows + i] = 1;
    }
    solveUpper({ size: rows, upper: block }, inverse, rows);
    for (let i = 0; i < rows; i++) inverses.set(inverse.subarray(i * rows, (i + 1) * rows), (from + i) * BLOCK);
  }
  return inverses;
}

/**
 * A⁻¹B, rounded to float32 [F, D].
 *
 * @param session  of `solveGraph(F, D)`
 * @param right    B, float64 [F, D]
 */
export async function solveIn(session: Session, factor: Factor, right: Float64Array, D: number): Promise<Float32Array> {
  const F = factor.size;
  const { solution } = await session.run({
    upper: tensor(factor.upper, [F, F]),
    inverses: tensor(inverseBlocks(factor), [F, BLOCK]),
    right: tensor(right, [F, D]),
  });
  return solution.data as Float32Array;
}
