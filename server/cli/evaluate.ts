import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, format, parse, resolve } from 'node:path';
import cliProgress from 'cli-progress';
import { defaultLevel, defaultResamples } from '../../analysis/bootstrap.ts';
import { evaluateRun, type Evaluation } from '../../analysis/evaluate.ts';
import type { Precision, PrecisionCost } from '../../analysis/precision-costs.ts';
import { mcnemar } from '../../analysis/mcnemar.ts';
import { parseMeasure } from '../../analysis/measures/table.ts';
import { toQrels, type Qrels } from '../../analysis/qrels.ts';
import type { System } from '../../analysis/systems.ts';
import { checkTrecIds, writeRunFile } from '../../analysis/trec-files.ts';
import { splits, type Query, type Split } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { createRng, shuffle } from '../../corpus/random.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { ModelCorpusMismatchError, modes, type Mode } from '../index-service.ts';
import { builtinCorpus, builtinModel, nameOf } from '../paths.ts';
import { rowSearches, RowSearchError, type RowSearch } from '../row-graphs.ts';
import { defineCommand, integer, oneOf, UsageError, type Note } from './command.ts';
import { importBar } from './import-bar.ts';
import { beamsOption, corpusOption, modelOption } from './shared-options.ts';

interface Options {
  model?: string;
  corpus?: string;
  split: Split;
  mode: Mode;
  beams?: number;
  baselines?: boolean;
  int8?: boolean;
  rows: RowSearch;
  run?: string;
  limit?: number;
  workers: number;
}

interface Measured {
  /** What was measured, for the head of the table. */
  readonly title: string;
  readonly mode: Mode;
  readonly main: Evaluation;
  /** Empty unless asked for. */
  readonly baselines: ReadonlyMap<System, Evaluation>;
  /** The model in eight bits, where that was asked for. */
  readonly int8: { readonly evaluation: Evaluation; readonly costs: Record<Precision, PrecisionCost> } | undefined;
  /** The model with graphs of its docid rows, where that was asked for. */
  readonly hnsw: Evaluation | undefined;
}

const measures = ['Success@1', 'Success@10', 'RR@10', 'nDCG@10'].map(parseMeasure);
const baselineSystems: readonly System[] = ['bm25', 'dense', 'hybrid'];
/** Of the draw that `--limit` makes: the same queries for every model. */
const limitSeed = 1;

export const evaluate = defineCommand<Options, Measured>({
  name: 'evaluate',
  summary: 'measure retrieval on judged queries',
  options: {
    model: modelOption,
    corpus: corpusOption,
    split: { flags: '--split <split>', description: splits.join(', '), parse: oneOf(splits), default: 'test' },
    mode: { flags: '--mode <mode>', description: modes.join(', '), parse: oneOf(modes), default: 'genir' },
    beams: {
      ...beamsOption,
      description:
        'where docids are paths of several tokens: prefixes that are followed at each step, and the depth of the lists; 10 is what the server does for 10 candidates (default: 100)',
    },
    int8: {
      flags: '--int8',
      description: 'measure the model in eight bits (serve --int8) beside it, and the time and memory of both',
    },
    rows: {
      flags: '--rows <how>',
      description: 'exact, or hnsw: measure the model with graphs of its docid rows (serve --rows hnsw) beside it',
      parse: oneOf(rowSearches),
      default: 'exact',
    },
    baselines: { flags: '--baselines', description: `measure ${baselineSystems.join(', ')} beside it` },
    run: {
      flags: '--run <file>',
      description: 'write a TREC run file, and one for each baseline (x.trec, x.bm25.trec, …)',
      parse: (path) => resolve(path),
    },
    limit: { flags: '--limit <n>', description: 'at most so many queries, drawn by lot', parse: integer(1, 1e9) },
    workers: {
      flags: '--workers <n>',
      description: 'inference threads',
      parse: integer(1, 256),
      default: Math.min(4, availableParallelism()),
    },
  },
  async run(options, note) {
    const { corpus = builtinCorpus, run: file } = options;
    if (file !== undefined && !existsSync(dirname(file)))
      throw new UsageError(`--run ${file}: expected a folder that exists, got ${dirname(file)}; make it first`);
    if (options.int8 && options.mode !== 'genir')
      throw new UsageError(`--int8: expected --mode genir beside it, got --mode ${options.mode}`);
    if (options.rows === 'hnsw' && options.mode !== 'genir')
      throw new UsageError(`--rows hnsw: expected --mode genir beside it, got --mode ${options.mode}`);
    const store = openStore(':memory:');
    const progress = importBar();
    try {
      importCorpus(store, corpus, { onProgress: (done) => progress.update(done) });
      progress.stop();
      return await measure(store, options, note);
    } finally {
      progress.stop();
      store.close();
    }
  },
  json: ({ main, baselines, int8, hnsw }) => ({
    queries: main.queryIds.length,
    ...numbers(main),
    ...(int8 && { int8: { ...numbers(int8.evaluation), costs: int8.costs } }),
    ...(hnsw && { hnsw: numbers(hnsw) }),
    ...(baselines.size > 0 && {
      baselines: Object.fromEntries([...baselines].map(([system, evaluation]) => [system, numbers(evaluation)])),
    }),
  }),
  text: table,
});

async function measure(store: Store, options: Options, note: Note): Promise<Measured> {
  const { model = builtinModel, corpus = builtinCorpus, split, mode, run: file } = options;
  const queries = drawQueries(store, options, nameOf(corpus));
  const ids = new Set(queries.map(({ id }) => id));
  const qrels = toQrels(store.qrels(split).filter(({ queryId }) => ids.has(queryId)));
  if (file !== undefined) {
    checkTrecIds(file, 'query ids', ids);
    checkTrecIds(file, 'docids', store.liveDocids());
  }
  const systems: readonly System[] = [
    ...(options.int8 ? ['genir-int8' as const] : []),
    ...(options.rows === 'hnsw' ? ['genir-hnsw' as const] : []),
    ...(options.baselines ? baselineSystems : []),
  ];
  // Loads onnxruntime, which the other commands' main threads do without.
  const { SystemRuns, docidsOf } = await import('../../analysis/systems.ts');
  const folder = mode === 'bm25' && systems.length === 0 ? undefined : readModelFolder(model);
  if (folder) {
    const { dir, genir } = folder;
    if (options.rows === 'hnsw' && genir && genir.scheme !== 'atomic')
      throw new RowSearchError({ dir, scheme: genir.scheme });
    const docids = docidsOf(folder);
    if (!store.liveDocids().some((docid) => docids.has(docid)))
      throw new ModelCorpusMismatchError(model, nameOf(corpus));
    noteMissing(store, qrels, (docid) => docids.has(docid), note);
  }
  const bar = queryBar();
  const runs = new SystemRuns({
    store,
    model: () => folder!,
    queries,
    beams: options.beams,
    workers: Math.min(options.workers, Math.ceil(queries.length / 32)),
    onProgress: (what, done, total) => bar.update(what, done, total),
  });
  const evaluations = new Map<System, Evaluation>();
  try {
    for (const system of new Set([mode, ...systems])) {
      const run = await runs.get(system);
      bar.stop();
      if (file !== undefined) {
        const path = system === mode ? file : besideFile(file, system);
        writeRunFile(path, run, `palimpsest-${system}`);
        note(`wrote ${path}`);
      }
      evaluations.set(system, evaluateRun(run, qrels, measures));
    }
  } finally {
    bar.stop();
  }
  const title = `${nameOf(corpus)}, split ${split}: ${queries.length} queries, ${store.count()} documents`;
  const int8 = await measureInt8(options, folder, evaluations, queries);
  const hnsw = evaluations.get('genir-hnsw');
  for (const beside of ['genir-int8', 'genir-hnsw'] as const) evaluations.delete(beside);
  const baselines = new Map(
    systems.flatMap((system) => (evaluations.has(system) ? [[system, evaluations.get(system)!]] : [])),
  );
  return { title, mode, main: evaluations.get(mode)!, baselines, int8, hnsw };
}

async function measureInt8(
  { int8 }: Options,
  folder: ModelFolder | undefined,
  evaluations: ReadonlyMap<System, Evaluation>,
  queries: readonly Query[],
): Promise<Measured['int8']> {
  const evaluation = evaluations.get('genir-int8');
  if (!int8 || !folder || !evaluation) return undefined;
  const { precisionCosts } = await import('../../analysis/precision-costs.ts');
  return {
    evaluation,
    costs: await precisionCosts(
      folder,
      queries.map(({ text }) => text),
    ),
  };
}

/** The judged queries of the split, or some of them, in the order of the corpus. @throws UsageError when there are none */
function drawQueries(store: Store, { split, limit = Infinity }: Options, corpusName: string): Query[] {
  const queries = store.queries(split);
  if (queries.length === 0) {
    const judged = splits.map((name) => ({ name, count: store.queries(name).length })).filter(({ count }) => count > 0);
    const has = judged.map(({ name, count }) => `${name} (${count})`).join(', ');
    const advice =
      has === '' ? 'no split has any: judged queries come from queries.jsonl and qrels/' : `there are ${has}`;
    throw new UsageError(`${corpusName}: expected judged queries in the split ${split}, got none; ${advice}`);
  }
  if (limit >= queries.length) return queries;
  const drawn = new Set(shuffle([...queries], createRng(limitSeed)).slice(0, limit));
  return queries.filter((query) => drawn.has(query));
}

/** Says how much of the corpus the model does not know: its queries count, as 0. */
function noteMissing(store: Store, qrels: Qrels, isKnown: (docid: string) => boolean, note: Note): void {
  const missing = store.liveDocids().filter((docid) => !isKnown(docid)).length;
  if (missing === 0) return;
  const lost = [...qrels.values()].filter(
    (grades) => ![...grades].some(([docid, grade]) => grade > 0 && isKnown(docid)),
  );
  note(
    `${missing} of ${store.count()} documents are not in the model; ` +
      `${lost.length} of ${qrels.size} queries have no relevant document in it and count 0 for it`,
  );
}

/** `runs/x.trec` → `runs/x.bm25.trec` */
function besideFile(file: string, system: System): string {
  const { dir, name, ext } = parse(file);
  return format({ dir, name: `${name}.${system}`, ext });
}

/** The part of the JSON that every system has: measures by name, and their intervals. */
function numbers({ results }: Evaluation): Record<string, unknown> {
  const entries = [...results];
  return {
    ...Object.fromEntries(entries.map(([name, { mean }]) => [name, mean])),
    intervals: Object.fromEntries(entries.map(([name, { interval }]) => [name, [interval.low, interval.high]])),
  };
}

function table({ title, mode, main, baselines: others, int8, hnsw }: Measured): string {
  const names = measures.map(({ name }) => name);
  const ways: [System, Evaluation][] = [
    ...(int8 ? [['genir-int8', int8.evaluation] as [System, Evaluation]] : []),
    ...(hnsw ? [['genir-hnsw', hnsw] as [System, Evaluation]] : []),
  ];
  const baselines = new Map([...ways, ...others]);
  const rows = [...new Map<System, Evaluation>([[mode, main], ...baselines])].map(([system, { results }]) => {
    const cells = names.map((name) => {
      const { mean, interval } = results.get(name)!;
      return `${share(mean)} [${share(interval.low)}, ${share(interval.high)}]`;
    });
    const first = 'Success@1';
    const { p } = mcnemar(main.results.get(first)!.perQuery, results.get(first)!.perQuery);
    return [system, ...cells, ...(baselines.size > 0 ? [system === mode ? '' : p.toPrecision(2)] : [])];
  });
  const head = ['', ...names, ...(baselines.size > 0 ? ['p'] : [])];
  const widths = head.map((_, c) => Math.max(...[head, ...rows].map((cells) => cells[c].length)));
  const lines = [head, ...rows].map((cells) =>
    cells
      .map((cell, c) => cell.padEnd(widths[c]))
      .join('  ')
      .trimEnd(),
  );
  const method = `[${100 * defaultLevel} % intervals]: bootstrap over queries, ${defaultResamples} resamples`;
  const test = baselines.size > 0 ? `; p: McNemar's exact test on Success@1 against ${mode}` : '';
  const costs = int8 ? ['', costLine(int8.costs)] : [];
  return [title, '', ...lines, ...costs, '', method + test].join('\n');
}

function costLine(costs: Record<Precision, PrecisionCost>): string {
  const parts = Object.entries(costs).map(
    ([precision, { p50Ms, weightBytes }]) =>
      `${precision} ${p50Ms.toFixed(2)} ms and ${(weightBytes / 1e6).toFixed(1)} MB of weights`,
  );
  return `one query on one core, median: ${parts.join(', ')}`;
}

function share(value: number): string {
  return value.toFixed(3);
}

/** A bar on standard error with the time left; a line every ten seconds where no one watches. */
function queryBar(): { update(what: string, done: number, total: number): void; stop(): void } {
  let bar: cliProgress.SingleBar | undefined;
  let current: string | undefined;
  const stop = (): void => {
    bar?.stop();
    bar = current = undefined;
  };
  return {
    update(what, done, total) {
      if (what !== current) {
        stop();
        current = what;
        bar = new cliProgress.SingleBar({
          format: '{what} [{bar}] {value} of {total}, {eta_formatted} left',
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: true,
          noTTYOutput: true,
          notTTYSchedule: 10_000,
        });
        bar.start(total, 0, { what });
      }
      bar!.update(done);
      if (done === total) stop();
    },
    stop,
  };
}
