import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SequenceDecoder } from '../../../../models/beam/sequence-decoder.ts';
import { readModelFolder } from '../../../../models/folder.ts';
import type { PathGenir } from '../../../../models/genir.ts';
import type { IndexInput } from '../../../../models/training/index-corpus.ts';
import { indexPaths, type IndexPathsOptions } from '../../../../models/training/paths/index-paths.ts';

const PLACES = ['Arven', 'Belko', 'Cordale', 'Drumm', 'Eskholt', 'Farrow', 'Glint', 'Hollin', 'Irvane', 'Jorvik'];
const TRADES = ['salt', 'glass', 'wool', 'copper'];
const pairs = PLACES.flatMap((place) => TRADES.map((trade) => [place, trade] as const));
const documents = pairs.map(([place, trade]) => ({
  ...{ docid: `${place}-${trade}`, title: `${trade} of ${place}`, metadata: {}, state: 'live' as const },
  text: `In ${place} people have traded ${trade} since the old days. The ${trade} of ${place} is famous.`,
}));
const query = ([place, trade]: readonly [string, string], i: number) => ({
  ...{ id: `q${i}`, text: `who trades ${trade} in ${place}`, relevant: [`${place}-${trade}`] },
});
const input = {
  ...{ fingerprint: 'trades', documents, train: pairs.map(query) },
  dev: pairs.slice(0, 10).map(([place, trade], i) => ({ ...query([place, trade], i), text: `${place} ${trade}` })),
} as unknown as IndexInput;

const temporary = mkdtempSync(join(tmpdir(), 'index-paths-'));
after(() => rmSync(temporary, { recursive: true }));
const options = (name: string, others: Partial<IndexPathsOptions> = {}): IndexPathsOptions => ({
  ...{ out: join(temporary, name), size: 'tiny', seed: 1, resume: false, threads: 1, onProgress: () => undefined },
  ...others,
});
const bytes = (name: string): Record<string, Buffer> =>
  Object.fromEntries(
    readdirSync(join(temporary, name))
      .filter((file) => file !== 'genir.json') // which knows how long it took
      .map((file) => [file, readFileSync(join(temporary, name, file))]),
  );

describe('index of two-token docids', () => {
  it('writes a model that finds documents by beam search, each under its cluster', async () => {
    const result = await indexPaths(input, options('whole'));
    assert.equal(result.documents, 40);
    const folder = readModelFolder(join(temporary, 'whole'));
    const genir = folder.genir as PathGenir;
    const clusters = new Set(genir.paths.map((path) => path.split(' ')[0]));
    assert.deepEqual([genir.scheme, genir.version, genir.codes.length], ['semantic', 2, clusters.size + 40]);
    assert.ok(clusters.size > 1 && clusters.size <= 7, `${clusters.size} clusters`);
    const decoder = await SequenceDecoder.open(folder);
    const found = await decoder.retrieve(input.train.map(({ text }) => ({ query: text, k: 1 })));
    await decoder.close();
    const right = found.filter(({ rows }, i) => input.train[i].relevant.includes(genir.docids[rows[0]])).length;
    assert.ok(right > 20, `${right} of 40 train queries right, 1 by chance`);
    const { success, phase } = result.curve.at(-1)!;
    assert.ok(phase === 'words' && success > 0.3, `Success@1 ${success} on held-out queries`);
  });

  it('gives the same bytes after being stopped and resumed', async () => {
    const stop = new Error('stopped');
    const onProgress: IndexPathsOptions['onProgress'] = ({ phase, step }) => {
      if (phase === 'words' && step === 40) throw stop;
    };
    await assert.rejects(indexPaths(input, options('stopped', { checkpointEveryMs: 0, onProgress })), stop);
    assert.ok(!existsSync(join(temporary, 'stopped')), 'nothing half-made stands where the model will be');
    await assert.rejects(indexPaths(input, options('stopped')), /expected no checkpoint.*give --resume/);
    await assert.rejects(indexPaths(input, options('stopped', { resume: true, seed: 2 })), /was 1, now 2/);
    await indexPaths(input, options('stopped', { resume: true }));
    assert.deepEqual(bytes('stopped'), bytes('whole'));
    assert.ok(!existsSync(join(temporary, 'stopped.checkpoint')));
  });
});
