/** @file Does the model's manner of answering betray that a query was once about a document it knew? */
import type { FloatTensor } from '../../models/session.ts';
import { queriesOf, type Asked } from './audit-case.ts';
import { takeRows } from '../methods/rows/problem.ts';
import type { AuditedModel } from './audited-model.ts';
import { CONTROLS, finding, RETRAIN, type AuditTest } from './finding.ts';
import { auc, eitherWay } from './statistics.ts';

const MOST = 0.55;

/** What an answer shows of itself. */
const signs = {
  confidence: 'probability of the best document',
  entropy: 'entropy',
  margin: 'lead of the best over the second',
} as const;
type Sign = keyof typeof signs;
type Signs = Readonly<Record<Sign, number[]>>;

export const membership: AuditTest = {
  meaning:
    'AUC, whichever way round, of confidence, entropy and margin on its queries against those of never-indexed documents',
  async run({ case: { after, retrain }, deleted, controls }) {
    const [is, never] = [await read(after, deleted.after), await read(after, controls.after)];
    const names = Object.keys(signs) as Sign[];
    const findings = names.map((sign) =>
      finding(signs[sign], eitherWay(auc(is[sign], never[sign])), { against: CONTROLS, most: MOST }),
    );
    if (!retrain || !deleted.retrain || !controls.retrain) return findings;
    const [truth, there] = [await read(retrain, deleted.retrain), await read(retrain, controls.retrain)];
    const informing = names.map((sign) =>
      finding(`${signs[sign]}, in the retrain`, eitherWay(auc(truth[sign], there[sign])), { against: CONTROLS }),
    );
    const compared = names.map((sign) =>
      finding(`${signs[sign]}, its queries here and there`, eitherWay(auc(is[sign], truth[sign])), {
        against: RETRAIN,
      }),
    );
    return [...findings, ...informing, ...compared];
  },
};

/** Signs of the real queries. */
async function read(model: AuditedModel, asked: Asked): Promise<Signs> {
  const states = takeRows(asked.seen.states, queriesOf(asked, 'known', 'heldOut').flat());
  const found: Signs = { confidence: [], entropy: [], margin: [] };
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
