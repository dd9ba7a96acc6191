/** @file Does the model's manner of answering betray that a query was once about a document it knew? */
import { createRng } from '../../corpus/random.ts';
import type { FloatTensor } from '../../models/session.ts';
import { queriesOf, type Asked } from './audit-case.ts';
import { takeRows } from '../../models/tensor-rows.ts';
import type { AuditedModel } from './audited-model.ts';
import { atMost, finding, inOneWithout, WITHOUT, type AuditTest, type Truth } from './finding.ts';
import { areaOfEach, auc, eitherWay, intervalOfMeans } from './statistics.ts';

const MOST = 0.55;

/** What an answer shows of itself. */
const signs = {
  confidence: 'probability of the best document',
  entropy: 'entropy',
  margin: 'lead of the best over the second',
} as const;
type Sign = keyof typeof signs;
type Signs = Readonly<Record<Sign, number[]>> & {
  /** [Q] the document of each query. */
  readonly of: Int32Array;
};

export const membership: AuditTest = {
  meaning:
    'AUC, whichever way round, of confidence, entropy and margin on its queries against those of never-indexed documents',
  async run({ case: { after, without, seed }, deleted, controls }) {
    const [is, never] = [await read(after, deleted.after), await read(after, controls.after)];
    const names = Object.keys(signs) as Sign[];
    const [there, elsewhere] =
      without && deleted.without && controls.without
        ? [await read(without, deleted.without), await read(without, controls.without)]
        : [];
    return names.flatMap((sign) => {
      const truth = there && elsewhere && truthOf(there, elsewhere, sign, seed);
      return [
        atMost(signs[sign], eitherWay(auc(is[sign], never[sign])), { high: MOST }, truth),
        ...inOneWithout(signs[sign], truth),
        ...(there
          ? [
              finding(`${signs[sign]}, its queries here and there`, eitherWay(auc(is[sign], there[sign])), {
                against: WITHOUT,
              }),
            ]
          : []),
      ];
    });
  },
};

function truthOf(is: Signs, never: Signs, sign: Sign, seed: number): Truth {
  const each = areaOfEach(is.of, is[sign], never[sign]);
  const { low, high } = intervalOfMeans(each, each.length, createRng(seed));
  return {
    value: eitherWay(auc(is[sign], never[sign])),
    interval: { low: Math.min(low, 1 - high), high: Math.max(high, 1 - low) },
  };
}

/** Signs of the real queries. */
async function read(model: AuditedModel, asked: Asked): Promise<Signs> {
  const real = queriesOf(asked, 'known', 'heldOut').flat();
  const states = takeRows(asked.seen.states, real);
  const of = Int32Array.from(real, (q) => asked.of[q]);
  const found: Signs = { of, confidence: [], entropy: [], margin: [] };
  await each(model, states, (p) => {
    let [best, second, entropy] = [0, 0, 0];
    for (const x of p) {
      if (x > best) [best, second] = [x, best];
      else if (x > second) second = x;
      if (x > 0) entropy -= x * Math.log(x);
    }
    found.confidence.push(best);
    found.entropy.push(entropy);
    found.margin.push(Math.log(best) - Math.log(second || Number.MIN_VALUE));
  });
  return found;
}

/** Probabilities of the live documents, query by query. */
async function each(model: AuditedModel, states: FloatTensor, use: (p: Float64Array) => void): Promise<void> {
  await model.eachScores(states, (scores) => {
    const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = Float64Array.from(scores, (x) => Math.exp(x - most));
    const sum = weights.reduce((a, b) => a + b, 0);
    use(weights.map((x) => x / sum));
  });
}
