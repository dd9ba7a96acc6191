import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { joinBatches } from '../../analysis/join-batches.ts';
import { Lab } from '../../analysis/lab.ts';
import { readModelFolder } from '../../models/folder.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { writeAnalysedModel } from '../support/edit-world.ts';
import { texts } from '../support/tiny-model.ts';

const lab = new Lab(readModelFolder(writeAnalysedModel(join(tempFolder(), 'model'))), { batchSize: 2 });
after(() => lab.close());

it('batches joined to one are decoded as each is by itself', async () => {
  const { count, batches } = await lab.encode(texts);
  const joined = joinBatches(batches);
  assert.ok(batches.length > 1 && batches[0].mask.shape[1] < joined.mask.shape[1], 'batches of several lengths');
  const request = { read: ['decoder.0.cross_attn_out', 'decoder.1.mlp_post'] } as const;
  const [apart, together] = [
    await lab.decode({ count, batches }, request),
    await lab.decode({ count, batches: [joined] }, request),
  ];
  for (const name of Object.keys(apart)) {
    assert.deepEqual(together[name].shape, apart[name].shape);
    assertClose(together[name].data, apart[name].data, name, 1e-5);
  }
  const lengths = texts.map((text) => lab.tokenizer.encode(text).length);
  joined.queries.forEach((q, b) => {
    const mask = joined.mask.data.subarray(b * joined.mask.shape[1], (b + 1) * joined.mask.shape[1]);
    assert.equal(
      mask.reduce((sum, x) => sum + x, 0),
      lengths[q],
    );
  });
});
