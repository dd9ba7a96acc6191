/** The training graph's loss and gradients against PyTorch's, and against finite differences of the whole loss. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import type { T5Config } from '../../models/config.ts';
import type { ModelFolder } from '../../models/folder.ts';
import { gradientOutput, trainingGraph, transposed } from '../../models/graphs.ts';
import { Session, tensor, type FloatTensor } from '../../models/session.ts';
import { isLinear, unembedName } from '../../models/t5.ts';
import type { WeightTensor } from '../../models/weights.ts';
import { loadTrainingStep, trainingStepModels, type Reference } from '../support/fixtures.ts';

/** Of the largest entry of the same tensor: two float32 backward passes that add in different orders. */
const RELATIVE = 1e-4;
/** Rounding of a float32 loss near 3 gives differences an error of 2e-7 / STEP, curvature one of STEP². */
const STEP = 3e-3;
const DIFFERENCE_TOLERANCE = 1e-3;

const sessions: Session[] = [];
after(() => Promise.all(sessions.map((session) => session.release())));

type Feeds = Record<string, FloatTensor>;

/** All that the training graph is fed, made from the model and the batch that PyTorch took its step with. */
function feedsOf(folder: ModelFolder, reference: Reference, parameters: ReadonlyMap<string, readonly number[]>): Feeds {
  const { config } = folder;
  const D = config.d_model;
  const shared = folder.tensor('shared.weight').data;
  const unembed = folder.tensor(unembedName(config));
  const ids = reference.tensor('input_ids');
  const [B, S] = ids.shape;
  const [, N] = reference.tensor('targets').shape;
  const embedded = new Float32Array(B * S * D);
  ids.data.forEach((id, i) => embedded.set(shared.subarray(id * D, (id + 1) * D), i * D));
  const start = config.decoder_start_token_id;
  const weights = [...parameters].map(([name, shape]) => {
    const weight = folder.tensor(name);
    return [name, tensor(isLinear(name) ? transposed(weight) : weight.data.slice(), shape)] as const;
  });
  return {
    embedded: tensor(embedded, [B, S, D]),
    attention_mask: tensor(reference.tensor('attention_mask').data.slice(), [B, S]),
    start: tensor(shared.slice(start * D, (start + 1) * D), [1, D]),
    rows: tensor(unembed.data.slice(unembed.data.length - N * D), [N, D]),
    targets: tensor(reference.tensor('targets').data.slice(), [B, N]),
    weights: tensor(new Float32Array(B).fill(1 / B), [B]),
    ...Object.fromEntries(weights),
  };
}

/** The graph's gradients put together as HF's weights have them: HF's name → gradient in HF's orientation. */
function combine(
  config: T5Config,
  reference: Reference,
  out: Record<string, FloatTensor>,
  names: Iterable<string>,
): Map<string, WeightTensor> {
  const { d_model: D, vocab_size: V } = config;
  const gradients = new Map<string, WeightTensor>();
  for (const name of names) {
    const { data, shape } = out[gradientOutput(name)];
    gradients.set(
      name,
      isLinear(name) ? { data: transposed({ data, shape }), shape: [shape[1], shape[0]] } : { data, shape },
    );
  }
  const table = (name: string): Float32Array => {
    const known = gradients.get(name) ?? { data: new Float32Array(V * D), shape: [V, D] };
    gradients.set(name, known);
    return known.data;
  };
  const addRow = (to: Float32Array, row: number, from: Float32Array, fromRow: number): void => {
    for (let j = 0; j < D; j++) to[row * D + j] += from[fromRow * D + j];
  };
  reference
    .tensor('input_ids')
    .data.forEach((id, i) => addRow(table('shared.weight'), id, out[gradientOutput('embedded')].data, i));
  addRow(table('shared.weight'), config.decoder_start_token_id, out[gradientOutput('start')].data, 0);
  const rows = out[gradientOutput('rows')];
  const [N] = rows.shape;
  for (let n = 0; n < N; n++) addRow(table(unembedName(config)), V - N + n, rows.data, n);
  return gradients;
}

describe('the training graph', () => {
  for (const name of trainingStepModels) {
    describe(name, async () => {
      const { folder, reference } = loadTrainingStep(name);
      const { graph, parameters } = trainingGraph(folder.config, { gradients: true });
      const session = await Session.open(graph);
      sessions.push(session);
      const feeds = feedsOf(folder, reference, parameters);
      const run = async (): Promise<Record<string, FloatTensor>> =>
        (await session.run(feeds)) as Record<string, FloatTensor>;

      it('has PyTorch’s loss', async (t) => {
        const [expected] = reference.tensor('loss').data;
        const [loss] = (await run()).loss.data;
        t.diagnostic(`loss ${loss}, PyTorch's ${expected}`);
        assert.ok(Math.abs(loss - expected) < 1e-5 * expected, `${loss} instead of ${expected}`);
      });

      it('has PyTorch’s gradient of every weight', async (t) => {
        const gradients = combine(folder.config, reference, await run(), parameters.keys());
        let worst = { weight: '', relative: 0 };
        const unused: string[] = [];
        for (const weight of folder.weights.keys()) {
          const expected = reference.tensor(`grad.${weight}`);
          const scale = expected.data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          const actual = gradients.get(weight);
          if (!actual) {
            assert.equal(scale, 0, `${weight} has a gradient in PyTorch and none here`);
            unused.push(weight);
            continue;
          }
          assert.ok(scale > 1e-5, `${weight}: the expected gradient is not zero`);
          assert.deepEqual([...actual.shape], [...expected.shape], weight);
          const largest = expected.data.reduce((a, b, i) => Math.max(a, Math.abs(actual.data[i] - b)), 0);
          assert.ok(largest < RELATIVE * scale, `${weight}: differs by ${largest}, its largest entry is ${scale}`);
          if (largest / scale > worst.relative) worst = { weight, relative: largest / scale };
        }
        t.diagnostic(`largest relative difference ${worst.relative.toExponential(1)}, of ${worst.weight}`);
        // One start token attends to itself alone: what only shapes the decoder's self-attention pattern has no part.
        assert.ok(
          unused.every((weight) => /^decoder.*SelfAttention\.(q|k|relative_attention_bias)\.weight$/.test(weight)),
          unused.join(),
        );
        assert.equal(unused.length, 2 * folder.config.num_decoder_layers + 1);
      });

      it('has the logits of its loss in the forward pass alone', async () => {
        const forward = trainingGraph(folder.config, { gradients: false });
        assert.deepEqual([...forward.parameters], [...parameters]);
        const evaluation = await Session.open(forward.graph);
        sessions.push(evaluation);
        const [B, N] = feeds.targets.shape;
        const logits = (await evaluation.run(feeds)).logits as FloatTensor;
        assert.deepEqual([...logits.shape], [B, N]);
        let loss = 0;
        for (let b = 0; b < B; b++) {
          const one = logits.data.subarray(b * N, (b + 1) * N);
          const total = Math.log(one.reduce((sum, x) => sum + Math.exp(x), 0));
          one.forEach((x, n) => (loss -= (feeds.targets.data[b * N + n] * (x - total)) / B));
        }
        assert.ok(Math.abs(loss - reference.tensor('loss').data[0]) < 1e-5 * loss);
      });

      it('agrees with finite differences of the whole loss', async (t) => {
        const out = await run();
        let worst = 0;
        for (const input of ['embedded', 'start', 'rows', ...parameters.keys()]) {
          const gradient = out[gradientOutput(input)].data;
          const { data } = feeds[input];
          // the entry with the largest gradient, and two elsewhere
          const steepest = gradient.reduce((best, g, i) => (Math.abs(g) > Math.abs(gradient[best]) ? i : best), 0);
          for (const i of new Set([steepest, data.length >> 1, (data.length * 5) >> 3])) {
            const kept = data[i];
            const at = async (value: number): Promise<number> => {
              data[i] = value;
              return (await session.run(feeds, ['loss'])).loss.data[0] as number;
            };
            const [up, here, down] = [await at(kept + STEP), await at(kept), await at(kept - STEP)];
            data[i] = kept;
            const numeric = [(up - down) / (2 * STEP)];
            // A neuron may pass the kink of its ReLU on one side of the step; the other side is still straight.
            if (folder.config.feed_forward_proj === 'relu') numeric.push((up - here) / STEP, (here - down) / STEP);
            const difference = Math.min(...numeric.map((n) => Math.abs(n - gradient[i])));
            worst = Math.max(worst, difference);
            assert.ok(
              difference < DIFFERENCE_TOLERANCE,
              `${input}[${i}]: differences ${numeric.join(', ')}, gradient ${gradient[i]}`,
            );
          }
        }
        t.diagnostic(`largest difference ${worst.toExponential(1)}`);
      });
    });
  }

  it('leaves out queries of weight 0', async () => {
    const { folder, reference } = loadTrainingStep('v1.0-tied');
    const { graph, parameters } = trainingGraph(folder.config, { gradients: true });
    const session = await Session.open(graph);
    sessions.push(session);
    const feeds = feedsOf(folder, reference, parameters);
    const { data: embedded, shape } = feeds.embedded;
    feeds.weights.data.set([0.5, 0, 0.5, 0]);
    const before = await session.run(feeds);
    embedded.fill(3, embedded.length / 4, embedded.length / 2);
    const later = await session.run(feeds);
    assert.equal(later.loss.data[0], before.loss.data[0]);
    const gradient = later[gradientOutput('embedded')];
    assert.deepEqual([...gradient.shape], [...shape]);
    assert.ok(gradient.data.subarray(embedded.length / 4, embedded.length / 2).every((g) => Number(g) === 0));
  });
});
