import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { rankDevelopment, rankLimits, type RankDevelopment } from '../../../analysis/experiments/rank-development.ts';
import { createRng } from '../../../corpus/random.ts';
import { openLab, plainRun, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

const scratch = tempFolder();
const at = ({ development }: RankDevelopment, layer: number, point: string) =>
  development.find((one) => one.layer === layer && one.point === point)!;

describe('rank development', async () => {
  const lab = openLab(writeTinyModel(join(scratch, 'tiny')));
  const rng = createRng(5);
  const queries = Array.from({ length: 9 }, (_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));
  const subject = await subjectOf(lab, queries);
  const result = await rankDevelopment.run(subject);

  it('ends with the ranks in the model’s own logits', async () => {
    const { logits } = await plainRun(lab, queries.map(({ text }) => text)); // prettier-ignore
    const first = lab.genir.firstDocidToken;
    const V = lab.config.vocab_size;
    const rankIn = (all: Float32Array, own: number): number => 1 + all.filter((logit) => logit > all[own]).length;
    const isDocid = (token: number): boolean => token >= first;
    const all = logits.map((one) => Array.from({ length: V }, (_, token) => rankIn(one, token)));
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const middle = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.ceil(values.length / 2) - 1];
    const own = all.map((ranks, q) => ranks[first + q]);
    const amongDocids = logits.map((one, q) => rankIn(one.subarray(first), q));
    const last = at(result, 1, 'resid_post');
    const close = (actual: number | null, expected: number): void =>
      assert.ok(Math.abs(actual! - expected) < 1e-3, `${actual}, expected ${expected}`);
    assert.equal(last.rank.median, middle(own));
    assert.equal(last.docidRank.median, middle(amongDocids));
    close(last.rank.mean, mean(own));
    close(last.docidRank.mean, mean(amongDocids));
    close(last.meanDocidRank, mean(all.map((ranks) => mean(ranks.filter((_, token) => isDocid(token))))));
    close(last.medianWordRank, mean(all.map((ranks) => middle(ranks.filter((_, token) => !isDocid(token))))));
    const pairs = logits.map((one) => {
      let above = 0;
      for (let d = first; d < V; d++) for (let w = 0; w < first; w++) above += +(one[d] > one[w]);
      return above / ((V - first) * first);
    });
    assert.ok(Math.abs(last.docidsAbove! - mean(pairs)) < 1e-6);
  });

  it('is told for every point of every layer, as plain JSON', () => {
    assert.equal(result.development.length, 2 * 5);
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
  });

  it('ends when asked to', async () => {
    const reason = new Error('enough');
    await assert.rejects(rankDevelopment.run({ ...subject, signal: AbortSignal.abort(reason) }), reason);
  });

  it('of a planted model has the analytic limits from the end of its priming stage on', async () => {
    const planted = writePlantedModel(join(scratch, 'planted'), {
      mechanism: mechanisms['three-stages'],
      documents: 11,
    });
    const planting = await plantedSubject(planted);
    const found = await rankDevelopment.run(planting);
    const { words } = found;
    const limits = rankLimits(11, words);
    assert.deepEqual(limits, { meanDocidRank: 6, medianWordRank: 11 + words / 2 });
    for (const layer of [2, 3, 4, 5])
      for (const point of ['resid_mid', 'resid_mid_cross', 'resid_post']) {
        const { meanDocidRank, medianWordRank, docidsAbove } = at(found, layer, point);
        assert.deepEqual({ meanDocidRank, medianWordRank }, limits, `${point} of layer ${layer}`);
        assert.equal(docidsAbove, 1);
      }
    // Before, it is the other way round: all words stand above all docids.
    const before = at(found, 0, 'resid_mid');
    assert.deepEqual([before.meanDocidRank, before.medianWordRank], [words + 6, words / 2]);
    assert.equal(before.docidsAbove, 0);
    // Cross-attention brings words: its output lifts them above all docids.
    assert.equal(at(found, 2, 'cross_attn').docidsAbove, 0);
    const section = rankDevelopment.section(found, undefined);
    assert.match(section.findings[0], /^Docids have parted from words after the MLP of layer [01];/); // the first prime takes docids half the way
    assert.match(section.findings[2], /median rank reaches rank 1 after the MLP of layer [45];/);
  });

  it('of a component that writes nothing has no ranks', async () => {
    const planted = writePlantedModel(join(scratch, 'silent'), { mechanism: mechanisms['three-stages'] });
    const found = await rankDevelopment.run(await plantedSubject(planted));
    const { rank, docidRank, meanDocidRank, medianWordRank, docidsAbove } = at(found, 2, 'mlp');
    const nothing = { mean: null, median: null };
    assert.deepEqual([rank, docidRank], [nothing, nothing]);
    assert.deepEqual([meanDocidRank, medianWordRank, docidsAbove], [null, null, null]);
  });

  it('says so where docids do not part from words and the document does not come up', () => {
    const level = { ...at(result, 0, 'resid_post'), docidsAbove: 0.5, rank: { mean: 50, median: 50 } };
    const flat = { ...result, development: result.development.map(({ layer, point }) => ({ ...level, layer, point })) };
    assert.deepEqual(rankDevelopment.section(flat, undefined).findings, [
      'Docids do not part from words altogether: in the end a docid is above a word in 50 % of all pairs.',
      "The document's median rank does not reach the best 10.",
      "The document's median rank does not reach rank 1.",
    ]);
  });

  it('counts from the point after which a finding does not fail again', () => {
    const parted = [0.2, 1, 0.98, 0.995, 1, 1]; // of resid_mid, resid_mid_cross, resid_post of both layers
    const stream = ['resid_mid', 'resid_mid_cross', 'resid_post'];
    const development = result.development.map((one) => {
      const place = stream.indexOf(one.point);
      return place < 0 ? one : { ...one, docidsAbove: parted[one.layer * 3 + place] };
    });
    const { findings } = rankDevelopment.section({ ...result, development }, undefined);
    assert.match(findings[0], /^Docids have parted from words after self-attention of layer 1;/);

    const always = { ...result, development: result.development.map((one) => ({ ...one, docidsAbove: 1 })) };
    const [told] = rankDevelopment.section(always, undefined).findings;
    assert.match(told, /after self-attention of layer 0, the first point there is; from there on/);
  });
});
