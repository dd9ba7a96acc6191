/** Gradients by activations, against patching with small changes. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createRng } from '../../corpus/random.ts';
import { activationNames, UnknownActivationError, type ActivationName } from '../../models/activations.ts';
import { startGradientGraph } from '../../models/attribution.ts';
import { readModelFolder } from '../../models/folder.ts';
import { gradientOutput, patchInputs, startDecoderGraph } from '../../models/graphs.ts';
import { Session, tensor, type Feeds, type FloatTensor } from '../../models/session.ts';
import type { Graph } from '../../models/onnx/graph.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { dot, norm } from '../../analysis/vectors.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

const scratch = tempFolder();
const opened: Session[] = [];
after(() => Promise.all(opened.map((session) => session.release())));
async function open(...args: Parameters<typeof Session.open>): Promise<Session> {
  const session = await Session.open(...args);
  opened.push(session);
  return session;
}

const [B, S] = [3, 5];
/** Of central differences in float32: rounding (1e-7/h) against curvature and the neurons that cross 0 within it. */
const STEP = 5e-4;
const final: ActivationName = 'decoder.final_norm';
/** Row b of a tensor whose first axis is the batch. */
const row = ({ data, shape }: FloatTensor, b: number): Float32Array =>
  data.subarray((b * data.length) / shape[0], ((b + 1) * data.length) / shape[0]);

for (const [kind, config] of [
  ['v1.0, tied', {}],
  ['v1.1, untied', { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, d_kv: 4 }],
] as const)
  describe(`gradients by activations: ${kind}`, async () => {
    const folder = readModelFolder(writeTinyModel(join(scratch, kind), { config, seed: 3 }));
    const { d_model: D } = folder.config;
    const weights = (name: string) => folder.tensor(name);
    const names = activationNames(folder.config).filter(
      (name) => name.startsWith('decoder.') && !/\.attn_(q|k|v|scores|pattern)$/.test(name),
    );
    const rng = createRng(1);
    const random = (...shape: number[]): FloatTensor =>
      tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * rng.next() - 1),
        shape,
      );
    const feeds: Record<string, FloatTensor> = {
      encoder_out: random(B, S, D),
      attention_mask: tensor(Float32Array.of(...[1, 1, 1, 1, 1], ...[1, 1, 1, 0, 0], ...[1, 1, 0, 0, 0]), [B, S]),
      start: random(B, 1, D),
      direction: random(B, D),
    };
    const run = async (graph: Graph, given: Feeds) =>
      (await (await open(graph)).run(given)) as Record<string, FloatTensor>;
    const clean = await run(startDecoderGraph(folder.config, weights, { read: names }), feeds);
    const gradients = await run(startGradientGraph(folder.config, weights, names), feeds);

    /** The state after the final norm times the direction, for each query. */
    const metricOf = (out: Record<string, FloatTensor>): number[] =>
      Array.from({ length: B }, (_, b) => {
        const scale = folder.config.scale_decoder_outputs ? D ** -0.5 : 1;
        return scale * dot(row(out[final], b), row(feeds.direction, b));
      });

    it('reads out what the decoder writes', () => {
      assertClose(gradients.metric.data, metricOf(clean), 'metric', 1e-5);
    });

    for (const name of names)
      it(`has the gradient by ${name} that small changes of it show`, async () => {
        const gradient = gradients[gradientOutput(name)];
        const activation = clean[name];
        assert.deepEqual(gradient.shape, activation.shape);
        const patched = await open(startDecoderGraph(folder.config, weights, { read: [final], patched: [name] }));
        const input = patchInputs(name);
        const change = random(...activation.shape);
        const at = async (step: number): Promise<number[]> => {
          const value = activation.data.map((x, i) => x + step * change.data[i]);
          const on = activation.shape.map(() => 1);
          const out = await patched.run({
            ...feeds,
            [input.mask]: tensor(Float32Array.of(1), on),
            [input.value]: tensor(value, activation.shape),
          });
          return metricOf(out as Record<string, FloatTensor>);
        };
        const [up, down] = [await at(STEP), await at(-STEP)];
        for (let b = 0; b < B; b++) {
          const numeric = (up[b] - down[b]) / (2 * STEP);
          const analytic = dot(row(gradient, b), row(change, b));
          const size = norm(row(gradient, b)) * norm(row(change, b)); // masked scores are −1e9, and have no gradient
          assert.ok(
            Math.abs(numeric - analytic) < 5e-3 * size + 1e-3,
            `query ${b}: differences ${numeric}, gradient ${analytic}`,
          );
        }
      });

    it('has gradients of each query that the others do not touch', async () => {
      const [one, length] = [1, 3]; // by the mask
      const { encoder_out, start, direction } = feeds;
      const alone = await run(startGradientGraph(folder.config, weights, names), {
        encoder_out: tensor(row(encoder_out, one).slice(0, length * D), [1, length, D]),
        attention_mask: tensor(new Float32Array(length).fill(1), [1, length]),
        start: tensor(row(start, one), [1, 1, D]),
        direction: tensor(row(direction, one), [1, D]),
      });
      for (const name of names) {
        if (/cross_attn_(scores|pattern)$/.test(name)) continue; // as long as the padded query
        const output = gradientOutput(name);
        assertClose(alone[output].data, row(gradients[output], one), name, 1e-5);
      }
    });
  });

it('does not know self-attention’s pattern, which one position does not have', () => {
  const folder = readModelFolder(writeTinyModel(join(scratch, 'pattern')));
  assert.throws(
    () => startGradientGraph(folder.config, (name) => folder.tensor(name), ['decoder.0.attn_pattern']),
    (error) => error instanceof UnknownActivationError && error.nearest.includes('decoder.0.attn_z'),
  );
});
