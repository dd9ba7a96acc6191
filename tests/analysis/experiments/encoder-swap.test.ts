/** E1: exact laws of joining two models, and what is reported of it. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { encoderSwap, type EncoderSwapResult } from '../../../analysis/experiments/encoder-swap.ts';
import { documentRanks } from '../../../analysis/encoder-states.ts';
import { summarizeRanks } from '../../../analysis/rank-summary.ts';
import { createRng } from '../../../corpus/random.ts';
import { readModelFolder, writeModelFolder, type ModelFolder } from '../../../models/folder.ts';
import { openLab, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { ownQueries } from '../../support/own-queries.ts';
import { copyModel, randomQuery, writeTinyModel, type TinyModelOptions } from '../../support/tiny-model.ts';

const scratch = tempFolder();
let made = 0;
const tiny = (options: TinyModelOptions): ModelFolder =>
  readModelFolder(writeTinyModel(join(scratch, `${++made}`), options));

/** `base` with the weights of `from` whose names match. */
function grafted(base: ModelFolder, from: ModelFolder, names: RegExp): ModelFolder {
  const taken = [...base.weights.keys()].filter((name) => names.test(name));
  return readModelFolder(
    copyModel(join(scratch, `${++made}`), base, new Map(taken.map((name) => [name, from.tensor(name)]))),
  );
}

const rng = createRng(3);
const queries = Array.from({ length: 23 }, () => randomQuery(rng));
const finalNorm = /^encoder\.final_layer_norm/;

async function swap(subject: ModelFolder, donor: ModelFolder) {
  const lab = openLab(subject.dir);
  const given = await subjectOf(lab, await ownQueries(lab, queries), { donors: [donor], ranking: 'docids' });
  const result = await encoderSwap.run(given);
  const [, { arms }] = result.donors;
  return { given, result, before: arms[0], after: arms[1] };
}

for (const [kind, config] of [
  ['v1.0, tied', {}],
  ['v1.1, untied', { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false }],
] as const)
  describe(`encoder swap: ${kind}`, () => {
    const subject = tiny({ config, seed: 1 });
    const other = tiny({ config: { ...config, num_layers: 3, num_heads: 2 }, seed: 2 });

    it('changes nothing where the donor is the model itself', async () => {
      const { before, after } = await swap(subject, subject);
      assert.deepEqual([before.cut, after.cut], ['before the final norm', 'after the final norm']);
      for (const { all } of [before, after]) assert.equal(all.success, 1);
    });

    it('loses queries with the encoder of another model, and with an untrained one', async () => {
      const { result, before, after } = await swap(subject, other);
      const [untrained] = result.donors;
      assert.equal(untrained.name, 'untrained');
      for (const { all } of [before, after, ...untrained.arms]) {
        assert.equal(all.queries, queries.length);
        assert.ok(all.success < 0.9, `${all.success}`);
      }
    });

    it('is the donor itself, where decoders and word embeddings are equal and the final norm is the donor’s', async () => {
      const donor = grafted(subject, tiny({ config, seed: 2 }), /^encoder\./);
      const { given, after, before } = await swap(subject, donor);
      const lab = openLab(donor.dir);
      const own = await lab.encode(given.population.questions.map(({ text }) => text));
      assert.deepEqual(after.all, summarizeRanks(await documentRanks(lab, own, given.population)));
      assert.ok(after.all.success < 1);
      assert.notDeepEqual(after.all, before.all);
    });

    it('keeps this model’s final norm at the cut before it', async () => {
      const { before, after } = await swap(subject, grafted(subject, withOtherNorm(subject), finalNorm));
      assert.equal(before.all.success, 1);
      assert.ok(after.all.success < 1, `${after.all.success}`);
    });
  });

/** The model with its encoder's final norm turned to something quite different. */
function withOtherNorm(folder: ModelFolder): ModelFolder {
  const name = 'encoder.final_layer_norm.weight';
  const { data, shape } = folder.tensor(name);
  const changed = data.map((x, i) => (i % 2 ? 4 * x : -x));
  return readModelFolder(copyModel(join(scratch, `${++made}`), folder, new Map([[name, { data: changed, shape }]])));
}

describe('encoder swap: documents that the donor never saw', () => {
  const subject = tiny({ seed: 1 });
  const other = tiny({ seed: 2 });
  const without = (docids: readonly string[]): ModelFolder => {
    const weights = new Map([...other.weights.keys()].map((name) => [name, other.tensor(name)]));
    const dir = join(scratch, `${++made}`);
    writeModelFolder(dir, { ...other, weights, genir: { ...other.genir!, training: { withoutDocs: [...docids] } } });
    return readModelFolder(dir);
  };

  it('are reported for themselves', async () => {
    const lab = openLab(subject.dir);
    const own = await ownQueries(lab, queries);
    const docids = [...new Set(own.map(({ docid }) => docid))].slice(0, 2);
    const expected = own.filter(({ docid }) => docids.includes(docid)).length;
    const given = await subjectOf(lab, own, { donors: [without(docids)], ranking: 'docids' });
    const result = await encoderSwap.run(given);
    assert.equal(result.candidates, 10);
    const [untrained, donor] = result.donors;
    assert.equal(donor.withoutDocs, 2);
    for (const { unseen } of untrained.arms) assert.equal(unseen, null);
    for (const { all, unseen } of donor.arms) {
      assert.equal(all.queries, queries.length);
      assert.equal(unseen?.queries, expected);
    }
    const section = encoderSwap.section(result, undefined);
    assert.equal(section.tables[0].rows.length, 2 + 4);
    for (const row of section.tables[0].rows) assert.equal(row.length, section.tables[0].columns.length);
    assert.ok(section.findings.some((line) => line.includes('never saw')));
  });

  it('need a query: otherwise it says that there is none', async () => {
    const lab = openLab(subject.dir);
    const [one] = await ownQueries(lab, queries);
    const given = await subjectOf(lab, [one], { donors: [without(['d0', 'd1'].filter((id) => id !== one.docid))] });
    const result = JSON.parse(JSON.stringify(await encoderSwap.run(given))) as EncoderSwapResult;
    assert.equal(result.donors[1].arms[0].unseen, null);
    assert.ok(encoderSwap.section(result, undefined).findings.some((line) => line.startsWith('No correct query')));
  });

  it('ends by the reason of its signal', async () => {
    const lab = openLab(subject.dir);
    const reason = new Error('enough');
    const given = await subjectOf(lab, await ownQueries(lab, queries), { signal: AbortSignal.abort(reason) });
    await assert.rejects(encoderSwap.run(given), reason);
  });
});
