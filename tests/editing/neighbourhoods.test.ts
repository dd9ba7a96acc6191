import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng, shuffle } from '../../corpus/random.ts';
import type { DocumentEntry } from '../../editing/entry.ts';
import { Neighbourhoods, type Documents, type Lists } from '../../editing/neighbourhoods.ts';
import { strengthOf, strongest } from '../../editing/neighbours.ts';
import { ROUGHNESS, RoughStrengths } from '../../editing/rough-strengths.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { openBench } from '../support/edit-bank.ts';
import { texts } from '../support/tiny-model.ts';

const { model, entry } = await openBench(tempFolder());
const rng = createRng(5);
const words = texts.flatMap((text) => text.split(' '));
const documents: DocumentEntry[] = [];
for (let i = 0; i < 30; i++) {
  const text = Array.from({ length: 4 + rng.int(6) }, () => words[rng.int(words.length)]).join(' ');
  documents.push(await entry({ id: `e${i}`, docid: `new${i}`, title: '', text }));
}
const byId = (list: readonly DocumentEntry[]): Documents => new Map(list.map((one) => [one.id, one]));
const settings = { most: 3, least: 0.02 };

/** Every pair by itself. */
function expected(of: DocumentEntry, among: Documents): { id: string; strength: number }[] {
  const others = [...among.values()].filter(({ id }) => id !== of.id);
  const all = others.map((other) => ({ id: other.id, strength: strengthOf(of, other) }));
  return strongest(
    all.filter(({ strength }) => strength >= settings.least),
    settings.most,
  );
}

describe('rough strengths', () => {
  it('differ little from those of each pair, and none is left out', async () => {
    const rough = new RoughStrengths(model.lab);
    rough.keep(byId(documents));
    rough.keep(byId(documents.slice(10))); // the others' places are free
    rough.keep(byId(documents.slice(5)));
    const found = new Map<string, number>();
    await rough.around(documents.slice(0, 8), 0, (a, b, strength) => found.set(`${a.id} ${b.id}`, strength));
    for (const a of documents.slice(0, 8))
      for (const b of documents.slice(5)) {
        if (a === b) continue;
        const strength = found.get(`${a.id} ${b.id}`)!;
        assert.ok(Math.abs(strength - strengthOf(a, b)) <= ROUGHNESS, `${a.id} ${b.id} ${strength}`);
        found.delete(`${a.id} ${b.id}`);
      }
    assert.equal(found.size, 0);
  });
});

describe('neighbourhoods', () => {
  it('are those of all pairs', async () => {
    const all = byId(documents);
    const lists: Lists = new Map();
    await new Neighbourhoods(model.lab, settings).find(all, lists, all.keys());
    for (const one of documents) assert.deepEqual(lists.get(one.id), expected(one, all));
    assert.ok([...lists.values()].some(({ length }) => length === settings.most));
  });

  it('stay so through changes, and lists that nobody asked for have not changed', async () => {
    const neighbourhoods = new Neighbourhoods(model.lab, settings);
    let there: Documents = new Map();
    let lists: Lists = new Map();
    for (let seed = 0; seed < 12; seed++) {
      const after = byId(shuffle([...documents], createRng(seed)).slice(0, 12 + seed));
      const before = new Map([...there.values()].map((one) => [one.id, expected(one, there)]));
      const next = await neighbourhoods.changed(there, lists, after);
      for (const [id, one] of after) {
        const wanted = expected(one, after);
        if (next.has(id)) assert.deepEqual(next.get(id), wanted);
        else assert.deepEqual(before.get(id), wanted);
      }
      for (const [id, list] of lists) assert.deepEqual(list, before.get(id));
      there = after;
      const unknown: Lists = new Map();
      lists = seed % 3 ? next : unknown;
    }
  });
});
