/** Generation with key/value caches against the whole decoder, at every step. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { crossCacheGraph, stepDecoderGraph, type WeightSource } from '../../models/graphs.ts';
import { Session, tensor, type FloatTensor } from '../../models/session.ts';
import { loadParity, parityModels } from '../support/fixtures.ts';

/** As for the other graphs: two float32 implementations through five layers. */
const TOLERANCE = 1e-4;

const opened: Session[] = [];
after(() => Promise.all(opened.map((session) => session.release())));

async function setUp(name: (typeof parityModels)[number]) {
  const { folder, reference } = loadParity(name);
  const { config } = folder;
  const weights: WeightSource = (weight) => folder.tensor(weight);
  const crossCache = await Session.open(crossCacheGraph(config, weights));
  const step = await Session.open(stepDecoderGraph(config, weights));
  opened.push(crossCache, step);
  const { data, shape } = reference.tensor('attention_mask');
  const attention_mask = tensor(Float32Array.from(data), shape);
  const cross = await crossCache.run({ input_ids: reference.integers('input_ids'), attention_mask });
  const [B, T] = reference.tensor('decoder_input_ids').shape;
  const ids = reference.integers('decoder_input_ids').data;
  const V = config.vocab_size;
  const expected = reference.tensor(`T${T}.logits`);

  /** Feeds the tokens in steps of the given sizes; returns the largest difference from the whole decoder's logits. */
  const decode = async (sizes: readonly number[]): Promise<number> => {
    let past: Record<string, FloatTensor> = Object.fromEntries(
      Array.from({ length: config.num_decoder_layers }, (_, i) => [`past.${i}.k`, `past.${i}.v`])
        .flat()
        .map((one) => [one, tensor(new Float32Array(0), [B, config.num_heads, 0, config.d_kv])]),
    );
    let largest = 0;
    let position = 0;
    for (const size of sizes) {
      const tokens = BigInt64Array.from(
        { length: B * size },
        (_, i) => ids[Math.floor(i / size) * T + position + (i % size)],
      );
      const out = await step.run({ decoder_input_ids: tensor(tokens, [B, size]), attention_mask, ...cross, ...past });
      const { logits, ...present } = out as Record<string, FloatTensor>;
      assert.deepEqual([...logits.shape], [B, size, V]);
      logits.data.forEach((x, i) => {
        const [b, t, v] = [Math.floor(i / (size * V)), Math.floor(i / V) % size, i % V];
        const difference = Math.abs(x - expected.data[(b * T + position + t) * V + v]);
        if (!(difference <= largest)) largest = difference;
      });
      position += size;
      past = Object.fromEntries(Object.entries(present).map(([one, value]) => [one.replace('present', 'past'), value]));
      for (const value of Object.values(past))
        assert.deepEqual([...value.shape], [B, config.num_heads, position, config.d_kv]);
    }
    assert.equal(position, T);
    return largest;
  };
  return { decode, T };
}

describe('the step decoder', () => {
  for (const name of parityModels) {
    it(`has the whole decoder’s logits at every step (${name})`, async (t) => {
      const { decode, T } = await setUp(name);
      const ways = {
        'one token at a time': new Array<number>(T).fill(1),
        'several at a time': [3, 1, 7, 2, 16, 11],
        'all at once': [T],
      };
      for (const [way, sizes] of Object.entries(ways)) {
        const largest = await decode(sizes);
        t.diagnostic(`largest difference ${largest.toExponential(1)}, ${way}`);
        assert.ok(largest < TOLERANCE, `${way}: ${largest}`);
      }
    });
  }
});
