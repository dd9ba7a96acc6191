/**
 * @file Does the difference between the weights before and after name the document? Keys that an edit was solved for lie in
 * the space that its ΔW reads from (arXiv 2602.10134): keys of candidates are projected on it.
 */
import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { transposed, type WeightSource } from '../../models/graphs.ts';
import type { FloatTensor } from '../../models/session.ts';
import { outputWeight } from '../edit-graphs.ts';
import type { Asked } from './audit-case.ts';
import { finding, type AuditTest, type Finding } from './finding.ts';
import { auc } from './statistics.ts';

const MOST = 0.55;
/** Share of ‖ΔW‖² that the directions looked at have. */
const ENERGY = 0.9;

export const weightDifference: AuditTest = {
  meaning:
    'keys of its queries against those of documents that remain and of never-indexed ones, projected on what ΔW reads',
  run({ case: { before, after }, deleted, controls, others }) {
    const findings: Finding[] = [];
    for (const layer of before.layers) {
      const delta = difference(after.lab.weight(outputWeight(layer)), before.lab.weight(outputWeight(layer)));
      if (!delta) continue;
      const scores = (asked: Asked): number[] => attackScores(asked.seen.keys.get(layer)!, delta);
      const is = scores(deleted.before);
      const against = (name: string, asked: Asked): Finding =>
        finding(`layer ${layer}: AUC`, auc(is, scores(asked)), { against: name, most: MOST });
      findings.push(
        against('queries of documents that remain', others.before),
        against('queries of never-indexed documents', controls.before),
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

/** ‖Uᵀk‖ / ‖k‖ of each key, U the leading directions that ΔW reads: keys float32 [Q, F], delta float32 [F, D]. */
export function attackScores({ data, shape: [Q, F] }: FloatTensor, delta: Float32Array): number[] {
  const D = delta.length / F;
  const { leftSingularVectors, diagonal } = new SingularValueDecomposition(Matrix.from1DArray(F, D, delta), {
    computeRightSingularVectors: false,
    autoTranspose: true,
  });
  const all = diagonal.reduce((sum, x) => sum + x * x, 0);
  let [rank, held] = [0, 0];
  while (rank < diagonal.length && held < ENERGY * all) held += diagonal[rank++] ** 2;
  const u = leftSingularVectors.subMatrix(0, F - 1, 0, Math.max(0, rank - 1));
  const projected = Matrix.from1DArray(Q, F, data).mmul(u);
  return Array.from({ length: Q }, (_, q) => {
    const key = data.subarray(q * F, (q + 1) * F);
    return Math.hypot(...projected.getRow(q)) / (Math.hypot(...key) || 1);
  });
}
