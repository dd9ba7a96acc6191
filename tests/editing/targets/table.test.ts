/** Targets of windows: shares of the layers together, and every method of the table on every window. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { EditModel } from '../../../editing/edit-model.ts';
import { InvalidEditError } from '../../../editing/methods/method.ts';
import { competitionOf } from '../../../editing/targets/competition.ts';
import { spread } from '../../../editing/targets/spread.ts';
import { lastStream } from '../../../editing/targets/stream.ts';
import { targetMethods, type TargetMethodName, type TargetOptions } from '../../../editing/targets/table.ts';
import type { Residuals, TargetProblem } from '../../../editing/targets/target.ts';
import type { ActivationName } from '../../../models/activations.ts';
import { tensor, type FloatTensor } from '../../../models/session.ts';
import { relativeDifference } from '../../support/edit-layer.ts';
import { newRowProblem, openTiny } from './problem.ts';

const opened: EditModel[] = [];
after(() => Promise.all(opened.map((model) => model.close())));
async function open(...args: Parameters<typeof openTiny>): Promise<EditModel> {
  const model = await openTiny(...args);
  opened.push(model);
  return model;
}

const names = Object.keys(targetMethods) as TargetMethodName[];
const options: TargetOptions = {
  margin: { margin: 1, steps: 8, clamp: 3 },
  gradient: { steps: 60, rate: 0.05, alpha: 0.3, margin: 1, clamp: 3, decay: 0 },
};
const find = (name: TargetMethodName, model: EditModel, problem: TargetProblem): Promise<Residuals> =>
  name === 'margin'
    ? targetMethods.margin.find(model, problem, options.margin)
    : targetMethods.gradient.find(model, problem, options.gradient);

/** The last stream where MLPs add their residuals too. */
async function streamWith(model: EditModel, texts: readonly string[], residuals: Residuals): Promise<FloatTensor> {
  const at = (layer: number): ActivationName => `decoder.${layer}.mlp_out`;
  const encoded = await model.atomicLab.encode(texts);
  const base = await model.atomicLab.decode(encoded, { read: [...residuals.keys()].map(at) });
  const patches: { at: ActivationName; by: FloatTensor }[] = [];
  for (const [layer, { data }] of [...residuals].sort(([a], [b]) => a - b)) {
    // An MLP adds its residual to what it makes of the stream as it then is.
    const now = patches.length ? await model.atomicLab.decode(encoded, { read: [at(layer)], patches }) : base;
    patches.push({
      at: at(layer),
      by: tensor(
        now[at(layer)].data.map((x, i) => x + data[i]),
        now[at(layer)].shape,
      ),
    });
  }
  return (await model.atomicLab.decode(encoded, { patches })).state;
}

describe('targets of a window of layers', async () => {
  const [model, single, early] = [
    await open('window', { layers: 'window' }),
    await open('single'),
    await open('early', { layers: 'window', stage: [0, 2] }),
  ];
  const problem = await newRowProblem(model);
  const { observed, own } = problem;

  it('leads the stream to where it should be, share by share', async () => {
    const encoded = await model.atomicLab.encode(observed.texts);
    const change = tensor(
      own.data.map((x) => 0.3 * x),
      own.shape,
    );
    const { state } = await model.atomicLab.decode(encoded);
    const shares = await spread(model, encoded, [0, 1, 2], change);
    assert.deepEqual([...shares.keys()], [0, 1, 2]);
    const reached = await streamWith(model, observed.texts, shares);
    const wanted = state.data.map((x, i) => x + change.data[i]);
    assert.ok(relativeDifference(reached.data, wanted) < 1e-5);
  });

  it('gives all to a single layer', async () => {
    const encoded = await model.atomicLab.encode(observed.texts);
    assert.deepEqual(await spread(model, encoded, [2], own), new Map([[2, own]]));
  });

  for (const name of names)
    for (const [where, one] of Object.entries({ 'one layer': single, 'two layers': model }))
      it(`${name}: queries have their margin where the residuals of ${where} come about`, async () => {
        const residuals = await find(name, one, problem);
        assert.deepEqual([...residuals.keys()], one.layers);
        const reached = await streamWith(one, observed.texts, residuals);
        const stream = await lastStream(one, problem, await competitionOf(one, problem));
        const change = tensor(
          reached.data.map((x, i) => x - stream.start.data[i]),
          own.shape,
        );
        const { lead } = await stream.at(change, own);
        assert.ok(
          lead.every((x) => x > options[name].margin - 0.05),
          lead.join(),
        );
      });

  it('gradient: finds the targets of a window that ends before the last layer', async () => {
    const residuals = await find('gradient', early, await newRowProblem(early));
    assert.deepEqual([...residuals.keys()], [0, 1]);
  });

  it('margin: refuses such a window', async () => {
    await assert.rejects(find('margin', early, await newRowProblem(early)), InvalidEditError);
  });
});
