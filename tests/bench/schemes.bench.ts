/**
 * How long models of different docids take to answer the same queries.
 *
 *     npm run bench -- schemes MODEL … [--corpus DIR] [--queries N] [--rounds N]
 *
 * Every model is asked the same test queries by itself, one at a time and in eights, k 10 with the default number of beams, on
 * one thread. Models take turns, round by round. JSON on stdout: of each the docid scheme, and medians of the rounds'
 * medians in ms.
 */
import { loadavg } from 'node:os';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { baseVersion } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { openDecoder } from '../../models/open-decoder.ts';
import { builtinCorpus } from '../../server/paths.ts';
import { quantilesOf } from './beside.ts';
import { machine } from './parts.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    corpus: { type: 'string', default: builtinCorpus },
    queries: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '3' },
  },
});
if (!positionals.length) throw new Error('bench schemes: expected model folders, got none; give at least one');

const store = openStore(':memory:');
importCorpus(store, values.corpus);
const queries = store.queries('test').slice(0, Number(values.queries)).map(({ text }) => text); // prettier-ignore
store.close();

const median = (list: readonly number[]): number => quantilesOf(list).p50;
const batches = { alone: 1, eights: 8 } as const;

const models = await Promise.all(
  positionals.map(async (dir) => {
    const folder = readModelFolder(dir);
    const decoder = await openDecoder(folder, { threads: 1 });
    await decoder.publish(baseVersion(folder.genir!.docids.length));
    return { dir, folder, decoder, times: { alone: [] as number[], eights: [] as number[] } };
  }),
);
for (let round = 0; round <= Number(values.rounds); round++)
  for (const { decoder, times } of models)
    for (const [name, size] of Object.entries(batches) as [keyof typeof batches, number][]) {
      const taken: number[] = [];
      for (let at = 0; at + size <= queries.length; at += size) {
        const from = performance.now();
        await decoder.retrieve(queries.slice(at, at + size).map((query) => ({ query, k: 10 })));
        taken.push(performance.now() - from);
      }
      if (round > 0) times[name].push(median(taken)); // the first round warms up
    }

const result = {
  machine: { ...machine(), load: loadavg()[0] },
  ...{ date: new Date().toISOString(), queries: queries.length, rounds: Number(values.rounds) },
  models: models.map(({ dir, folder: { genir }, times }) => ({
    ...{ model: basename(dir), scheme: genir!.scheme, documents: genir!.docids.length },
    ...{ aloneMs: median(times.alone), eightsMs: median(times.eights) },
  })),
};
for (const { decoder } of models) await decoder.close();
console.log(JSON.stringify(result, null, 2));
