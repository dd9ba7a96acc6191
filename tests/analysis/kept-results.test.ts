import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { KeptResults } from '../../analysis/kept-results.ts';
import { tempFolder } from '../support/corpus-temp.ts';

/** Results in a new folder, and a computation that counts how often it runs. */
function world() {
  const dir = join(tempFolder(), 'results');
  const counted = { runs: 0 };
  const compute = async () => ({ run: ++counted.runs });
  return { dir, counted, compute, kept: new KeptResults(dir) };
}

describe('results that are kept', () => {
  it('are computed once for the same inputs, also by another process', async () => {
    const { dir, counted, compute, kept } = world();
    const first = await kept.result('a', { layers: [1, 2] }, compute);
    assert.deepEqual(first.value, { run: 1 });
    assert.ok(first.seconds >= 0);
    assert.deepEqual(await kept.result('a', { layers: [1, 2] }, compute), first);
    assert.deepEqual(await new KeptResults(dir).result('a', { layers: [1, 2] }, compute), first);
    assert.equal(counted.runs, 1);
  });

  it('are computed anew for other inputs, under each name by itself', async () => {
    const { counted, compute, kept } = world();
    await kept.result('a', { seed: 1 }, compute);
    assert.deepEqual((await kept.result('a', { seed: 2 }, compute)).value, { run: 2 });
    assert.deepEqual((await kept.result('b', { seed: 2 }, compute)).value, { run: 3 });
    assert.deepEqual((await kept.result('a', { seed: 2 }, compute)).value, { run: 2 });
    assert.equal(counted.runs, 3);
  });

  it('are computed anew where the file is damaged or is no record', async () => {
    const { dir, counted, compute, kept } = world();
    await kept.result('a', 1, compute);
    for (const content of ['{"key": "', '[]', '']) {
      writeFileSync(join(dir, 'a.json'), content);
      await kept.result('a', 1, compute);
    }
    assert.equal(counted.runs, 4);
  });

  it('come the first time as they will be read later', async () => {
    const { kept } = world();
    const compute = async () => ({ nothing: undefined, none: NaN, numbers: [1, undefined] });
    const first = await kept.result('a', 1, compute);
    assert.deepEqual(first.value, { none: null, numbers: [1, null] });
    assert.deepEqual(await kept.result('a', 1, compute), first);
  });

  it('leave the one before, and no other file, when the computation fails', async () => {
    const { dir, counted, compute, kept } = world();
    await kept.result('a', 1, compute);
    await assert.rejects(
      kept.result('a', 2, async () => Promise.reject(new RangeError('no'))),
      RangeError,
    );
    assert.deepEqual((await kept.result('a', 1, compute)).value, { run: 1 });
    assert.deepEqual([counted.runs, readdirSync(dir)], [1, ['a.json']]);
  });
});
