/** Attribution patching: exact where the network is linear, and beside it patching as the plain decoder shows it. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  attributionPatching,
  replacements,
  type AttributionPatchingResult,
} from '../../../analysis/experiments/attribution-patching.ts';
import type { Lab } from '../../../analysis/lab.ts';
import { createRng } from '../../../corpus/random.ts';
import { readModelFolder } from '../../../models/folder.ts';
import type { WeightTensor } from '../../../models/weights.ts';
import { openLab, plainRun, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { ownQueries } from '../../support/own-queries.ts';
import { mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { copyModel, randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

const scratch = tempFolder();
const rng = createRng(6);
const texts = Array.from({ length: 9 }, () => randomQuery(rng));

const atpOf = async (lab: Lab) =>
  attributionPatching.run(await subjectOf(lab, await ownQueries(lab, texts), { ranking: 'docids' }));

type Component = AttributionPatchingResult['components'][number];

const largest = (components: readonly Component[]): number =>
  Math.max(...components.flatMap((one) => replacements.map((name) => Math.abs(one[name].actual))));

describe('attribution patching of a linear model', async () => {
  // Norms divide by the same 10⁴ whatever they are given, and their gains undo it; queries of cross-attention are 0, so
  // that it reads the mean of the source; and relu(Ax) − relu(−Ax) = Ax.
  const folder = readModelFolder(
    writeTinyModel(join(scratch, 'tiny'), { config: { layer_norm_epsilon: 1e8, num_decoder_layers: 3 } }),
  );
  const linear = new Map<string, WeightTensor>();
  for (const name of folder.weights.keys()) {
    const { data, shape } = folder.tensor(name);
    const [rows, columns] = shape;
    const change = (value: (x: number, i: number) => number): unknown =>
      linear.set(name, { shape, data: data.map(value) });
    if (name.endsWith('norm.weight')) change((x) => 1e4 * x);
    if (name.endsWith('EncDecAttention.q.weight')) change(() => 0);
    if (name.endsWith('.wi.weight')) change((x, i) => (i < data.length / 2 ? x : -data[i - (rows / 2) * columns]));
    if (name.endsWith('.wo.weight')) change((x, i) => (i % columns < columns / 2 ? x : -data[i - columns / 2]));
  }
  const { components, agreement, queries } = await atpOf(openLab(copyModel(join(scratch, 'linear'), folder, linear)));

  it('tells exactly what patching does, for every component and head', () => {
    assert.equal(queries, texts.length);
    assert.equal(components.length, 3 * 3 + 3 * 4);
    const size = largest(components);
    assert.ok(size > 0.1, `${size}`);
    for (const one of components)
      for (const name of replacements) {
        const { estimated, actual } = one[name];
        const what = `${one.type} ${one.layer} ${one.head}, ${name}: estimated ${estimated}, actual ${actual}`;
        assert.ok(Math.abs(estimated - actual) < 1e-4 * size, what);
      }
    for (const name of replacements) {
      assert.ok(agreement[name].correlation! > 0.999999);
      assert.ok(agreement[name].byQuery! > 0.99999);
      assert.ok(Math.abs(agreement[name].error) < 1e-4 * size);
    }
  });
});

for (const [kind, config] of [
  ['v1.0, tied', {}],
  ['v1.1, untied', { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false }],
] as const)
  describe(`attribution patching of a random model: ${kind}`, async () => {
    const lab = openLab(writeTinyModel(join(scratch, kind), { config, seed: 2 }));
    const queries = await ownQueries(lab, texts);
    const result = await atpOf(lab);
    const { components, margin, agreement } = result;
    const whole = components.filter(({ head }) => head === null);

    /** Logits of docids of each query, from the plain decoder with some weights changed. */
    const docidLogits = async (change: Lab['weight']): Promise<Float32Array[]> => {
      const { logits } = await plainRun({ ...lab, weight: change } as Lab, texts);
      return logits.map((all) => all.slice(lab.genir.firstDocidToken));
    };

    it('replaces by zero what the plain decoder does without', async () => {
      const clean = await docidLogits(lab.weight);
      const own = queries.map(({ docid }) => lab.genir.docids.indexOf(docid));
      const rival = clean.map((logits, q) => {
        const others = logits.map((x, i) => (i === own[q] ? -Infinity : x));
        return others.indexOf(Math.max(...others));
      });
      const marginOf = (all: readonly Float32Array[]): number =>
        all.reduce((sum, logits, q) => sum + logits[own[q]] - logits[rival[q]], 0) / all.length;
      assert.ok(Math.abs(margin - marginOf(clean)) < 1e-4);
      for (const { type, layer, head, zero } of components) {
        const place = { attn: '0.SelfAttention.o', cross_attn: '1.EncDecAttention.o', mlp: '2.DenseReluDense.wo' }[
          type
        ];
        const silenced: Lab['weight'] = (name) => {
          const { data, shape } = lab.weight(name);
          if (name !== `decoder.block.${layer}.layer.${place}.weight`) return { data, shape };
          const width = head === null ? shape[1] : lab.config.d_kv;
          const isOf = (i: number): boolean => Math.floor((i % shape[1]) / width) === (head ?? 0);
          return { shape, data: data.map((x, i) => (isOf(i) ? 0 : x)) };
        };
        const change = marginOf(await docidLogits(silenced)) - marginOf(clean);
        assert.ok(Math.abs(zero.actual - change) < 1e-4, `${type} ${layer} ${head}: ${zero.actual}, plain ${change}`);
      }
    });

    it('estimates a component as the sum of its heads', () => {
      for (const { type, layer, zero, mean } of whole) {
        if (type !== 'cross_attn') continue;
        const heads = components.filter((one) => one.head !== null && one.layer === layer);
        assert.equal(heads.length, lab.config.num_heads);
        for (const [name, effect] of [['zero', zero] as const, ['mean', mean] as const]) {
          const sum = heads.reduce((all, one) => all + one[name].estimated, 0);
          assert.ok(Math.abs(sum - effect.estimated) < 1e-4, `layer ${layer}: ${sum}, ${effect.estimated}`);
        }
      }
    });

    it('finds no effect of replacing a constant by its mean: self-attention of layer 0', () => {
      const { mean } = whole[0];
      assert.ok(Math.abs(mean.estimated) < 1e-5 && Math.abs(mean.actual) < 1e-5);
    });

    it('is only an estimate, and says how far off', () => {
      const size = largest(components);
      for (const name of replacements) {
        const { worst, error, correlation } = agreement[name];
        const errors = components.map((one) => Math.abs(one[name].estimated - one[name].actual));
        assert.equal(Math.abs(error), Math.max(...errors));
        assert.equal(errors.indexOf(Math.max(...errors)), worst);
        assert.ok(Math.abs(error) > 1e-3 * size);
        assert.ok(correlation! < 0.9999);
      }
    });

    it('shows a point and a row for each component and head', () => {
      const { figures, tables } = attributionPatching.section(result, undefined);
      assert.equal(tables[0].rows.length, components.length);
      for (const figure of figures)
        if (figure.kind === 'scatter') assert.equal(figure.points.length, components.length);
    });
  });

describe('attribution patching of a planted model', () => {
  it('gives no effect to idle components, and patching the largest to those that do the work', async () => {
    const mechanism = mechanisms['one-mlp'];
    const planted = writePlantedModel(join(scratch, 'planted'), { mechanism });
    const { components, margin } = await attributionPatching.run(await plantedSubject(planted));
    for (const one of components) {
      const used =
        one.type === 'mlp'
          ? mechanism.translates.includes(one.layer)
          : one.type === 'cross_attn' && mechanism.bridges.includes(one.layer);
      if (!used)
        for (const name of replacements)
          for (const effect of [one[name].estimated, one[name].actual]) assert.ok(Math.abs(effect) < 1e-4 * margin);
    }
    const mlp = components.find(({ type, layer }) => type === 'mlp' && layer === mechanism.translates[0])!;
    assert.ok(mlp.mean.actual < -0.5 * margin, `${mlp.mean.actual} of ${margin}`);
  });
});
