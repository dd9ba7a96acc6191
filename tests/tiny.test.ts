/** The whole path in seconds: a random T5 that indexes ten documents, searched, edited, searched again, put back. */
import { after, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { baseVersion, type ModelVersion } from '../models/decode.ts';
import { InferencePool, type PoolResult } from '../models/pool.ts';
import { readModelFolder } from '../models/folder.ts';
import { docidDecoderGraph, type WeightSource } from '../models/graphs.ts';
import { int64, Session, tensor } from '../models/session.ts';
import { loadTokenizer } from '../models/tokenizer.ts';
import { tempFolder } from './support/corpus-temp.ts';
import { texts, writeTinyModel } from './support/tiny-model.ts';

const folder = readModelFolder(writeTinyModel(join(tempFolder(), 'model')));
const { docids } = folder.genir!;
const D = folder.config.d_model;
const queries = texts.map((text) => text.split(' ').slice(0, 5).join(' '));

const pool = await InferencePool.open({ modelDir: folder.dir });
after(() => pool.close());
const search = (): Promise<PoolResult[]> => pool.retrieve(queries.map((query) => ({ query, k: 3 })));
const first = (results: readonly PoolResult[]): string[] =>
  results.map(({ rows }) => docids[rows[0]] ?? `new ${rows[0]}`);

/** Where the decoder ends up after a query: the document whose row lies in this direction is its answer. */
async function stateOf(query: string): Promise<Float32Array> {
  const weights: WeightSource = (name) => folder.tensor(name);
  const session = await Session.open(docidDecoderGraph(folder.config, weights));
  const ids = loadTokenizer(folder).encode(query);
  const { state } = await session.run({
    input_ids: int64(ids, [1, ids.length]),
    attention_mask: tensor(new Float32Array(ids.length).fill(1), [1, ids.length]),
    rows: tensor(new Float32Array(D), [1, D]),
    bias: tensor(new Float32Array(1), [1, 1]),
    k: int64([1]),
  });
  await session.release();
  return state.data as Float32Array;
}

it('indexes, searches, edits, searches again, and takes the edit back to the byte', async () => {
  const before = await search();
  for (const { rows, scores, editSeq } of before) {
    assert.equal(editSeq, 0);
    assert.equal(new Set(rows).size, 3);
    assert.ok(scores[0] >= scores[1] && scores[1] >= scores[2] && scores[0] < 0);
  }

  // An eleventh document: its row points where the decoder goes after the third query. And a small change of weights.
  const state = await stateOf(queries[2]);
  const row = state.map((x) => (20 * x) / Math.hypot(...state) ** 2); // its logit is 20, those of others near 1
  const weight = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
  const delta = new Float32Array(folder.config.d_ff * D).map((_, i) => 0.01 * Math.sin(i));
  const edit: ModelVersion = {
    editSeq: 1,
    live: new Uint8Array(texts.length + 1).fill(1),
    rows: [{ row: texts.length, values: row }],
    deltas: [{ weight, delta }],
  };
  await pool.publish(edit);
  const edited = await search();
  assert.equal(first(edited)[2], 'new 10');
  assert.ok(edited.every(({ editSeq }) => editSeq === 1));

  // The same without documents 10 and the one that answered the first query: both are gone from every answer.
  const gone = before[0].rows[0];
  await pool.publish({ ...edit, editSeq: 2, live: edit.live.map((one, n) => +(one === 1 && n !== gone && n < 10)) });
  assert.ok((await search()).every(({ rows }) => !rows.includes(gone) && !rows.includes(10)));

  await pool.publish(baseVersion(texts.length));
  assert.deepEqual(await search(), before);
});
