import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { componentTypes, outputOf } from '../../../analysis/components.ts';
import { componentLogits, type ComponentLogits } from '../../../analysis/experiments/component-logits.ts';
import { createRng } from '../../../corpus/random.ts';
import { unembedName } from '../../../models/t5.ts';
import { openLab, plainRun, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { randomQuery, writeTinyModel, type TinyModelOptions } from '../../support/tiny-model.ts';

const scratch = tempFolder();
const partOf = ({ parts }: ComponentLogits, part: string, withEmbedding: boolean) =>
  parts.find((one) => one.part === part && one.withEmbedding === withEmbedding)!;

const kinds: Record<string, TinyModelOptions> = {
  tied: {},
  'gated and untied': {
    seed: 3,
    config: { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, scale_decoder_outputs: false },
  },
};

for (const [kind, options] of Object.entries(kinds))
  describe(`component logits of a T5, ${kind}`, async () => {
    const lab = openLab(writeTinyModel(join(scratch, kind), options));
    const rng = createRng(5);
    const queries = Array.from({ length: 9 }, (_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));
    const subject = await subjectOf(lab, queries);
    const result = await componentLogits.run(subject);
    const close = (actual: number | null, expected: number): void =>
      assert.ok(Math.abs(actual! - expected) < 1e-4, `${actual}, expected ${expected}`);

    it('sum to the model’s own, with the rms of the true final state', async () => {
      const { logits } = await plainRun(lab, queries.map(({ text }) => text)); // prettier-ignore
      const first = lab.genir.firstDocidToken;
      const own = logits.reduce((sum, one, q) => sum + one[first + q], 0) / queries.length;
      const all = partOf(result, 'all', true);
      close(all.logit.ownRms, own);
      close(all.logit.trueRms, own);
      const embedding = partOf(result, 'embedding', true).logit.trueRms!;
      const parts = componentTypes.map((type) => partOf(result, type, false).logit.trueRms!);
      close(parts.reduce((a, b) => a + b, embedding), own); // prettier-ignore
      for (const type of componentTypes)
        close(partOf(result, type, true).logit.trueRms, partOf(result, type, false).logit.trueRms! + embedding);
    });

    it('of everything rank documents as the model does', async () => {
      const { logits } = await plainRun(lab, queries.map(({ text }) => text)); // prettier-ignore
      const first = lab.genir.firstDocidToken;
      const shareBeyond = (depth: number, from: number): number =>
        logits.filter((one, q) => one.subarray(from).filter((logit) => logit > one[first + q]).length >= depth).length /
        queries.length;
      const { ranks } = partOf(result, 'all', true);
      assert.deepEqual(ranks.vocabulary.beyond, [1, 5, 10, 100].map((depth) => shareBeyond(depth, 0))); // prettier-ignore
      assert.deepEqual(ranks.docids.beyond, [1, 5, 10, 100].map((depth) => shareBeyond(depth, first))); // prettier-ignore
    });

    it('have the ranks found by hand, under either rms', async () => {
      const { d_model: D, vocab_size: V, num_decoder_layers: L } = lab.config;
      const names = Array.from({ length: L }, (_, layer) => outputOf('mlp', layer));
      const reading = await lab.decode(subject.encoded, { read: names });
      const gain = lab.weight('decoder.final_layer_norm.weight').data;
      const rows = lab.weight(unembedName(lab.config)).data;
      const ranks = queries.map((_, q) => {
        const sum = Array.from({ length: D }, (_, d) =>
          names.reduce((total, name) => total + reading[name].data[q * D + d], 0),
        );
        const logits = Array.from({ length: V }, (_, v) =>
          sum.reduce((total, x, d) => total + x * gain[d] * rows[v * D + d], 0),
        );
        return 1 + logits.filter((one) => one > logits[lab.genir.firstDocidToken + q]).length;
      });
      const { median, beyond } = partOf(result, 'mlp', false).ranks.vocabulary;
      assert.equal(median, ranks.sort((a, b) => a - b)[4]);
      assert.deepEqual(beyond, [1, 5, 10, 100].map((depth) => ranks.filter((rank) => rank > depth).length / ranks.length)); // prettier-ignore
    });

    it('are plain JSON, and end when asked to', async () => {
      assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
      const reason = new Error('enough');
      await assert.rejects(componentLogits.run({ ...subject, signal: AbortSignal.abort(reason) }), reason);
    });
  });

describe('component logits of planted models', () => {
  it('hold the answer in MLPs where these translate, and words in cross-attention', async () => {
    const planted = writePlantedModel(join(scratch, 'three-stages'), { mechanism: mechanisms['three-stages'] });
    const result = await componentLogits.run(await plantedSubject(planted));
    assert.deepEqual(partOf(result, 'mlp', false).ranks.vocabulary, { median: 1, beyond: [0, 0, 0, 0] });
    const cross = partOf(result, 'cross_attn', false);
    assert.deepEqual(cross.ranks.vocabulary.beyond, [1, 1, 1, 1]);
  });

  it('hold it in cross-attention where this writes docids, and nothing where nothing is written', async () => {
    const planted = writePlantedModel(join(scratch, 'cross-only'), { mechanism: mechanisms['cross-only'] });
    const result = await componentLogits.run(await plantedSubject(planted));
    assert.deepEqual(partOf(result, 'cross_attn', false).ranks.docids, { median: 1, beyond: [0, 0, 0, 0] });
    const mlp = partOf(result, 'mlp', false);
    assert.equal(mlp.silent, planted.queries.length);
    for (const ranking of ['vocabulary', 'docids'] as const)
      assert.deepEqual(mlp.ranks[ranking], { median: null, beyond: [1, 1, 1, 1] });
    const { findings } = componentLogits.section(result, undefined);
    assert.equal(findings[2], '`mlp` writes nothing.');
    assert.match(findings[1], /^By the outputs of `cross_attn` alone, .* among docids 0\.0\u00a0% leave rank 1\.$/);
  });
});
