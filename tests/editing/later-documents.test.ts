/** Documents added to a model with a code for later documents: both tokens of a path for themselves. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PathLab } from '../../analysis/path-lab.ts';
import { versionFolder } from '../../analysis/explain-version.ts';
import { createRng, shuffle } from '../../corpus/random.ts';
import { EditedModel, type EditState } from '../../editing/edited-model.ts';
import { trialVersion } from '../../editing/edited-version.ts';
import { decodeEntry, encodeEntry } from '../../editing/entry-codec.ts';
import { presets, settingsFor, type EditSettings } from '../../editing/presets.ts';
import { SequenceDecoder } from '../../models/beam/sequence-decoder.ts';
import type { PathGenir } from '../../models/genir.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { additions, trainQueries } from '../support/edit-bank.ts';
import { openPathBench } from '../support/edit-path-world.ts';
import { fewQueries } from '../support/edit-world.ts';
import { counted, totalOf, WholeModel } from '../support/sequence-model.ts';

const dir = tempFolder();
const { model, bank, entry } = await openPathBench(dir, { later: true });
const settings: EditSettings = { ...fewQueries, neighbours: { most: 2, least: 1e-4 } };
const genir = model.folder.genir as PathGenir;
const [N, D] = [genir.docids.length, 32];
const later = genir.firstDocidToken + genir.codes.indexOf('<later>');
const documents = await Promise.all(additions.map((source) => entry(source, settings)));
const of = async (how = settings, set = documents): Promise<EditState> =>
  (await EditedModel.open(model, bank, how, set)).state;

/** Of two vocabulary entries, as the rows of a path. */
const pairOf = (first: number, last: number): Float32Array =>
  Float32Array.of(...[first, last].flatMap((token) => [...model.rows.data.subarray(token * D, (token + 1) * D)]));
const scoreOf = (states: Float32Array, q: number, row: Float32Array): number =>
  row.reduce((sum, x, d) => sum + x * states[q * 2 * D + d], 0);

describe('a document that comes later', () => {
  it('stands against the whole paths of others with both steps of its own', async () => {
    const whole = await WholeModel.open(model.folder);
    const [{ queries, own }] = documents;
    for (const [first, last] of [
      [later, 400],
      [3, 7],
    ])
      // prettier-ignore
      for (const [q, query] of queries.entries()) {
        const scores = await Promise.all(whole.paths.map((path) => whole.score(query, path)));
        const path = (await whole.after(query, []))[first] + (await whole.after(query, [later]))[last];
        const score = scoreOf(own.states.data, q, pairOf(first, last));
        assertClose([score - own.best[q]], [path - Math.max(...scores)], 'lead', 1e-3);
        const total = totalOf(scores);
        assertClose([score - own.logSumExp[q]], [path - total], 'share', 1e-3);
      }
    await whole.release();
  });

  it('stands against the whole paths that answer old queries', async () => {
    const whole = await WholeModel.open(model.folder);
    const view = bank.view(Int32Array.of(later));
    assert.deepEqual([...view.places.subarray(0, bank.size)], [...bank.rowOf.keys()]);
    for (const p of [0, 9]) {
      const query = bank.observed.texts[p];
      const path = (await whole.after(query, []))[5] + (await whole.after(query, [later]))[401];
      const score = scoreOf(view.states.data, p, pairOf(5, 401));
      const right = await whole.score(query, whole.paths[bank.rowOf[p]]);
      const scores = await Promise.all(whole.paths.map((other) => whole.score(query, other)));
      assertClose([score - view.own[p]], [path - Math.max(right, ...counted(scores).slice(-1))], 'lead', 1e-3);
    }
    await whole.release();
  });

  it('stands against each step of old paths alone, and what its rows are at the other step', async () => {
    const whole = await WholeModel.open(model.folder);
    const view = bank.view(Int32Array.of(later));
    const [P, half] = [bank.size, Math.ceil(bank.size / 2)];
    assert.equal(view.places.length, 2 * P + 2 * half);
    const row = pairOf(5, 6);
    for (const i of [1, 4]) {
      const query = bank.observed.texts[2 * i];
      const right = whole.paths[bank.rowOf[2 * i]];
      const [atFirst, atLast] = [await whole.after(query, []), await whole.after(query, right.slice(0, -1))];
      const items = [P + 2 * i, 2 * P + i, 2 * P + half + i];
      const leads = items.map((at) => scoreOf(view.states.data, at, row) - view.own[at]);
      assert.ok(items.every((at) => view.places[at] === 2 * i && view.rowOf[at] === bank.rowOf[2 * i]));
      const [first, last] = [right[0], right.at(-1)!];
      assertClose(leads, [atFirst[5] - atFirst[first], atLast[5] - atLast[last], atFirst[6] - atFirst[first]], 'leads', 1e-3); // prettier-ignore
      const shares = items.map((at) => scoreOf(view.states.data, at, row) - view.logSumExp[at]);
      assertClose(shares, [atFirst[5], atLast[5], atFirst[6]], 'shares', 1e-3);
    }
    const [{ queries, own }] = documents;
    for (const [q, query] of queries.entries()) {
      const at = queries.length + q;
      const share = scoreOf(own.states.data, at, row) - own.logSumExp[at];
      assertClose([share], [(await whole.after(query, []))[5]], 'share', 1e-3);
    }
    assertClose([own.weights.reduce((a, b) => a + b, 0)], [2], 'weights', 1e-6); // of semantic docids
    assert.deepEqual([0, P, 2 * P, 2 * P + half].map((at) => view.weights![at]), [1, 1, 0.1, 0.1]); // prettier-ignore
    await whole.release();
  });

  it('leaves old documents where a narrow search finds them', async () => {
    const how = { ...settingsFor('rows', N, genir), ...{ queries: settings.queries, bank: settings.bank } };
    const added = await Promise.all(additions.map((source) => entry(source, how)));
    const decoder = await SequenceDecoder.open(model.folder);
    const ask = async (): Promise<number[]> => {
      const found = await decoder.retrieve(trainQueries.map(({ text }) => ({ query: text, k: 1, beams: 3 })));
      return found.map(({ rows }) => rows[0]);
    };
    const before = await ask();
    await decoder.publish(trialVersion(model, await of(how, added)));
    const after = await ask();
    const right = (list: readonly number[]): number => list.filter((document, q) => document === q).length;
    assert.ok(right(after) >= right(before) - 1, `${right(before)} before, ${right(after)} after`);
    await decoder.close();
  });

  it('is found by its queries, with rows alone and with weights too', async () => {
    for (const preset of ['rows', 'incdsi', 'ledger'] as const) {
      const { rows, ...others } = presets[preset];
      assert.ok('oldDocument' in rows);
      const how = { ...others, ...{ queries: settings.queries, rows: { ...rows, oldDocument: 0.01 } } };
      const one = await entry(additions[0], how);
      const decoder = await SequenceDecoder.open(model.folder);
      await decoder.publish(trialVersion(model, await of(how, [one])));
      const found = await decoder.retrieve(one.queries.map((query) => ({ query, k: 40, beams: 40 })));
      const first = found.filter(({ rows }) => rows[0] === N).length;
      assert.ok(first > found.length / 2, `${preset}: ${first} of ${found.length}`);
      await decoder.close();
    }
  });

  it('is explained as it was found', async () => {
    const version = trialVersion(model, await of());
    const decoder = await SequenceDecoder.open(model.folder);
    await decoder.publish(version);
    const query = documents[1].queries[0];
    const [found] = await decoder.retrieve([{ query, k: 40, beams: 40 }]);
    await decoder.close();
    const docids = [...genir.docids, ...documents.map(({ docid }) => docid)];
    const lab = new PathLab(versionFolder(model.folder, { model: version, docids }).folder);
    for (const document of [N, N + 1, 3]) {
      const encoded = await lab.encode([query]);
      const { state } = await lab.decode(encoded, [lab.inputsOf(document)]);
      const { log_probability: logs } = await lab.lens(state, lab.expectedOf(document), 'token');
      const score = found.scores[found.rows.indexOf(document)];
      assertClose([logs.reduce((a, b) => a + b, 0)], [score], 'score', 1e-3);
    }
    await lab.close();
  });

  it('has pairs for both steps, and is kept to the bit', () => {
    const [{ pairs, queries, prior, provisional }] = documents;
    const { keys, weights } = pairs.get(1)!;
    assert.deepEqual([keys.length, weights!.length], [2 * queries.length * 64, 2 * queries.length]);
    assert.deepEqual([prior.length, provisional.length], [2 * D, 2 * D]);
    assert.deepEqual(prior.slice(0, D), model.rows.data.slice(later * D, (later + 1) * D));
    assert.deepEqual(decodeEntry(encodeEntry(documents[1])), documents[1]);
  });

  it('leaves an edited model a function of the set', async () => {
    const expected = await of();
    for (let seed = 0; seed < 3; seed++) {
      const edited = await EditedModel.open(model, bank, settings);
      for (const one of shuffle([...documents], createRng(seed))) edited.apply(await edited.trial({ add: [one] }));
      assert.deepEqual(edited.state, expected);
    }
  });
});
