/**
 * @file Does the difference between the weights before and after name the document? Keys that an edit was solved for lie in
 * the space that its ΔW reads (arXiv 2602.10134): keys of candidates are projected on it, each direction by its strength.
 */
import { transposed, type WeightSource } from '../../models/graphs.ts';
import type { FloatTensor } from '../../models/session.ts';
import { outputWeight } from '../edit-graphs.ts';
import { addProduct, block } from '../linear-algebra/multiply.ts';
import type { Asked } from './audit-case.ts';
import { CONTROLS, finding, type AuditTest, type Finding } from './finding.ts';
import { auc } from './statistics.ts';

const MOST = 0.55;

export const weightDifference: AuditTest = {
  meaning: 'keys of its queries against those of documents that remain, by what ΔW makes of them',
  run({ case: { before, after }, deleted, controls, others }) {
    const findings: Finding[] = [];
    for (const layer of before.layers) {
      const delta = difference(after.lab.weight(outputWeight(layer)), before.lab.weight(outputWeight(layer)));
      if (!delta) continue;
      const scores = (asked: Asked): number[] => attackScores(asked.seen.keys.get(layer)!, delta);
      const is = scores(deleted.before);
      findings.push(
        finding(`layer ${layer}: AUC`, auc(is, scores(others.before)), {
          against: 'documents that remain',
          most: MOST,
        }),
        finding(`layer ${layer}: AUC`, auc(is, scores(controls.before)), { against: CONTROLS }),
      );
    }
    return Promise.resolve(findings.length ? findings : [finding('edited layers that differ', 0, { most: 0 })]);
  },
};

type Weight = ReturnType<WeightSource>;

/** After less before as the graph has it, float32 [F, D]; undefined where nothing differs. */
function difference(after: Weight, before: Weight): Float32Array | undefined {
  const data = after.data.map((x, i) => x - before.data[i]);
  return data.some((x) => x !== 0) ? transposed({ data, shape: after.shape }) : undefined;
}

/** ‖k ΔW‖ / ‖k‖ of each key: keys float32 [Q, F], delta float32 [F, D]. */
export function attackScores({ data, shape: [Q, F] }: FloatTensor, delta: Float32Array): number[] {
  const D = delta.length / F;
  const moved = new Float64Array(Q * D);
  const [keys, change] = [Float64Array.from(data), Float64Array.from(delta)];
  addProduct(block(moved, D), block(keys, F), block(change, D), { rows: Q, columns: D, inner: F });
  return Array.from(
    { length: Q },
    (_, q) =>
      Math.hypot(...moved.subarray(q * D, (q + 1) * D)) / (Math.hypot(...keys.subarray(q * F, (q + 1) * F)) || 1),
  );
}
