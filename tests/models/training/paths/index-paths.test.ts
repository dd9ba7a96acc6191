import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SequenceDecoder } from '../../../../models/beam/sequence-decoder.ts';
import { readModelFolder } from '../../../../models/folder.ts';
import type { PathGenir } from '../../../../models/genir.ts';
import type { IndexInput } from '../../../../models/training/index-input.ts';
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

const schemes = ['naive', 'semantic', 'hashed', 'lexical'] as const;

/** Share of queries whose best document is right. */
async function successOf(name: string, queries: IndexInput['train'], beams: number): Promise<number> {
  const folder = readModelFolder(join(temporary, name));
  const { docids } = folder.genir as PathGenir;
  const decoder = await SequenceDecoder.open(folder);
  try {
    const found = await decoder.retrieve(queries.map(({ text }) => ({ query: text, k: 1, beams })));
    return found.filter(({ rows }, i) => queries[i].relevant.includes(docids[rows[0]])).length / queries.length;
  } finally {
    await decoder.close();
  }
}

describe('index of docids that are paths', () => {
  for (const scheme of schemes)
    it(`writes a model with ${scheme} docids that finds documents, and knows how often without search`, async () => {
      const result = await indexPaths(scheme, input, options(scheme));
      assert.equal(result.documents, 40);
      const genir = readModelFolder(join(temporary, scheme)).genir as PathGenir;
      assert.deepEqual([genir.scheme, genir.version, genir.docids.length], [scheme, 2, 40]);
      assert.deepEqual([...new Set(result.curve.map(({ phase }) => phase))], ['words', 'model']);
      const success = await successOf(scheme, input.train, 10);
      assert.ok(success > 0.5, `Success@1 ${success} on train queries, .025 by chance`);
      const { success: greedy } = result.curve.at(-1)!;
      assert.ok(Math.abs(greedy - (await successOf(scheme, input.dev, 1))) < 0.11, 'one beam does the same');
    });

  it('gives two-token docids clusters, and a token of their own to documents', () => {
    const clustersOf = (scheme: string): number => {
      const { paths, codes } = readModelFolder(join(temporary, scheme)).genir as PathGenir;
      const clusters = new Set(paths.map((path) => path.split(' ')[0]));
      assert.equal(codes.length, clusters.size + 40 + 1);
      return clusters.size;
    };
    const similar = clustersOf('semantic');
    assert.ok(similar > 1 && similar <= 7, `${similar} clusters of similar documents, about six in each`);
    assert.equal(clustersOf('hashed'), 10, 'four documents dealt to each');
  });

  it('makes clusters of the size that is asked for, of docids that have clusters', async () => {
    await indexPaths('hashed', input, options('of eight', { clusterSize: 8, steps: 1 }));
    const { paths } = readModelFolder(join(temporary, 'of eight')).genir as PathGenir;
    assert.equal(new Set(paths.map((path) => path.split(' ')[0])).size, 5);
    await assert.rejects(
      indexPaths('lexical', input, options('x', { clusterSize: 8 })),
      /clusterSize: expected none for lexical docids, which have no clusters, got 8$/,
    );
  });

  it('leaves two-token docids a code for later documents: the mean of all clusters', () => {
    const folder = readModelFolder(join(temporary, 'semantic'));
    const { later, codes, paths, firstDocidToken } = folder.genir as PathGenir;
    assert.deepEqual([later, codes.at(-1)], ['<later>', '<later>']);
    assert.ok(paths.every((path) => !path.includes('<later>')));
    const rowOf = (code: string): Float32Array => {
      const at = firstDocidToken + codes.indexOf(code);
      return folder.rows('shared.weight', at, at + 1);
    };
    const clusters = [...new Set(paths.map((path) => path.split(' ')[0]))].map(rowOf);
    rowOf('<later>').forEach((x, j) => {
      const mean = clusters.reduce((sum, row) => sum + row[j], 0) / clusters.length;
      assert.ok(Math.abs(x - mean) < 2e-3 * (1 + Math.abs(mean)), `${x} for ${mean}, in float16`);
    });
    for (const scheme of ['naive', 'lexical'])
      assert.equal((readModelFolder(join(temporary, scheme)).genir as PathGenir).later, undefined);
  });

  it('makes lexical docids of words of the document, and naive ones of the external id', () => {
    const lexical = readModelFolder(join(temporary, 'lexical')).genir as PathGenir;
    const naive = readModelFolder(join(temporary, 'naive')).genir as PathGenir;
    assert.equal(lexical.paths[0], '▁arven <d0>', 'no other word tells it from the rest');
    assert.ok(naive.paths.every((path) => path.endsWith('</s>')));
    assert.deepEqual(naive.codes, []);
    assert.equal(naive.paths[0], '▁arven ▁salt </s>');
  });

  for (const phase of ['words', 'model'] as const)
    it(`gives the same bytes after being stopped in phase ${phase} and resumed`, async () => {
      const name = `stopped in ${phase}`;
      const stop = new Error('stopped');
      const onProgress: IndexPathsOptions['onProgress'] = (progress) => {
        if (progress.phase === phase && progress.step === 40) throw stop;
      };
      const stopped = options(name, { checkpointEveryMs: 0, onProgress });
      await assert.rejects(indexPaths('semantic', input, stopped), stop);
      assert.ok(!existsSync(join(temporary, name)), 'nothing half-made stands where the model will be');
      await assert.rejects(indexPaths('semantic', input, options(name)), /expected no checkpoint.*give --resume/);
      const other = options(name, { resume: true, seed: 2 });
      await assert.rejects(indexPaths('semantic', input, other), /was 1, now 2/);
      await indexPaths('semantic', input, options(name, { resume: true }));
      assert.deepEqual(bytes(name), bytes('semantic'));
      assert.ok(!existsSync(join(temporary, `${name}.checkpoint`)));
    });
});
