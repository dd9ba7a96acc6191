/**
 * @file A document that comes later has both tokens of its path for itself: the first stands in the place of the model's code
 * for later documents, and is read as that code. So the score of its path is linear in both rows together, Σ over the steps
 * of row · state less what does not depend on them: a docid of one token, of states that lie side by side.
 */
import { tensor, type FloatTensor } from '../models/session.ts';
import type { EditModel, Observed, Scores } from './edit-model.ts';
import type { Prefix } from './reading.ts';
import { firstWeight, type FirstStep } from './steps-alone.ts';

/** Whether a document under a prefix has the code of later documents' place for itself. */
export const isWhole = ({ later }: EditModel, prefix: Prefix): boolean =>
  later !== undefined && prefix.length === 1 && prefix[0] === later;

/** What the row of a document is solved on. */
export interface RowStates {
  /** float32 [Q, W], W = 2·D where the document has a whole path for itself: states of the first step, then of the last. */
  readonly states: FloatTensor;
  /** [Q] log Σ exp of the scores of all base rows, summed over the steps. */
  readonly logSumExp: Float64Array;
  /** What the first step is alone, where it is one of the row's. */
  readonly first?: FirstStep;
}

/**
 * The states of queries that were observed behind a prefix, those of the first step beside them where a document has that
 * step's token for itself, too.
 *
 * @param right  [Q] the first token that is no rival to each query; none has one where left out
 */
export async function rowStates(
  model: EditModel,
  { states, texts }: Pick<Observed, 'states' | 'texts'>,
  { logSumExp }: Scores,
  prefix: Prefix,
  { aside = [], right }: { readonly aside?: Iterable<number>; readonly right?: Int32Array } = {},
): Promise<RowStates> {
  if (!isWhole(model, prefix)) return { states, logSumExp };
  const first = await model.observe(texts);
  const scores = await model.scoresOf(first.states, model.rows, right, model.without(aside));
  return {
    states: sideBySide(first.states, states),
    logSumExp: logSumExp.map((x, q) => x + scores.logSumExp[q]),
    first: { states: first.states, scores, weight: firstWeight(model.lab.genir.scheme) },
  };
}

/** float32 [Q, D] twice: [Q, 2·D] */
function sideBySide(a: FloatTensor, b: FloatTensor): FloatTensor {
  const [Q, D] = a.shape;
  const both = new Float32Array(2 * Q * D);
  for (let q = 0; q < Q; q++) {
    both.set(a.data.subarray(q * D, (q + 1) * D), 2 * q * D);
    both.set(b.data.subarray(q * D, (q + 1) * D), (2 * q + 1) * D);
  }
  return tensor(both, [Q, 2 * D]);
}

/** A row to begin with, for a document under a prefix whose last token's is known: with that of the prefix before it, [2·D]. */
export function withPrefix(model: EditModel, prefix: Prefix, last: Float32Array): Float32Array {
  if (!isWhole(model, prefix)) return last;
  const { rows, later } = model;
  const D = last.length;
  const row = new Float32Array(2 * D);
  row.set(rows.data.subarray(later! * D, (later! + 1) * D));
  row.set(last, D);
  return row;
}
