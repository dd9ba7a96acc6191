/**
 * @file The row of one document from its queries and those it must leave alone. Queries of the bank that a row cannot touch
 * are left out: a row is solved against those it gives some probability, until there are no others.
 */
import { tensor, type FloatTensor } from '../models/session.ts';
import { stackRows } from '../models/tensor-rows.ts';
import { productsGraph } from './edit-graphs.ts';
import type { EditModel } from './edit-model.ts';
import { dotAt, takenFrom, type OldQueries } from './methods/rows/problem.ts';
import { calibrate, calibratedRows, type Calibration } from './methods/rows/calibrated-mean.ts';
import { RowMatrix } from './methods/rows/row-matrix.ts';
import { rowSolvers, type RowOptions } from './methods/rows/table.ts';
import type { RowSettings, SolvedMethod } from './presets.ts';
import type { OldView, QueryBank } from './query-bank.ts';
import type { Prefix } from './reading.ts';
import { giveWay } from './right-of-way.ts';

/** The document's queries. */
export interface OwnQueries {
  /** float32 [Q, D] */
  readonly states: FloatTensor;
  /** [Q] they sum to 1. */
  readonly weights: Float64Array;
  /** [Q] the best row other than the document's. */
  readonly rivals: Int32Array;
  /** [Q] its score. */
  readonly best: Float64Array;
  /** [Q] log Σ exp of the scores of all rows but the document's. */
  readonly logSumExp: Float64Array;
}

/** Old queries that are not in the bank: of other added documents, and obsolete ones of the document itself. */
export interface FurtherQueries {
  /** float32 [E, D] */
  readonly states: FloatTensor;
  /** [E] score of the row that answers each. */
  readonly own: Float64Array;
  /** [E] log Σ exp of the scores of all rows but the document's. */
  readonly logSumExp: Float64Array;
  /** [E] those of one document sum to 1. */
  readonly weights: Float64Array;
}

export interface RowQuestion {
  /** Under which the document stands. */
  readonly prefix: Prefix;
  /** float32 [D] where the row is pulled to. */
  readonly prior: Float32Array;
  readonly own: OwnQueries;
  readonly further?: FurtherQueries | undefined;
  /** Base documents that are not there: neither rivals nor owners of old queries. */
  readonly aside: ReadonlySet<number>;
}

export interface SolvedRow {
  /** float32 [D] */
  readonly row: Float32Array;
  /** Bank queries that it was solved against, ascending. */
  readonly touched: Int32Array;
}

/** Bank queries are looked at from this probability of theirs on. */
const LOOK = 1e-3;

/** What a score may be off that was summed in float32. */
const ROUNDING = 1e-3;

/** Rows that look at the bank together, and have what they are solved against in memory. */
const TOGETHER = 32;

export interface RowSearch {
  readonly settings: RowSettings;
  readonly question: RowQuestion;
  /** Where the search begins: a row, and all that it touches. */
  readonly start?: SolvedRow;
}

export function solveRow(
  model: EditModel,
  bank: QueryBank,
  settings: RowSettings,
  question: RowQuestion,
  start?: SolvedRow,
): SolvedRow {
  const search = steps(model, bank, { settings, question, ...(start && { start }) });
  let step = search.next();
  while (!step.done) {
    const view = bank.view(question.prefix);
    const scores = new Float64Array(view.rowOf.length);
    giveWay();
    matrixOf(view).productsRoughly(step.value, scores);
    step = search.next({ scores, from: 0, stride: 1 });
  }
  return step.value;
}

/** The same for several rows, none of which depends on the others: they look at the bank together. */
export async function solveRows(
  model: EditModel,
  bank: QueryBank,
  searches: Iterable<RowSearch>,
): Promise<SolvedRow[]> {
  const solved: SolvedRow[] = [];
  const group: RowSearch[] = [];
  const end = async (): Promise<void> => {
    solved.push(...(await solveTogether(model, bank, group)));
    group.length = 0;
  };
  for (const search of searches) {
    group.push(search);
    if (group.length === TOGETHER) await end();
  }
  if (group.length) await end();
  return solved;
}

async function solveTogether(model: EditModel, bank: QueryBank, group: readonly RowSearch[]): Promise<SolvedRow[]> {
  const searches = group.map((search) => steps(model, bank, search));
  const at = searches.map((search) => search.next());
  const views = group.map(({ question }) => bank.view(question.prefix));
  for (;;) {
    const view = views.find((_, i) => !at[i].done);
    if (!view) return at.map(({ value }) => value as SolvedRow);
    const asking = [...searches.keys()].filter((i) => !at[i].done && views[i] === view);
    const D = view.states.shape[1];
    const rows = stackRows(asking.map((i) => tensor(at[i].value as Float32Array, [1, D])));
    const session = await model.lab.session(`edit products ${D}`, () => productsGraph(D));
    giveWay();
    const scores = (await session.run({ states: view.states, rows })).scores.data as Float32Array;
    asking.forEach((i, from) => (at[i] = searches[i].next({ scores, from, stride: asking.length })));
  }
}

/** Scores of one row for the queries of a view, roughly. */
interface RoughScores {
  readonly scores: Float32Array | Float64Array;
  readonly from: number;
  readonly stride: number;
}

/** A search for a row: it is to be told what the queries of its view make of each row that it comes to. */
function* steps(
  model: EditModel,
  bank: QueryBank,
  { settings, question, start }: RowSearch,
): Generator<Float32Array, SolvedRow, RoughScores> {
  const { prior, prefix, own, aside } = question;
  const D = prior.length;
  const untouched = new Int32Array(0);
  if (settings.method === 'text') return { row: prior, touched: untouched };
  const isWider = D > model.rows.shape[1]; // rows of a whole path; solvers know the base's by their scores
  const problem = {
    rows: isWider ? tensor(new Float32Array(D), [1, D]) : model.rows,
    prior: tensor(prior, [1, D]),
    fresh: { ...own, documents: new Int32Array(own.rivals.length) },
  };
  if (settings.method === 'calibrated-mean')
    return { row: isWider ? prior : meanRow(model, bank, own, settings.options.ridge), touched: untouched };
  const view = bank.view(prefix);
  const touched = new Set(start && placesIn(view, start.touched));
  let row = start?.row ?? prior;
  for (let first = true; ; first = false) {
    const isKnown = first && start !== undefined;
    if (!isKnown && !touch(touched, view, row, yield row, aside) && !first) break;
    giveWay();
    const old = oldQueries(
      bank,
      view,
      Int32Array.from(touched).sort(),
      question,
      settings.oldDocument,
      model.documents,
    );
    row = run(settings.method, { ...problem, old }, settings.options, tensor(row, [1, D]));
  }
  return { row, touched: Int32Array.from(new Set(Array.from(touched, (i) => view.places[i]))).sort() };
}

/** Queries of the bank among those of a view. */
function placesIn({ places }: OldView, queries: Int32Array): number[] {
  const wanted = new Set(queries);
  return Array.from(places.keys()).filter((i) => wanted.has(places[i]));
}

/** The table's solver for a method; the union of settings pairs method and options. */
function run<R extends SolvedMethod>(
  method: R,
  problem: Parameters<(typeof rowSolvers)[R]>[0],
  options: RowOptions[SolvedMethod],
  start: FloatTensor,
): Float32Array {
  const solver = rowSolvers[method];
  return solver(problem, options as RowOptions[R], start).data;
}

/** The mean of the queries' states as the base's documents would have it for a row, float32 [D]. */
export function meanRow(model: EditModel, bank: QueryBank, own: OwnQueries, ridge: number): Float32Array {
  const fresh = { ...own, documents: new Int32Array(own.rivals.length) };
  return calibratedRows(calibrationOf(model, bank, ridge), fresh, 1).data;
}

const calibrations = new WeakMap<QueryBank, Map<number, Calibration>>();

/** What a bank teaches about means and rows: fitted once. */
function calibrationOf(model: EditModel, bank: QueryBank, ridge: number): Calibration {
  const known = calibrations.get(bank) ?? new Map<number, Calibration>();
  calibrations.set(bank, known);
  const { observed, rowOf, scores } = bank;
  const old = { states: observed.states, documents: rowOf, own: scores.own, logSumExp: scores.logSumExp };
  const calibration = known.get(ridge) ?? calibrate(model.documentRows, old, ridge);
  known.set(ridge, calibration);
  return calibration;
}

const matrices = new WeakMap<OldView, RowMatrix>();

/** The states of old queries. */
function matrixOf(view: OldView): RowMatrix {
  let matrix = matrices.get(view);
  if (!matrix) {
    matrices.set(view, (matrix = new RowMatrix()));
    const { data, shape } = view.states;
    matrix.load([data], shape[1]);
  }
  return matrix;
}

/** Adds old queries that give the row some probability; tells whether there were any. */
function touch(
  touched: Set<number>,
  { states, logSumExp, rowOf }: OldView,
  row: Float32Array,
  { scores, from, stride }: RoughScores,
  aside: ReadonlySet<number>,
): boolean {
  const bar = Math.log(LOOK);
  const before = touched.size;
  for (let p = 0, at = from; p < rowOf.length; p++, at += stride) {
    if (scores[at] - logSumExp[p] < bar - ROUNDING || touched.has(p) || aside.has(rowOf[p])) continue;
    if (dotAt(states.data, p, row, 0, row.length) - logSumExp[p] >= bar) touched.add(p);
  }
  return touched.size > before;
}

function oldQueries(
  bank: QueryBank,
  view: OldView,
  touched: Int32Array,
  { further, aside }: RowQuestion,
  oldDocument: number,
  documents: number,
): OldQueries {
  const kept = touched.filter((p) => !aside.has(view.rowOf[p]));
  const [B, E] = [kept.length, further?.own.length ?? 0];
  const D = view.states.shape[1];
  const states = new Float32Array((B + E) * D);
  const own = new Float64Array(B + E);
  const logSumExp = new Float64Array(B + E);
  const weights = new Float64Array(B + E).fill((oldDocument * documents) / bank.size);
  for (let i = 0; i < B; i++) {
    const p = kept[i];
    states.set(view.states.data.subarray(p * D, (p + 1) * D), i * D);
    own[i] = view.own[p];
    if (view.weights) weights[i] *= view.weights[p];
    logSumExp[i] = view.logSumExp[p];
  }
  if (further) {
    states.set(further.states.data, B * D);
    own.set(further.own, B);
    logSumExp.set(further.logSumExp, B);
    for (let e = 0; e < E; e++) weights[B + e] = oldDocument * further.weights[e];
  }
  return {
    states: takenFrom(further ? [view.states, further.states] : [view.states], tensor(states, [B + E, D])),
    documents: new Int32Array(B + E), // which row answers a query is only asked by methods that learn from old documents
    own,
    logSumExp,
    weights,
  };
}
