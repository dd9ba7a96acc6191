/**
 * Our modes beside MiniSearch, SQLite FTS5 and Orama on the same corpus and test queries.
 *
 *     node --import tsx tests/bench/peers.bench.ts [--corpus DIR] [--model DIR] [--queries N] [--systems a,b]
 *
 * Each system has a process of its own, opens or indexes the corpus, then answers every test query one at a time, ten
 * documents deep, twice: the first round warms up. JSON on stdout: seconds to index (or to open, where the index is a model,
 * whose training takes minutes: README), memory before, after, and beyond what the documents themselves take; latency;
 * Success@1 and Success@10. The others run as they come: title and text as fields, default tokenizer, weights and ranking; FTS5
 * as the server's mode `bm25`, with stems and a weight for titles. Models have also seen the corpus' train queries.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Document, JudgedQuery } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { createRng, shuffle } from '../../corpus/random.ts';
import { builtinCorpus, builtinModel, nameOf } from '../../server/paths.ts';

const DEPTH = 10;

/** Something that finds docids, best first. */
interface Engine {
  readonly search: (query: string) => readonly string[] | Promise<readonly string[]>;
  readonly close?: () => Promise<void>;
}

interface Settings {
  readonly corpus: string;
  readonly model: string;
  readonly scratch: string;
}

const contentFile = ({ scratch }: Settings): string => join(scratch, 'content.json');

type Open = (documents: readonly Document[], settings: Settings) => Promise<Engine>;

const engines = {
  minisearch: async (documents) => {
    const { default: MiniSearch } = await import('minisearch');
    const index = new MiniSearch({ idField: 'docid', fields: ['title', 'text'] });
    index.addAll(documents);
    return {
      search: (query) =>
        index
          .search(query)
          .slice(0, DEPTH)
          .map(({ id }) => String(id)),
    };
  },
  orama: async (documents) => {
    const { create, insertMultiple, search } = await import('@orama/orama');
    const index = create({ schema: { docid: 'string', title: 'string', text: 'string' } as const });
    const plain = documents.map(({ docid, title, text }) => ({ docid, title, text }));
    await insertMultiple(index, plain);
    return {
      search: async (term) => {
        const found = await search(index, { term, properties: ['title', 'text'], limit: DEPTH });
        return found.hits.map(({ document }) => document.docid);
      },
    };
  },
  fts5: async (documents) => {
    const store = openStore(':memory:');
    store.transaction(() => documents.forEach((document) => store.insert(document)));
    return { search: (query) => store.searchBm25(query, DEPTH).map(({ docid }) => docid) };
  },
  genir: (_, settings) => ours('genir', settings),
  hybrid: (_, settings) => ours('hybrid', settings),
} satisfies Record<string, Open>;

type System = keyof typeof engines;
const systems = Object.keys(engines) as System[];

/** A mode of the server, without HTTP, as the others run. */
async function ours(mode: 'genir' | 'hybrid', { model, corpus, scratch }: Settings): Promise<Engine> {
  const { startServer } = await import('../../server/serve.ts');
  const where = {
    modelDir: model,
    corpus: corpus === builtinCorpus ? undefined : corpus,
    dataDir: join(scratch, mode),
  };
  const server = await startServer({ ...where, port: 0, host: '127.0.0.1', log: () => undefined });
  const search = async (query: string): Promise<string[]> => {
    const asked = { queries: [query], k: DEPTH, mode, constraint: {}, documents: false, beams: undefined };
    const { lists } = await server.index.search(asked);
    return lists[0].map(({ docid }) => docid);
  };
  return { search, close: () => server.close() };
}

interface Measured {
  readonly openSeconds: number;
  readonly memoryMb: {
    readonly documents: number;
    readonly open: number;
    readonly after: number;
    readonly own: number;
  };
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number };
  readonly 'Success@1': number;
  readonly 'Success@10': number;
  readonly documents: number;
  readonly queries: number;
}

const round = (x: number, digits = 3): number => Number(x.toFixed(digits));
const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

/** Resident megabytes when garbage is gone. */
async function residentMb(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return Math.round(process.memoryUsage().rss / 2 ** 20);
}

async function measure(system: System, settings: Settings): Promise<Measured> {
  const { documents, queries } = JSON.parse(readFileSync(contentFile(settings), 'utf8')) as Content;
  const before = await residentMb();
  const startMs = performance.now();
  const start: Open = engines[system];
  const engine = await start(documents, settings);
  const openSeconds = round((performance.now() - startMs) / 1000, 2);
  const open = await residentMb();
  const times: number[] = [];
  let [first, ten] = [0, 0];
  for (const isMeasured of [false, true])
    for (const { text, relevant } of queries) {
      const askedMs = performance.now();
      const found = await engine.search(text);
      if (!isMeasured) continue;
      times.push(performance.now() - askedMs);
      const rank = found.findIndex((docid) => relevant.includes(docid));
      first += Number(rank === 0);
      ten += Number(rank >= 0 && rank < DEPTH);
    }
  const after = await residentMb();
  await engine.close?.();
  times.sort((a, b) => a - b);
  return {
    openSeconds,
    memoryMb: { documents: before, open, after, own: after - before },
    latencyMs: {
      p50: round(quantile(times, 0.5)),
      p95: round(quantile(times, 0.95)),
      p99: round(quantile(times, 0.99)),
    },
    'Success@1': round(first / queries.length),
    'Success@10': round(ten / queries.length),
    documents: documents.length,
    queries: queries.length,
  };
}

interface Content {
  readonly documents: readonly Document[];
  readonly queries: readonly JudgedQuery[];
}

/** Read once, so that no process has more in memory than the documents themselves before it begins. */
function read(corpus: string, most: number): Content {
  const store = openStore(':memory:');
  importCorpus(store, corpus);
  const documents = allDocuments(store);
  const judged = store.queries('test');
  store.close();
  return { documents, queries: shuffle([...judged], createRng(1)).slice(0, most) };
}

function allDocuments(store: Store): Document[] {
  const documents: Document[] = [];
  while (documents.length < store.count())
    documents.push(...store.documents({ offset: documents.length, limit: 100 }).documents);
  return documents;
}

async function inProcess(system: System, settings: Settings): Promise<Measured | { readonly failed: string }> {
  const child = fork(import.meta.filename, [system, JSON.stringify(settings)], {
    execArgv: ['--expose-gc', '--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [told] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [Measured | number];
  return typeof told === 'object' && told !== null ? told : { failed: `its process ended with ${told}` };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      corpus: { type: 'string', default: builtinCorpus },
      model: { type: 'string' },
      queries: { type: 'string', default: '1000000' },
      systems: { type: 'string', default: systems.join(',') },
    },
  });
  const { corpus } = values;
  const model = values.model ?? (corpus === builtinCorpus ? builtinModel : undefined);
  const scratch = mkdtempSync(join(tmpdir(), 'palimpsest-peers-'));
  const settings = { corpus, model: model ?? '', scratch };
  try {
    writeFileSync(contentFile(settings), JSON.stringify(read(corpus, Number(values.queries))));
    const results: Record<string, unknown> = {};
    for (const system of values.systems.split(',') as System[]) {
      const isOurs = system === 'genir' || system === 'hybrid';
      results[system] =
        isOurs && !model ? { left: 'no model of this corpus was given (--model)' } : await inProcess(system, settings);
    }
    const machine = {
      cpu: cpus()[0].model,
      cores: cpus().length,
      loadAverage: loadavg().map((x) => round(x)),
      node: process.version,
    };
    const report = {
      bench: 'peers',
      date: new Date().toISOString(),
      machine,
      corpus: nameOf(corpus),
      model,
      depth: DEPTH,
      results,
    };
    console.log(JSON.stringify(report, null, 2));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const [system, settings] = process.argv.slice(2);
if (process.send && systems.includes(system as System)) {
  process.send(await measure(system as System, JSON.parse(settings) as Settings), () => process.exit(0));
} else await main();
