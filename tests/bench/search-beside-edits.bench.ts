/**
 * What searches wait while edits run.
 *
 *     node --import tsx tests/bench/search-beside-edits.bench.ts [--seconds N] [--rounds N] [--rate SEARCHES_A_SECOND] [--pause MS]
 *
 * A whole server of the built-in model. Searches come at a fixed rate, whether or not the ones before are answered, from a
 * thread of their own; phases without edits and phases in which the built-in additions are added one after the other
 * (`--pause` milliseconds after each answer) take turns. JSON on stdout: quantiles of the latency of all searches of both
 * kinds of phases, their ratio, and how many edits were made.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { startThread } from '../../models/thread.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';
import { startServer } from '../../server/serve.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '4' },
    rate: { type: 'string', default: '50' },
    pause: { type: 'string', default: '0' },
  },
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function post(agent: Agent, url: string, body: unknown, key?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    };
    const call = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    call.on('error', reject).end(text);
  });
}

interface ClientSetup {
  readonly url: string;
  readonly queries: readonly string[];
  readonly rate: number;
  readonly ms: number;
}

/** Searches at a fixed rate for `ms` milliseconds. @returns their latencies */
async function search({ url, queries, rate, ms }: ClientSetup): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const times: number[] = [];
  const running: Promise<void>[] = [];
  const from = performance.now();
  for (let i = 0; (i * 1000) / rate < ms; i++) {
    const due = from + (i * 1000) / rate;
    await sleep(Math.max(0, due - performance.now()));
    const query = queries[(i * 7919) % queries.length];
    running.push(
      post(agent, `${url}/retrieve`, { query, k: 10 }).then((status) => {
        if (status !== 200) throw new Error(`/retrieve answered ${status}`);
        times.push(performance.now() - due);
      }),
    );
  }
  await Promise.all(running);
  agent.destroy();
  return times;
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
const round = (x: number): number => Math.round(x * 100) / 100;

function summary(times: readonly number[]): { searches: number; p50: number; p95: number; p99: number } {
  const sorted = [...times].sort((a, b) => a - b);
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => round(quantile(sorted, q)));
  return { searches: sorted.length, p50, p95, p99 };
}

async function main(): Promise<void> {
  const [seconds, rounds, rate, pause] = [values.seconds, values.rounds, values.rate, values.pause].map(Number);
  const additions = openStore(':memory:');
  importCorpus(additions, join(builtinCorpus, 'additions'));
  const documents = [...additions.eachDocument()].map(({ docid, title, text }) => ({ docid, title, text }));
  const queries = additions.queries('test').map(({ text }) => text);
  additions.close();
  const scratch = mkdtempSync(join(tmpdir(), 'palimpsest-beside-'));
  const key = 'key-of-the-benchmark-0123456789';
  const server = await startServer({
    ...{ modelDir: builtinModel, dataDir: join(scratch, 'data'), corpus: undefined },
    ...{ workers: 1, threads: 1, adminKey: key, port: 0, host: '127.0.0.1', log: () => undefined },
  });
  const agent = new Agent({ keepAlive: true });
  let edits = 0;
  const edit = async (): Promise<void> => {
    const status = await post(agent, `${server.url}/documents?wait=60`, documents[edits % documents.length], key);
    if (status >= 300) throw new Error(`/documents answered ${status}`);
    edits++;
  };
  try {
    await edit(); // opens the editor
    const times: { idle: number[]; editing: number[] } = { idle: [], editing: [] };
    for (let turn = 0; turn < 2 * rounds; turn++) {
      const kind = turn % 2 ? 'editing' : 'idle';
      const setup: ClientSetup = { url: server.url, queries, rate, ms: 1000 * seconds };
      const client = startThread(new URL('./search-beside-edits.bench', import.meta.url), { workerData: setup });
      const found = new Promise<number[]>((resolve, reject) => client.once('message', resolve).once('error', reject));
      let done = false;
      const all = found.finally(() => (done = true));
      while (kind === 'editing' && !done && edits < documents.length) {
        await edit();
        await sleep(pause);
      }
      times[kind].push(...(await all));
    }
    const [idle, editing] = [summary(times.idle), summary(times.editing)];
    const machine = { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0], node: process.version };
    const result = {
      ...{ bench: 'search-beside-edits', date: new Date().toISOString(), machine, seconds, rounds, rate, pause },
      ...{ idle, editing, edits },
      editsPerSecond: round(edits / (rounds * seconds)),
      ratio: { p50: round(editing.p50 / idle.p50), p95: round(editing.p95 / idle.p95) },
    };
    console.log(JSON.stringify(result, null, 2));
  } finally {
    agent.destroy();
    await server.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (isMainThread) await main();
else parentPort!.postMessage(await search(workerData as ClientSetup));
