/** Documents that have both tokens of their paths for themselves, in models with a code for later documents. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createRng } from '../../../corpus/random.ts';
import { SequenceDecoder } from '../../../models/beam/sequence-decoder.ts';
import { VersionError, type ModelVersion } from '../../../models/decode.ts';
import { readModelFolder, writeModelFolder, type ModelFolder } from '../../../models/folder.ts';
import type { PathGenir } from '../../../models/genir.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { codes, WholeModel, writeSequenceModel } from '../../support/sequence-model.ts';

const dir = tempFolder();
const FIRST = 400;
const paths = ['c0 c1', 'c0 c2', 'c3 c4', 'c3 c5 c6'];
const N = paths.length;
const plain = readModelFolder(writeSequenceModel(join(dir, 'plain'), { paths }));
const folder: ModelFolder = { ...plain, genir: { ...(plain.genir as PathGenir), later: 'c7' } };
const D = folder.config.d_model;
const rng = createRng(4);
const rows = Array.from({ length: 4 }, () => Float32Array.from({ length: D }, () => 4 * (rng.next() - 0.5)));
const entry = (i: number): number => FIRST + codes.length + i;
/** Two documents of two own tokens each. */
const version: ModelVersion = {
  ...{ editSeq: 1, live: new Uint8Array(N + 2).fill(1), deltas: [] },
  rows: rows.map((values, i) => ({ row: codes.length + i, values })),
  paths: [0, 1].map((i) => ({ document: N + i, tokens: Int32Array.of(entry(2 * i + 1), entry(2 * i)) })),
};

/** The same as a model whose first tokens are read as the code of later documents because they have its embedding. */
function written(): ModelFolder {
  const { config } = folder;
  const V = config.vocab_size + rows.length;
  const shared = folder.tensor('shared.weight').data;
  const read = new Float32Array(V * D);
  read.set(shared);
  const later = (FIRST + codes.indexOf('c7')) * D;
  rows.forEach((_, i) => read.set(shared.subarray(later, later + D), shared.length + i * D));
  const scored = new Float32Array(V * D);
  scored.set(shared);
  rows.forEach((row, i) => scored.set(row, shared.length + i * D));
  const weights = new Map([...folder.weights.keys()].map((name) => [name, folder.tensor(name)]));
  weights.set('shared.weight', { data: read, shape: [V, D] });
  weights.set('lm_head.weight', { data: scored, shape: [V, D] });
  const genir: PathGenir = {
    ...(plain.genir as PathGenir),
    docids: ['a', 'b', 'c', 'd', 'e', 'f'],
    paths: [...paths, 'n1 n0', 'n3 n2'],
    codes: [...codes, 'n0', 'n1', 'n2', 'n3'],
  };
  const { tokenizerJson, tokenizerConfig } = folder;
  const parts = { config: { ...config, vocab_size: V, tie_word_embeddings: false }, weights, genir };
  writeModelFolder(join(dir, 'written'), { ...parts, tokenizerJson, tokenizerConfig });
  return readModelFolder(join(dir, 'written'));
}

const decoder = await SequenceDecoder.open(folder);
after(() => decoder.close());

describe('tokens of later documents', () => {
  it('begin paths, read as the code that stands for such documents', async () => {
    await decoder.publish(version);
    const whole = await WholeModel.open(written());
    for (const query of ['which river is ice', 'bread', 'a violin, a compass and the sea']) {
      const [found] = await decoder.retrieve([{ query, k: 10, beams: 20 }]);
      assert.equal(found.rows.length, N + 2);
      for (const [i, document] of found.rows.entries()) {
        const score = await whole.score(query, whole.paths[document]);
        assert.ok(Math.abs(found.scores[i] - score) < 1e-4, `${found.scores[i]} for ${score}`);
      }
    }
    await whole.release();
  });

  it('begin none in models without such a code', async () => {
    const without = await SequenceDecoder.open(plain);
    await assert.rejects(without.publish(version), (error: Error) => {
      assert.ok(error instanceof VersionError);
      assert.match(error.message, /path of document 4, token 0: expected one below 408, got 409/);
      return true;
    });
    await without.close();
  });
});
