/** The benchmark on a tiny model: its figures against decoding by hand, a retrain, its report. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bench, type BenchOptions, type BenchResult } from '../../../editing/bench/bench.ts';
import { drawPlan } from '../../../editing/bench/plan.ts';
import { writeBench } from '../../../editing/bench/report.ts';
import { docidsAfter, RetrainError } from '../../../editing/bench/retrain.ts';
import { DocidDecoder } from '../../../models/decode.ts';
import { readModelFolder } from '../../../models/folder.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { benchCorpus } from '../../support/bench-corpus.ts';
import { writeAnalysedModel } from '../../support/edit-world.ts';
import { writeTinyModel } from '../../support/tiny-model.ts';

const dir = tempFolder();
const folder = readModelFolder(writeAnalysedModel(join(dir, 'model')));
const counts = { add: 2, delete: 1, change: 2 };

const run = (options: Partial<BenchOptions> = {}): Promise<BenchResult> =>
  bench({
    ...{ folder, modelName: 'tiny', corpusName: 'sixteen', corpus: benchCorpus, counts, seeds: [1, 2] },
    ...{ methods: ['ledger', 'rows', 'mlp'], mode: 'sequential', textOnly: false, isCurve: false, tradeOff: [] },
    ...{ retrain: 'none', threads: 1, onProgress: () => undefined },
    ...options,
  });

const decoders: DocidDecoder[] = [];
after(() => Promise.all(decoders.map((decoder) => decoder.close())));

describe('bench', () => {
  it('measures groups before and after, counts what an edit costs, and takes all back', async () => {
    const { methods, ...rest } = await run();
    assert.deepEqual([rest.documents, rest.counts, rest.seeds, rest.retrained], [10, counts, [1, 2], 'none']);
    assert.deepEqual(
      methods.map(({ method }) => method),
      ['ledger', 'rows', 'mlp'],
    );
    const decoder = await DocidDecoder.open(folder);
    decoders.push(decoder);
    let [hits, asked] = [0, 0];
    for (const seed of [1, 2]) {
      const { old } = drawPlan(benchCorpus, counts, { seed, textOnly: false }).questions;
      const found = await decoder.retrieve(old.map(({ text }) => ({ query: text, k: 1 })));
      hits += found.filter(({ rows }, i) => folder.genir!.docids[rows[0]] === old[i].relevant[0]).length;
      asked += old.length;
    }
    for (const method of methods) {
      const { before, after: then, curve, drift } = method;
      assert.equal(before.old?.queries, asked);
      assert.equal(before.old['Success@1'], hits / asked);
      assert.deepEqual(Object.keys(then).sort(), ['all', 'changed', 'deleted', 'new', 'obsolete', 'old', 'unmasked']);
      const { old, new: fresh, changed, all } = then;
      assert.equal(all!.queries, old!.queries + fresh!.queries + changed!.queries);
      assert.equal(then.deleted!['Success@10'], 0); // never answered, however many are asked for
      assert.equal(then.unmasked!.queries, then.deleted!.queries);
      assert.equal(method.undone, true);
      assert.equal(method.retrain, null);
      assert.deepEqual(curve.map(({ edits }) => edits), [5]); // prettier-ignore
      assert.deepEqual(Object.keys(method.seconds).sort(), ['add', 'all', 'change', 'delete']);
      assert.ok(method.bytesPerEdit.mean > 0 && method.secondsPerEdit > 0);
      assert.equal(drift === 0, method.method === 'rows');
    }
  });

  it('gives the same model one after the other as in one solve', async () => {
    const [one, other] = [await run({ methods: ['ledger'] }), await run({ methods: ['ledger'], mode: 'batch' })];
    assert.deepEqual(one.methods[0].after, other.methods[0].after);
    assert.equal(one.methods[0].drift, other.methods[0].drift);
  });

  it('stands beside a model trained with the documents, given as a folder', async () => {
    const docids = [...benchCorpus.base, ...benchCorpus.heldOut].map(({ docid }) => docid);
    const whole = writeTinyModel(join(dir, 'whole'), { docids, seed: 4 });
    const { methods } = await run({ methods: ['rows'], retrain: { dir: whole } });
    const [{ retrain, after: then, againstRetrain }] = methods;
    assert.deepEqual(Object.keys(retrain!).sort(), Object.keys(then).filter((group) => group !== 'unmasked').sort()); // prettier-ignore
    assert.equal(retrain!.deleted!['Success@10'], 0);
    const { difference, interval } = againstRetrain!.all!;
    assert.ok(interval[0] <= difference && difference <= interval[1]);

    const decoder = await DocidDecoder.open(readModelFolder(whole));
    decoders.push(decoder);
    // Changed documents by hand: the row of the content they got, among the rows of what is there after the edits.
    let [hits, asked] = [0, 0];
    for (const seed of [1, 2]) {
      const { edits, questions } = drawPlan(benchCorpus, counts, { seed, textOnly: false });
      const gone = edits.flatMap((edit) => (edit.kind === 'add' ? [] : [edit.docid]));
      const came = edits.flatMap((edit) => (edit.kind === 'delete' ? [] : [edit.content.docid]));
      const allowed = Uint8Array.from(docids, (docid) =>
        Number(docid.startsWith('d') ? !gone.includes(docid) : came.includes(docid)),
      );
      const found = await decoder.retrieve(questions.changed.map(({ text }) => ({ query: text, k: 1, allowed })));
      hits += found.filter(({ rows }, i) => questions.changed[i].id.startsWith(`${docids[rows[0]]}-`)).length;
      asked += questions.changed.length;
    }
    assert.equal(retrain!.changed!['Success@1'], hits / asked);
  });

  it('refuses a model without the documents as yardstick', async () => {
    const { edits } = drawPlan(benchCorpus, counts, { seed: 1, textOnly: false });
    assert.throws(() => docidsAfter(folder, benchCorpus.heldOut, edits), RetrainError);
    await assert.rejects(run({ methods: ['rows'], retrain: 'run' }), /expected a model that says how index trained it/);
  });

  it('trains the yardstick as the base was trained, and keeps it', { timeout: 600_000 }, async () => {
    const training = { size: 'tiny', steps: 2, seed: 1, from: null };
    const base = { ...folder, genir: { ...folder.genir!, training } };
    const out = join(dir, 'out');
    const options: Partial<BenchOptions> = { folder: base, methods: ['rows'], retrain: 'run', seeds: [1], out };
    const { methods } = await run(options);
    const trained = readModelFolder(join(out, 'retrained-seed-1'));
    const { edits } = drawPlan(benchCorpus, counts, { seed: 1, textOnly: false });
    const gone = edits.filter(({ kind }) => kind === 'delete').map(({ docid }) => docid);
    assert.equal(trained.genir!.docids.length, 11);
    assert.ok(gone.every((docid) => !trained.genir!.docids.includes(docid)));
    assert.equal(trained.config.num_decoder_layers, folder.config.num_decoder_layers);
    const again = await run(options); // taken as it is
    assert.deepEqual(again.methods[0].retrain, methods[0].retrain);
  });

  it('draws the trade-off and writes a page that stands alone', async () => {
    const result = await run({ methods: ['ledger', 'rows'], isCurve: true, tradeOff: [0.5, 2], seeds: [1] });
    assert.deepEqual(
      result.tradeOff.map(({ method, weight }) => [method, weight]),
      [['ledger', 0.5], ['ledger', 2], ['rows', 0.5], ['rows', 2]], // prettier-ignore
    );
    const out = join(dir, 'report');
    const tenth = { edits: 3, drift: 0.1, after: result.methods[0].after };
    const methods = result.methods.map((method) => ({ ...method, curve: [tenth, ...method.curve] }));
    writeBench(out, { ...result, methods });
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    for (const id of ['outcome', 'curves', 'trade-off', 'cost']) assert.match(page, new RegExp(`<section id="${id}">`));
    assert.doesNotMatch(page, /<script|NaN|undefined|Infinity/);
    assert.equal((JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as BenchResult).model, 'tiny');
  });
});
