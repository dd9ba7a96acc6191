import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng, shuffle } from '../../corpus/random.ts';
import { EditModel } from '../../editing/edit-model.ts';
import { EditedModel, type EditState } from '../../editing/edited-model.ts';
import { editedVersion, versionBase } from '../../editing/edited-version.ts';
import type { Entry } from '../../editing/entry.ts';
import { decodeEntry, encodeEntry } from '../../editing/entry-codec.ts';
import { bestDocuments, measure } from '../../editing/gate.ts';
import { presets, type EditSettings } from '../../editing/presets.ts';
import { SequenceDecoder } from '../../models/beam/sequence-decoder.ts';
import type { ModelVersion, Retrieved } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import type { PathGenir } from '../../models/genir.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { additions, trainQueries } from '../support/edit-bank.ts';
import { openPathBench } from '../support/edit-path-world.ts';
import { fewQueries } from '../support/edit-world.ts';
import { counted, totalOf, WholeModel } from '../support/sequence-model.ts';

const dir = tempFolder();
const { model, bank, entry } = await openPathBench(dir);
const settings: EditSettings = { ...fewQueries, neighbours: { most: 2, least: 1e-4 } };
const genir = model.folder.genir as PathGenir;
const N = genir.docids.length;
const documents = await Promise.all(additions.map((source) => entry(source, settings)));
const entries: Entry[] = [...documents, { kind: 'removal', id: 'gone', row: 4, pairs: new Map() }];
const of = async (set: readonly Entry[], how = settings): Promise<EditState> =>
  (await EditedModel.open(model, bank, how, set)).state;

function versionOf({ rows, prefixes, dead, deltas }: EditState): ModelVersion {
  const live = new Uint8Array(N + rows.size).fill(1);
  for (const document of dead) live[document] = 0;
  const added = [...rows].map(([id, row], i) => ({ document: N + i, prefix: prefixes.get(id)!, row }));
  return editedVersion(versionBase(model.folder), { editSeq: 1, live, added, gone: dead, deltas });
}

/** All documents of each query, exactly: with as many beams as there are. */
async function served(version: ModelVersion | undefined, texts: readonly string[]): Promise<Retrieved[]> {
  const decoder = await SequenceDecoder.open(model.folder);
  if (version) await decoder.publish(version);
  const found = await decoder.retrieve(texts.map((query) => ({ query, k: 40, beams: 40 })));
  await decoder.close();
  return found;
}

const scoresOf = ({ rows, scores }: Retrieved): Map<number, number> =>
  new Map(Array.from(rows, (row, i) => [row, scores[i]]));

describe('beneath a prefix', () => {
  it('queries are what they are where docids are single tokens', async () => {
    const atomic = await EditModel.open(readModelFolder(`${dir}/atomic`));
    const { texts, prefixes, states, keys, keysBefore } = bank.observed;
    const alone = await atomic.observe(texts);
    assertClose(states.data, alone.states.data, 'states', 1e-4);
    assertClose(keys.get(1)!.data, alone.keys.get(1)!.data, 'keys', 1e-4);
    assertClose(keysBefore.get(1)!.data, alone.keys.get(1)!.data, 'keys of the first token', 1e-4); // of the twin alone
    texts.forEach((_, q) => assert.deepEqual(prefixes[q], model.prefixOf(bank.rowOf[q])));
    await atomic.close();
  });

  it('the row of a document competes with the whole vocabulary', async () => {
    const whole = await WholeModel.open(model.folder);
    for (const p of [0, 7, 19]) {
      const path = whole.paths[bank.rowOf[p]];
      const log = await whole.after(bank.observed.texts[p], path.slice(0, -1));
      assertClose([bank.scores.own[p] - bank.scores.logSumExp[p]], [log[path.at(-1)!]], 'log p', 1e-4);
      const best = [...log.keys()].filter((token) => token !== path.at(-1)).sort((a, b) => log[b] - log[a])[0];
      assert.equal(bank.scores.rivals[p], best);
    }
    await whole.release();
  });
});

describe('against a document that comes under a prefix', () => {
  it('others stand with their whole paths', async () => {
    const whole = await WholeModel.open(model.folder);
    const one = await entry(additions[0], { ...settings, weights: null });
    const { prefix, queries, own } = one;
    for (const [q, query] of queries.entries()) {
      const scores = await Promise.all(whole.paths.map((path) => whole.score(query, path)));
      const best = Math.max(...scores);
      const isReached = (await whole.score(query, [...prefix])) > best;
      assert.equal(own.weights[q] > 1e-3, isReached);
      // With a row that scores what the best has to be beaten with, the new path has what that one has.
      const log = await whole.after(query, [...prefix]);
      const state = own.states.data.subarray(q * 32, (q + 1) * 32);
      const row = model.rows.data.subarray(0, 32);
      const score = row.reduce((sum, x, i) => sum + x * state[i], 0);
      const path = (await whole.score(query, [...prefix])) + log[0];
      assertClose([score - own.best[q]], [path - best], 'lead', 1e-3);
      const total = totalOf(scores);
      assertClose([score - own.logSumExp[q]], [path - total], 'share', 1e-3);
    }
    await whole.release();
  });

  it('old queries stand with theirs, those that may lead there', async () => {
    const whole = await WholeModel.open(model.folder);
    const { prefix } = documents[0];
    const view = bank.view(prefix);
    assert.ok(view.places.length > 0);
    for (const i of [0, view.places.length - 1]) {
      const query = bank.observed.texts[view.places[i]];
      const scores = await Promise.all(whole.paths.map((path) => whole.score(query, path)));
      const log = await whole.after(query, [...prefix]);
      const state = view.states.data.subarray(i * 32, (i + 1) * 32);
      const score = model.rows.data.subarray(0, 32).reduce((sum, x, d) => sum + x * state[d], 0);
      const path = (await whole.score(query, [...prefix])) + log[0];
      const right = Math.max(scores[view.rowOf[i]], ...counted(scores).slice(-1));
      assertClose([score - view.own[i]], [path - right], 'lead', 1e-3);
    }
    await whole.release();
  });
});

describe('an added document', () => {
  it('stands where the model looks for its queries, or behind no prefix where that is too far from most', async () => {
    const whole = await WholeModel.open(model.folder);
    const prefixes = [...new Set(whole.paths.map((path) => path.slice(0, -1).join()))].map((key) =>
      key.split(',').map(Number),
    );
    for (const { queries, prefix } of documents) {
      const means: number[] = [];
      for (const one of prefixes) {
        const logs = await Promise.all(queries.map((query) => whole.score(query, one)));
        means.push(logs.reduce((a, b) => a + b, 0));
      }
      const best = prefixes[means.indexOf(Math.max(...means))];
      let reached = 0;
      for (const query of queries) {
        const scores = await Promise.all(whole.paths.map((path) => whole.score(query, path)));
        if ((await whole.score(query, best)) > Math.max(...scores)) reached++;
      }
      assert.deepEqual([...prefix], reached >= 0.75 * queries.length ? best : []);
    }
    await whole.release();
  });

  it('has a path of its own token alone where clusters are told apart too sharply, and is found there', async () => {
    const bench = await openPathBench(tempFolder(), { scale: 60 });
    const how = { ...presets.rows, ...{ queries: settings.queries, bank: settings.bank } };
    const sharp = await Promise.all(additions.map((source) => bench.entry(source, how)));
    const alone = sharp.filter(({ prefix }) => !prefix.length);
    assert.ok(alone.length > 0);
    const whole = await WholeModel.open(bench.model.folder);
    const [{ queries, own }] = alone;
    for (const [q, query] of queries.entries()) {
      const best = Math.max(...(await Promise.all(whole.paths.map((path) => whole.score(query, path)))));
      // A row that scores what the best has to be beaten with would have as much of the first token as that path has.
      const log = await whole.after(query, []);
      const state = own.states.data.subarray(q * 32, (q + 1) * 32);
      const score = bench.model.rows.data.subarray(0, 32).reduce((sum, x, i) => sum + x * state[i], 0);
      assertClose([score - own.best[q]], [log[0] - best], 'lead', 1e-3);
    }
    await whole.release();
    const { rows, prefixes, dead, deltas } = (await EditedModel.open(bench.model, bench.bank, how, [alone[0]])).state;
    const added = [{ document: N, prefix: prefixes.get(alone[0].id)!, row: rows.get(alone[0].id)! }];
    const live = new Uint8Array(N + 1).fill(1);
    const base = versionBase(bench.model.folder);
    const decoder = await SequenceDecoder.open(bench.model.folder);
    await decoder.publish(editedVersion(base, { editSeq: 1, live, added, gone: dead, deltas }));
    const found = await decoder.retrieve(queries.map((query) => ({ query, k: 40, beams: 40 })));
    assert.ok(found.every((one) => one.rows.includes(N)));
    await decoder.close();
  });

  it('is found by its queries, under its prefix', async () => {
    for (const preset of ['rows', 'ledger'] as const) {
      const { rows } = presets[preset];
      assert.ok('oldDocument' in rows);
      const how = { ...presets[preset], queries: settings.queries, rows: { ...rows, oldDocument: 0.01 } };
      const one = await entry(additions[0], how);
      const found = await served(versionOf(await of([one], how)), one.queries);
      const reached = found.filter((_, q) => one.own.weights[q] > 1e-3);
      const first = reached.filter(({ rows }) => rows[0] === N).length;
      assert.ok(reached.length > 0 && first > reached.length / 2, `${preset}: ${first} of ${reached.length}`);
      const before = await served(undefined, one.queries);
      assert.ok(before.every(({ rows }) => !rows.includes(N)));
    }
  });

  it('has pairs for each step, of which those of the first lead to its prefix', async () => {
    const { pairs, queries, prefix, own } = documents[0];
    const { keys, residuals, weights } = pairs.get(1)!;
    const Q = queries.length;
    assert.deepEqual([keys.length, residuals.length, weights!.length], [2 * Q * 64, 2 * Q * 32, 2 * Q]);
    const first = await model.observe(queries);
    assertClose(keys.subarray(0, Q * 64), first.keys.get(1)!.data, 'keys of the first step');
    // The stream that is asked for: the prefix leads the whole vocabulary, as far as the clamp lets it.
    const before = await model.scores(first.states);
    const lead = async (): Promise<number> => {
      const states = await model.restate(first, (await of([documents[0]])).deltas);
      const scores = await model.scores(states);
      const row = model.rows.data.subarray(prefix[0] * 32, (prefix[0] + 1) * 32);
      let sum = 0;
      for (let q = 0; q < Q; q++) {
        const of = (from: Float32Array, best: number): number =>
          row.reduce((dot, x, d) => dot + x * from[q * 32 + d], 0) - best;
        sum += of(states.data, scores.best[q]) - of(first.states.data, before.best[q]);
      }
      return sum / Q;
    };
    assert.ok((await lead()) > 0);
    assert.ok(own.weights.every((weight) => Math.abs(weight - 1 / Q) < 1e-12)); // weights may lead any query there
  });

  it('takes from all others beneath a prefix alike', async () => {
    const how = { ...presets.rows, ...{ queries: settings.queries, bank: settings.bank } };
    const one = await entry(additions[2], how);
    const texts = trainQueries.map(({ text }) => text);
    const [before, after] = [await served(undefined, texts), await served(versionOf(await of([one], how)), texts)];
    texts.forEach((_, q) => {
      const [then, now] = [scoresOf(before[q]), scoresOf(after[q])];
      assert.equal(now.size, N + 1);
      const losses = new Map<string, number[]>();
      for (const [document, score] of then) {
        const prefix = genir.paths[document].split(' ')[0];
        losses.set(prefix, [...(losses.get(prefix) ?? []), score - now.get(document)!]);
      }
      for (const list of losses.values())
        assertClose(list, list.map(() => list[0]), 'loss', 1e-4); // prettier-ignore
    });
  });

  it('is kept to the bit with its prefix', () => {
    const decoded = decodeEntry(encodeEntry(documents[1]));
    assert.deepEqual(decoded, documents[1]);
  });
});

describe('an edited model of paths', () => {
  it('is a function of the set', async () => {
    const expected = await of(entries);
    assert.ok(expected.drift > 0);
    for (let seed = 0; seed < 4; seed++) {
      const rng = createRng(seed);
      const edited = await EditedModel.open(model, bank, settings);
      for (const one of shuffle([...entries], rng)) {
        edited.apply(await edited.trial({ add: [one] }));
        if (rng.next() < 0.5) continue;
        const before = edited.state;
        edited.apply(await edited.trial({ remove: [one.id] }));
        edited.apply(await edited.trial({ add: [one] }));
        assert.deepEqual(edited.state, before);
      }
      assert.deepEqual(edited.state, expected);
    }
    assert.deepEqual(versionOf(await of([])), {
      editSeq: 1,
      live: new Uint8Array(N).fill(1),
      deltas: [],
      rows: [],
      paths: [],
    });
  });

  it('answers without what is gone', async () => {
    const [found] = await served(versionOf(await of([entries.at(-1)!])), [trainQueries[4].text]);
    assert.deepEqual(
      [...found.rows].sort(),
      [...genir.docids.keys()].filter((document) => document !== 4),
    );
  });
});

describe('the gate on paths', () => {
  it('searches as a served model does', async () => {
    const after = await of(entries);
    const { observed, rowOf } = bank.canaries;
    const best = await bestDocuments(model, after, observed);
    const found = await served(versionOf(after), observed.texts);
    assert.deepEqual(
      [...best],
      found.map(({ rows }) => rows[0]),
    );
    const { canaries, heldOut } = await measure(model, bank, await of([]), after, entries);
    const places = [...rowOf.keys()].filter((p) => rowOf[p] !== 4);
    assert.equal(canaries.count, places.length);
    assert.equal(canaries.after, places.filter((p) => best[p] === rowOf[p]).length / places.length);
    assert.equal(heldOut.count, documents.flatMap((one) => one.heldOut).length);
  });
});

describe('versions of paths', () => {
  it('have a row for each number between added documents, and none for what is gone', () => {
    const [row, prefix] = [new Float32Array(32).fill(1), model.prefixOf(0)];
    const live = Uint8Array.from([...new Uint8Array(N).fill(1), 0, 0, 1]);
    const version = editedVersion(versionBase(model.folder), {
      ...{ editSeq: 3, live, deltas: [], gone: [2] },
      added: [{ document: N + 2, prefix, row }],
    });
    const E = genir.codes.length;
    const leaf = genir.codes.indexOf(genir.paths[2].split(' ')[1]);
    assert.deepEqual(
      version.rows.map(({ row: at, values }) => [at, values[0]]),
      [[leaf, 0], [E, 0], [E + 1, 0], [E + 2, 1]], // prettier-ignore
    );
    assert.deepEqual(version.paths, [
      { document: N + 2, tokens: Int32Array.of(...prefix, genir.firstDocidToken + E + 2) },
    ]);
  });
});

describe('in a model without an interaction stage', () => {
  it('an edit is its rows alone, whatever the method', async () => {
    const place = tempFolder();
    const { model, bank, entry: entryWithout } = await openPathBench(place, { hasInteraction: false });
    assert.deepEqual(model.layers, []);
    const made = await Promise.all(additions.map((source) => entryWithout(source, settings)));
    assert.ok(made.every(({ pairs }) => pairs.size === 0));
    const { state } = await EditedModel.open(model, bank, settings, made);
    assert.deepEqual([state.deltas, state.drift], [[], 0]);
    const alone = { ...settings, weights: null };
    const byRows = await Promise.all(additions.map((source) => entry(source, alone)));
    for (const [i, { prefix, provisional }] of made.entries()) {
      assert.deepEqual(prefix, byRows[i].prefix);
      assertClose(provisional, byRows[i].provisional, 'rows', 1e-6);
    }
  });
});
