/** Sweeps by layer against models that have the ablation in their weights, and laws of replacing by means. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { outputOf, type ComponentType } from '../../../analysis/components.ts';
import { layerSweeps, settingsFor } from '../../../analysis/experiments/layer-sweeps.ts';
import { runPatched } from '../../../analysis/patch-runs.ts';
import { answer } from '../../../analysis/population.ts';
import { settingKey, type LayerSweeps, type Setting } from '../../../analysis/sweep-evidence.ts';
import { createRng } from '../../../corpus/random.ts';
import type { ModelFolder } from '../../../models/folder.ts';
import type { WeightTensor } from '../../../models/weights.ts';
import { assertClose, openLab, plainRun, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { ownQueries } from '../../support/own-queries.ts';
import { copyModel, randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

const scratch = tempFolder();
let made = 0;
const place = (): string => join(scratch, `${++made}`);
const rng = createRng(5);
const queries = Array.from({ length: 13 }, () => randomQuery(rng));

const writing = {
  attn: '0.SelfAttention.o',
  cross_attn: '1.EncDecAttention.o',
  mlp: '2.DenseReluDense.wo',
} as const satisfies Record<ComponentType, string>;

/** The model with components whose last matrix is zero, so that they write nothing. */
function silenced(folder: ModelFolder, { types, from, to }: Pick<Setting, 'types' | 'from' | 'to'>): string {
  const changed = new Map<string, WeightTensor>();
  for (const type of types)
    for (let layer = from; layer < to; layer++) {
      const name = `decoder.block.${layer}.layer.${writing[type]}.weight`;
      const { shape, data } = folder.tensor(name);
      changed.set(name, { shape, data: new Float32Array(data.length) });
    }
  return copyModel(place(), folder, changed);
}

const runOf = ({ runs }: LayerSweeps, setting: Setting) => {
  const run = runs.find((one) => settingKey(one) === settingKey(setting));
  assert.ok(run, settingKey(setting));
  return run;
};

for (const [kind, config] of [
  ['v1.0, tied', { num_decoder_layers: 3 }],
  ['v1.1, untied', { num_decoder_layers: 3, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false }],
] as const)
  describe(`layer sweeps: ${kind}`, async () => {
    const lab = openLab(writeTinyModel(place(), { config, seed: 4 }));
    const own = await ownQueries(lab, queries);
    const subject = await subjectOf(lab, own, { ranking: 'docids' });
    const sweeps = await layerSweeps.run(subject);
    const documents = subject.population.questions.map(({ document }) => document);

    it('runs every setting once', () => {
      assert.equal(sweeps.runs.length, settingsFor(3).length);
      assert.equal(new Set(sweeps.runs.map(settingKey)).size, sweeps.runs.length);
    });

    it('has the unpatched model as baseline', async () => {
      const { logits } = await plainRun(lab, queries);
      const first = lab.genir.firstDocidToken;
      const margins = logits.map((all, q) => {
        const ofDocids = all.subarray(first, first + lab.genir.docids.length);
        return ofDocids[documents[q]] - Math.max(...ofDocids.filter((_, d) => d !== documents[q]));
      });
      assertClose(sweeps.clean.margin, margins, 'margins', 1e-3);
      assert.ok(sweeps.clean.docidRank.every((rank) => rank === 1));
      const words = logits.map((all, q) => 1 + all.filter((logit) => logit > all[first + documents[q]]).length);
      assert.deepEqual(sweeps.clean.rank, words);
    });

    for (const types of [['attn'], ['cross_attn'], ['mlp']] as const)
      it(`sets ${types[0]} to zero as a model that has zeros there`, async () => {
        const setting: Setting = { types, from: 1, to: 2, except: null, by: 'zero' };
        const other = openLab(silenced(lab.folder, setting));
        const asked = own.map(({ text }, i) => ({ id: `${i}`, text, documents: [documents[i]] }));
        const answered = await answer(other, asked);
        const run = runOf(sweeps, setting);
        assert.deepEqual(
          run.docidRank,
          answered.map(({ rank }) => rank.docids),
        );
        assert.deepEqual(
          run.rank,
          answered.map(({ rank }) => rank.vocabulary),
        );
      });

    it('sees no query any more where cross-attention is its mean in all layers', () => {
      // The state is then the same for all: one document is first, for the queries about it alone.
      const run = runOf(sweeps, { types: ['cross_attn'], from: 0, to: 3, except: null, by: 'mean' });
      const byDocument = new Map(documents.map((document, q) => [document, run.margin[q]]));
      assertClose(
        run.margin,
        documents.map((document) => byDocument.get(document)!),
        'margins',
        1e-4,
      );
      assert.equal(new Set(documents.filter((_, q) => run.docidRank[q] === 1)).size <= 1, true);
    });

    it('changes nothing where all means are over copies of one query', async () => {
      const one = await subjectOf(lab, [own[0], own[0], own[0]], { ranking: 'docids' });
      const same = await layerSweeps.run(one);
      for (const run of same.runs.filter(({ by }) => by === 'mean'))
        assertClose(run.margin, same.clean.margin, settingKey(run), 1e-3);
    });

    it('gives each row of a table what it gives that row alone', async () => {
      const given = { encoded: subject.encoded, documents, ranking: 'vocabulary' } as const;
      const rows = [[{ at: outputOf('mlp', 0), by: 'zero' }], [{ at: outputOf('attn', 2), by: 'zero' }]] as const;
      const together = await runPatched(lab, [[], ...rows], given);
      for (const [i, row] of [[], ...rows].entries())
        assert.deepEqual((await runPatched(lab, [row], given))[0], together[i]);
    });

    it('ends by the reason it is given', async () => {
      const reason = new Error('enough');
      await assert.rejects(layerSweeps.run({ ...subject, signal: AbortSignal.abort(reason) }), reason);
    });
  });
