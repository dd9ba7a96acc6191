import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { presets, settingsFor, withBankFor, withOldWeight } from '../../editing/presets.ts';

describe('withOldWeight', () => {
  it('multiplies what old documents count in rows and weights, and nothing else', () => {
    const { rows, weights, ...rest } = presets.ledger;
    const heavy = withOldWeight(presets.ledger, 3);
    assert.deepEqual(heavy, {
      ...rest,
      rows: { ...rows, ...('oldDocument' in rows && { oldDocument: 3 * rows.oldDocument }) },
      weights: { ...weights, options: { ...weights!.options, lambda: 3 * (weights!.options as { lambda: number }).lambda } }, // prettier-ignore
    });
    assert.deepEqual(withOldWeight(presets.mlp, 1), presets.mlp);
  });
});

describe('settingsFor', () => {
  const oldDocument = (documents: number): number => {
    const { rows } = settingsFor('ledger', documents);
    assert.ok('oldDocument' in rows);
    return rows.oldDocument;
  };

  it('weighs an old document in proportion to their number, within what was measured', () => {
    assert.deepEqual([10, 1043, 2500, 5000, 1_000_000].map(oldDocument), [2, 2, 4, 8, 10]);
  });

  it('asks for half the margin of paths and weighs old keys four times as much, else it is the same', () => {
    const [atomic, paths] = (['atomic', 'semantic'] as const).map((scheme) => settingsFor('ledger', 2500, { scheme }));
    const { options, target } = atomic.weights as { options: { lambda: number }; target: { margin: number } };
    const changed = { options: { ...options, lambda: 4 * options.lambda }, target: { ...target, margin: target.margin / 2 } }; // prettier-ignore
    assert.deepEqual(paths, { ...atomic, weights: { ...atomic.weights, ...changed } });
    assert.deepEqual(settingsFor('rows', 2500, { scheme: 'lexical' }), settingsFor('rows', 2500));
  });

  const whole: [scheme: 'semantic' | 'hashed', bank: number, old: number][] = [
    ['semantic', 3, 0.4 * 2],
    ['hashed', 2, 2 * 2],
  ];
  for (const [scheme, times, oldDocument] of whole)
    it(`pulls rows of whole ${scheme} paths less, and has more queries of old documents`, () => {
      const [paths, whole] = [undefined, '<later>'].map((later) => settingsFor('ledger', 2500, { scheme, later }));
      const { rows } = paths;
      assert.ok(rows.method === 'cross-entropy');
      const options = { ...rows.options, pull: 0.3 * rows.options.pull };
      const bank = { ...paths.bank, size: times * paths.bank.size };
      assert.deepEqual(whole, { ...paths, bank, rows: { ...rows, oldDocument, options } });
      const incdsi = settingsFor('incdsi', 2500, { scheme });
      assert.deepEqual(settingsFor('incdsi', 2500, { scheme, later: '<later>' }), { ...incdsi, bank });
    });

  it('has nothing of a preset but its settings', () => {
    assert.ok(!('meaning' in settingsFor('rows', 1000)));
  });
});

it('withBankFor draws fewer queries for a model that is slow to read them', () => {
  const sizes = [1e6, 62e6, 2e8, 7e8, 1e10].map((weights) => withBankFor(presets.ledger, weights).bank.size);
  assert.deepEqual(sizes, [8000, 8000, 2500, 1000, 1000]);
  assert.deepEqual(withBankFor(presets.ledger, 7e8), { ...presets.ledger, bank: { size: 1000, seed: 1 } });
});
