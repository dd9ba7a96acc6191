import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { createConfig } from '../../../../models/config.ts';
import { gradientOutput } from '../../../../models/graphs.ts';
import { Session, tensor, type FloatTensor } from '../../../../models/session.ts';
import { pathTrainingGraph } from '../../../../models/training/paths/training-graph.ts';

const [B, S, T, A, D] = [2, 5, 3, 7, 8];
const config = createConfig({
  ...{ vocab_size: 20, d_model: D, d_kv: 4, d_ff: 16, num_heads: 2, num_layers: 1, num_decoder_layers: 2 },
  scale_decoder_outputs: false,
});
const wavy = (shape: readonly number[]): FloatTensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 12.9 + shape.length)),
    shape,
  );

describe('the training graph of paths', () => {
  it('has the gradients that finite differences give', async () => {
    const { graph, parameters } = pathTrainingGraph(config, { gradients: true });
    const session = await Session.open(graph);
    const mask = Float32Array.from({ length: B * S }, (_, i) => (i < 2 * S - 2 ? 1 : 0));
    const targets = Float32Array.from({ length: B * T * A }, (_, i) => (i % A === 2 ? 0.7 : i % A === 4 ? 0.3 : 0));
    const feeds: Record<string, FloatTensor> = {
      embedded: wavy([B, S, D]),
      attention_mask: tensor(mask, [B, S]),
      decoder_embedded: wavy([B, T, D]),
      rows: wavy([A, D]),
      targets: tensor(targets, [B * T, A]),
      weights: tensor(Float32Array.of(0.5, 0.5, 0, 0.5, 0.5, 0.5), [B * T]), // the first path has two tokens
    };
    for (const [name, shape] of parameters) feeds[name] = wavy(shape);
    const lossAt = async (name: string, at: number, by: number): Promise<number> => {
      const { data, shape } = feeds[name];
      const moved = data.slice();
      moved[at] += by;
      const { loss } = await session.run({ ...feeds, [name]: tensor(moved, shape) });
      return loss.data[0] as number;
    };
    const out = await session.run(feeds);
    const self = 'decoder.block.0.layer.0.SelfAttention';
    for (const name of [
      ...['embedded', 'decoder_embedded', 'rows', `${self}.q.weight`, `${self}.relative_attention_bias.weight`],
      ...['decoder.block.1.layer.0.SelfAttention.o.weight', 'decoder.block.1.layer.1.EncDecAttention.k.weight'],
    ])
      for (const at of [3, 11]) {
        const expected = ((await lossAt(name, at, 1e-3)) - (await lossAt(name, at, -1e-3))) / 2e-3;
        const actual = out[gradientOutput(name)].data[at] as number;
        assert.ok(
          Math.abs(actual - expected) < 2e-3 + 0.02 * Math.abs(expected),
          `${name} ${at}: ${actual}, ${expected}`,
        );
      }
    const behind = out[gradientOutput('decoder_embedded')].data.slice(2 * D, 3 * D);
    assert.ok(
      behind.every((x) => x === 0),
      'what is read behind the end of a path teaches nothing',
    );
    await session.release();
  });
});
