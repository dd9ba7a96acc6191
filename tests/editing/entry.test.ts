import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeEntry, encodeEntry, EntryFormatError } from '../../editing/entry-codec.ts';
import { EditedModel } from '../../editing/edited-model.ts';
import { NothingToIndexError, type Entry } from '../../editing/entry.ts';
import { presets } from '../../editing/presets.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { additions, documents, openBench } from '../support/edit-bank.ts';
import { fewQueries } from '../support/edit-world.ts';

const { model, bank, entry } = await openBench(tempFolder());
const [first, second] = additions;
const D = model.rows.shape[1];

describe('an entry of a document', () => {
  it('is made of its document alone: the same bytes whatever was made before', async () => {
    const before = encodeEntry(await entry(first));
    const others = await Promise.all(additions.slice(1).map((source) => entry(source)));
    await EditedModel.open(model, bank, fewQueries, others);
    assert.deepEqual(encodeEntry(await entry(first)), before);
  });

  it('is solved for pseudo-queries that are not those held out', async () => {
    const { queries, heldOut, own } = await entry(first);
    assert.deepEqual([queries.length, heldOut.length], [6, 2]);
    assert.equal(new Set([...queries, ...heldOut]).size, 8);
    assertClose([own.weights.reduce((sum, x) => sum + x, 0)], [1], 'weights', 1e-12);
  });

  it('counts queries that are given more than those of its text, each once', async () => {
    const queries = ['where does ice go', 'where does ice go', ' ', 'what carries rock'];
    const { queries: texts, own } = await entry({ ...first, queries });
    assert.deepEqual(texts.slice(0, 2), ['where does ice go', 'what carries rock']);
    assertClose([own.weights[0] / own.weights[2]], [3], 'weight', 1e-12);
    assert.ok(!texts.includes(' '));
  });

  it('wins more of its queries than the row of its text, the more the less old documents weigh', async () => {
    const share = async (oldDocument: number): Promise<number> => {
      const { rows } = fewQueries;
      const settings = { ...fewQueries, rows: 'oldDocument' in rows ? { ...rows, oldDocument } : rows };
      const { own, provisional, prior } = await entry(first, settings);
      const chance = (row: Float32Array): number =>
        own.weights.reduce((sum, weight, q) => {
          const score = row.reduce((all, x, d) => all + x * own.states.data[q * D + d], 0);
          return sum + weight / (1 + Math.exp(own.logSumExp[q] - score));
        }, 0);
      return chance(provisional) - chance(prior);
    };
    const [much, some] = [await share(0.01), await share(0.3)];
    assert.ok(much > 0.1 && much > some, `${much} ${some}`);
  });

  it('has a pair for each query and edited layer, and none where weights are left alone', async () => {
    const { pairs, queries, heldOut } = await entry(first);
    assert.deepEqual([...pairs.keys()], [1]);
    const { keys } = await model.observe([...queries, ...heldOut]);
    assert.deepEqual(pairs.get(1)!.keys, keys.get(1)!.data.slice(0, 6 * keys.get(1)!.shape[1]));
    assert.equal(pairs.get(1)!.residuals.length, 6 * D);
    const rows = { ...fewQueries, weights: presets.rows.weights };
    assert.equal((await entry(first, rows)).pairs.size, 0);
  });

  it('that replaces a base document does not compete with it, and gives up what it no longer answers', async () => {
    const made = await entry({ ...first, docid: 'd1', replaces: { row: 1 } });
    assert.equal(made.replaces, 1);
    assert.ok(made.own.rivals.every((row) => row !== 1));
    assert.ok([...made.touched].every((p) => bank.rowOf[p] !== 1));
    assert.ok(made.obsolete.texts.length > 0);
    assert.ok(
      made.obsolete.texts.every((text) => bank.corpus.coverage(text, first) < bank.corpus.coverage(text, documents[1])),
    );
    const again = await entry({ ...second, docid: 'd1', replaces: { entry: made } });
    assert.equal(again.replaces, 1);
    assert.ok(again.obsolete.texts.every((text) => made.queries.includes(text)));
  });

  it('keeps all queries where the text is the same', async () => {
    const same = { id: 'same', docid: 'd2', title: documents[2].title, text: documents[2].text };
    assert.deepEqual((await entry({ ...same, replaces: { row: 2 } })).obsolete.texts, []);
  });

  it('cannot be made of nothing, but of queries alone', async () => {
    const empty = { id: 'x', docid: 'empty', title: '', text: ' … ' };
    await assert.rejects(entry(empty), NothingToIndexError);
    const { queries, heldOut } = await entry({ ...empty, queries: ['what about nothing'] });
    assert.deepEqual([queries, heldOut], [['what about nothing'], []]);
  });
});

describe('entries as bytes', () => {
  it('are decoded to the same bits', async () => {
    const made = await entry({ ...first, docid: 'd1', replaces: { row: 1 } });
    made.pairs.get(1)!.keys[3] = -0; // not the zero that is left out
    const entries: Entry[] = [
      made,
      { kind: 'removal', id: 'r', row: 3, pairs: new Map() },
      { kind: 'removal', id: 'r2', row: 3, pairs: made.pairs },
      { kind: 'rename', id: 'n', of: { entry: 'e0' }, docid: 'größer' },
    ];
    for (const one of entries) {
      const bytes = encodeEntry(one);
      const decoded = decodeEntry(bytes);
      assert.deepEqual(decoded, one);
      assert.deepEqual(encodeEntry(decoded), bytes);
    }
    const decoded = decodeEntry(encodeEntry(made));
    assert.ok(decoded.kind === 'document');
    assert.ok(Object.is(decoded.pairs.get(1)!.keys[3], -0));
    assert.equal(decoded.pairs.get(1)!.weights, decoded.own.weights); // kept once
  });

  it('are refused where they are damaged', async () => {
    const bytes = encodeEntry(await entry(first));
    for (const damaged of [bytes.slice(0, -1), Uint8Array.from([...bytes, 0]), bytes.slice(1), new Uint8Array(0)])
      assert.throws(() => decodeEntry(damaged), EntryFormatError);
    const older = Buffer.from(Buffer.from(bytes).toString('latin1').replace('entry-3', 'entry-1'), 'latin1');
    assert.throws(() => decodeEntry(older), /got 'palimpsest-entry-1'; where another version of this program edited/);
  });

  it('hold what rows and weights are solved from, once, and no more', async () => {
    const made = await entry(first);
    const { keys } = made.pairs.get(1)!;
    const sparse = keys.filter((x) => x !== 0).length + keys.length / 32;
    const bytes = 4 * (6 * D /* states */ + 6 * D /* residuals */ + sparse + 2 * D); /* rows */
    assert.ok(encodeEntry(made).length < bytes + 2000, `${encodeEntry(made).length} ${bytes}`);
    const rows = await entry(first, { ...fewQueries, weights: null });
    assert.ok(encodeEntry(rows).length < 4 * (6 * D + 2 * D) + 2000);
  });
});
