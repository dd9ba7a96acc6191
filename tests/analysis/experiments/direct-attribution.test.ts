import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  directAttribution,
  type DirectAttribution,
  type Share,
} from '../../../analysis/experiments/direct-attribution.ts';
import { attributeLogit, logitDirections } from '../../../analysis/logit-attribution.ts';
import { outputOf, writers } from '../../../analysis/components.ts';
import { createRng } from '../../../corpus/random.ts';
import { tensor } from '../../../models/session.ts';
import { assertClose, openLab, plainRun, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { randomQuery, writeTinyModel, type TinyModelOptions } from '../../support/tiny-model.ts';

const scratch = tempFolder();

const kinds: Record<string, TinyModelOptions> = {
  tied: {},
  'gated and untied': {
    seed: 3,
    config: { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, scale_decoder_outputs: false },
  },
};

for (const [kind, options] of Object.entries(kinds))
  describe(`direct attribution of a T5, ${kind}`, async () => {
    const lab = openLab(writeTinyModel(join(scratch, kind), options));
    const rng = createRng(8);
    const queries = Array.from({ length: 9 }, (_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));
    const documents = queries.map((_, q) => q);
    const subject = await subjectOf(lab, queries);
    const result = await directAttribution.run(subject);
    const { logits } = await plainRun(lab, queries.map(({ text }) => text)); // prettier-ignore
    const ofDocids = logits.map((one) => Array.from(one.slice(lab.genir.firstDocidToken)));
    const own = ofDocids.map((one, q) => one[q]);
    const leads = ofDocids.map((one, q) => one[q] - Math.max(...one.filter((_, n) => n !== q)));
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const D = lab.config.d_model;

    it('sums to the logit of each query, for all writers and for the heads of every attention', async () => {
      const layers = [0, 1];
      const all = writers(2).map(({ at }) => at);
      const heads = layers.flatMap(
        (layer) =>
        (['attn', 'cross_attn'] as const).map((type) => ({ result: `decoder.${layer}.${type}_result` as const, out: outputOf(type, layer) })), // prettier-ignore
      );
      const reading = await lab.decode(subject.encoded, { read: [...all, ...heads.map((one) => one.result)] });
      const rows = tensor(lab.rows.data.slice(0, queries.length * D), [queries.length, D]); // document q of query q
      const shares = attributeLogit(reading, logitDirections(lab, reading.state, rows));
      const sums = documents.map((q) => all.reduce((sum, at) => sum + shares[at][q], 0));
      assertClose(sums, own, 'sum of all writers');
      assertClose(shares.state, own, 'share of the whole stream');
      const H = lab.config.num_heads;
      for (const { result: name, out } of heads) {
        const summed = documents.map((q) => shares[name].subarray(q * H, (q + 1) * H).reduce((a, b) => a + b));
        assertClose(summed, shares[out], name, 1e-5);
      }
    });

    it('is the formula under the final norm’s own rms, one writer by hand', async () => {
      const at = outputOf('mlp', 1);
      const reading = await lab.decode(subject.encoded, { read: [at] });
      const gain = lab.weight('decoder.final_layer_norm.weight').data;
      const byHand = documents.map((q) => {
        const state = reading.state.data.subarray(q * D, (q + 1) * D);
        const rms = Math.sqrt(state.reduce((sum, x) => sum + x * x, 0) / D + lab.config.layer_norm_epsilon);
        const scale = lab.config.scale_decoder_outputs ? 1 / Math.sqrt(D) : 1;
        return reading[at].data
          .subarray(q * D, (q + 1) * D)
          .reduce((sum, x, d) => sum + ((x * gain[d]) / rms) * scale * lab.rows.data[q * D + d], 0);
      });
      const { logit } = result.writers.find(({ type, layer }) => type === 'mlp' && layer === 1)!;
      assert.ok(Math.abs(logit.mean - mean(byHand)) < 1e-5);
      assert.ok(logit.low <= logit.mean && logit.mean <= logit.high && logit.low < logit.high);
    });

    it('has means that sum to the mean logit and to the mean lead over the best other document', () => {
      for (const [to, whole] of [
        ['logit', own],
        ['margin', leads],
      ] as const) {
        // prettier-ignore
        assertClose([result.total[to].mean], [mean(whole)], to);
        assertClose([result.writers.reduce((sum, one) => sum + one[to].mean, 0)], [mean(whole)], `sum of ${to}`);
        for (const layer of [0, 1]) {
          const heads = result.crossAttentionHeads.filter((one) => one.layer === layer);
          assert.deepEqual(heads.map(({ head }) => head), [0, 1, 2, 3]); // prettier-ignore
          const cross = result.writers.find((one) => one.type === 'cross_attn' && one.layer === layer)!;
          assertClose([heads.reduce((sum, one) => sum + one[to].mean, 0)], [cross[to].mean], `heads of ${layer}`);
        }
      }
    });

    it('gives the same numbers for the same seed, as plain JSON, and ends when asked to', async () => {
      assert.deepEqual(await directAttribution.run(subject), result);
      assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
      const reason = new Error('enough');
      await assert.rejects(directAttribution.run({ ...subject, signal: AbortSignal.abort(reason) }), reason);
    });
  });

/** Norms of planted models divide by almost the same number in all layers: within this share. */
const NORMS = 0.02;

describe('direct attribution of planted models', () => {
  /** The sum of the shares of the margin that some writers have. */
  const margin = ({ writers: all }: DirectAttribution, type: string, layers: readonly number[]): number =>
    all.filter((one) => one.type === type && layers.includes(one.layer)).reduce((sum, one) => sum + one.margin.mean, 0);
  const planted = async (name: keyof typeof mechanisms): Promise<DirectAttribution> =>
    directAttribution.run(
      await plantedSubject(writePlantedModel(join(scratch, name), { mechanism: mechanisms[name] })),
    );

  it('gives the decision to the MLPs that translate, half each, and none to what only helps them', async () => {
    const result = await planted('three-stages');
    const [first, second] = [margin(result, 'mlp', [4]), margin(result, 'mlp', [5])];
    assert.ok(first > 1 && Math.abs(first / second - 1) < NORMS, `${first} and ${second}`);
    for (const [type, layers] of [
      ['mlp', [0, 1, 2, 3]],
      ['cross_attn', [0, 1, 2, 3, 4, 5]],
      ['attn', [0, 1, 2, 3, 4, 5]],
    ] as const)
      // prettier-ignore
      assert.ok(Math.abs(margin(result, type, layers)) < 0.05, `${type}: ${margin(result, type, layers)}`);
    const { findings } = directAttribution.section(result, undefined);
    assert.match(findings[2], /^The greatest share of the margin is that of `mlp` of layer [45]:/);
    // The best other document is the fallback, which answers to the start state.
    assert.equal(findings[3], 'Shares of the margin wholly below 0: the embedding.');
  });

  it('gives it to cross-attention where this writes docids, in equal parts to its layers', async () => {
    const result = await planted('cross-only');
    const [first, second] = [margin(result, 'cross_attn', [2]), margin(result, 'cross_attn', [3])];
    assert.ok(first > 1 && Math.abs(first / second - 1) < NORMS, `${first} and ${second}`);
    assert.equal(margin(result, 'mlp', [0, 1, 2, 3, 4, 5]), 0);
  });
});

it('a section tells intervals and signs', () => {
  const share = (mean: number): Share => ({ mean, low: mean - 0.5, high: mean + 0.5 });
  const part = (logit: number, lead: number) => ({ logit: share(logit), margin: share(lead) });
  const { findings } = directAttribution.section(
    {
      layers: 1,
      heads: 1,
      queries: 4,
      writers: [
        { type: 'embedding', layer: -1, ...part(5, 0.2) },
        { type: 'attn', layer: 0, ...part(1, -1) },
        { type: 'cross_attn', layer: 0, ...part(1, 3) },
        { type: 'mlp', layer: 0, ...part(-1, -0.75) },
      ],
      crossAttentionHeads: [{ layer: 0, head: 0, ...part(1, 3) }],
      total: part(6, 1.45),
    },
    undefined,
  );
  assert.deepEqual(findings, [
    "The document's logit is 6 in the mean, 1.45 above the best other document.",
    'The greatest share of the logit is that of the embedding: 5 (95 % interval 4.5 to 5.5).',
    'The greatest share of the margin is that of `cross_attn` of layer 0: 3 (95 % interval 2.5 to 3.5).',
    'Shares of the margin wholly below 0: `attn` of layer 0, `mlp` of layer 0.',
  ]);
});
