/**
 * Whether memory and latency of a server stay as they are while it is searched and edited for an hour.
 *
 *     npm run bench -- soak [--minutes 60] [--rate 20] [--edit-every 2] [--sample 30] [--warm-up 10] [--window 10]
 *
 * `palimpsest serve` with the built-in model, as a process of its own. So many searches a second come whether or not the ones
 * before are answered, three of five by the model, one of BM25, one of both; every so many seconds an edit: a document is
 * added, changed, the change undone, the oldest of twenty added ones deleted, so that the corpus keeps its size. Every ten
 * minutes an evaluation, and between two of them a snapshot. JSON on stdout: resident memory, JavaScript's heap of the main thread
 * and latency in each sample; medians of the last minutes of `--window` beside those of the first ones behind the warm-up.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { EditOutcome } from '../../editing/operations.ts';
import type { TaskView } from '../../server/schemas.ts';
import { additions, post, quantilesOf, round } from './beside.ts';
import { askJson, serveProcess, type Served } from './served.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '20' },
    'edit-every': { type: 'string', default: '2' },
    sample: { type: 'string', default: '30' },
    'warm-up': { type: 'string', default: '10' },
    window: { type: 'string', default: '10' },
  },
});
const [minutes, rate, editEvery, sampleSeconds, warmUp, window] = [
  ...[values.minutes, values.rate, values['edit-every'], values.sample, values['warm-up'], values.window],
].map(Number);

interface Sample {
  readonly minute: number;
  readonly residentMb: number;
  readonly heapMb: number;
  readonly searches: number;
  readonly p50: number;
  readonly p99: number;
  readonly edits: number;
  readonly errors: number;
  /** Of the machine, whose other processes disturb the latencies. */
  readonly load: number;
}

const { documents, queries } = additions();
const modes = ['genir', 'genir', 'genir', 'bm25', 'hybrid'] as const;
/** Added documents that are there at any time. */
const kept = 20;

const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-soak-'));
const server = await serveProcess({ dataDir });
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
const startMs = performance.now();
const endMs = startMs + 60_000 * minutes;
const isOver = (): boolean => performance.now() >= endMs;
const minute = (): number => (performance.now() - startMs) / 60_000;
let errors = 0;
/** Connections that were closed before they were used, where the search was asked for again. */
let closed = 0;
let edits = 0;

function fault(what: unknown): void {
  errors++;
  console.error(`${round(minute())} min: ${String(what)}`);
}

/** The status, or what broke. The server closes a connection that was idle for 5 s, if need be just when it is used again. */
const ask = (body: unknown): Promise<number | string> =>
  post(agent, `${server.url}/retrieve`, body).catch<number | string>((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET') return String(error);
    closed++;
    return post(agent, `${server.url}/retrieve`, body).catch(String);
  });

/** Every latency with the minute in which the search was due. */
const searches: { readonly minute: number; readonly ms: number }[] = [];
async function search(): Promise<void> {
  const running = new Set<Promise<void>>();
  for (let i = 0; !isOver(); i++) {
    const due = startMs + (1000 * i) / rate;
    await delay(Math.max(0, due - performance.now()));
    const body = { query: queries[(i * 7919) % queries.length], k: 10, mode: modes[i % modes.length] };
    const one = ask(body).then((status) => {
      if (status === 200) searches.push({ minute: (due - startMs) / 60_000, ms: performance.now() - due });
      else fault(`/retrieve: ${status}`);
    });
    running.add(one.finally(() => running.delete(one)));
  }
  await Promise.all(running);
}

/** Adds, changes, takes the change back, deletes. */
async function edit(): Promise<void> {
  const there: string[] = [];
  let [number, last] = [0, 0];
  const make = async (method: string, path: string, body?: unknown): Promise<void> => {
    const mark = path.includes('?') ? '&' : '?';
    try {
      const made = await askJson<EditOutcome | TaskView>(server, method, `${path}${mark}wait=60`, body);
      const outcome = 'state' in made ? ((await ended(made)).result as EditOutcome) : made;
      last = outcome.seq!;
      edits++;
    } catch (error) {
      fault(error);
    }
  };
  const add = async (): Promise<void> => {
    const { docid, ...content } = documents[number % documents.length];
    there.push(`${docid}-${number++}`);
    await make('POST', '/documents?budget=1', { docid: there.at(-1), ...content });
  };
  while (there.length < kept) await add();
  const turns = [
    add,
    () => make('PUT', `/documents/${there.at(-1)}?budget=1`, { text: documents[(number + 1) % documents.length].text }),
    () => make('POST', `/edits/${last}/undo`),
    () => make('DELETE', `/documents/${there.shift()}`),
  ];
  for (let i = 0, due = performance.now(); !isOver(); i++, due = Math.max(due + 1000 * editEvery, performance.now())) {
    await delay(Math.max(0, due - performance.now()));
    await turns[i % turns.length]();
  }
}

async function ended(task: TaskView): Promise<TaskView> {
  for (let now = task; ; now = await askJson<TaskView>(server, 'GET', `/tasks/${task.id}?wait=60`)) {
    if (now.finishedAt === null) continue;
    if (now.state !== 'succeeded') throw new Error(`task ${now.id} (${now.kind}): ${now.state}`);
    return now;
  }
}

const done: string[] = [];
async function longWork(): Promise<void> {
  for (let i = 0; ; i++) {
    const dueMs = startMs + 60_000 * Math.min(5 * (i + 1), minutes * (0.3 + 0.3 * i));
    if (dueMs >= endMs) return;
    await delay(Math.max(0, dueMs - performance.now()));
    const [path, body] = i % 2 ? ['/snapshots?keep=2', undefined] : ['/evaluate', {}];
    try {
      await ended(await askJson<TaskView>(server, 'POST', path, body));
      done.push(`${round(minute())} min: ${path}`);
    } catch (error) {
      fault(error);
    }
  }
}

/** NaN where the connection broke. */
async function heapBytes({ url, key }: Served): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, connection: 'close' };
  const text = await fetch(`${url}/metrics`, { headers }).then((answer) => answer.text(), String);
  return Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(text)?.[1]);
}

const samples: Sample[] = [];
async function sample(): Promise<void> {
  let begin = { searches: 0, edits: 0, errors: 0 };
  for (let i = 1; !isOver(); i++) {
    await delay(Math.max(0, startMs + 1000 * sampleSeconds * i - performance.now()));
    const now = { searches: searches.length, edits, errors };
    const { count, p50, p99 } = quantilesOf(searches.slice(begin.searches, now.searches).map(({ ms }) => ms));
    samples.push({
      minute: round(minute()),
      residentMb: Math.round(server.residentBytes() / 1e5) / 10,
      heapMb: Math.round((await heapBytes(server)) / 1e5) / 10,
      ...{ searches: count, p50, p99, edits: now.edits - begin.edits, errors: now.errors - begin.errors },
      load: round(loadavg()[0]),
    });
    begin = now;
    console.error(JSON.stringify(samples.at(-1)));
  }
}

/** The samples and searches from one minute to another. */
function span(from: number, to: number) {
  const within = samples.filter((one) => one.minute > from && one.minute <= to + 0.05);
  const median = (name: 'residentMb' | 'heapMb' | 'load'): number => quantilesOf(within.map((one) => one[name])).p50;
  const mostMb = Math.max(...within.map(({ residentMb }) => residentMb));
  const { p50, p99 } = quantilesOf(searches.filter((one) => one.minute > from && one.minute <= to).map(({ ms }) => ms));
  return { residentMb: median('residentMb'), mostMb, heapMb: median('heapMb'), p50, p99, load: median('load') };
}

await Promise.all([search(), edit(), longWork(), sample()]);
const [first, last] = [span(warmUp, warmUp + window), span(minutes - window, minutes)];
await server.end('SIGTERM');
agent.destroy();
rmSync(dataDir, { recursive: true });
const machine = { cpu: cpus()[0].model, cores: cpus().length, node: process.version };
console.log(
  JSON.stringify(
    {
      ...{ bench: 'soak', date: new Date().toISOString(), machine, minutes, rate, editEvery, warmUp, window },
      ...{ searches: searches.length, edits, errors, closed, tasks: done, first, last },
      ratio: {
        memory: round(last.residentMb / first.residentMb),
        p50: round(last.p50 / first.p50),
        p99: round(last.p99 / first.p99),
      },
      samples,
    },
    null,
    2,
  ),
);
