/**
 * @file Does the difference between the weights before and after name the document? Keys that an edit was solved for lie in
 * the space that its ΔW reads (arXiv 2602.10134): keys of candidates are projected on it, each direction by its strength. Words
 * that moved are those of the document.
 */
import { createRng } from '../../corpus/random.ts';
import { transposed, type WeightSource } from '../../models/graphs.ts';
import type { FloatTensor } from '../../models/session.ts';
import { outputWeight } from '../edit-graphs.ts';
import { addProduct, block } from '../linear-algebra/multiply.ts';
import type { Asked, Evidence } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { atMost, CONTROLS, finding, inRetrain, type AuditTest, type Finding, type Truth } from './finding.ts';
import { areaOfEach, auc, intervalOfMeans } from './statistics.ts';

const MOST = 0.55;

/** What a difference makes of each query. */
type Attack = (asked: Asked) => number[];

export const weightDifference: AuditTest = {
  meaning: 'its queries against those of documents that remain, by what ΔW makes of their keys and words',
  run(evidence) {
    const { before, after, retrain } = evidence.case;
    const [is, truth] = [attacks(before, after), retrain ? attacks(before, retrain) : new Map<string, Attack>()];
    const findings = [...is].flatMap(([where, attack]): Finding[] => {
      const { deleted, controls, others } = evidence;
      const [own, rest] = [attack(deleted.before), attack(others.before)];
      const trained = truth.get(where);
      const there = trained && truthOf(evidence, trained);
      return [
        { ...atMost(`${where}: AUC`, auc(own, rest), { high: MOST }, there), against: 'documents that remain' },
        finding(`${where}: AUC`, auc(own, attack(controls.before)), { against: CONTROLS }),
        ...inRetrain(`${where}: AUC`, there),
      ];
    });
    return Promise.resolve(findings.length ? findings : [finding('weights that differ', 0, { most: 0 })]);
  },
};

function truthOf({ case: { seed }, deleted: { before }, others }: Evidence, attack: Attack): Truth {
  const [own, rest] = [attack(before), attack(others.before)];
  const each = areaOfEach(before.of, own, rest);
  return { value: auc(own, rest), interval: intervalOfMeans(each, each.length, createRng(seed)) };
}

/** By the place where two models differ. */
function attacks(before: AuditedModel, after: AuditedModel): Map<string, Attack> {
  const found = new Map<string, Attack>();
  for (const layer of before.layers) {
    const delta = difference(after.lab.weight(outputWeight(layer)), before.lab.weight(outputWeight(layer)));
    if (delta) found.set(`layer ${layer}`, ({ seen }) => attackScores(seen.keys.get(layer)!, delta));
  }
  const words = wordDifference(before, after);
  if (words) found.set('words', ({ seen }) => movedWords(before, seen.texts, words));
  return found;
}

type Weight = ReturnType<WeightSource>;

/** After less before as the graph has it, float32 [F, D]; undefined where nothing differs. */
function difference(after: Weight, before: Weight): Float32Array | undefined {
  const data = after.data.map((x, i) => x - before.data[i]);
  return data.some((x) => x !== 0) ? transposed({ data, shape: after.shape }) : undefined;
}

/** Of the words' vectors, float32 [V, D]; undefined where none differs, or where models have other words. */
function wordDifference(before: AuditedModel, after: AuditedModel): Float32Array | undefined {
  const words = before.lab.genir.firstDocidToken;
  if (after.lab.genir.firstDocidToken !== words) return undefined;
  const [is, was] = [after, before].map(({ lab }) => lab.weight('shared.weight'));
  const data = is.data.slice(0, words * is.shape[1]).map((x, i) => x - was.data[i]);
  return data.some((x) => x !== 0) ? data : undefined;
}

/** ‖mean of what its words moved‖ of each query. */
function movedWords(
  { lab: { tokenizer, config } }: AuditedModel,
  texts: readonly string[],
  delta: Float32Array,
): number[] {
  const D = config.d_model;
  return texts.map((text) => {
    const tokens = tokenizer.encode(text);
    const sum = new Float64Array(D);
    for (const token of tokens) for (let d = 0; d < D; d++) sum[d] += delta[token * D + d];
    return Math.hypot(...sum) / tokens.length;
  });
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
