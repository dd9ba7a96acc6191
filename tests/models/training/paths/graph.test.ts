import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { createRng } from '../../../../corpus/random.ts';
import { gradientOutput } from '../../../../models/graphs.ts';
import { Session, tensor, type FloatTensor } from '../../../../models/session.ts';
import { pathBagGraph } from '../../../../models/training/paths/graph.ts';
import { SCALE } from '../../../../models/training/lexical-start.ts';

const [B, S, C, K, M, N] = [2, 3, 3, 2, 4, 5];
const CLUSTER_OF = [0, 0, 1, 2, 2];
const CLASS_OF = [1, 3, 3, 0, 2, 1];
const WANTED = ['topics', 'seeds', 'importance', 'rows'] as const;

function feeds(): Record<string, FloatTensor> {
  const rng = createRng(5);
  const random = (...shape: number[]): FloatTensor =>
    tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => rng.next() - 0.5),
      shape,
    );
  const oneHot = (places: readonly number[], width: number, shape: number[]): FloatTensor => {
    const data = new Float32Array(places.length * width);
    places.forEach((place, i) => (data[i * width + place] = 1));
    return tensor(data, shape);
  };
  return {
    topics: random(B, S, C),
    seeds: random(B, S, K),
    classes: oneHot(CLASS_OF, M, [B, S, M]),
    importance: random(B, S),
    attention_mask: tensor(Float32Array.of(1, 1, 1, 1, 1, 0), [B, S]),
    members: oneHot(CLUSTER_OF, C, [N, C]),
    rows: random(N, M * K),
  };
}

describe('the bag of words of two-token docids', () => {
  it('scores a document by its cluster and by its row, each from what its own step reads', async () => {
    const session = await Session.open(pathBagGraph(C, K, M, { gradients: false }));
    const given = feeds();
    const logits = (await session.run(given)).logits.data as Float32Array;
    await session.release();
    const { topics, seeds, importance, rows } = Object.fromEntries(
      WANTED.map((name) => [name, given[name].data]),
    ) as Record<(typeof WANTED)[number], Float32Array>;
    const unit = (x: number[]): number[] => x.map((v) => v / Math.hypot(...x));
    for (let b = 0; b < B; b++) {
      const words = [0, 1, 2].filter((s) => b === 0 || s < 2);
      const exp = words.map((s) => Math.exp(importance[b * S + s]));
      const share = exp.map((e) => e / exp.reduce((x, y) => x + y));
      const ofTopics = new Array<number>(C).fill(0);
      const state = new Array<number>(M * K).fill(0);
      words.forEach((s, i) => {
        for (let c = 0; c < C; c++) ofTopics[c] += share[i] * topics[(b * S + s) * C + c];
        for (let j = 0; j < K; j++) state[CLASS_OF[b * S + s] * K + j] += share[i] * seeds[(b * S + s) * K + j];
      });
      const [clusters, read] = [unit(ofTopics), unit(state)];
      for (let n = 0; n < N; n++) {
        const dot = read.reduce((sum, x, j) => sum + x * rows[n * M * K + j], 0);
        const wanted = SCALE * (clusters[CLUSTER_OF[n]] + dot);
        assert.ok(Math.abs(logits[b * N + n] - wanted) < 1e-4, `${logits[b * N + n]} against ${wanted}`);
      }
    }
  });

  it('has the gradients that finite differences of its loss have', async () => {
    const session = await Session.open(pathBagGraph(C, K, M, { gradients: true }));
    const given: Record<string, FloatTensor> = {
      ...feeds(),
      targets: tensor(Float32Array.of(0.6, 0.4, 0, 0, 0, 0, 0, 0.2, 0.8, 0), [B, N]),
      cluster_targets: tensor(Float32Array.of(1, 0, 0, 0, 0.2, 0.8), [B, C]),
      weights: tensor(Float32Array.of(0.5, 0.5), [B]),
    };
    const run = async () => (await session.run(given)) as Record<string, FloatTensor>;
    const out = await run();
    const step = 2e-3;
    for (const name of WANTED) {
      const gradient = out[gradientOutput(name)].data.slice();
      const { data } = given[name];
      for (let i = 0; i < data.length; i++) {
        const before = data[i];
        const losses: number[] = [];
        for (const sign of [1, -1]) {
          data[i] = before + sign * step;
          losses.push((await run()).loss.data[0]);
        }
        data[i] = before;
        const numeric = (losses[0] - losses[1]) / (2 * step);
        const tolerance = 0.02 * Math.max(1, Math.abs(numeric));
        assert.ok(Math.abs(gradient[i] - numeric) < tolerance, `${name}[${i}]: ${gradient[i]} against ${numeric}`);
      }
    }
    await session.release();
  });
});
