/** @file All docid rows against a state: what goes into `scoreDocids`, and what comes out. */
import type { Retrieved } from '../decode.ts';
import { int64, tensor, type Feeds, type FloatTensor, type Tensor } from '../session.ts';

/** The rows that live documents have, as a graph is fed with them. */
export interface LiveRows {
  /** float32 [N, D] */
  readonly rows: FloatTensor;
  /** float32 [N]: 0, or `FORBIDDEN` where the row has no live document. */
  readonly bias: Float32Array;
}

/** What a query asks of the rows. */
export interface RowQuery {
  readonly k: number;
  /** [N], 1 = may be retrieved. */
  readonly allowed?: Uint8Array | undefined;
}

/** Added to the logit of a row that may not be retrieved. */
export const FORBIDDEN = -1e9;

/** How many documents of a batch come out of a graph. */
export const mostWanted = (queries: readonly RowQuery[], { rows }: LiveRows): number =>
  Math.min(rows.shape[0], Math.max(...queries.map(({ k }) => k)));

/** rows [N, D], bias [B or 1, N], k [1] */
export function rowFeeds(queries: readonly RowQuery[], { rows, bias }: LiveRows): Feeds {
  const [n] = rows.shape;
  const limited = queries.some(({ allowed }) => allowed);
  return {
    rows,
    bias: limited ? tensor(joinBiases(queries, bias), [queries.length, n]) : tensor(bias, [1, n]),
    k: int64([mostWanted(queries, { rows, bias })]),
  };
}

/** @returns one list per query, in order; fewer than k documents where fewer are allowed */
export function readTop(
  out: Readonly<Record<string, Tensor>>,
  queries: readonly RowQuery[],
  live: LiveRows,
): Retrieved[] {
  const k = mostWanted(queries, live);
  const scores = out.scores.data as Float32Array;
  const indices = out.row_indices.data as BigInt64Array;
  return queries.map((query, b) => {
    const permitted = (row: number): boolean => live.bias[row] === 0 && (!query.allowed || query.allowed[row] === 1);
    const found = Int32Array.from(indices.subarray(b * k, b * k + Math.min(k, query.k)), Number);
    // The top k hold a forbidden row only where fewer than k are permitted; those come last.
    const end = found.findIndex((row) => !permitted(row));
    const count = end < 0 ? found.length : end;
    return { rows: found.slice(0, count), scores: scores.slice(b * k, b * k + count) };
  });
}

function joinBiases(queries: readonly RowQuery[], bias: Float32Array): Float32Array {
  const n = bias.length;
  const joined = new Float32Array(queries.length * n);
  queries.forEach(({ allowed }, b) => {
    joined.set(bias, b * n);
    if (allowed) for (let i = 0; i < n; i++) if (!allowed[i]) joined[b * n + i] = FORBIDDEN;
  });
  return joined;
}
