/**
 * @file A⁻¹B in a graph: onnxruntime multiplies float64 five times as fast as WebAssembly. Halves of the triangle are solved one
 * after the other, what one takes from the other is a product of matrices, and so are the blocks on the diagonal,
 * of which the inverses are given. The same bytes each time on one machine with one build of onnxruntime.
 */
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { tensor, type Session } from '../../models/session.ts';
import type { Factor } from './cholesky.ts';

/** Rows of a block on the diagonal. */
const BLOCK = 64;

/**
 * upper float64 [F, F], of which the upper triangle is read, inverses float64 [F, block] (`inverseBlocks`),
 * right float64 [F, D] → solution float32 [F, D]
 */
export function solveGraph(F: number, D: number): Graph {
  const g = new Graph();
  const upper = g.input('upper', 'float64', [F, F]);
  const inverses = g.input('inverses', 'float64', [F, BLOCK]);
  const right = g.input('right', 'float64', [F, D]);
  const rows = (x: Value, from: number, to: number): Value => op.Slice(x, [from, to], [0, D]);
  const onDiagonal = (from: number, to: number): Value => op.Slice(inverses, [from, to], [0, to - from]);
  const middle = (from: number, to: number): number => from + BLOCK * Math.ceil((to - from) / BLOCK / 2);
  /** U⁻ᵀ of the rows and columns from one to before the other, times b. */
  const lower = (b: Value, from: number, to: number): Value => {
    if (to - from <= BLOCK) return op.Gemm(onDiagonal(from, to), b, { transA: true });
    const half = middle(from, to);
    const first = lower(rows(b, 0, half - from), from, half);
    const taken = op.Gemm(op.Slice(upper, [from, half], [half, to]), first, { transA: true });
    return op.Concat([first, lower(op.Sub(rows(b, half - from, to - from), taken), half, to)], 0, to - from);
  };
  /** The same of U⁻¹. */
  const back = (b: Value, from: number, to: number): Value => {
    if (to - from <= BLOCK) return op.Gemm(onDiagonal(from, to), b);
    const half = middle(from, to);
    const last = back(rows(b, half - from, to - from), half, to);
    const taken = op.Gemm(op.Slice(upper, [from, half], [half, to]), last);
    return op.Concat([back(op.Sub(rows(b, 0, half - from), taken), from, half), last], 0, to - from);
  };
  g.output('solution', op.Cast(back(lower(right, 0, F), 0, F), 'float32'));
  return g;
}

/** The inverses of U's blocks on the diagonal, one under the other: float64 [F, block], 0 below their diagonals. */
export function inverseBlocks({ size, upper }: Factor): Float64Array {
  const inverses = new Float64Array(size * BLOCK);
  for (let from = 0; from < size; from += BLOCK) {
    const rows = Math.min(BLOCK, size - from);
    const u = (i: number, k: number): number => upper[(from + i) * size + from + k];
    for (let j = 0; j < rows; j++) {
      inverses[(from + j) * BLOCK + j] = 1 / u(j, j);
      for (let i = j - 1; i >= 0; i--) {
        let sum = 0;
        for (let k = i + 1; k <= j; k++) sum += u(i, k) * inverses[(from + k) * BLOCK + j];
        inverses[(from + i) * BLOCK + j] = -sum / u(i, i);
      }
    }
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
