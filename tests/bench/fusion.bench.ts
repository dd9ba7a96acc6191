/**
 * Which weights of `analysis/fusion.ts` are best on held-out queries.
 *
 *     node --import tsx tests/bench/fusion.bench.ts --model DIR --corpus DIR [--seed N]
 *
 * Queries are the corpus' dev split, or those train queries that `index` (of the same seed) held out. JSON on stdout:
 * Success@1 and RR@10 of both parts, and of their sum for a grid of BM25's weight beside the model's 1.
 */
import { parseArgs } from 'node:util';
import { holdOutDev } from '../../corpus/hold-out.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { evaluateRun } from '../../analysis/evaluate.ts';
import { fuseRuns } from '../../analysis/fusion.ts';
import { parseMeasure } from '../../analysis/measures/table.ts';
import type { Qrels } from '../../analysis/qrels.ts';
import type { Run } from '../../analysis/run.ts';
import { SystemRuns } from '../../analysis/systems.ts';
import { readModelFolder } from '../../models/folder.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';

const BM25_WEIGHTS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.5];
const MEASURES = ['Success@1', 'RR@10'].map(parseMeasure);
const DEV_SHARE = 0.05; // as `index` holds out

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: builtinModel },
    corpus: { type: 'string', default: builtinCorpus },
    seed: { type: 'string', default: '1' },
  },
});

const store = openStore(':memory:');
importCorpus(store, values.corpus);
const dev = store.queries('dev');
const held = dev.length ? dev : holdOutDev(store.queries('train'), DEV_SHARE, Number(values.seed)).dev;
const qrels: Qrels = new Map(held.map(({ id, relevant }) => [id, new Map(relevant.map((docid) => [docid, 1]))]));
const runs = new SystemRuns({ store, model: () => readModelFolder(values.model), queries: held });
const [genir, bm25] = [await runs.get('genir'), await runs.get('bm25')];

const figures = (run: Run): Record<string, number> =>
  Object.fromEntries(
    [...evaluateRun(run, qrels, MEASURES, { seed: 1, resamples: 1 }).results].map(([name, { mean }]) => [name, mean]),
  );
console.log(
  JSON.stringify(
    {
      model: values.model,
      corpus: values.corpus,
      queries: held.length,
      genir: figures(genir),
      bm25: figures(bm25),
      hybrid: BM25_WEIGHTS.map((weight) => ({
        bm25Weight: weight,
        ...figures(fuseRuns(genir, bm25, 100, { genir: 1, bm25: weight })),
      })),
    },
    undefined,
    2,
  ),
);
store.close();
