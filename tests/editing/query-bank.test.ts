import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { drawBank, QueryBank } from '../../editing/query-bank.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { documents, openBench, trainQueries } from '../support/edit-bank.ts';

const dir = tempFolder();
const many = documents.flatMap(({ docid, text }, d) =>
  Array.from({ length: 20 }, (_, i) => ({ id: `${d}-${i}`, text: `${i} ${text}`, relevant: [docid] })),
);

describe('a query bank', () => {
  it('is half train queries and half pseudo-queries, as many of each document, and other canaries', () => {
    const bank = drawBank(documents, many, [], { size: 60, seed: 1 });
    const count = (kind: string, row?: number): number =>
      bank.filter((query) => query.kind === kind && (row === undefined || query.row === row)).length;
    assert.deepEqual([count('train'), count('pseudo'), count('canary')], [30, 30, 7]);
    for (let row = 0; row < 10; row++) assert.deepEqual([count('train', row), count('pseudo', row)], [3, 3]);
    const texts = new Set(bank.filter(({ kind }) => kind !== 'canary').map(({ text }) => text));
    assert.ok(bank.every(({ kind, text }) => kind !== 'canary' || !texts.has(text)));
  });

  it('takes canaries from the dev queries where there are any', () => {
    const dev = many.slice(0, 100).map((query) => ({ ...query, text: `dev ${query.text}` }));
    const canaries = drawBank(documents, many, dev, { size: 60, seed: 1 }).filter(({ kind }) => kind === 'canary');
    assert.equal(canaries.length, 7);
    assert.ok(canaries.every(({ text }) => text.startsWith('dev ')));
  });

  it('does with pseudo-queries where nobody has asked anything', () => {
    const bank = drawBank(documents, [], [], { size: 60, seed: 1 });
    assert.ok(bank.every(({ kind }) => kind !== 'train'));
    assert.equal(bank.filter(({ kind }) => kind === 'canary').length, 7);
  });

  it('is the same for the same seed, and leaves out queries of unknown documents', () => {
    const strange = [{ id: 'x', text: 'what about nothing', relevant: ['unknown'] }];
    const options = { size: 40, seed: 2 };
    const bank = drawBank(documents, trainQueries, [], options);
    assert.deepEqual(drawBank(documents, trainQueries, [], options), bank);
    assert.notDeepEqual(drawBank(documents, trainQueries, [], { size: 40, seed: 3 }), bank);
    assert.ok(drawBank(documents, [...trainQueries, ...strange], [], options).every(({ row }) => row < 10));
  });

  it('reads from its file what it observed before, and nothing of another bank or a damaged file', async () => {
    const { model, bank } = await openBench(dir);
    const queries = drawBank(documents, trainQueries, [], { size: 40, seed: 1 });
    const cacheFile = join(dir, 'cache', 'bank');
    const steps: number[] = [];
    const open = (list = queries): Promise<QueryBank> =>
      QueryBank.open(model, list, documents, { cacheFile, onProgress: (done) => steps.push(done) });
    assert.deepEqual((await open()).observed, bank.observed);
    assert.equal(steps.length, 1);
    const again = await open();
    assert.equal(steps.length, 1);
    assert.deepEqual(again.observed, bank.observed);
    assert.deepEqual(again.canaries, bank.canaries);
    await open(queries.slice(1));
    assert.equal(steps.length, 2);
    writeFileSync(cacheFile, 'damaged');
    assert.deepEqual((await open()).observed, bank.observed);
    assert.equal(steps.length, 3);
  });
});
