/**
 * @file Making a row for a document from some of its queries, as an attacker would who wants it back: the row solve of an
 * added document, without its text. Only what the model's states say of the queries decides how well that goes.
 */
import { tensor, type FloatTensor } from '../../models/session.ts';
import { takeRows } from '../../models/tensor-rows.ts';
import { crossEntropy } from '../methods/rows/cross-entropy.ts';
import { dotAt, logSumExpOf, type OldQueries } from '../methods/rows/problem.ts';
import { DEFAULT_PRESET, presets } from '../presets.ts';
import { queriesOf, type Asked, type Evidence } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';

/** What an old document weighs against the one that is wanted back: as when a document is added. */
const OLD_DOCUMENT = 5;

/** What a real query counts where a pseudo-query counts 1. */
const GIVEN = presets[DEFAULT_PRESET].queries.given;

/** What live rows make of queries. */
export interface Rivals {
  /** [Q] the best score. */
  readonly best: Float64Array;
  /** [Q] log Σ exp of all. */
  readonly logSumExp: Float64Array;
}

export class RowAttack {
  private readonly model: AuditedModel;
  private readonly old: OldQueries;
  /** float32 [1, D] the mean of all rows: nothing is known of the document. */
  private readonly prior: FloatTensor;

  private constructor(model: AuditedModel, old: OldQueries) {
    this.model = model;
    this.old = old;
    const [N, D] = model.rows.shape;
    const mean = new Float64Array(D);
    model.rows.data.forEach((x, i) => (mean[i % D] += x / N));
    this.prior = tensor(Float32Array.from(mean), [1, D]);
  }

  /** The same for every test of an audit. @param old  queries of documents that remain: a row that steals them is of no use */
  static open(model: AuditedModel, old: Asked): Promise<RowAttack> {
    let opened = attacks.get(old);
    if (!opened) attacks.set(old, (opened = RowAttack.prepare(model, old)));
    return opened;
  }

  private static async prepare(model: AuditedModel, old: Asked): Promise<RowAttack> {
    const places = Array.from(old.of.keys()).filter((q) => model.rowOf.has(old.documents[old.of[q]].docid));
    const documents = Int32Array.from(places, (q) => model.rowOf.get(old.documents[old.of[q]].docid)!);
    const states = takeRows(old.seen.states, places);
    const own = new Float64Array(places.length);
    const logSumExp = new Float64Array(places.length);
    await model.eachScores(states, (scores, p) => {
      own[p] = scores[documents[p]];
      logSumExp[p] = logSumExpOf(Float64Array.from(scores));
    });
    const each = OLD_DOCUMENT * model.docids.length;
    const weights = new Float64Array(places.length).fill(each / places.length);
    return new RowAttack(model, { states, documents, own, logSumExp, weights });
  }

  async rivals(states: FloatTensor): Promise<Rivals> {
    const best = new Float64Array(states.shape[0]);
    const logSumExp = new Float64Array(states.shape[0]);
    await this.model.eachScores(states, (scores, q) => {
      best[q] = scores.reduce((most, x) => Math.max(most, x), -Infinity);
      logSumExp[q] = logSumExpOf(Float64Array.from(scores));
    });
    return { best, logSumExp };
  }

  /**
   * The row that leads to some of the queries: float32 [D].
   *
   * @param rivals  of all of `states`, from `rivals`
   * @param chosen  those that the row is solved for
   * @param counts  what each of them counts; all the same where left out
   */
  solve(
    states: FloatTensor,
    { best, logSumExp }: Rivals,
    chosen: readonly number[],
    counts: readonly number[] = chosen.map(() => 1),
  ): Float32Array {
    const total = counts.reduce((sum, x) => sum + x, 0);
    const pick = (values: Float64Array): Float64Array => Float64Array.from(chosen, (q) => values[q]);
    const fresh = {
      states: takeRows(states, chosen),
      documents: new Int32Array(chosen.length),
      rivals: new Int32Array(chosen.length),
      best: pick(best),
      logSumExp: pick(logSumExp),
      weights: Float64Array.from(counts, (x) => x / total),
    };
    const problem = { rows: this.model.rows, fresh, old: this.old, prior: this.prior };
    return crossEntropy(problem, { oldWeight: 1, pull: 0.01, screen: 1e-4 }).data;
  }
}

const attacks = new WeakMap<Asked, Promise<RowAttack>>();

/** By how much a row is ahead of the best live one for each of the queries chosen. */
export function leads(row: Float32Array, states: FloatTensor, { best }: Rivals, chosen: readonly number[]): number[] {
  return chosen.map((q) => dotAt(row, 0, states.data, q, row.length) - best[q]);
}

/** Share of leads above 0. */
export const shareLed = (list: readonly number[]): number => list.filter((lead) => lead > 0).length / list.length;

/**
 * Rows of never-indexed documents in the model as it is now, float32 [D] each: those of the edits that add them, where the
 * deleted documents came by edits; else made of all queries that are not held out. Made once for an audit.
 */
export function controlRows(evidence: Evidence): Promise<Float32Array[]> {
  let made = rowsOfControls.get(evidence);
  if (!made) rowsOfControls.set(evidence, (made = solvedRows(evidence)));
  return made;
}

const rowsOfControls = new WeakMap<Evidence, Promise<Float32Array[]>>();

async function solvedRows({ case: { after, withControls }, old, controls }: Evidence): Promise<Float32Array[]> {
  if (withControls) {
    const { rows, rowOf } = withControls;
    return controls.after.documents.map(({ docid }) => takeRows(rows, [rowOf.get(docid)!]).data);
  }
  const attack = await RowAttack.open(after, old.after);
  const { seen, parts } = controls.after;
  const rivals = await attack.rivals(seen.states);
  return queriesOf(controls.after, 'known', 'drawn').map((chosen) => {
    const counts = chosen.map((q) => (parts[q] === 'known' ? GIVEN : 1));
    return attack.solve(seen.states, rivals, chosen, counts);
  });
}
