import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng, shuffle } from '../../corpus/random.ts';
import { EditChangeError, EditedModel, type EditState } from '../../editing/edited-model.ts';
import type { DocumentEntry, Entry } from '../../editing/entry.ts';
import { decodeEntry, encodeEntry } from '../../editing/entry-codec.ts';
import { furtherOf, ownAmong, strengthOf, strongest } from '../../editing/neighbours.ts';
import { presets, type EditMethodPreset, type EditSettings } from '../../editing/presets.ts';
import { solveRow } from '../../editing/solve-row.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { additions, openBench } from '../support/edit-bank.ts';
import { fewQueries } from '../support/edit-world.ts';

const { model, bank, entry } = await openBench(tempFolder());
const settings: EditSettings = { ...fewQueries, neighbours: { most: 2, least: 1e-4 } };
const entries: Entry[] = [
  ...(await Promise.all(additions.map((source) => entry(source, settings)))),
  { kind: 'removal', id: 'gone', row: 4, pairs: new Map() },
  { kind: 'rename', id: 'renamed', of: { row: 5 }, docid: 'other' },
];
const documents = entries.filter((one): one is DocumentEntry => one.kind === 'document');
const of = async (set: readonly Entry[], how = settings): Promise<EditState> =>
  (await EditedModel.open(model, bank, how, set)).state;

/** Equal to the bit, in the same order. */
function assertSame(a: EditState, b: EditState): void {
  assert.deepEqual([...a.rows.keys()], [...b.rows.keys()]);
  assert.deepEqual(a, b);
}

describe('an edited model', () => {
  it('is the base model where nothing is in force', async () => {
    assertSame(await of([]), { rows: new Map(), prefixes: new Map(), dead: new Set(), deltas: [], drift: 0 });
  });

  it('is a function of the set: any order, one by one or at once, with others that came and went', async () => {
    const expected = await of(entries);
    assert.ok(expected.drift > 0);
    for (let seed = 0; seed < 6; seed++) {
      const rng = createRng(seed);
      let edited = await EditedModel.open(model, bank, settings);
      for (const one of shuffle([...entries], rng)) {
        // Opened anew it knows its state, and nobody's neighbours.
        if (rng.next() < 0.3)
          edited = await EditedModel.open(model, bank, settings, edited.entries.values(), edited.state);
        const change = { add: [one] };
        edited.apply(await edited.trial(change));
        if (rng.next() < 0.5) continue;
        const there = [...edited.entries.values()];
        const leaving = there.filter(() => rng.next() < 0.4);
        const left = { remove: leaving.map(({ id }) => id) };
        const without = await edited.trial(left);
        assertSame(without, await of(there.filter((other) => !leaving.includes(other))));
        edited.apply(without);
        edited.apply(await edited.trial({ add: leaving }));
      }
      assertSame(edited.state, expected);
    }
  });

  it('gives the same bytes after an edit and its undoing', async () => {
    const edited = await EditedModel.open(model, bank, settings, entries.slice(1));
    const before = edited.state;
    edited.apply(await edited.trial({ add: [entries[0]] }));
    assert.notDeepEqual(edited.state.deltas, before.deltas);
    assertSame(await edited.trial({ remove: [entries[0].id] }), before);
  });

  it('is left as it is by a trial', async () => {
    const edited = await EditedModel.open(model, bank, settings, entries.slice(0, 3));
    const before = edited.state;
    await edited.trial({ add: [entries[3]], remove: [entries[0].id] });
    assert.equal(edited.state, before);
    assertSame(await edited.trial({}), before);
  });

  it('solves nothing again where its state is known', async () => {
    const known = await of(entries);
    const edited = await EditedModel.open(model, bank, settings, entries, known);
    assert.equal(edited.state, known);
  });

  it('goes on from a known state as if it had solved it', async () => {
    const known = await of(entries.slice(1));
    const edited = await EditedModel.open(model, bank, settings, entries.slice(1), known);
    assertSame(await edited.trial({ add: [entries[0]] }), await of(entries));
  });

  it('keeps provisional rows where there are no neighbours, and others where there are', async () => {
    const alone = await of([documents[0]]);
    assert.equal(alone.rows.get('e0'), documents[0].provisional);
    assert.ok(strengthOf(documents[0], documents[1]) > settings.neighbours.least);
    const both = await of(documents.slice(0, 2));
    assert.notDeepEqual(both.rows.get('e0'), documents[0].provisional);
    const apart = { ...settings, neighbours: { most: 0, least: 0 } };
    assert.equal((await of(documents, apart)).rows.get('e0'), documents[0].provisional);
  });

  it('solves final rows with the weight of old documents that each entry was made with', async () => {
    assert.ok('oldDocument' in settings.rows);
    const heavy = { ...settings, rows: { ...settings.rows, oldDocument: 16 * settings.rows.oldDocument } };
    const [a, b] = documents;
    const careful = await entry(additions[0], heavy);
    assert.equal(careful.oldDocument, 16 * a.oldDocument!);
    const mixed = await of([careful, b]);
    const final = mixed.rows.get('e0')!;
    assert.notDeepEqual(final, careful.provisional); // it has a neighbour
    const question = {
      prior: careful.prior,
      prefix: careful.prefix,
      own: ownAmong(careful, [b], model.rows.data, []),
      further: furtherOf(careful, [b]),
      aside: new Set<number>(),
    };
    const start = { row: careful.provisional, touched: careful.touched };
    assert.deepEqual(final, solveRow(model, bank, heavy.rows, question, start).row);
    assert.notDeepEqual(final, solveRow(model, bank, settings.rows, question, start).row);
    assertSame(await of([decodeEntry(encodeEntry(careful)), b]), mixed);
  });

  it('solves rows again without a base document that is gone', async () => {
    const [one] = documents;
    const row = one.own.rivals[0];
    const removal: Entry = { kind: 'removal', id: 'x', row, pairs: new Map() };
    const state = await of([one, removal]);
    assert.deepEqual([...state.dead], [row]);
    assert.notDeepEqual(state.rows.get('e0'), one.provisional);
  });

  it('refuses what does not fit', async () => {
    const edited = await EditedModel.open(model, bank, settings, entries.slice(0, 1));
    await assert.rejects(edited.trial({ add: [entries[0]] }), EditChangeError);
    await assert.rejects(edited.trial({ remove: ['e9'] }), EditChangeError);
  });

  for (const preset of Object.keys(presets) as EditMethodPreset[])
    it(`is a function of the set by the preset "${preset}"`, async () => {
      const how = { ...presets[preset], queries: settings.queries, bank: settings.bank };
      const made = await Promise.all(additions.slice(0, 3).map((source) => entry(source, how)));
      const expected = await of(made, how);
      const edited = await EditedModel.open(model, bank, how);
      for (const one of [made[2], made[0], made[1]]) edited.apply(await edited.trial({ add: [one] }));
      assertSame(edited.state, expected);
      assertSame(await edited.trial({ remove: ['e0'] }), await of(made.slice(1), how));
      assert.equal(expected.deltas.length, how.weights ? 1 : 0);
      for (const { delta } of expected.deltas) assert.ok(delta.every(Number.isFinite));
      for (const row of expected.rows.values()) assert.ok(row.every(Number.isFinite));
    });
});

describe('neighbours', () => {
  it('are as strong to each other one way as the other', () => {
    for (const a of documents) for (const b of documents) assert.equal(strengthOf(a, b), strengthOf(b, a));
  });

  it('are at most so many, the strongest, in the order of ids where equal', () => {
    const list = [
      { id: 'c', strength: 0.2 },
      { id: 'b', strength: 0.2 },
      { id: 'a', strength: 0.1 },
      { id: 'd', strength: 0.3 },
    ];
    assert.deepEqual(
      strongest(list, 3).map(({ id }) => id),
      ['d', 'b', 'c'],
    );
  });
});
