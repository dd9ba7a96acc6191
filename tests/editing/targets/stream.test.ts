/** The loss that targets are sought with: against its definition, finite differences, and the analysis' gradients. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { dot, norm } from '../../../analysis/vectors.ts';
import { createRng } from '../../../corpus/random.ts';
import type { EditModel } from '../../../editing/edit-model.ts';
import { logSumExpOf } from '../../../editing/methods/rows/problem.ts';
import { competitionOf, type Competition } from '../../../editing/targets/competition.ts';
import { lastStream, layerStream, type Stream } from '../../../editing/targets/stream.ts';
import type { TargetProblem } from '../../../editing/targets/target.ts';
import { startGradientGraph } from '../../../models/attribution.ts';
import { gradientOutput } from '../../../models/graphs.ts';
import { tensor, type FloatTensor } from '../../../models/session.ts';
import { gaussians, relativeDifference } from '../../support/edit-layer.ts';
import { newRowProblem, openTiny } from './problem.ts';

const opened: EditModel[] = [];
after(() => Promise.all(opened.map((model) => model.close())));

const rowOf = ({ data, shape: [, width] }: FloatTensor, q: number): Float32Array =>
  data.subarray(q * width, (q + 1) * width);

/** Of central differences in float32: rounding against curvature. */
const STEP = 2e-3;

/** (loss(x + hd) − loss(x − hd)) / 2h for each query. */
async function slopes(stream: Stream, x: FloatTensor, d: Float32Array, wanted: FloatTensor): Promise<Float64Array> {
  const moved = (sign: number): FloatTensor =>
    tensor(
      x.data.map((v, i) => v + sign * STEP * d[i]),
      x.shape,
    );
  const [high, low] = [(await stream.at(moved(1), wanted)).loss, (await stream.at(moved(-1), wanted)).loss];
  return Float64Array.from(high, (v, q) => (v - low[q]) / (2 * STEP));
}

for (const [kind, config] of [
  ['v1.0, tied', {}],
  ['v1.1, untied', { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, d_kv: 4 }],
] as const)
  describe(`streams that targets are sought in: ${kind}`, async () => {
    const model = await openTiny(kind, { config });
    opened.push(model);
    const problem: TargetProblem = { ...(await newRowProblem(model)), aside: [[3], [], [], [], [3, 5], [], []] };
    const competition: Competition = await competitionOf(model, problem);
    const encoded = await model.atomicLab.encode(problem.observed.texts);
    const [Q, D] = problem.own.shape;
    const rng = createRng(2);
    const random = (scale: number): FloatTensor =>
      tensor(
        gaussians(rng, Q * D).map((x) => scale * x),
        [Q, D],
      );
    const last = await lastStream(model, problem, competition);
    const [change, wanted] = [random(0.3), random(1)];
    const here = await last.at(change, wanted);

    it('starts at what the decoder computes', async () => {
      const { state } = await model.atomicLab.decode(encoded);
      assert.ok(relativeDifference(last.start.data, state.data) < 1e-6);
    });

    it('tells the cross-entropy, the lead and the expected row by their definitions', async () => {
      const plain = tensor(new Float32Array(Q * D), [Q, D]);
      const { loss, lead, expected } = await last.at(plain, problem.own);
      for (let q = 0; q < Q; q++) {
        const rivals = Array.from({ length: model.rows.shape[0] }, (_, n) => n)
          .filter((n) => !problem.aside![q].includes(n))
          .map((n) => rowOf(model.rows, n));
        const state = rowOf(problem.observed.states, q);
        const rows = [rowOf(problem.own, q), ...rivals];
        const scores = Float64Array.from(rows, (row) => dot(row, state));
        const total = logSumExpOf(scores);
        assert.ok(Math.abs(loss[q] - (total - scores[0])) < 1e-4);
        assert.ok(Math.abs(lead[q] - (scores[0] - Math.max(...scores.subarray(1)))) < 1e-4);
        const mean = Float64Array.from({ length: D }, (_, i) =>
          rows.reduce((sum, row, n) => sum + Math.exp(scores[n] - total) * row[i], 0),
        );
        assert.ok(relativeDifference(rowOf(expected, q), mean) < 1e-4);
      }
    });

    it('has the gradient of finite differences after the last layer', async () => {
      const d = random(1).data;
      const measured = await slopes(last, change, d, wanted);
      const told = Float64Array.from(measured, (_, q) => dot(rowOf(here.gradient, q), d.subarray(q * D, (q + 1) * D)));
      assert.ok(relativeDifference(told, measured) < 1e-3, `${Array.from(told).join()} ${Array.from(measured).join()}`);
    });

    it('agrees with reverse mode through the last layer', async () => {
      const graph = await layerStream(model, competition, encoded, model.lastLayer);
      const there = await graph.at(change, wanted);
      assert.ok(relativeDifference(graph.start.data, last.start.data) < 1e-6);
      for (const name of ['loss', 'lead'] as const) assert.ok(relativeDifference(there[name], here[name]) < 1e-4, name);
      for (const name of ['expected', 'gradient'] as const)
        assert.ok(relativeDifference(there[name].data, here[name].data) < 1e-4, name);
    });

    for (const layer of [0, 1])
      it(`has the gradient of finite differences after layer ${layer}`, async () => {
        const stream = await layerStream(model, competition, encoded, layer);
        const { gradient } = await stream.at(change, wanted);
        const d = random(1).data;
        const measured = await slopes(stream, change, d, wanted);
        const told = Float64Array.from(measured, (_, q) => dot(rowOf(gradient, q), d.subarray(q * D, (q + 1) * D)));
        assert.ok(
          relativeDifference(told, measured) < 2e-2,
          `${Array.from(told).join()} ${Array.from(measured).join()}`,
        );
      });

    it('agrees with attribution patching’s gradients where nothing is changed', async () => {
      const name = 'decoder.1.mlp_out';
      const stream = await layerStream(model, competition, encoded, 1);
      const { expected, gradient } = await stream.at(tensor(new Float32Array(Q * D), [Q, D]), wanted);
      const direction = tensor(
        expected.data.map((x, i) => x - wanted.data[i]),
        [Q, D],
      );
      const session = await model.lab.session('attribution', () =>
        startGradientGraph(model.lab.config, model.lab.weight, [name]),
      );
      for (const batch of encoded.batches) {
        const rows = new Float32Array(batch.queries.length * D);
        batch.queries.forEach((q, b) => rows.set(rowOf(direction, q), b * D));
        const out = await session.run({
          ...model.atomicLab.startFeeds(batch),
          direction: tensor(rows, [batch.queries.length, D]),
        });
        const data = out[gradientOutput(name)].data as Float32Array;
        batch.queries.forEach((q, b) => {
          const reference = data.subarray(b * D, (b + 1) * D);
          assert.ok(relativeDifference(rowOf(gradient, q), reference) < 1e-4);
          assert.ok(norm(reference) > 0);
        });
      }
    });
  });
