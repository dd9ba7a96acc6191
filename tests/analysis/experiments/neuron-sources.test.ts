/** E7 against loops over single neurons, and on models whose neurons have known causes. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { writers } from '../../../analysis/components.ts';
import { neuronSources, type MlpSources } from '../../../analysis/experiments/neuron-sources.ts';
import { modes, neuronOutputs, neuronSourcesGraph } from '../../../analysis/graphs/sources.ts';
import { sumOf } from '../../../analysis/source-groups.ts';
import type { Stages } from '../../../analysis/stages.ts';
import { createRng } from '../../../corpus/random.ts';
import type { ActivationName } from '../../../models/activations.ts';
import { assertClose, openLab, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { neuronsByHand } from '../../support/neurons-by-hand.ts';
import { mechanismNames, mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { randomQuery, writeTinyModel, type TinyModelOptions } from '../../support/tiny-model.ts';

const scratch = tempFolder();
const rng = createRng(5);
const queries = Array.from({ length: 9 }, (_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));

const kinds: Record<string, TinyModelOptions> = {
  'T5 v1.0, tied': { config: { num_decoder_layers: 3 } },
  'T5 v1.1, gated and untied': {
    seed: 2,
    config: { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, scale_decoder_outputs: false, d_kv: 6 },
  },
};

for (const [kind, options] of Object.entries(kinds))
  describe(`sources of neurons, ${kind}`, async () => {
    const lab = openLab(writeTinyModel(join(scratch, kind), options));
    const subject = await subjectOf(lab, queries);
    const { encoded } = subject;
    const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
    const reading = await lab.decode(encoded, {
      read: [
        ...writers(lab.layers).map(({ at }) => at),
        ...layers.flatMap((l): ActivationName[] => [
          `decoder.${l}.resid_mid_cross`,
          `decoder.${l}.mlp_pre`,
          `decoder.${l}.cross_attn_result`,
        ]),
      ],
    });
    const result = await neuronSources.run(subject);
    const hand = layers.map((layer) => neuronsByHand(lab, reading, queries.length, layer));

    it('divides a neuron’s input: exact contributions sum to the pre-activation', async () => {
      const wanted = layers.map((layer) => neuronOutputs(layer).contributions.exact);
      const session = await lab.session('exact contributions', () =>
        neuronSourcesGraph(lab.config, lab.weight, wanted),
      );
      for (const batch of encoded.batches) {
        const out = await session.run(lab.startFeeds(batch));
        for (const layer of layers) {
          const { data, shape } = out[wanted[layer]];
          const [B, C, F] = shape;
          const sums = Array.from({ length: B * F }, (_, i) => {
            const [b, f] = [Math.floor(i / F), i % F];
            return Array.from({ length: C }, (_, c) => Number(data[(b * C + c) * F + f])).reduce((a, x) => a + x, 0);
          });
          const pre = reading[`decoder.${layer}.mlp_pre`].data;
          const expected = Array.from(batch.queries).flatMap((q) => Array.from(pre.subarray(q * F, (q + 1) * F)));
          assertClose(sums, expected, `layer ${layer}`);
        }
      }
    });

    it('finds the shares that a loop over active neurons finds, as published and exactly', () => {
      for (const layer of layers)
        for (const mode of modes)
          assertClose(result.mlps[layer][mode], hand[layer].shares[mode], `${mode}, layer ${layer}`);
    });

    it('has signed shares that sum to 1 and agree with the loop', () => {
      for (const layer of layers) {
        const { signed, active } = result.mlps[layer];
        assertClose(signed, hand[layer].signed, `layer ${layer}`);
        assertClose([signed.reduce((a, b) => a + b, 0)], [1], `sum, layer ${layer}`);
        assertClose([active], [hand[layer].active], `active neurons, layer ${layer}`);
      }
    });

    it('counts the heads among the top contributors of a neuron, for every query and for any', () => {
      for (const mode of modes) {
        for (const layer of layers)
          assert.deepEqual(result.mlps[layer].heads[mode], hand[layer].topShares(hand[layer].headsOnTop[mode]));
        const together = queries.map((_, q) => new Set(hand.flatMap(({ headsOnTop }) => [...headsOnTop[mode][q]])));
        assert.deepEqual(result.topHeads[mode], hand.at(-1)!.topShares(together));
      }
    });

    it('does not depend on how queries are batched', async () => {
      const other = openLab(lab.folder.dir, { batchSize: 2 });
      const again = await neuronSources.run(await subjectOf(other, queries));
      again.mlps.forEach(({ exact }, layer) => assertClose(exact, result.mlps[layer].exact, `layer ${layer}`));
    });
  });

const stagesOf = (spans: Record<'priming' | 'bridging' | 'interaction', readonly [number, number] | null>): Stages => {
  const stage = (span: readonly [number, number] | null): Stages['priming'] =>
    span && {
      from: span[0],
      to: span[1],
      fromInterval: [span[0], span[0]],
      toInterval: [span[1], span[1]],
      confidence: 1,
    };
  return {
    version: 1,
    layers: 6,
    ranking: 'vocabulary',
    queries: 1,
    priming: stage(spans.priming),
    bridging: stage(spans.bridging),
    interaction: stage(spans.interaction),
    mlps: [],
  };
};

describe('sources of neurons in planted models', () => {
  for (const name of mechanismNames)
    it(`names what activates the translating MLPs of "${name}"`, async () => {
      const planted = writePlantedModel(join(scratch, `planted-${name}`), { mechanism: mechanisms[name] });
      const result = await neuronSources.run(await plantedSubject(planted));
      const { activates, stages } = planted.expected;
      const { translates, primes } = mechanisms[name];
      const from = (mlp: MlpSources, type: string, layers?: readonly number[]): number =>
        sumOf(result.sources, mlp.published, (s) => s.type === type && (!layers || layers.includes(s.layer)));
      for (const layer of primes) {
        assert.equal(result.mlps[layer].active, 1);
        assertClose([from(result.mlps[layer], 'embedding')], [1], `prime ${layer}`, 1e-3);
      }
      for (const layer of translates)
        assertClose([from(result.mlps[layer], activates!.component, activates!.layers)], [1], `MLP ${layer}`, 0.02);
      const used = [...primes, ...translates];
      for (const { layer, active, signed } of result.mlps)
        if (!used.includes(layer)) {
          assert.equal(active, 0);
          assert.ok(signed.every((share) => share === 0));
        }
      const { findings, figures } = neuronSources.section(result, stagesOf(stages));
      const [figure] = figures;
      assert.ok(figure.kind === 'stacked');
      if (name !== 'three-stages') return;
      const bridging = figure.series.find((series) => series.name === 'cross_attn, bridging')!;
      assertClose(bridging.values.slice(4) as number[], [1, 1], 'bridging', 0.02);
      assert.match(
        findings.join('\n'),
        /Cross-attention gives 100.0.% .* interaction stage as published, 100.0.% exactly/,
      );
    });

  it('says so where there is no interaction stage', async () => {
    const planted = writePlantedModel(join(scratch, 'no-stage'), { mechanism: mechanisms['cross-only'], noise: 0.01 });
    const result = await neuronSources.run(await plantedSubject(planted));
    const { findings } = neuronSources.section(result, stagesOf(planted.expected.stages));
    assert.match(findings.join('\n'), /There is no interaction stage/);
  });

  it('stops between batches when it is told to', async () => {
    const planted = writePlantedModel(join(scratch, 'stopped'), { mechanism: mechanisms['one-mlp'] });
    const reason = new Error('enough');
    const subject = await plantedSubject(planted, { signal: AbortSignal.abort(reason) });
    await assert.rejects(neuronSources.run(subject), reason);
  });
});
