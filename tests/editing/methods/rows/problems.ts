import { createRng, type Rng } from '../../../../corpus/random.ts';
import { scoreNewQueries, scoreOldQueries, type RowProblem } from '../../../../editing/methods/rows/problem.ts';
import { tensor, type FloatTensor } from '../../../../models/session.ts';

export const matrix = (rows: readonly (readonly number[])[], columns: number): FloatTensor =>
  tensor(Float32Array.from(rows.flat()), [rows.length, columns]);

const gaussian = (rng: Rng): number => Math.sqrt(-2 * Math.log(1 - rng.next())) * Math.cos(2 * Math.PI * rng.next());

export const randomMatrix = (n: number, columns: number, rng: Rng, scale = 1): FloatTensor =>
  tensor(
    Float32Array.from({ length: n * columns }, () => scale * gaussian(rng)),
    [n, columns],
  );

export interface Sizes {
  readonly D: number;
  readonly N: number;
  readonly M: number;
  /** Queries of each document. */
  readonly each: number;
}

/** Documents with random directions, queries scattered around them; new documents are priors shifted from random ones. */
export function randomProblem({ D, N, M, each }: Sizes, seed = 1): RowProblem {
  const rng = createRng(seed);
  const rows = randomMatrix(N, D, rng, 2);
  const truth = randomMatrix(M, D, rng, 2);
  const queriesAround = (centres: FloatTensor): { states: FloatTensor; documents: Int32Array } => {
    const states = randomMatrix(centres.shape[0] * each, D, rng, 0.7);
    const documents = Int32Array.from({ length: states.shape[0] }, (_, q) => Math.floor(q / each));
    documents.forEach((document, q) => {
      for (let d = 0; d < D; d++) states.data[q * D + d] += 0.5 * centres.data[document * D + d];
    });
    return { states, documents };
  };
  const [fresh, old] = [queriesAround(truth), queriesAround(rows)];
  return {
    rows,
    fresh: scoreNewQueries(fresh.states, fresh.documents, rows),
    old: scoreOldQueries(old.states, old.documents, rows),
    prior: randomMatrix(M, D, rng, 0.5),
  };
}

export const row = ({ data, shape: [, D] }: FloatTensor, i: number): number[] =>
  Array.from(data.subarray(i * D, (i + 1) * D));

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, v, i) => sum + v * b[i], 0);
