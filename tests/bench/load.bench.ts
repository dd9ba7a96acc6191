/**
 * How much of its throughput a server keeps while it is edited, and whether it makes errors.
 *
 *     npm run bench -- load [--seconds 60] [--concurrency 64] [--edits 5] [--rounds 1]
 *
 * A whole server of the built-in model. So many clients search one after the other, without a pause, from a thread of their
 * own; then they do it while so many documents a second are added, and once more without. JSON on stdout: searches answered
 * in a second, their latency, errors, and the edits that were made, which are fewer where they do not get to it.
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
import { additions, editsAt, post, quantilesOf, round } from './beside.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    concurrency: { type: 'string', default: '64' },
    edits: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '1' },
  },
});

interface ClientSetup {
  readonly url: string;
  readonly queries: readonly string[];
  readonly concurrency: number;
  readonly ms: number;
}

interface Answers {
  readonly times: readonly number[];
  readonly errors: number;
}

async function search({ url, queries, concurrency, ms }: ClientSetup): Promise<Answers> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const end = performance.now() + ms;
  const times: number[] = [];
  let [asked, errors] = [0, 0];
  const client = async (): Promise<void> => {
    for (let from = performance.now(); from < end; from = performance.now()) {
      const query = queries[(asked++ * 7919) % queries.length];
      const status = await post(agent, `${url}/retrieve`, { query, k: 10 }).catch(() => 0);
      if (status === 200) times.push(performance.now() - from);
      else errors++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  agent.destroy();
  return { times, errors };
}

async function main(): Promise<void> {
  const [seconds, concurrency, rate, rounds] = [values.seconds, values.concurrency, values.edits, values.rounds].map(
    Number,
  );
  const { documents, queries } = additions();
  const scratch = mkdtempSync(join(tmpdir(), 'palimpsest-load-'));
  const key = 'key-of-the-benchmark-0123456789';
  const server = await startServer({
    ...{ modelDir: builtinModel, dataDir: join(scratch, 'data'), corpus: undefined },
    ...{ workers: 1, threads: 1, adminKey: key, port: 0, host: '127.0.0.1', log: () => undefined },
  });
  const run = async (ms: number): Promise<Answers> => {
    const setup: ClientSetup = { url: server.url, queries, concurrency, ms };
    const client = startThread(new URL('./load.bench', import.meta.url), { workerData: setup });
    return new Promise((resolve, reject) => client.once('message', resolve).once('error', reject));
  };
  const summary = (phases: readonly Answers[]): object => ({
    searchesPerSecond: perSecond(phases),
    latencyMs: quantilesOf(phases.flatMap(({ times }) => times)),
    errors: phases.reduce((sum, { errors }) => sum + errors, 0),
  });
  const perSecond = (phases: readonly Answers[]): number =>
    round(phases.reduce((sum, { times }) => sum + times.length, 0) / (seconds * phases.length));
  try {
    const edits = editsAt(server.url, key, documents);
    await edits.one(); // opens the editor
    await run(2000);
    const [idle, editing]: Answers[][] = [[], []];
    for (let i = 0; i < rounds; i++) {
      idle.push(await run(1000 * seconds));
      const stop = new AbortController();
      const adding = edits.until(stop.signal, rate);
      editing.push(await run(1000 * seconds));
      stop.abort();
      await adding;
      idle.push(await run(1000 * seconds));
    }
    edits.close();
    const machine = { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0], node: process.version };
    const result = {
      ...{ bench: 'load', date: new Date().toISOString(), machine, seconds, concurrency, rounds },
      withoutEdits: summary(idle),
      withEdits: {
        ...summary(editing),
        editsPerSecond: { asked: rate, made: edits.perSecond },
        editMs: quantilesOf(edits.times),
      },
      kept: round(perSecond(editing) / perSecond(idle)),
    };
    console.log(JSON.stringify(result, null, 2));
  } finally {
    await server.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (isMainThread) await main();
else parentPort!.postMessage(await search(workerData as ClientSetup));
