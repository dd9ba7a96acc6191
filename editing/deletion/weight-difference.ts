/**
 * @file Does the difference between weights name the document? Keys that an edit was solved for lie in the space that its ΔW
 * reads (arXiv 2602.10134): keys of candidates are projected on it, each direction by its strength. Words that moved are those
 * of the document.
 *
 * Which difference an auditor has depends on how the document came. One that was trained in: the weights before the deletion
 * are the public ones, so before against after. One that an edit added: the public weights are those that edits started from,
 * so base against after, where the deleted document's queries must stand out no more than those of documents that nobody
 * added (all of them may: other additions are about such things too). Who kept the weights from between has the document's row
 * and ΔW in them, whatever happens afterwards: that difference is printed, without a bound. And the weights after must be
 * those that they would be had nobody added it, byte for byte.
 */
import { createRng } from '../../corpus/random.ts';
import { transposed, type WeightSource } from '../../models/graphs.ts';
import type { FloatTensor } from '../../models/session.ts';
import { outputWeight } from '../edit-graphs.ts';
import { fromFloats } from '../float-bytes.ts';
import { addProduct, block } from '../linear-algebra/multiply.ts';
import type { Asked, Evidence } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import {
  atMost,
  CONTROLS,
  finding,
  inOneWithout,
  WITHOUT,
  type AuditTest,
  type Finding,
  type Truth,
} from './finding.ts';
import { areaOfEach, auc, intervalOfMeans } from './statistics.ts';

const MOST = 0.55;

/** What a difference makes of each query. */
type Attack = (asked: Asked) => number[];

export const weightDifference: AuditTest = {
  meaning: 'its queries against those of documents that remain, by what ΔW makes of their keys and words',
  run(evidence) {
    const { before, after, without, base } = evidence.case;
    const findings = base
      ? [
          ...(without
            ? [finding('weights with other bytes', differing(after, without), { against: WITHOUT, most: 0 })]
            : []),
          ...sinceBase(evidence, base),
          ...beside(evidence, attacks(before, after)),
        ]
      : sinceBefore(evidence);
    return Promise.resolve(findings.length ? findings : [finding('weights that differ', 0, { most: 0 })]);
  },
};

/** Before against after: of documents that the model was trained with. */
function sinceBefore(evidence: Evidence): Finding[] {
  const { before, after, without } = evidence.case;
  const { deleted, controls, others } = evidence;
  const truth = without ? attacks(before, without) : new Map<string, Attack>();
  return [...attacks(before, after)].flatMap(([where, attack]): Finding[] => {
    const [own, rest] = [attack(deleted.before), attack(others.before)];
    const trained = truth.get(where);
    const there = trained && truthOf(evidence, trained, deleted.before, others.before);
    return [
      { ...atMost(`${where}: AUC`, auc(own, rest), { high: MOST }, there), against: 'documents that remain' },
      finding(`${where}: AUC`, auc(own, attack(controls.before)), { against: CONTROLS }),
      ...inOneWithout(`${where}: AUC`, there),
    ];
  });
}

/** Base against after: of documents that edits added. */
function sinceBase(evidence: Evidence, base: AuditedModel): Finding[] {
  const { after, without } = evidence.case;
  const { deleted, controls, others } = evidence;
  const truth = without ? attacks(base, without) : new Map<string, Attack>();
  return [...attacks(base, after)].flatMap(([where, attack]): Finding[] => {
    const what = `${where}, since the base: AUC`;
    const own = attack(deleted.after);
    const edited = truth.get(where);
    const there =
      edited && deleted.without && controls.without
        ? truthOf(evidence, edited, deleted.without, controls.without)
        : undefined;
    return [
      atMost(what, auc(own, attack(controls.after)), { high: MOST }, there),
      finding(what, auc(own, attack(others.after)), { against: 'documents that remain' }),
      ...inOneWithout(what, there),
    ];
  });
}

/** Before against after, for one who kept the weights of before. */
const beside = ({ deleted, others }: Evidence, found: ReadonlyMap<string, Attack>): Finding[] =>
  [...found].map(([where, attack]) =>
    finding(`${where}, since before the deletion: AUC`, auc(attack(deleted.before), attack(others.before)), {
      against: 'documents that remain',
    }),
  );

function truthOf({ case: { seed } }: Evidence, attack: Attack, asked: Asked, rest: Asked): Truth {
  const [own, others] = [attack(asked), attack(rest)];
  const each = areaOfEach(asked.of, own, others);
  return { value: auc(own, others), interval: intervalOfMeans(each, each.length, createRng(seed)) };
}

/** Weights of two models that are not the same to the byte, and their lists of docids where those differ. */
function differing({ lab: a }: AuditedModel, { lab: b }: AuditedModel): number {
  const names = new Set([a, b].flatMap(({ folder }) => [...folder.weights.keys()]));
  const isSame = (name: string): boolean =>
    Buffer.compare(fromFloats(a.weight(name).data), fromFloats(b.weight(name).data)) === 0;
  const lists = a.genir.docids.join('\n') === b.genir.docids.join('\n') ? 0 : 1;
  return lists + [...names].filter((name) => !isSame(name)).length;
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
  const was = before.data; // read at every access
  const data = after.data.map((x, i) => x - was[i]);
  return data.some((x) => x !== 0) ? transposed({ data, shape: after.shape }) : undefined;
}

/** Of the words' vectors, float32 [V, D]; undefined where none differs, or where models have other words. */
function wordDifference(before: AuditedModel, after: AuditedModel): Float32Array | undefined {
  const words = before.lab.genir.firstDocidToken;
  if (after.lab.genir.firstDocidToken !== words) return undefined;
  const [is, was] = [after, before].map(({ lab }) => lab.weight('shared.weight').data);
  const data = is.slice(0, words * after.lab.config.d_model).map((x, i) => x - was[i]);
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
