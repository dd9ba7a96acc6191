/** E10: at one position self-attention is a linear map; what its loss shows is proved on planted models. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { linearSelfAttention } from '../../../analysis/experiments/linear-self-attention.ts';
import type { Lab } from '../../../analysis/lab.ts';
import { createRng } from '../../../corpus/random.ts';
import type { ActivationName } from '../../../models/activations.ts';
import { assertClose, openLab, plainRun, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { ownQueries } from '../../support/own-queries.ts';
import { mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

const scratch = tempFolder();
const rng = createRng(5);
const texts = Array.from({ length: 11 }, () => randomQuery(rng));

/** W x of HF's [out, in]. */
const times = ({ weight }: Lab, name: string, x: ArrayLike<number>): Float64Array => {
  const { data, shape } = weight(name);
  return Float64Array.from({ length: shape[0] }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < shape[1]; j++) sum += data[i * shape[1] + j] * x[j];
    return sum;
  });
};

/** W_O W_V ln(r) in float64. @param residual [D] */
function linearMap(lab: Lab, layer: number, residual: Float32Array): Float64Array {
  const prefix = `decoder.block.${layer}.layer.0`;
  const gain = lab.weight(`${prefix}.layer_norm.weight`).data;
  const square = residual.reduce((sum, x) => sum + x * x, 0) / residual.length;
  const scale = 1 / Math.sqrt(square + lab.config.layer_norm_epsilon);
  const normed = Float64Array.from(residual, (x, i) => x * scale * gain[i]);
  const value = times(lab, `${prefix}.SelfAttention.v.weight`, normed);
  return times(lab, `${prefix}.SelfAttention.o.weight`, value);
}

for (const [kind, config] of [
  ['v1.0, tied', { num_decoder_layers: 3 }],
  [
    'v1.1, untied, H·K ≠ D',
    { num_decoder_layers: 3, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, d_kv: 4 },
  ],
] as const)
  describe(`self-attention at one position: ${kind}`, async () => {
    const lab = openLab(writeTinyModel(join(scratch, kind), { config }));
    const queries = await ownQueries(lab, texts);
    const result = await linearSelfAttention.run(await subjectOf(lab, queries, { ranking: 'docids' }));

    it('is W_O W_V ln(r) exactly, though it is computed with queries, keys, a softmax and position biases', async () => {
      const at = (point: 'attn_out' | 'resid_pre', layer: number): ActivationName => `decoder.${layer}.${point}`;
      const names = [0, 1, 2].flatMap((layer) => [at('attn_out', layer), at('resid_pre', layer)]);
      const { read } = await plainRun(lab, texts, names);
      for (const [q, run] of read.entries())
        for (let layer = 0; layer < 3; layer++) {
          const expected = linearMap(lab, layer, run[at('resid_pre', layer)].data);
          assertClose(run[at('attn_out', layer)].data, expected, `query ${q}, layer ${layer}`, 1e-5);
        }
    });

    it('is a constant in layer 0 and depends on the query behind cross-attention', () => {
      assert.equal(result.layers[0].dependence, 0);
      for (const { dependence } of result.layers.slice(1))
        assert.ok(dependence! > 0.001 && dependence! < 1, `${dependence}`);
    });

    it('loses nothing in layer 0 to its mean', () => {
      const { left, marginLoss } = result.layers[0].mean;
      assert.equal(left, 0);
      assert.ok(Math.abs(marginLoss) < 1e-4, `${marginLoss}`);
    });

    it('costs what the plain decoder loses with W_O = 0', async () => {
      const silent = { ...lab, weight: silenced(lab) };
      const { logits } = await plainRun(silent as Lab, texts);
      const first = lab.genir.firstDocidToken;
      const left = logits.filter((all, q) => {
        const docids = all.slice(first);
        const own = docids[lab.genir.docids.indexOf(queries[q].docid)];
        return docids.some((logit) => logit > own);
      });
      assert.equal(result.all.zero.left, left.length / texts.length);
    });

    it('shows every layer', () => {
      const { tables, figures } = linearSelfAttention.section(result, undefined);
      assert.deepEqual(
        tables[0].rows.map(([name]) => name),
        ['all', '0', '1', '2'],
      );
      for (const row of tables[0].rows) assert.equal(row.length, tables[0].columns.length);
      for (const figure of figures) if ('xs' in figure) assert.deepEqual(figure.xs, [0, 1, 2]);
    });
  });

/** The weights with a decoder whose self-attention writes nothing. */
const silenced =
  (lab: Lab): Lab['weight'] =>
  (name) => {
    const { data, shape } = lab.weight(name);
    const isOutput = /^decoder\..*SelfAttention\.o\./.test(name);
    return { shape, data: isOutput ? new Float32Array(data.length) : data };
  };

describe('self-attention of planted models', () => {
  const run = async (name: 'self-attention' | 'one-mlp') => {
    const planted = writePlantedModel(join(scratch, name), { mechanism: mechanisms[name] });
    return linearSelfAttention.run(await plantedSubject(planted));
  };

  it('is found where it is needed: as a constant, in the one layer', async () => {
    const { all, layers } = await run('self-attention');
    const [needed] = mechanisms['self-attention'].rotates;
    assert.deepEqual(
      layers.map(({ zero }) => zero.left),
      layers.map((_, layer) => (layer === needed ? 1 : 0)),
    );
    assert.deepEqual([all.zero.left, all.mean.left], [1, 0]);
    for (const { mean } of layers) assert.equal(mean.left, 0);
    assert.equal(layers[needed].dependence, 0);
    assert.ok(layers[needed].size > 0);
  });

  it('is not found where there is none', async () => {
    const { all, layers } = await run('one-mlp');
    assert.deepEqual([all.zero.left, all.mean.left], [0, 0]);
    for (const { zero, dependence, size } of layers) assert.deepEqual([zero.left, dependence, size], [0, null, 0]);
  });
});
