import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { parseConfig } from '../../../models/config.ts';
import type { Batch, Examples } from '../../../models/training/examples.ts';
import {
  dropoutSeed,
  MAX_SEED,
  MAX_STEPS,
  trainedShapes,
  Trainer,
  trainingState,
} from '../../../models/training/trainer.ts';

describe('the trainer', () => {
  it('lets documents from all over a batch, which is sorted by length, answer through the row of their text', async () => {
    const [d, size] = [8, 20];
    const config = parseConfig({
      ...{ model_type: 't5', vocab_size: 4 + size, d_model: d, d_kv: 4, d_ff: 8, num_heads: 2 },
      ...{ num_layers: 1, num_decoder_layers: 1, feed_forward_proj: 'relu', tie_word_embeddings: true },
      ...{ scale_decoder_outputs: false, pad_token_id: 0, eos_token_id: 1, decoder_start_token_id: 0 },
    });
    const random = (length: number): Float32Array =>
      Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898 + length));
    const shapes = [...trainedShapes(config)];
    const rows = random(size * d);
    const state = trainingState({
      embeddings: random(4 * d),
      start: random(d),
      rows: rows.slice(),
      weights: new Map(shapes.map(([name, shape]) => [name, random(shape.reduce((a, b) => a * b, 1))])),
    });
    const batch: Batch = {
      size,
      length: 1,
      ids: new Int32Array(size).fill(2),
      mask: new Float32Array(size).fill(1),
      targets: Array.from({ length: size }, (_, row) => ({ rows: [row], shares: [1] })),
    };
    const asked: number[] = [];
    const textRows = { row: (row: number) => (asked.push(row), new Float32Array(d).fill(1)) };
    const trainer = await Trainer.open(config, state, {
      ...{ steps: 10, batchSize: size, threads: 1, seed: 1, warmup: 1, dropout: 0, textRowShare: 0.2 },
      rates: { weights: 0.01, embeddings: 0.01, rows: 0.01 },
    });
    try {
      await trainer.step({ batch: () => batch, textRows } as unknown as Examples, 0);
    } finally {
      await trainer.close();
    }
    assert.deepEqual(asked, [2, 7, 12, 17]);
    const moved = Array.from({ length: size }, (_, row) =>
      state.rows.data.subarray(row * d, (row + 1) * d).some((value, j) => value !== rows[row * d + j]),
    );
    assert.deepEqual(
      moved.flatMap((hasMoved, row) => (hasMoved ? [] : [row])),
      asked,
      'the rows that stood aside, and only they, are as they were',
    );
  });

  it('derives whole seeds below 2^53 from every seed and step that the command takes', () => {
    assert.ok(Number.isSafeInteger(dropoutSeed(MAX_SEED, MAX_STEPS)));
    assert.notEqual(dropoutSeed(MAX_SEED, MAX_STEPS), dropoutSeed(MAX_SEED, MAX_STEPS - 1));
    assert.equal(dropoutSeed(1, 5), 7_368_792);
  });
});
