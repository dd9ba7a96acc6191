/**
 * What searches wait while edits run.
 *
 *     npm run bench -- search-beside-edits [--seconds N] [--rounds N] [--rate SEARCHES_A_SECOND] [--edits back-to-back,5,1]
 *
 * A whole server of the built-in model. Searches come at a fixed rate, whether or not the ones before are answered, from a
 * thread of their own. Phases without edits take turns with phases in which the built-in additions are added: one as soon
 * as the one before is answered, or so many a second. JSON on stdout: quantiles of the latency of all searches of each kind
 * of phase, beside those without edits; how many edits were made in a second, and what one took.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { startThread } from '../../models/thread.ts';
import { builtinModel } from '../../server/paths.ts';
import { startServer } from '../../server/serve.ts';
import { additions, editsAt, post, quantilesOf, round, sleep, type EditRate } from './beside.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '50' },
    edits: { type: 'string', default: 'back-to-back,5,1' },
  },
});

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

const key = 'key-of-the-benchmark-0123456789';

/** Phases of one kind beside as many without edits, on a server of their own: nothing is added twice. */
async function compare(every: EditRate): Promise<object> {
  const [seconds, rounds, rate] = [values.seconds, values.rounds, values.rate].map(Number);
  const { documents, queries } = additions();
  const scratch = mkdtempSync(join(tmpdir(), 'palimpsest-beside-'));
  const server = await startServer({
    ...{ modelDir: builtinModel, dataDir: join(scratch, 'data'), corpus: undefined },
    ...{ workers: 1, threads: 1, adminKey: key, port: 0, host: '127.0.0.1', log: () => undefined },
  });
  try {
    const edits = editsAt(server.url, key, documents);
    await edits.one(); // opens the editor
    const times: { idle: number[]; editing: number[] } = { idle: [], editing: [] };
    for (let turn = 0; turn < 2 * rounds; turn++) {
      const kind = turn % 2 ? 'editing' : 'idle';
      const setup: ClientSetup = { url: server.url, queries, rate, ms: 1000 * seconds };
      const client = startThread(new URL('./search-beside-edits.bench', import.meta.url), { workerData: setup });
      const found = new Promise<number[]>((resolve, reject) => client.once('message', resolve).once('error', reject));
      const stop = new AbortController();
      const adding = kind === 'editing' ? edits.until(stop.signal, every) : undefined;
      times[kind].push(...(await found));
      stop.abort();
      await adding;
    }
    edits.close();
    const [idle, editing] = [quantilesOf(times.idle), quantilesOf(times.editing)];
    return {
      ...{ edits: every, idle, editing },
      ratio: { p50: round(editing.p50 / idle.p50), p95: round(editing.p95 / idle.p95) },
      editsPerSecond: edits.perSecond,
      editMs: quantilesOf(edits.times),
    };
  } finally {
    await server.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const results: object[] = [];
  for (const every of values.edits.split(',')) {
    results.push(await compare(every === 'back-to-back' ? every : Number(every)));
    console.error(JSON.stringify(results.at(-1)));
  }
  const machine = { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0], node: process.version };
  const { seconds, rounds, rate } = values;
  const result = {
    bench: 'search-beside-edits',
    date: new Date().toISOString(),
    machine,
    seconds,
    rounds,
    rate,
    results,
  };
  console.log(JSON.stringify(result, null, 2));
}

if (isMainThread) await main();
else parentPort!.postMessage(await search(workerData as ClientSetup));
