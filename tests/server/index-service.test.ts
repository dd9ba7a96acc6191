import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { PoolError } from '../../models/pool.ts';
import { IndexService } from '../../server/index-service.ts';
import { readModelInfo } from '../../server/model-info.ts';
import { inModel, tinyWorld } from '../support/server.ts';

describe('opening an index', () => {
  it('leaves no inference thread behind where the model refuses the docid rows', async () => {
    const { modelDir, corpus } = tinyWorld();
    const store = openStore(':memory:');
    importCorpus(store, corpus);
    const threads = (): number => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
    const before = threads();
    const info = await readModelInfo(modelDir);
    const { genir, width } = info.base;
    const model = { ...info, base: { genir: { ...genir, docids: inModel.slice(0, 5) }, width } };
    const options = { store, model, corpusName: 'tiny', workers: 1, threads: 1, maxQueue: 8 };
    await assert.rejects(IndexService.open(options), PoolError);
    assert.equal(threads(), before);
    store.close();
  });
});
