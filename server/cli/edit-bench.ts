import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { JudgedQuery, Document } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import type { BenchProgress, BenchResult } from '../../editing/bench/bench.ts';
import type { BenchCorpus } from '../../editing/bench/plan.ts';
import type { MethodResult, Numbers } from '../../editing/bench/result.ts';
import { presets, type EditMethodPreset } from '../../editing/presets.ts';
import { readModelFolder } from '../../models/folder.ts';
import { builtinCorpus, builtinModel, nameOf } from '../paths.ts';
import { defineCommand, integer, oneOf, UsageError, type Note } from './command.ts';
import { corpusOption, modelOption } from './shared-options.ts';

interface Options {
  model?: string;
  corpus?: string;
  additions?: string;
  add: number;
  delete: number;
  change: number;
  textOnly?: boolean;
  method: EditMethodPreset[];
  sequential?: boolean;
  batch?: boolean;
  retrain: string;
  seeds: number[];
  curve?: boolean;
  tradeOff?: number[] | true;
  out?: string;
  threads: number;
}

/** Rows alone, the MLPs alone, both: what each part brings is always seen. */
const usualMethods: EditMethodPreset[] = ['ledger', 'rows', 'mlp'];
/** Multiples of the weight that a method gives old queries. */
const usualWeights = [0.25, 0.5, 1, 2, 4];
const presetNames = Object.keys(presets) as EditMethodPreset[];
const MAX_EDITS = 1_000_000;

export const editBench = defineCommand<Options, BenchResult>({
  name: 'edit-bench',
  summary: 'add, delete and change documents by edits and measure what becomes of old and new ones',
  options: {
    model: modelOption,
    corpus: corpusOption,
    additions: {
      flags: '--additions <path>',
      description:
        'corpus with documents to add (default: documents of the corpus that the model was trained without; with the built-in corpus its additions)',
      parse: (path) => resolve(path),
    },
    add: { flags: '--add <n>', description: 'documents to add', parse: integer(0, MAX_EDITS), default: 0 },
    delete: { flags: '--delete <n>', description: 'documents to delete', parse: integer(0, MAX_EDITS), default: 0 },
    change: {
      flags: '--change <n>',
      description: 'documents to give the content of others, which the model was trained without',
      parse: integer(0, MAX_EDITS),
      default: 0,
    },
    textOnly: { flags: '--text-only', description: 'give new documents without their train queries' },
    method: {
      flags: '--method <list>',
      description: `with commas, of ${presetNames.join(', ')}; the first is the result, the others stand beside it`,
      parse: (list) => list.split(',').map((name) => oneOf(presetNames)(name.trim())),
      default: usualMethods,
    },
    sequential: { flags: '--sequential', description: 'one edit after the other (default)' },
    batch: { flags: '--batch', description: 'all edits in one solve' },
    retrain: {
      flags: '--retrain <dir|run|none>',
      description: 'measure a model trained with the documents beside it: its folder, or run to train one',
      default: 'none',
    },
    seeds: { flags: '--seeds <list>', description: 'of the draws, with commas', parse: numbers(0), default: [1] },
    curve: { flags: '--curve', description: 'measure after 10, 20, 50, 100, … edits too' },
    tradeOff: {
      flags: '--trade-off [weights]',
      description: `measure with more and less weight on old queries: multiples, with commas (${usualWeights.join(',')})`,
      parse: numbers(Number.MIN_VALUE),
    },
    out: {
      flags: '--out <dir>',
      description: 'folder for report.html and report.json',
      parse: (path) => resolve(path),
    },
    threads: {
      flags: '--threads <n>',
      description: 'cores to compute on',
      parse: integer(1, 256),
      default: availableParallelism(),
    },
  },
  async run(options, note) {
    const { model = builtinModel, corpus: path = builtinCorpus, out, threads, retrain, tradeOff } = options;
    const counts = { add: options.add, delete: options.delete, change: options.change };
    if (counts.add + counts.delete + counts.change === 0)
      throw new UsageError(
        'edit-bench: expected --add, --delete or --change, got none; say how many documents to edit',
      );
    if (options.sequential && options.batch)
      throw new UsageError('--batch: expected no --sequential beside it; choose one');
    const folder = readModelFolder(model);
    // Load onnxruntime and the drawing of plots, which the other commands do without.
    const { bench } = await import('../../editing/bench/bench.ts');
    const { writeBench } = await import('../../editing/bench/report.ts');
    const corpus = readCorpus(path, additionsOf(options, path), folder.genir?.docids ?? [], nameOf(model));
    const result = await bench({
      ...{ folder, corpus, counts, threads, out },
      ...{ modelName: nameOf(model), corpusName: nameOf(path), seeds: options.seeds, methods: options.method },
      mode: options.batch ? 'batch' : 'sequential',
      textOnly: options.textOnly ?? false,
      isCurve: options.curve ?? false,
      tradeOff: tradeOff === true ? usualWeights : (tradeOff ?? []),
      retrain: retrain === 'none' || retrain === 'run' ? retrain : { dir: resolve(retrain) },
      onProgress: progressLines(note),
    });
    if (out !== undefined) {
      writeBench(out, result);
      note(`wrote ${join(out, 'report.html')}`);
    }
    return result;
  },
  json: ({ methods: [{ method, ...first }, ...beside], ...result }) => ({ method, ...result, ...first, beside }),
  text: table,
});

function numbers(least: number): (list: string) => number[] {
  return (list) =>
    list.split(',').map((text) => {
      const value = text.trim() === '' ? NaN : Number(text);
      if (value >= least && value <= 1e9) return value;
      throw new InvalidArgumentError(`Expected numbers with commas between them, got '${text}'.`);
    });
}

function additionsOf({ additions, model }: Options, corpus: string): string | undefined {
  const usual = join(builtinCorpus, 'additions');
  return additions ?? (corpus === builtinCorpus && model === undefined && existsSync(usual) ? usual : undefined);
}

/** @throws UsageError  when documents of the model are not in the corpus */
function readCorpus(
  path: string,
  additions: string | undefined,
  docids: readonly string[],
  model: string,
): BenchCorpus {
  return withCorpus(path, (store) => {
    const base = docids.flatMap((docid) => {
      const document = store.document(docid);
      return document?.state === 'live' ? [document] : [];
    });
    if (base.length < docids.length)
      throw new UsageError(
        `--corpus ${path}: expected the ${docids.length} documents of ${model}, got ${base.length} of them; give the corpus it was trained on`,
      );
    const known = new Set(docids);
    const rest = (from: Store): Document[] => [...from.eachDocument()].filter(({ docid }) => !known.has(docid));
    const own = { train: store.queries('train'), dev: store.queries('dev'), test: store.queries('test') };
    if (additions === undefined) return { base, heldOut: rest(store), ...own };
    return withCorpus(additions, (more) => {
      const both = (split: keyof typeof own): JudgedQuery[] => [
        ...own[split],
        ...more.queries(split).map((query) => ({ ...query, id: `additions: ${query.id}` })),
      ];
      return { base, heldOut: rest(more), train: both('train'), dev: both('dev'), test: both('test') };
    });
  });
}

function withCorpus<T>(path: string, use: (store: Store) => T): T {
  const store = openStore(':memory:');
  try {
    importCorpus(store, path);
    return use(store);
  } finally {
    store.close();
  }
}

const LINE_EVERY_MS = 10_000;

/** A line when something new begins, and now and then within it. */
function progressLines(note: Note): (progress: BenchProgress) => void {
  let [said, at] = ['', 0];
  return ({ what, done, total }) => {
    const now = Date.now();
    if (what === said && now - at < LINE_EVERY_MS) return;
    [said, at] = [what, now];
    note(`${what}: ${done} of ${total}`);
  };
}

function table({ methods, counts, mode, seeds, out }: BenchResult & { out?: string }): string {
  const [first] = methods;
  const groups = (['old', 'new', 'changed', 'all', 'obsolete', 'deleted'] as const).filter(
    (group) => first.after[group],
  );
  const cells = (values: Partial<Record<string, Numbers>>): string[] =>
    groups.map((group) => values[group]?.['Success@1'].toFixed(3) ?? '');
  const row = (method: MethodResult): string[] => [
    method.method,
    ...cells(method.after),
    method.drift.toPrecision(2),
    `${(1000 * method.secondsPerEdit).toFixed(0)} ms`,
  ];
  const rows = [
    ['Success@1', ...groups, 'drift', 'per edit'],
    ['before', ...cells(first.before), '', ''],
    ...methods.map(row),
    ...(first.retrain ? [['retrained', ...cells(first.retrain), '', '']] : []),
  ];
  const widths = rows[0].map((_, c) => Math.max(...rows.map((line) => line[c].length)));
  return [
    `${counts.add} added, ${counts.delete} deleted, ${counts.change} changed, ${mode}, ${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}`,
    '',
    ...rows.map((line) =>
      line
        .map((cell, c) => cell.padEnd(widths[c]))
        .join('  ')
        .trimEnd(),
    ),
    '',
    first.undone ? 'all edits taken back: the same bytes' : 'all edits taken back: NOT the same bytes',
    ...(out === undefined ? [] : [join(out, 'report.html')]),
  ].join('\n');
}
