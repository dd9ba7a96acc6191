import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EditedModel, type EditState } from '../../editing/edited-model.ts';
import { observeHeldOut } from '../../editing/entry.ts';
import { accept, bestDocuments, defaultBudget, measure } from '../../editing/gate.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { additions, openBench } from '../support/edit-bank.ts';
import { fewQueries } from '../support/edit-world.ts';

const { model, bank, entry } = await openBench(tempFolder());
const entries = await Promise.all(additions.map((source) => entry(source)));
const removal = { kind: 'removal', id: 'gone', row: 4, pairs: new Map() } as const;
const edited = await EditedModel.open(model, bank, fewQueries, entries.slice(0, 2));
const N = model.rows.shape[0];

/** The best row of each query by a served decoder. */
async function served(state: EditState, texts: readonly string[]): Promise<number[]> {
  const decoder = await DocidDecoder.open(model.folder);
  const live = new Uint8Array(N + state.rows.size).fill(1);
  for (const row of state.dead) live[row] = 0;
  const rows = [...state.rows.values()].map((values, i) => ({ row: N + i, values }));
  await decoder.publish({ editSeq: 1, live, rows, deltas: state.deltas });
  const found = await decoder.retrieve(texts.map((query) => ({ query, k: 1 })));
  await decoder.close();
  return found.map(({ rows: [row] }) => row);
}

describe('the gate', () => {
  it('finds the best rows that a served model finds', async () => {
    const state = await edited.trial({ add: [entries[2], removal] });
    for (const observed of [bank.canaries.observed, bank.observed, await observeHeldOut(model, entries[0])])
      assert.deepEqual([...(await bestDocuments(model, state, observed))], await served(state, observed.texts));
  });

  it('finds them too where it looks at the same queries again, moved a little or far', async () => {
    const { observed } = bank;
    for (const scale of [0, 0.01, 1, 40]) {
      const state = await edited.trial({ add: [entries[2]] });
      const deltas = state.deltas.map(({ weight, delta }) => ({ weight, delta: delta.map((x) => scale * x) }));
      const moved = { ...state, deltas };
      for (let again = 0; again < 2; again++)
        assert.deepEqual([...(await bestDocuments(model, moved, observed))], await served(moved, observed.texts));
    }
  });

  it('counts canaries and held-out queries before and after', async () => {
    const add = [entries[2], entries[3], removal];
    const after = await edited.trial({ add });
    const figures = await measure(model, bank, edited.state, after, add);
    const { observed, rowOf } = bank.canaries;
    const places = [...rowOf.keys()].filter((p) => rowOf[p] !== 4);
    for (const [when, state] of Object.entries({ before: edited.state, after })) {
      const best = await served(state, observed.texts);
      const right = places.filter((p) => best[p] === rowOf[p]).length;
      assertClose([figures.canaries[when as 'before' | 'after']], [right / places.length], when, 1e-12);
    }
    assert.equal(figures.canaries.count, places.length);
    const held = await Promise.all(
      [entries[2], entries[3]].map(async ({ heldOut }, i) =>
        (await served(after, heldOut)).filter((row) => row === N + 2 + i),
      ),
    );
    assertClose([figures.heldOut.after], [held.flat().length / figures.heldOut.count], 'held out', 1e-12);
    assert.deepEqual([figures.heldOut.count, figures.heldOut.before], [4, 0]);
    assert.deepEqual(figures.drift, { before: edited.state.drift, after: after.drift });
  });

  it('refuses an edit that costs more than its budget', () => {
    const figures = (before: number, after: number) => ({
      canaries: { count: 100, before, after },
      heldOut: { count: 0, before: 0, after: 0 },
      drift: { before: 0, after: 0 },
    });
    assert.ok(accept(figures(0.9, 0.89), 0.0101));
    assert.ok(!accept(figures(0.9, 0.88), 0.01));
    assert.ok(accept(figures(0.9, 1), 0));
    assert.ok(accept(figures(0.9, 0), null));
  });

  it('lets an edit cost what its documents make likely, and what brings none anything', () => {
    const figures = (before: number) => ({
      canaries: { count: 1000, before, after: 0 },
      heldOut: { count: 0, before: 0, after: 0 },
      drift: { before: 0, after: 0 },
    });
    // A fifth more documents among queries of which a tenth goes wrong: a fiftieth more of them.
    assertClose([defaultBudget(figures(0.9), 1000, 200)!], [0.01 + 0.02], 'of 200', 1e-12);
    assertClose([defaultBudget(figures(0.9), 1000, 1)!], [0.01 + 0.0001], 'of one', 1e-12);
    assert.equal(defaultBudget(figures(0.9), 1000, 0), null);
    assert.ok(defaultBudget(figures(0), 0, 1)! <= 1.01);
  });
});
