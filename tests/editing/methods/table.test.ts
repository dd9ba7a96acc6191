import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { InvalidEditError, type Editor } from '../../../editing/methods/method.ts';
import { editMethods, type EditMethodName } from '../../../editing/methods/table.ts';
import { gaussians, randomLayer, randomPairs, relativeError } from '../../support/edit-layer.ts';

const rng = createRng(15);
const world = randomLayer(rng, { F: 50, D: 6, n: 600 });
const { layer, F, D } = world;

const editors: { readonly [M in EditMethodName]: Editor } = {
  ledger: editMethods.ledger.prepare(layer, editMethods.ledger.defaults),
  rome: editMethods.rome.prepare(layer, editMethods.rome.defaults),
  memit: editMethods.memit.prepare(layer, editMethods.memit.defaults),
  alphaEdit: editMethods.alphaEdit.prepare(layer, { ...editMethods.alphaEdit.defaults, energy: 0.9 }),
  emmet: editMethods.emmet.prepare(layer, editMethods.emmet.defaults),
};
const all = Object.entries(editors);

const pairs = randomPairs(rng, world, 1, true);
const history = [randomPairs(rng, world, 2), randomPairs(rng, world, 3)];
const current = gaussians(rng, F * D).map((x) => x / 10);

describe('every method', () => {
  it('brings the output nearer to what is wanted', () => {
    for (const [name, edit] of all) {
      const delta = edit({ pairs });
      assert.equal(delta.length, F * D);
      assert.ok(relativeError(pairs, delta, F, D) < 0.99, name);
    }
  });

  it('changes nothing that it is given, and gives the same bytes again', () => {
    const given = { pairs, history, current };
    const before = structuredClone(given);
    for (const [name, edit] of all) {
      assert.deepEqual(edit(given), edit(given), name);
      assert.deepEqual(given, before, name);
    }
  });

  it('refuses shapes that do not fit, saying which', () => {
    const cases = [
      { what: 'keys', given: { pairs: { ...pairs, keys: new Float32Array(F + 1) } } },
      { what: 'keys', given: { pairs: { ...pairs, keys: new Float32Array(0) } } },
      { what: 'residuals', given: { pairs: { ...pairs, residuals: new Float32Array(D - 1) } } },
      { what: 'weights', given: { pairs: { ...pairs, weights: [1, 1] } } },
    ];
    for (const [name, edit] of all)
      for (const { what, given } of cases) assert.throws(() => edit(given), { name: 'InvalidEditError', what }, name);
    for (const [name, edit] of all)
      if (name !== 'ledger')
        assert.throws(() => edit({ pairs, current: new Float32Array(3) }), { what: 'current delta' }, name);
  });

  it('refuses numbers that are none, and weights that are not above 0', () => {
    const spoilt = (values: Float32Array, x: number): Float32Array => values.with(1, x);
    for (const [name, edit] of all) {
      for (const x of [NaN, Infinity]) {
        assert.throws(() => edit({ pairs: { ...pairs, keys: spoilt(pairs.keys, x) } }), { what: 'keys' }, name);
        const residuals = spoilt(pairs.residuals, x);
        assert.throws(() => edit({ pairs: { ...pairs, residuals } }), { what: 'residuals' }, name);
      }
      for (const w of [0, -1, NaN, Infinity])
        assert.throws(() => edit({ pairs: { ...pairs, weights: [w] } }), { what: 'weights' }, name);
    }
  });

  it('refuses options out of range', () => {
    const { ledger, rome, memit, alphaEdit, emmet } = editMethods;
    for (const wrong of [
      () => ledger.prepare(layer, { lambda: -1, ridge: 1 }),
      () => rome.prepare(layer, { ridge: NaN }),
      () => memit.prepare(layer, { lambda: 1, ridge: Infinity, history: true }),
      () => alphaEdit.prepare(layer, { energy: 1, ridge: 1 }),
      () => alphaEdit.prepare(layer, { energy: 0.9, ridge: 0 }),
      () => emmet.prepare(layer, { lambda: 1, ridge: 1, slack: -1 }),
    ])
      assert.throws(wrong, InvalidEditError);
  });

  it('says what it is and where it comes from', () => {
    for (const { meaning, source } of Object.values(editMethods)) assert.match(`${meaning} ${source}`, /\w+ \w+/);
  });
});
