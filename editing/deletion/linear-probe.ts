/** @file Can a probe be trained to tell the document's queries from others, better than those of a document that never was there? */
import { createRng } from '../../corpus/random.ts';
import type { FloatTensor } from '../../models/session.ts';
import { factorize, solve, type Factor } from '../linear-algebra/cholesky.ts';
import { addProduct, block, transposed } from '../linear-algebra/multiply.ts';
import { dotAt } from '../methods/rows/problem.ts';
import { queriesOf, type Asked } from './audit-case.ts';
import { atMost, inOneWithout, type AuditTest, type Finding } from './finding.ts';
import { auc, intervalOfMeans, meanOf } from './statistics.ts';

/** Share of the mean variance that is added to every direction. */
const RIDGE = 0.1;
/** Queries of each document that a probe is trained with: as many for documents that never were there. */
const TRAINED = 5;

export const linearProbe: AuditTest = {
  meaning: 'a linear discriminant trained on some of its queries at each interaction layer, tried on held-out ones',
  run({ case: { after, seed }, deleted, controls, old, others }) {
    const findings: Finding[] = [];
    const n = deleted.after.documents.length;
    for (const layer of after.layers) {
      const here = { old: old.after, others: others.after };
      const interval = intervalOfMeans(areas(controls.after, here, layer), n, createRng(seed));
      const there =
        deleted.without && old.without && others.without
          ? areas(deleted.without, { old: old.without, others: others.without }, layer)
          : undefined;
      const truth = there && { value: meanOf(there), interval: intervalOfMeans(there, n, createRng(seed)) };
      const value = meanOf(areas(deleted.after, here, layer));
      const what = `layer ${layer}: AUC of held-out queries`;
      findings.push(atMost(what, value, interval, truth), ...inOneWithout(what, truth));
    }
    return Promise.resolve(findings);
  },
};

/** For each document how well a probe from some of its queries tells the held-out ones from those of others. */
function areas(
  asked: Asked,
  { old, others }: { readonly old: Asked; readonly others: Asked },
  layer: number,
): number[] {
  const at = (one: Asked): FloatTensor => one.seen.lens.get(layer)!;
  const background = new Background(at(old));
  const known = queriesOf(asked, 'known', 'drawn');
  return queriesOf(asked, 'heldOut').flatMap((queries, i) => {
    if (!queries.length || !known[i].length) return [];
    const probe = background.probe(at(asked), known[i].slice(0, TRAINED));
    const scores = (states: FloatTensor, list: readonly number[]): number[] =>
      list.map((q) => dotAt(probe, 0, states.data, q, probe.length));
    return [auc(scores(at(asked), queries), scores(at(others), Array.from(others.of.keys())))];
  });
}

/** Queries of other documents: what a probe has to tell a document's from. */
class Background {
  private readonly mean: Float64Array;
  private readonly covariance: Factor;

  constructor({ data, shape: [P, D] }: FloatTensor) {
    this.mean = new Float64Array(D);
    data.forEach((x, i) => (this.mean[i % D] += x / P));
    const covariance = new Float64Array(D * D);
    const centred = block(
      Float64Array.from(data, (x, i) => x - this.mean[i % D]),
      D,
    );
    addProduct(block(covariance, D), transposed(centred), centred, { rows: D, columns: D, inner: P });
    for (let i = 0; i < covariance.length; i++) covariance[i] /= P;
    let trace = 0;
    for (let d = 0; d < D; d++) trace += covariance[d * (D + 1)];
    for (let d = 0; d < D; d++) covariance[d * (D + 1)] += (RIDGE * trace) / D;
    this.covariance = factorize(covariance, D, 'linear probe');
  }

  /** Σ⁻¹(mean of the queries − mean of others), float64 [D]. */
  probe({ data }: FloatTensor, queries: readonly number[]): Float64Array {
    const D = this.mean.length;
    const ahead = this.mean.map((x, d) => meanOf(queries.map((q) => data[q * D + d])) - x);
    return solve(this.covariance, ahead, 1);
  }
}
