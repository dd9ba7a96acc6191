/** Which models may stand in for parts of another, and the one that learned nothing. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DonorError, openDonor, untrainedDonor } from '../../analysis/donors.ts';
import { Lab } from '../../analysis/lab.ts';
import { createConfig, type T5Config } from '../../models/config.ts';
import { expectedWeights, readModelFolder, writeModelFolder } from '../../models/folder.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { texts, writeTinyModel } from '../support/tiny-model.ts';

const scratch = tempFolder();
const lab = new Lab(readModelFolder(writeTinyModel(join(scratch, 'subject'))));
const tiny = (name: string, options: Parameters<typeof writeTinyModel>[1]) =>
  readModelFolder(writeTinyModel(join(scratch, name), options));

describe('a donor', () => {
  it('may have another encoder, other docids and other heads', () => {
    const config = { num_layers: 5, num_heads: 2, d_ff: 16, num_decoder_layers: 1 };
    const folder = tiny('other-sizes', { config, seed: 2, docids: ['x', 'y'] });
    const donor = openDonor(lab, folder, 'encoder');
    assert.equal(donor.name, 'other-sizes');
    assert.deepEqual(donor.weight('shared.weight').data, folder.tensor('shared.weight').data);
    assert.deepEqual(donor.withoutDocs, []);
  });

  it('says which documents it was trained without', () => {
    const plain = tiny('plain', { seed: 3 });
    const genir = { ...plain.genir!, training: { withoutDocs: ['d3', 'd4'] } };
    const weights = new Map([...plain.weights.keys()].map((name) => [name, plain.tensor(name)]));
    writeModelFolder(join(scratch, 'without'), { ...plain, weights, genir });
    const donor = openDonor(lab, readModelFolder(join(scratch, 'without')), 'encoder');
    assert.deepEqual(donor.withoutDocs, ['d3', 'd4']);
  });

  it('has the width of the subject', () => {
    const narrow = tiny('narrow', { config: { d_model: 16 } });
    assert.throws(
      () => openDonor(lab, narrow, 'encoder'),
      (error) =>
        error instanceof DonorError &&
        error.dir === narrow.dir &&
        /d_model 32 .*subject.*got d_model 16; give a model of the same sizes/.test(error.message),
    );
  });

  it('has a decoder layer for each of the subject, where components are taken from its decoder', () => {
    const deeper = tiny('deeper', { config: { num_decoder_layers: 3 } });
    openDonor(lab, deeper, 'encoder');
    assert.throws(
      () => openDonor(lab, deeper, 'decoder'),
      (error) => error instanceof DonorError && /num_decoder_layers 2.*num_decoder_layers 3/.test(error.message),
    );
  });

  it('means the same by every token id', () => {
    const reordered = tiny('reordered', { trainingTexts: [...texts, 'zebra zebra zebra zebra zebra zebra'] });
    assert.throws(
      () => openDonor(lab, reordered, 'encoder'),
      (error) => {
        assert.ok(error instanceof DonorError);
        const [, token, id] = /token "(.+)" at id (\d+)/.exec(error.expected)!;
        assert.equal(lab.tokenizer.token(Number(id)), token);
        assert.match(error.message, /same tokenizer/);
        return true;
      },
    );
  });
});

describe('the untrained donor', () => {
  // Standard deviations of the weights of transformers 5.18.0, T5ForConditionalGeneration(config) after
  // torch.manual_seed(0), first of each kind.
  const sizes = { d_model: 48, d_kv: 16, d_ff: 200, num_layers: 2, num_decoder_layers: 2, num_heads: 6 };
  const attention = { q: 0.0365, k: 0.1454, v: 0.1442, o: 0.1017 };
  const deviations: [T5Config['feed_forward_proj'], Record<string, number>][] = [
    ['relu', { 'shared.': 1.002, 'wi.': 0.1425, 'wo.': 0.0713 }],
    ['gated-gelu', { 'shared.': 1.0011, 'lm_head.': 1.0011, 'wi_0.': 0.1457, 'wi_1.': 0.1424, 'wo.': 0.0709 }],
  ];
  for (const [feed_forward_proj, mlp] of deviations)
    it(`has weights spread as Hugging Face spreads them: ${feed_forward_proj}`, () => {
      const config = createConfig({
        ...sizes,
        vocab_size: 3000,
        feed_forward_proj,
        tie_word_embeddings: feed_forward_proj === 'relu',
      });
      const donor = untrainedDonor({ ...lab, config } as Lab, 5);
      const reference = Object.entries({
        ...mlp,
        ...Object.fromEntries(Object.entries(attention).map(([letter, std]) => [`Attention.${letter}.`, std])),
        relative_attention_bias: 0.155, // of 192 numbers, .1574 and .1497 in two draws
      });
      for (const { name, shape } of expectedWeights(config)) {
        const { data } = donor.weight(name);
        assert.deepEqual(donor.weight(name).shape, shape);
        if (name.includes('norm')) {
          assert.ok(
            data.every((x) => x === 1),
            name,
          );
          continue;
        }
        const [, std] = reference.find(([part]) => name.includes(part))!;
        const mean = data.reduce((a, b) => a + b, 0) / data.length;
        const actual = Math.sqrt(data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length);
        // A sample's deviation is off by 1/√(2n) of itself; five of those on both sides.
        const slack = 5 * Math.sqrt(2 / (2 * data.length));
        assert.ok(Math.abs(actual / std - 1) < slack + 0.01, `${name}: ${actual}, Hugging Face ${std}`);
        assert.ok(Math.abs(mean) < (5 * std) / Math.sqrt(data.length), `${name}: mean ${mean}`);
      }
    });

  it('is a function of the seed and of the name', () => {
    const name = 'encoder.block.0.layer.0.SelfAttention.k.weight';
    const at = (seed: number, weight = name) => untrainedDonor(lab, seed).weight(weight).data;
    assert.deepEqual(at(1), at(1));
    assert.notDeepEqual(at(1), at(2));
    assert.notDeepEqual(at(1), at(1, name.replace('.k.', '.v.')));
  });
});
