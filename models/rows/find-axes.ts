import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { tensor, type FloatTensor } from '../session.ts';
import { takeRows } from '../tensor-rows.ts';
import type { Axes } from './axes.ts';
import { bestOf, type Products } from './products.ts';

/** How many axes there may be, of rows with at least twice as many numbers. */
const COUNTS = [32, 64, 128, 256];

/** There are enough axes if by them alone so many of a row's ten best among the sampled rows are among the twenty best. */
const [BEST, AMONG, SHARE] = [10, 20, 0.99];
/** Rows of the sample that are asked for. */
const ASKED = 200;

/** The fewest axes that rows need. @param sample  float32 [M, D] */
export async function findAxes(sample: FloatTensor, products: Products): Promise<Axes> {
  const [m, width] = sample.shape;
  const counts = COUNTS.filter((count) => 2 * count <= width);
  if (!counts.length || m <= width) return undefined;
  const all = await longestAxes(sample, products, counts.at(-1)!);
  const asked = Array.from({ length: Math.min(ASKED, m) }, (_, i) => Math.floor((i * m) / Math.min(ASKED, m)));
  const nearest = async (rows: FloatTensor, k: number): Promise<number[][]> => {
    const found = await products.of(takeRows(rows, asked), rows);
    return asked.map((row, q) => bestOf(found.subarray(q * m, (q + 1) * m), k, row));
  };
  const truth = await nearest(sample, BEST);
  for (const count of counts) {
    const axes = tensor(all.data.slice(0, count * width), [count, width]);
    const reduced = tensor(await products.of(sample, axes), [m, count]);
    const found = await nearest(reduced, AMONG);
    const hits = truth.reduce((sum, rows, q) => sum + rows.filter((row) => found[q].includes(row)).length, 0);
    if (hits >= SHARE * truth.reduce((sum, { length }) => sum + length, 0)) return axes;
  }
  return undefined;
}

/** float32 [count, D] */
async function longestAxes({ data, shape }: FloatTensor, products: Products, count: number): Promise<FloatTensor> {
  const [m, width] = shape;
  const turned = new Float32Array(data.length);
  for (let i = 0; i < m; i++) for (let d = 0; d < width; d++) turned[d * m + i] = data[i * width + d];
  const columns = tensor(turned, [width, m]);
  const moments = Matrix.from1DArray(width, width, await products.of(columns, columns));
  const { eigenvectorMatrix } = new EigenvalueDecomposition(moments, { assumeSymmetric: true });
  // In ascending order of eigenvalues.
  const axes = new Float32Array(count * width);
  for (let i = 0; i < count; i++) axes.set(eigenvectorMatrix.getColumn(width - 1 - i), i * width);
  return tensor(axes, [count, width]);
}
