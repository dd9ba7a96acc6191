/** Graphs of docid rows in files: built once, kept while they fit and are whole. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { openSync, readFileSync, closeSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DocidDecoder } from '../../../models/decode.ts';
import { readModelFolder, writeModelFolder } from '../../../models/folder.ts';
import { prepareRowGraphs, type BuildProgress } from '../../../models/rows/prepare.ts';
import { REACHES } from '../../../models/rows/reach.ts';
import { sizeOf, type RowShard } from '../../../models/rows/shards.ts';
import { createRng } from '../../../corpus/random.ts';
import type { WeightTensor } from '../../../models/weights.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { drawTable } from '../../support/drawn-rows.ts';
import { randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

const N = 1500;
const dir = tempFolder();
const docids = Array.from({ length: N }, (_, i) => `d${i}`);
const modelDir = writeTinyModel(join(dir, 'model'), { docids });
const graphs = join(dir, 'graphs');

interface Prepared {
  readonly shards: readonly RowShard[];
  readonly reasons: readonly string[];
  readonly progress: readonly BuildProgress[];
}

async function prepare(of = modelDir, fewAxes = false): Promise<Prepared> {
  const reasons: string[] = [];
  const progress: BuildProgress[] = [];
  const shards = await prepareRowGraphs({
    ...{ modelDir: of, rows: N, dir: graphs, shards: 2, fewAxes },
    onBuild: (_, reason) => reasons.push(reason),
    onProgress: (now) => progress.push(now),
  });
  return { shards, reasons, progress };
}

describe('graphs of docid rows', () => {
  it('are built by threads that tell how far they are, then kept', async () => {
    const first = await prepare();
    assert.deepEqual(first.shards.map(sizeOf), [750, 750]);
    assert.deepEqual(first.reasons, ['there is none yet', 'there is none yet']);
    const last = first.progress.at(-1)!;
    assert.deepEqual([last.done, last.total, last.secondsLeft], [N, N, 0]);
    assert.ok(first.progress.every(({ done, total, secondsLeft }) => done <= N && total === N && secondsLeft >= 0));
    const built = first.shards.map(({ file }) => statSync(file).mtimeMs);
    const second = await prepare();
    assert.deepEqual(second, { ...first, reasons: [], progress: [] });
    assert.deepEqual(
      second.shards.map(({ file }) => statSync(file).mtimeMs),
      built,
    );
  });

  it('are built anew, with the reason, where they are damaged or of other rows', async () => {
    const [shard] = (await prepare()).shards;
    const { file } = shard;
    const { size } = statSync(file);
    const damages: [() => void, RegExp][] = [
      [() => overwrite(file, size / 2), /damaged: its checksum is another/],
      [() => truncateSync(file, size - 100), new RegExp(`damaged: expected ${size} bytes, got ${size - 100}`)],
      [() => writeFileSync(`${file}.json`, '{'), /json cannot be read/],
      [() => rmSync(file), /there is none yet/],
    ];
    for (const [damage, reason] of damages) {
      damage();
      const { reasons } = await prepare();
      assert.equal(reasons.length, 1);
      assert.match(reasons[0], reason);
    }
    assert.deepEqual((await prepare()).reasons, []);
    const other = writeTinyModel(join(dir, 'other'), { docids, seed: 2 });
    const { reasons } = await prepare(other);
    assert.equal(reasons.length, 2);
    for (const reason of reasons) assert.match(reason, /is of other docid rows, or was built otherwise/);
  });

  it('are along a few axes where rows need no more, and the axes are kept with them', async () => {
    const tiny = readModelFolder(writeTinyModel(join(dir, 'wide'), { docids, config: { d_model: 64 } }));
    const { table } = drawTable({ kind: 'clustered', width: 64, rng: createRng(4), perTopic: 20 }, N);
    const weights = new Map<string, WeightTensor>(tiny.weights);
    const shared = tiny.tensor('shared.weight');
    shared.data.set(table, shared.data.length - table.length);
    weights.set('shared.weight', shared);
    const axial = join(dir, 'axial');
    writeModelFolder(axial, { ...tiny, weights, genir: tiny.genir! });
    const first = await prepare(axial);
    assert.equal(first.reasons.length, 2);
    for (const { axes, reach } of first.shards) {
      assert.deepEqual(axes?.shape, [32, 64]);
      assert.ok((REACHES as readonly number[]).includes(reach));
    }
    const again = await prepare(axial);
    assert.deepEqual(again, { ...first, reasons: [], progress: [] });
    rmSync(join(graphs, 'axes.safetensors'));
    assert.deepEqual((await prepare(axial)).shards, first.shards);
    assert.deepEqual((await prepare(axial, true)).shards, first.shards);
  });

  it('are not built, where few axes are asked for, of rows that need more', async () => {
    await prepare(); // graphs of other rows lie there
    const other = writeTinyModel(join(dir, 'scattered'), { docids, seed: 5, config: { d_model: 64 } });
    assert.deepEqual(await prepare(other, true), { shards: [], reasons: [], progress: [] });
    assert.equal((await prepare(other)).reasons.length, 2);
  });

  it('say what a thread died of', async () => {
    await assert.rejects(prepare(join(dir, 'nowhere')), { name: 'RowGraphBuildError', message: /nowhere/ });
  });
});

describe('a decoder with graphs', () => {
  const rng = createRng(3);
  const asked = Array.from({ length: 40 }, () => ({ query: randomQuery(rng), k: 10 }));

  it('answers as without, before and after edits of rows and weights', async (t) => {
    const folder = readModelFolder(modelDir);
    const { shards } = await prepare();
    const [exact, indexed] = [await DocidDecoder.open(folder), await DocidDecoder.open(folder, { rowShards: shards })];
    t.after(() => Promise.all([exact.close(), indexed.close()]));
    const compare = async (inputs = asked): Promise<void> => {
      const [all, found] = [await exact.retrieve(inputs), await indexed.retrieve(inputs)];
      let same = 0;
      all.forEach(({ rows, scores }, b) => {
        same += rows.filter((row) => found[b].rows.includes(row)).length / rows.length;
        // A sample of all rows: the sum is as good as exact.
        found[b].rows.forEach((row, i) => {
          const at = rows.indexOf(row);
          assert.ok(at < 0 || Math.abs(scores[at] - found[b].scores[i]) < 1e-3);
        });
      });
      assert.ok(same / inputs.length >= 0.98, `${same / inputs.length}`);
    };
    await compare();
    const weight = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
    const d = folder.config.d_model;
    const values = (length: number): Float32Array => Float32Array.from({ length }, () => 4 * (rng.next() - 0.5));
    const live = new Uint8Array(N + 2).fill(1);
    for (const { rows } of await exact.retrieve(asked)) live[rows[0]] = 0;
    const version = {
      ...{ editSeq: 1, live },
      rows: [7, N, N + 1].map((row) => ({ row, values: values(d) })),
      deltas: [{ weight, delta: values(64 * d).map((x) => 0.05 * x) }],
    };
    for (const decoder of [exact, indexed]) await decoder.publish(version);
    await compare();
    const allowed = Uint8Array.from(live, () => Number(rng.next() < 0.3));
    await compare(asked.map((input, b) => (b % 2 ? { ...input, allowed } : input)));
    await compare([{ query: asked[0].query, k: 1000 }]);
    const before = new Uint8Array(N).fill(1); // a mask made before documents were appended forbids them
    await compare(asked.map((input) => ({ ...input, allowed: before })));
    const back = { editSeq: 2, live: new Uint8Array(N).fill(1), rows: [], deltas: [] };
    for (const decoder of [exact, indexed]) await decoder.publish(back);
    await compare();
  });
});

function overwrite(file: string, at: number): void {
  const [byte] = readFileSync(file).subarray(at);
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.of(byte ^ 255), 0, 1, Math.floor(at));
  closeSync(descriptor);
}
