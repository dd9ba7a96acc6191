/**
 * @file Taking the trace of a document that the model was trained with out of the weights. Without its row it cannot come
 * out, but the states of its queries still point to where the row was. Pairs of keys and residuals bring the row's lead over
 * the substitute down to that of documents that were never indexed, not lower: too low betrays it as well.
 */
import { tensor } from '../../models/session.ts';
import { ASIDE, type EditModel } from '../edit-model.ts';
import type { EditPairs } from '../methods/method.ts';
import type { QueryBank } from '../query-bank.ts';
import { takeRows } from '../methods/rows/problem.ts';
import { traceGraph } from './trace-graph.ts';
import { levelledLead, type TraceLevel } from './trace-level.ts';

export interface TraceRemovalOptions {
  readonly level: TraceLevel;
  /** Pseudo-queries beside the bank's. */
  readonly pseudoQueries: number;
  /** What all pairs of a document weigh together. */
  readonly weight: number;
  /** How much further than the level residuals go, since the ledger gives back less than it is asked for. */
  readonly gain: number;
}

export const removalSettings = { pseudoQueries: 24, weight: 4, gain: 1.5 } as const;

/** Newton steps: the norm bends the way. */
const STEPS = 4;

/**
 * The pairs of a removal, by edited layer, each layer with an equal share of the residuals: a function of the base model, the
 * bank and the row.
 */
export async function traceRemoval(
  model: EditModel,
  bank: QueryBank,
  row: number,
  { level, pseudoQueries, weight, gain }: TraceRemovalOptions,
): Promise<ReadonlyMap<number, EditPairs>> {
  const known = bank.ofRow[row].map((p) => bank.observed.texts[p]);
  const drawn = bank.corpus.pseudoQueries('removal', bank.corpus.documents[row], pseudoQueries, new Set(known));
  if (!known.length && !drawn.length) return new Map();
  const observed = await model.observe([...known, ...drawn]);
  const Q = observed.texts.length;
  const scores = await model.scores(observed.states, new Int32Array(Q).fill(row));
  const leads = Float32Array.from(scores.own, (own, q) => {
    const lead = own - scores.best[q];
    return lead + gain * (levelledLead(level, lead) - lead);
  });
  const bias = new Float32Array(model.rows.shape[0]);
  bias[row] = ASIDE;
  const { config, weight: source } = model.lab;
  const session = await model.lab.session('trace', () => traceGraph(config, source, STEPS));
  const { change } = await session.run({
    residual: observed.residual,
    keys: observed.keys.get(model.lastLayer)!,
    own: takeRows(model.rows, [row]),
    rows: model.rows,
    bias: tensor(bias, [1, bias.length]),
    lead: tensor(leads, [Q, 1]),
  });
  const residuals = (change.data as Float32Array).map((x) => x / model.layers.length);
  const weights = new Float64Array(Q).fill(weight / Q);
  return new Map(model.layers.map((layer) => [layer, { keys: observed.keys.get(layer)!.data, residuals, weights }]));
}
