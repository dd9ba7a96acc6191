import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { createRng } from '../../../corpus/random.ts';
import { createConfig, type T5Config } from '../../../models/config.ts';
import { docidPlaces, passages, placePassages, RESERVED } from '../../../models/training/docid-space.ts';

const sized = (fields: Partial<T5Config>): T5Config =>
  createConfig({
    ...{ vocab_size: 50, d_model: 24, d_kv: 4, num_heads: 3, d_ff: 20, num_layers: 1, num_decoder_layers: 4 },
    ...fields,
  });

describe('the space of docids', () => {
  it('is reached through the last layers, as few as have the neurons', () => {
    // 20 coordinates, 10 pairs of neurons in a layer
    assert.deepEqual(passages(sized({})), [
      { layer: 2, from: 4, to: 14 },
      { layer: 3, from: 14, to: 24 },
    ]);
    assert.deepEqual(passages(sized({ d_ff: 40 })), [{ layer: 3, from: 4, to: 24 }]);
    assert.deepEqual(passages(sized({ num_decoder_layers: 12, d_ff: 40 })), [{ layer: 11, from: 4, to: 24 }]);
  });

  it('takes no layer that reads words, and leaves coordinates where they are that no layer has room for', () => {
    // 12 of 20 coordinates in a layer of cross-attention: two layers read.
    const config = sized({ num_decoder_layers: 3 });
    assert.deepEqual(passages(config), [{ layer: 2, from: 4, to: 14 }]);
    const places = docidPlaces(config);
    for (let j = 14; j < 24; j++) assert.equal(places[j], j);
    assert.deepEqual(passages(sized({ num_decoder_layers: 2 })), []);
  });

  it('has every coordinate in a place of its own, another one than that of words', () => {
    const places = docidPlaces(sized({}));
    assert.deepEqual(
      [...places].sort((a, b) => a - b),
      Array.from({ length: 24 }, (_, j) => j),
    );
    places.forEach((place, j) => assert.equal(place === j, j < RESERVED, `coordinate ${j} at ${place}`));
  });

  it('is where a state stands after the MLPs, whose norms divide by the root mean square that was told', () => {
    const config = sized({});
    const { d_model: D, d_ff: F } = config;
    const rng = createRng(7);
    const weights = new Map<string, Float32Array>();
    for (const { layer } of passages(config)) {
      const dense = `decoder.block.${layer}.layer.2.DenseReluDense`;
      weights.set(
        `${dense}.wi.weight`,
        Float32Array.from({ length: D * F }, () => rng.next() - 0.5),
      );
      weights.set(`${dense}.wo.weight`, new Float32Array(F * D));
    }
    const words = Float32Array.from({ length: D }, () => rng.next() - 0.5);
    const rms = Math.sqrt(words.reduce((sum, x) => sum + x * x, 0) / D);
    placePassages(config, weights, rms);
    const x = words.slice();
    for (const { layer } of passages(config)) {
      const dense = `decoder.block.${layer}.layer.2.DenseReluDense`;
      const [wi, wo] = ['wi', 'wo'].map((name) => weights.get(`${dense}.${name}.weight`)!);
      const norm = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / D);
      const post = Array.from({ length: F }, (_, f) =>
        Math.max(
          0,
          x.reduce((sum, v, d) => sum + (v / norm) * wi[d * F + f], 0),
        ),
      );
      for (let d = 0; d < D; d++) x[d] += post.reduce((sum, k, f) => sum + k * wo[f * D + d], 0);
    }
    const places = docidPlaces(config);
    words.forEach((value, j) => assert.ok(Math.abs(x[places[j]] - value) < 1e-5, `coordinate ${j}: ${x[places[j]]}`));
  });
});
