/**
 * What serving costs on top of the model, and what batches give.
 *
 *     node --import tsx tests/bench/serving.bench.ts [--model DIR] [--seconds N] [--rounds N] [--workers N] [--threads N]
 *
 * Three layers answer the same queries, each on top of the one before: bare onnxruntime calls with the tokens at hand,
 * the inference pool, and POST /retrieve of a whole server. JSON on stdout: the latency of each at concurrency 1, query
 * by query in turn; throughput at concurrency 1 and 32 with the event-loop delay of this thread, in which pool and server
 * live (clients of the server have a thread of their own); memory. Without --model the built-in model is taken, or
 * where there is none, a random one of its shape.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus, freemem, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { MAX_QUERY_TOKENS, wordWeights } from '../../models/decode.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { docidDecoderGraph } from '../../models/graphs.ts';
import { InferencePool } from '../../models/pool.ts';
import { int64, Session, tensor, type Feeds } from '../../models/session.ts';
import { unembedName } from '../../models/t5.ts';
import { startThread } from '../../models/thread.ts';
import { loadTokenizer, padBatch } from '../../models/tokenizer.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

const K = 10;
const root = join(import.meta.dirname, '..', '..');
const builtinCorpus = join(root, 'corpus', 'builtin');

/** Something that answers queries. */
interface Layer {
  readonly answer: (query: string) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

interface Settings {
  readonly modelDir: string;
  readonly workers: number;
  readonly threads: number;
  readonly scratch: string;
}

/** The graph on its own, in this thread: what no server can undercut. */
async function bareLayer({ modelDir, threads }: Settings): Promise<Layer> {
  const folder = readModelFolder(modelDir);
  const { docids, firstDocidToken } = folder.genir!;
  const D = folder.config.d_model;
  const graph = docidDecoderGraph(
    { ...folder.config, vocab_size: firstDocidToken },
    wordWeights(folder, firstDocidToken),
  );
  const session = await Session.open(graph, { threads });
  const tokenizer = loadTokenizer(folder, MAX_QUERY_TOKENS);
  const { data } = folder.tensor(unembedName(folder.config));
  const common: Feeds = {
    rows: tensor(data.slice(firstDocidToken * D, (firstDocidToken + docids.length) * D), [docids.length, D]),
    bias: tensor(new Float32Array(docids.length), [1, docids.length]),
    k: int64([K]),
  };
  const known = new Map<string, Feeds>();
  const feedsOf = (query: string): Feeds => {
    const { inputIds, mask, length } = padBatch([tokenizer.encode(query)]);
    const shape = [1, length];
    return { ...common, input_ids: tensor(inputIds, shape), attention_mask: tensor(mask, shape) };
  };
  for (const query of queries) known.set(query, feedsOf(query)); // tokenised before the clock runs
  return {
    answer: (query) => session.run(known.get(query)!, ['scores', 'row_indices']),
    close: () => session.release(),
  };
}

async function poolLayer({ modelDir, workers, threads }: Settings): Promise<Layer> {
  const pool = await InferencePool.open({ modelDir, workers, threads });
  return { answer: (query) => pool.retrieve([{ query, k: K }]), close: () => pool.close() };
}

async function httpLayer({ modelDir, workers, threads, scratch }: Settings): Promise<Layer & { url: string }> {
  const { startServer } = await import('../../server/serve.ts');
  const { builtinModel } = await import('../../server/paths.ts');
  const server = await startServer({
    modelDir,
    workers,
    threads,
    dataDir: join(scratch, 'data'),
    corpus: modelDir === builtinModel ? undefined : builtinCorpus,
    port: 0,
    host: '127.0.0.1',
    log: () => undefined,
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const close = async (): Promise<void> => {
    agent.destroy();
    await server.close();
  };
  return { url: server.url, answer: (query) => post(agent, server.url, query), close };
}

function post(agent: Agent, url: string, query: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify({ query, k: K });
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const call = request(`${url}/retrieve`, { method: 'POST', agent, headers }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`/retrieve answered ${response.statusCode}`));
      response.resume().on('end', resolve);
    });
    call.on('error', reject).end(body);
  });
}

const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const quantile = (values: readonly number[], q: number): number =>
  sorted(values)[Math.min(values.length - 1, Math.floor(q * values.length))];
const median = (values: readonly number[]): number => quantile(values, 0.5);
const round = (x: number): number => Math.round(x * 1000) / 1000;

/** Queries that one layer answers before the next has its turn: so many that each finds its weights in the caches. */
const BLOCK = 20;

/** Milliseconds of each layer for every query, one at a time; the layers take turns, in an order that rotates. */
async function latency(layers: Record<string, Layer>, rounds: number): Promise<Record<string, number[]>> {
  const names = Object.keys(layers);
  const times: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let r = -1; r < rounds; r++) {
    for (let first = 0; first < queries.length; first += BLOCK) {
      const shift = first / BLOCK + r + 1;
      for (let j = 0; j < names.length; j++) {
        const name = names[(shift + j) % names.length];
        for (const query of queries.slice(first, first + BLOCK)) {
          const start = performance.now();
          await layers[name].answer(query);
          if (r >= 0) times[name].push(performance.now() - start); // the round before the first warms up
        }
      }
    }
  }
  return times;
}

interface Load {
  readonly perSecond: number;
  readonly latencyMs: readonly number[];
}

/** `concurrency` clients, each asking anew as soon as it is answered. */
async function load({ answer }: Pick<Layer, 'answer'>, concurrency: number, seconds: number): Promise<Load> {
  const latencyMs: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  let next = 0;
  const client = async (): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      await answer(queries[next++ % queries.length]);
      latencyMs.push(performance.now() - now);
      now = performance.now();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  return { perSecond: latencyMs.length / ((performance.now() - start) / 1000), latencyMs };
}

interface ClientTask {
  readonly url: string;
  readonly concurrency: number;
  readonly seconds: number;
  readonly queries: readonly string[];
}

/** The same from a thread of its own, over HTTP. */
function loadFromThread(url: string, concurrency: number, seconds: number): Promise<Load> {
  const module = new URL(import.meta.url.replace(/\.[jt]s$/, ''));
  const workerData: ClientTask = { url, concurrency, seconds, queries };
  return new Promise((resolve, reject) => {
    startThread(module, { workerData }).once('message', resolve).once('error', reject);
  });
}

/** The timer behind the measured delay fires every 10 ms; what it reports contains that. */
const RESOLUTION_MS = 10;

async function throughput(layer: Layer & { url?: string }, rounds: number, seconds: number) {
  const levels = [1, 32];
  const runs = levels.map(() => ({ perSecond: [] as number[], p50: [] as number[], p99: [] as number[] }));
  const delays = levels.map(() => ({ p99: [] as number[], max: [] as number[] }));
  for (let r = 0; r < rounds; r++) {
    for (const i of r % 2 ? [1, 0] : [0, 1]) {
      const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      const url = layer.url;
      monitor.enable();
      const { perSecond, latencyMs } = url
        ? await loadFromThread(url, levels[i], seconds)
        : await load(layer, levels[i], seconds);
      monitor.disable();
      runs[i].perSecond.push(round(perSecond));
      runs[i].p50.push(round(median(latencyMs)));
      runs[i].p99.push(round(quantile(latencyMs, 0.99)));
      delays[i].p99.push(round(monitor.percentile(99) / 1e6 - RESOLUTION_MS));
      delays[i].max.push(round(monitor.max / 1e6 - RESOLUTION_MS));
    }
  }
  const rows = levels.map((concurrency, i) => ({
    concurrency,
    queriesPerSecond: median(runs[i].perSecond),
    latencyMs: { p50: median(runs[i].p50), p99: median(runs[i].p99) },
    eventLoopDelayMs: { p99: median(delays[i].p99), max: Math.max(...delays[i].max) },
    raw: { queriesPerSecond: runs[i].perSecond, eventLoopDelayP99Ms: delays[i].p99 },
  }));
  return { gain: round(rows[1].queriesPerSecond / rows[0].queriesPerSecond), rows };
}

const readJsonl = (file: string): { _id: string; title?: string; text: string }[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { _id: string; text: string });

/** A random model of the built-in one's shape, over the built-in corpus. */
function randomModel(scratch: string): string {
  const corpus = readJsonl(join(builtinCorpus, 'corpus.jsonl')).slice(0, 1000);
  return writeTinyModel(join(scratch, 'model'), {
    config: { d_model: 512, d_kv: 64, d_ff: 1024, num_heads: 8, num_layers: 1, num_decoder_layers: 4 },
    words: 8000,
    docids: corpus.map(({ _id }) => _id),
    trainingTexts: corpus.map(({ title = '', text }) => `${title} ${text}`),
  });
}

function describeModel(folder: ModelFolder, dir: string): object {
  const { d_model, d_ff, num_layers, num_decoder_layers, vocab_size } = folder.config;
  const parameters = [...folder.weights.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const sizes = { d_model, d_ff, num_layers, num_decoder_layers, vocab_size };
  return { dir, documents: folder.genir!.docids.length, parameters, ...sizes };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      workers: { type: 'string', default: '1' },
      threads: { type: 'string', default: '1' },
    },
  });
  const scratch = mkdtempSync(join(tmpdir(), 'palimpsest-bench-'));
  try {
    const builtin = join(root, 'models', 'builtin');
    const given = values.model ?? (existsSync(join(builtin, 'config.json')) ? builtin : undefined);
    const modelDir = given ?? randomModel(scratch);
    const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
    const settings: Settings = { modelDir, scratch, workers: Number(values.workers), threads: Number(values.threads) };
    const residentMb = (): number => Math.round(process.memoryUsage().rss / 2 ** 20);

    const memoryMb: Record<string, number> = { start: residentMb() };
    const pool = await poolLayer(settings);
    memoryMb.poolOpen = residentMb();
    const poolThroughput = await throughput(pool, rounds, seconds);
    memoryMb.poolAfterLoad = residentMb();
    const http = await httpLayer(settings);
    const httpThroughput = await throughput(http, rounds, seconds);
    memoryMb.all = residentMb();
    const layers = { onnxruntime: await bareLayer(settings), pool, http };
    const times = await latency(layers, rounds);
    for (const layer of Object.values(layers)) await layer.close();

    const bare = median(times.onnxruntime);
    const report = {
      bench: 'serving',
      date: new Date().toISOString(),
      machine: {
        cpu: cpus()[0].model,
        cores: cpus().length,
        memoryGb: round(totalmem() / 2 ** 30),
        freeGb: round(freemem() / 2 ** 30),
        loadAverage: loadavg().map(round),
        node: process.version,
      },
      model: { kind: given ? 'given' : 'random', ...describeModel(readModelFolder(modelDir), modelDir) },
      settings: {
        workers: settings.workers,
        threads: settings.threads,
        rounds,
        seconds,
        k: K,
        queries: queries.length,
      },
      latency: Object.entries(times).map(([layer, ms]) => ({
        layer,
        medianMs: round(median(ms)),
        p90Ms: round(quantile(ms, 0.9)),
        ratioToOnnxruntime: round(median(ms) / bare),
      })),
      throughput: { pool: poolThroughput, http: httpThroughput },
      memoryMb,
    };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** As people type them: every 40th of the built-in corpus. */
const queries: readonly string[] = isMainThread
  ? readJsonl(join(builtinCorpus, 'queries.jsonl'))
      .filter((_, i) => i % 40 === 0)
      .map(({ text }) => text)
  : (workerData as ClientTask).queries;

if (isMainThread) await main();
else {
  const { url, concurrency, seconds } = workerData as ClientTask;
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  parentPort!.postMessage(await load({ answer: (query) => post(agent, url, query) }, concurrency, seconds));
  agent.destroy();
}
