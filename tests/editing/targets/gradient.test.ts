/** Targets by gradient: what they promise of leads, lengths and bytes, and what an edit with them makes of a model. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { norm } from '../../../analysis/vectors.ts';
import { outputWeight } from '../../../editing/edit-graphs.ts';
import type { EditModel } from '../../../editing/edit-model.ts';
import { InvalidEditError } from '../../../editing/methods/method.ts';
import { rome } from '../../../editing/methods/rome.ts';
import { competitionOf } from '../../../editing/targets/competition.ts';
import { descend, type GradientOptions } from '../../../editing/targets/gradient.ts';
import { lastStream } from '../../../editing/targets/stream.ts';
import { targetMethods } from '../../../editing/targets/table.ts';
import { tensor } from '../../../models/session.ts';
import { momentOf, relativeDifference } from '../../support/edit-layer.ts';
import { newRowProblem, openTiny } from './problem.ts';

const opened: EditModel[] = [];
after(() => Promise.all(opened.map((model) => model.close())));

const options: GradientOptions = { steps: 60, rate: 0.05, alpha: 0.3, margin: 1.5, clamp: 2, decay: 0 };

describe('targets by gradient', async () => {
  const model = await openTiny('gradient');
  opened.push(model);
  const problem = await newRowProblem(model);
  const { observed, own } = problem;
  const [Q, D] = own.shape;
  const last = model.lastLayer;
  const stream = await lastStream(model, problem, await competitionOf(model, problem));
  const lengthOf = (data: Float32Array, q: number): number => norm(data.subarray(q * D, (q + 1) * D));
  const before = (await stream.at(tensor(new Float32Array(Q * D), [Q, D]), own)).lead;

  it('gives every query its margin, and stops there', async () => {
    const change = await descend(stream, own, options);
    const { lead } = await stream.at(change, own);
    assert.ok(
      lead.every((x) => x >= options.margin),
      lead.join(),
    );
    const further = await descend(stream, own, { ...options, margin: 3 });
    for (let q = 0; q < Q; q++)
      if (before[q] < options.margin) assert.ok(lengthOf(change.data, q) < lengthOf(further.data, q));
  });

  it('leaves alone a query that has the margin', async () => {
    const margin = [...before].sort((a, b) => a - b)[Q >> 1];
    const change = await descend(stream, own, { ...options, margin });
    before.forEach((lead, q) => assert.equal(lengthOf(change.data, q) === 0, lead >= margin));
  });

  it('keeps to the clamp', async () => {
    const clamp = 0.05;
    const change = await descend(stream, own, { ...options, margin: 50, clamp });
    for (let q = 0; q < Q; q++)
      assert.ok(Math.abs(lengthOf(change.data, q) / lengthOf(stream.start.data, q) - clamp) < 1e-5);
  });

  it('is shorter with decay', async () => {
    const free = await descend(stream, own, { ...options, margin: 50 });
    const held = await descend(stream, own, { ...options, margin: 50, decay: 20 });
    assert.ok(norm(held.data) < 0.9 * norm(free.data));
  });

  it('takes from soft labels what the base model says already', async () => {
    const [soft, hard] = [0.1, 1].map((alpha) => descend(stream, own, { ...options, alpha, steps: 2, margin: 50 }));
    assert.ok(relativeDifference((await soft).data, (await hard).data) > 1e-3);
  });

  it('gives the same bytes again', async () => {
    const [a, b] = [await descend(stream, own, options), await descend(stream, own, options)];
    assert.deepEqual(a, b);
  });

  it('with ROME gives a key its value and so its query the margin', async () => {
    const found = (await targetMethods.gradient.find(model, problem, options)).get(last)!;
    const keys = observed.keys.get(last)!;
    const F = keys.shape[1];
    const layer = { covariance: momentOf(keys.data, F), d_model: D };
    const edit = rome.prepare(layer, { ridge: 0.01 });
    const weight = model.folder.tensor(outputWeight(last)).data; // [D, F]
    for (let q = 0; q < Q; q++) {
      if (before[q] >= options.margin) continue;
      const key = keys.data.slice(q * F, (q + 1) * F);
      const residual = found.data.slice(q * D, (q + 1) * D);
      const delta = edit({ pairs: { keys: key, residuals: residual } });
      const output = (added: Float32Array | undefined): Float64Array =>
        Float64Array.from({ length: D }, (_, i) =>
          key.reduce((sum, k, j) => sum + k * (weight[i * F + j] + (added?.[j * D + i] ?? 0)), 0),
        );
      const value = output(undefined).map((y, i) => y + residual[i]);
      assert.ok(relativeDifference(output(delta), value) < 1e-5);
      const states = await model.restate(observed, [{ weight: outputWeight(last), delta }]);
      const { best } = await model.scores(states);
      const score = states.data.subarray(q * D, (q + 1) * D).reduce((sum, x, i) => sum + x * own.data[q * D + i], 0);
      assert.ok(score - best[q] > options.margin - 1e-3, `${score - best[q]}`);
    }
  });

  it('refuses options out of range', async () => {
    for (const wrong of [{ steps: 0 }, { rate: 0 }, { alpha: 2 }, { margin: NaN }, { clamp: 0 }, { decay: -1 }])
      await assert.rejects(descend(stream, own, { ...options, ...wrong }), InvalidEditError);
  });
});
