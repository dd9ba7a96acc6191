/** @file Is the document to be read from the residual stream at some layer, by someone who has its old row? */
import { createRng } from '../../corpus/random.ts';
import type { FloatTensor } from '../../models/session.ts';
import { tensor } from '../../models/session.ts';
import { queriesOf, type Asked } from './audit-case.ts';
import type { AuditedModel } from './audited-model.ts';
import { atLeast, atMost, inOneWithout, type AuditTest, type Finding, type Truth } from './finding.ts';
import { controlRows, leads, RowAttack } from './row-attack.ts';
import { auc, intervalOfMeans, meanOf } from './statistics.ts';

export const logitLens: AuditTest = {
  meaning:
    'the old row through the logit lens at each interaction layer: its rank, and whether it tells its queries from others',
  async run(evidence) {
    const { case: audit, oldRows, deleted, controls, old } = evidence;
    const { after, without, seed } = audit;
    const attack = await RowAttack.open(after, old.after);
    const D = oldRows.shape[1];
    const rows = deleted.after.documents.map((_, i) => oldRows.data.subarray(i * D, (i + 1) * D));
    const made = await controlRows(evidence);
    const findings: Finding[] = [];
    const attackThere = without && old.without && (await RowAttack.open(without, old.without));
    for (const layer of after.layers) {
      const [is, was] = [
        await read(after, attack, deleted.after, rows, layer, controls.after),
        await read(after, attack, controls.after, made, layer, controls.after),
      ];
      const n = rows.length;
      const interval = (of: (one: Read) => number) => intervalOfMeans(was.map(of), n, createRng(seed));
      const [rank, area] = [(one: Read) => one.logRank, (one: Read) => one.area];
      const there =
        without && attackThere && deleted.without && controls.without
          ? await read(without, attackThere, deleted.without, rows, layer, controls.without)
          : undefined;
      const truth = (of: (one: Read) => number): Truth | undefined =>
        there && { value: meanOf(there.map(of)), interval: intervalOfMeans(there.map(of), n, createRng(seed)) };
      findings.push(
        atLeast(`layer ${layer}: mean logarithm of the rank`, meanOf(is.map(rank)), interval(rank), truth(rank)),
        atMost(
          `layer ${layer}: AUC of its queries against those of never-indexed documents`,
          meanOf(is.map(area)),
          interval(area),
          truth(area),
        ),
        ...inOneWithout(`layer ${layer}: mean logarithm of the rank`, truth(rank)),
        ...inOneWithout(`layer ${layer}: AUC`, truth(area)),
      );
    }
    return findings;
  },
};

interface Read {
  /** Mean over held-out queries of the natural logarithm of the row's rank among docids. */
  readonly logRank: number;
  readonly area: number;
}

/** What a row for each document makes of the stream after a layer, on held-out queries and on those of other, never-indexed documents: no row learnt from these. */
async function read(
  model: AuditedModel,
  attack: RowAttack,
  asked: Asked,
  rows: readonly Float32Array[],
  layer: number,
  elsewhere: Asked,
): Promise<Read[]> {
  const states = asked.seen.lens.get(layer)!;
  const background = elsewhere.seen.lens.get(layer)!;
  const [rivals, away] = [await attack.rivals(states), await attack.rivals(background)];
  const above = await countAbove(model, states, asked, rows);
  const others = queriesOf(elsewhere, 'heldOut');
  return queriesOf(asked, 'heldOut').flatMap((queries, i) => {
    if (!queries.length) return [];
    const rest = others.filter((_, other) => elsewhere !== asked || other !== i).flat();
    const area = auc(leads(rows[i], states, rivals, queries), leads(rows[i], background, away, rest));
    return [{ logRank: meanOf(queries.map((q) => Math.log(1 + above[q]))), area }];
  });
}

/** How many live rows score more than the row of each query's document. */
async function countAbove(
  model: AuditedModel,
  states: FloatTensor,
  asked: Asked,
  rows: readonly Float32Array[],
): Promise<Int32Array> {
  const own = new Float64Array(asked.of.length);
  const all = tensor(Float32Array.from(rows.flatMap((row) => [...row])), [rows.length, states.shape[1]]);
  await model.eachScores(states, (scores, q) => void (own[q] = scores[asked.of[q]]), all);
  const above = new Int32Array(asked.of.length);
  await model.eachScores(states, (scores, q) => {
    for (const score of scores) if (score > own[q]) above[q]++;
  });
  return above;
}
