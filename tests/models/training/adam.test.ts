import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isLinear } from '../../../models/t5.ts';
import { adamRowsStep, adamStep, cosineSchedule, globalNorm, parameter } from '../../../models/training/adam.ts';
import { loadTrainingStep, trainingStepModels } from '../../support/fixtures.ts';
import { createRng } from '../../../corpus/random.ts';

/** PyTorch's defaults, which the fixture was made with. */
const TORCH = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const LR = 1e-3;
const DECAY = 0.01;
/** The first step is lr·sign(g) up to ε; where g is rounding noise its sign is not defined. */
const NOISE = 1e-5;

describe('adamStep', () => {
  for (const name of trainingStepModels) {
    it(`takes the step that torch.optim.AdamW takes: ${name}`, () => {
      const { folder, reference } = loadTrainingStep(name);
      let compared = 0;
      for (const weight of folder.weights.keys()) {
        if (!reference.names.includes(`grad.${weight}`)) continue;
        const gradient = reference.tensor(`grad.${weight}`).data;
        const p = parameter(folder.tensor(weight).data.slice());
        const decay = weight.includes('layer_norm') ? 0 : DECAY;
        adamStep(p, gradient, { lr: LR, step: 1, decay }, TORCH);
        const expected = reference.tensor(`after.${weight}`).data;
        for (let i = 0; i < gradient.length; i++) {
          if (Math.abs(gradient[i]) < NOISE) continue;
          assert.ok(
            Math.abs(p.data[i] - expected[i]) < 1e-6,
            `${weight}[${i}]: ${p.data[i]}, PyTorch has ${expected[i]}`,
          );
          compared++;
        }
        if (isLinear(weight)) assert.ok(compared > 0);
      }
      assert.ok(compared > 1000, `only ${compared} entries were compared`);
    });
  }

  it('walks downhill to the minimum of a quadratic', () => {
    const target = [3, -2, 0.5];
    const p = parameter(new Float32Array(3));
    for (let step = 1; step <= 2000; step++) {
      adamStep(
        p,
        Float32Array.from(p.data, (x, i) => 2 * (x - target[i])),
        { lr: 0.02, step },
      );
    }
    p.data.forEach((x, i) => assert.ok(Math.abs(x - target[i]) < 1e-2));
  });
});

describe('adamRowsStep', () => {
  it('is adamStep where every row is used at every step', () => {
    const rng = createRng(1);
    const random = (n: number): Float32Array => Float32Array.from({ length: n }, () => rng.next() - 0.5);
    const start = random(12);
    const [dense, lazy] = [parameter(start.slice()), parameter(start.slice())];
    for (let step = 1; step <= 5; step++) {
      const g = random(12);
      adamStep(dense, g, { lr: 0.1, step });
      const reversed = Float32Array.from([...g.slice(8), ...g.slice(4, 8), ...g.slice(0, 4)]);
      adamRowsStep(lazy, [2, 1, 0], reversed, { width: 4, lr: 0.1, step });
    }
    assert.deepEqual(lazy.data, dense.data);
  });

  it('leaves rows that were not used as they were', () => {
    const p = parameter(Float32Array.from([1, 2, 3, 4]));
    adamRowsStep(p, [1], Float32Array.from([1, 1]), { width: 2, lr: 0.1, step: 1 });
    assert.deepEqual([...p.data.subarray(0, 2), ...p.m.subarray(0, 2)], [1, 2, 0, 0]);
    assert.ok(p.data[2] < 3 && p.data[3] < 4);
  });
});

it('globalNorm is the length of all gradients as one vector', () => {
  assert.equal(globalNorm([Float32Array.from([3]), Float32Array.from([0, 4])]), 5);
});

it('cosineSchedule rises linearly, then falls to its floor', () => {
  const at = (step: number): number => cosineSchedule(step, { steps: 100, warmup: 10, floor: 0.1 });
  assert.ok(Math.abs(at(5) - 0.5 * (0.1 + 0.9 * 0.5 * (1 + Math.cos(0.05 * Math.PI)))) < 1e-12);
  assert.ok(Math.abs(at(50) - 0.55) < 1e-12);
  assert.ok(Math.abs(at(100) - 0.1) < 1e-12);
});
