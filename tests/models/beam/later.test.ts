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
/** Of two documents with two own tokens each. */
const rows = Array.from({ length: 4 }, () => Float32Array.from({ length: D }, () => 4 * (rng.next() - 0.5)));
const entry = (i: number): number => FIRST + codes.length + i;
const versionOf = (rows: readonly Float32Array[]): ModelVersion => ({
  ...{ editSeq: 1, live: new Uint8Array(N + rows.length / 2).fill(1), deltas: [] },
  rows: rows.map((values, i) => ({ row: codes.length + i, values })),
  paths: Array.from({ length: rows.length / 2 }, (_, i) => {
    return { document: N + i, tokens: Int32Array.of(entry(2 * i + 1), entry(2 * i)) };
  }),
});

/** The same as a model whose first tokens are read as the code of later documents because they have its embedding. */
function written(name: string, rows: readonly Float32Array[]): ModelFolder {
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
    docids: Array.from({ length: N + rows.length / 2 }, (_, n) => `d${n}`),
    paths: [...paths, ...rows.slice(rows.length / 2).map((_, i) => `n${2 * i + 1} n${2 * i}`)],
    codes: [...codes, ...rows.map((_, i) => `n${i}`)],
  };
  const { tokenizerJson, tokenizerConfig } = folder;
  const parts = { config: { ...config, vocab_size: V, tie_word_embeddings: false }, weights, genir };
  writeModelFolder(join(dir, name), { ...parts, tokenizerJson, tokenizerConfig });
  return readModelFolder(join(dir, name));
}

const decoder = await SequenceDecoder.open(folder);
after(() => decoder.close());

describe('tokens of later documents', () => {
  it('begin paths, read as the code that stands for such documents', async () => {
    await decoder.publish(versionOf(rows));
    const whole = await WholeModel.open(written('two', rows));
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

  it('share one beam, however many there are', async () => {
    const strong = Array.from({ length: 24 }, (_, i) => {
      const base = folder.tensor('shared.weight').data.subarray(FIRST * D, (FIRST + 1) * D); // of c0
      return Float32Array.from(base, (x) => x + (i % 2 ? 0.5 : 0.05) * (rng.next() - 0.5));
    });
    const version = versionOf(strong);
    const long = 3; // of three tokens
    version.live[long] = 0;
    await decoder.publish(version);
    const whole = await WholeModel.open(written('many', strong));
    const isLater = (document: number): boolean => document >= N;
    for (const query of ['which river is ice', 'bread', 'a violin, a compass and the sea', 'the king of salt']) {
      const first = await whole.after(query, []);
      const groups = new Map<string, { best: number; documents: number[] }>();
      for (const [document, [token]] of whole.paths.entries()) {
        const key = isLater(document) ? 'later' : `${token}`;
        const group = groups.get(key) ?? { best: -Infinity, documents: [] };
        groups.set(key, { best: Math.max(group.best, first[token]), documents: [...group.documents, document] });
      }
      assert.equal(groups.size, 3);
      const kept = [...groups.values()].sort((a, b) => b.best - a.best).slice(0, 2);
      const scored = await Promise.all(
        kept
          .flatMap(({ documents }) => documents)
          .filter((document) => document !== long)
          .map(async (document) => ({ document, score: await whole.score(query, whole.paths[document]) })),
      );
      scored.sort((a, b) => b.score - a.score);
      const [found] = await decoder.retrieve([{ query, k: 2, beams: 2 }]);
      assert.deepEqual([...found.rows], scored.slice(0, 2).map(({ document }) => document)); // prettier-ignore
      found.scores.forEach((score, i) => assert.ok(Math.abs(score - scored[i].score) < 1e-4));
    }
    await whole.release();
  });

  it('begin none in models without such a code', async () => {
    const without = await SequenceDecoder.open(plain);
    await assert.rejects(without.publish(versionOf(rows)), (error: Error) => {
      assert.ok(error instanceof VersionError);
      assert.match(error.message, /path of document 4, token 0: expected one below 408, got 409/);
      return true;
    });
    await without.close();
  });
});
