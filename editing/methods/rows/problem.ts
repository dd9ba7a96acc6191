/**
 * @file The question that a solver of docid rows answers: given the decoder's states of queries, rows for M documents that
 * lead to their queries and steal nothing from the N whose rows stay.
 *
 * A state here is ready for the unembedding: after the final norm and, where embeddings are tied, times D^-½. The score of
 * a row for a query is one dot product. Q queries of the M documents, P stored queries of the others.
 */
import type { FloatTensor } from '../../../models/session.ts';

/** Queries of the documents whose rows are wanted, and what the rows that stay make of them. */
export interface NewQueries {
  /** float32 [Q, D] */
  readonly states: FloatTensor;
  /** [Q] which of the M documents each query is about; every document has one query at least. */
  readonly documents: Int32Array;
  /** [Q] the row that stays with the highest score. */
  readonly rivals: Int32Array;
  /** [Q] its score; -∞ where no row stays. */
  readonly best: Float64Array;
  /** [Q] log Σ exp of the scores of all rows that stay. */
  readonly logSumExp: Float64Array;
  /** [Q] what each query counts, above 0. All 1 where left out. */
  readonly weights?: Float64Array;
}

/** Stored queries of documents whose rows stay. Their scores are worth keeping from edit to edit. */
export interface OldQueries {
  /** float32 [P, D] */
  readonly states: FloatTensor;
  /** [P] the row that answers each. */
  readonly documents: Int32Array;
  /** [P] the score of that row. */
  readonly own: Float64Array;
  /** [P] log Σ exp of the scores of all rows that stay. */
  readonly logSumExp: Float64Array;
  /** [P] what each query counts, above 0. All 1 where left out. */
  readonly weights?: Float64Array;
}

export interface RowProblem {
  /** float32 [N, D], the rows that stay. Not among them: the row of a document that changes. */
  readonly rows: FloatTensor;
  readonly fresh: NewQueries;
  readonly old: OldQueries;
  /** float32 [M, D], where rows are pulled to: the row of the document's text, its row before a change. */
  readonly prior: FloatTensor;
}

/** A problem whose parts do not fit each other. */
export class RowProblemError extends Error {
  override readonly name = 'RowProblemError';
  /** Path of the part in the problem or the options. */
  readonly part: string;
  readonly expected: string;
  readonly actual: string;

  constructor(part: string, expected: string, actual: string) {
    super(
      `docid rows: ${part}: expected ${expected}, got ${actual}; build it with scoreNewQueries and scoreOldQueries`,
    );
    this.part = part;
    this.expected = expected;
    this.actual = actual;
  }
}

/** An option of a solver out of its range. */
export class RowOptionError extends RangeError {
  override readonly name = 'RowOptionError';
  readonly option: string;
  readonly expected: string;
  readonly actual: number;

  constructor(option: string, expected: string, actual: number) {
    super(`docid rows: option ${option}: expected ${expected}, got ${actual}`);
    this.option = option;
    this.expected = expected;
    this.actual = actual;
  }
}

/** @throws RowOptionError */
export function checkOption(option: string, value: number, expected: string, valid: boolean): void {
  if (!valid || Number.isNaN(value)) throw new RowOptionError(option, expected, value);
}

/**
 * Scores the queries of new documents against the rows that stay.
 *
 * @param states     float32 [Q, D]
 * @param documents  [Q] which of the new documents each query is about
 * @param rows       float32 [N, D]
 */
export function scoreNewQueries(states: FloatTensor, documents: Int32Array, rows: FloatTensor): NewQueries {
  const [Q, N] = [states.shape[0], rows.shape[0]];
  const rivals = new Int32Array(Q).fill(-1);
  const best = new Float64Array(Q).fill(-Infinity);
  const logSumExp = new Float64Array(Q);
  const scores = new Float64Array(N);
  for (let q = 0; q < Q; q++) {
    scoreAll(rows, states.data, q, scores);
    for (let n = 0; n < N; n++) {
      if (scores[n] > best[q]) {
        best[q] = scores[n];
        rivals[q] = n;
      }
    }
    logSumExp[q] = logSumExpOf(scores);
  }
  return { states, documents, rivals, best, logSumExp };
}

/**
 * Scores stored queries against the rows that stay.
 *
 * @param states     float32 [P, D]
 * @param documents  [P] the row that answers each query
 * @param rows       float32 [N, D]
 */
export function scoreOldQueries(states: FloatTensor, documents: Int32Array, rows: FloatTensor): OldQueries {
  const P = states.shape[0];
  const own = new Float64Array(P);
  const logSumExp = new Float64Array(P);
  const scores = new Float64Array(rows.shape[0]);
  for (let p = 0; p < P; p++) {
    scoreAll(rows, states.data, p, scores);
    own[p] = scores[documents[p]];
    logSumExp[p] = logSumExpOf(scores);
  }
  return { states, documents, own, logSumExp };
}

function scoreAll({ data, shape: [N, D] }: FloatTensor, states: Float32Array, at: number, scores: Float64Array): void {
  for (let n = 0; n < N; n++) scores[n] = dotAt(data, n, states, at, D);
}

/** log Σ exp x, stable; -∞ of no numbers. */
export function logSumExpOf(x: Float64Array): number {
  let most = -Infinity;
  for (let i = 0; i < x.length; i++) if (x[i] > most) most = x[i];
  if (most === -Infinity) return most;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] === most ? 1 : Math.exp(x[i] - most);
  return most + Math.log(sum);
}

type Numbers = Float32Array | Float64Array;

/** Row i of `a` times row j of `b`, rows of D numbers, summed in float64. */
export function dotAt(a: Numbers, i: number, b: Numbers, j: number, D: number): number {
  let [s0, s1, s2, s3, at, to] = [0, 0, 0, 0, i * D, j * D];
  const end = at + D;
  for (; at + 3 < end; at += 4, to += 4) {
    s0 += a[at] * b[to];
    s1 += a[at + 1] * b[to + 1];
    s2 += a[at + 2] * b[to + 2];
    s3 += a[at + 3] * b[to + 3];
  }
  for (; at < end; at++, to++) s0 += a[at] * b[to];
  return s0 + s1 + (s2 + s3);
}

/** y += factor · row i of `a`. */
export function addRow(y: Float64Array, factor: number, a: Numbers, i: number): void {
  const from = i * y.length;
  for (let d = 0; d < y.length; d++) y[d] += factor * a[from + d];
}

/** The queries of each document, by number: M lists. */
export function queriesOf(documents: Int32Array, M: number): number[][] {
  const lists = Array.from({ length: M }, (): number[] => []);
  documents.forEach((document, q) => lists[document].push(q));
  return lists;
}

/**
 * Zero times anything else is no number. A loop of its own: calls for each number take fifteen times as long; and four sums,
 * which do not wait for each other.
 */
function areFinite(values: Float32Array): boolean {
  let [s0, s1, s2, s3, i] = [0, 0, 0, 0, 0];
  for (; i + 3 < values.length; i += 4) {
    s0 += 0 * values[i];
    s1 += 0 * values[i + 1];
    s2 += 0 * values[i + 2];
    s3 += 0 * values[i + 3];
  }
  for (; i < values.length; i++) s0 += 0 * values[i];
  return s0 + s1 + (s2 + s3) === 0;
}

/** Matrices that were found finite: those of the base model come with every problem. */
const finite = new WeakSet<FloatTensor>();

function isFiniteMatrix(matrix: FloatTensor): boolean {
  if (!finite.has(matrix) && areFinite(matrix.data)) finite.add(matrix);
  return finite.has(matrix);
}

/** A matrix whose rows were taken from others: where those are finite, which is found once, nobody looks at its numbers. */
export function takenFrom(others: readonly FloatTensor[], matrix: FloatTensor): FloatTensor {
  if (others.every(isFiniteMatrix)) finite.add(matrix);
  return matrix;
}

/**
 * Every solver calls this first.
 *
 * @throws RowProblemError  shapes that differ, a document out of range or without queries, numbers that are none
 */
export function checkProblem({ rows, fresh, old, prior }: RowProblem): void {
  const [M, D] = prior.shape;
  const N = rows.shape[0];
  const matrices = { rows, prior, 'fresh.states': fresh.states, 'old.states': old.states };
  for (const [part, matrix] of Object.entries(matrices)) {
    const { data, shape } = matrix;
    if (shape.length !== 2 || shape[1] !== D || data.length !== shape[0] * D)
      throw new RowProblemError(
        part,
        `float32 [n, ${D}], as prior has columns`,
        `${data.length} numbers as [${shape.join(', ')}]`,
      );
    if (isFiniteMatrix(matrix)) continue;
    const bad = data.findIndex((x) => !Number.isFinite(x));
    throw new RowProblemError(part, 'finite numbers', `${data[bad]} in row ${Math.floor(bad / D)}`);
  }
  const lists = {
    'fresh.documents': { list: fresh.documents, states: fresh.states, limit: M },
    'old.documents': { list: old.documents, states: old.states, limit: N },
  };
  for (const [part, { list, states, limit }] of Object.entries(lists)) {
    if (list.length !== states.shape[0])
      throw new RowProblemError(part, `one for each of ${states.shape[0]} queries`, `${list.length}`);
    const bad = list.find((row) => row < 0 || row >= limit);
    if (bad !== undefined) throw new RowProblemError(part, `rows from 0 to ${limit - 1}`, `${bad}`);
  }
  const scores = {
    'fresh.best': { list: fresh.best, count: fresh.documents.length },
    'fresh.logSumExp': { list: fresh.logSumExp, count: fresh.documents.length },
    'old.own': { list: old.own, count: old.documents.length },
    'old.logSumExp': { list: old.logSumExp, count: old.documents.length },
  };
  for (const [part, { list, count }] of Object.entries(scores))
    if (list.length !== count)
      throw new RowProblemError(part, `one score for each of ${count} queries`, `${list.length}`);
  for (const [part, { weights, documents }] of Object.entries({ fresh, old }))
    if (weights && (weights.length !== documents.length || !weights.every((w) => w > 0 && w < Infinity)))
      throw new RowProblemError(
        `${part}.weights`,
        `${documents.length} numbers above 0`,
        `${weights.length}, or others`,
      );
  const silent = queriesOf(fresh.documents, M).findIndex((list) => list.length === 0);
  if (silent >= 0)
    throw new RowProblemError('fresh.documents', 'a query for each document', `none for document ${silent}`);
}
