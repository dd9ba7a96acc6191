/**
 * Imports many documents as a task of a server that is killed half-way: documents a second, CPU and memory as it grows.
 *
 *     npm run bench -- bulk-import [--model DIR] [--corpus DIR] [--documents N] [--batch N] [--preset ledger|rows] [--steps N] [--kills N]
 *
 * `palimpsest serve` as a process of its own, in a new data folder. The documents are made of the sentences of the corpus, drawn
 * by a seed: new texts of known words. One search after the other beside it, four a second at most. One line for each step:
 * documents a second by the clock, milliseconds of CPU of all the server's threads for a document, resident memory, the data
 * folder, the median search. At the end each line must have one result. An import that slows down with what is there shows in
 * CPU: the last line compares last and first step. JSON on stdout.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { Agent } from 'node:http';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { createRng } from '../../corpus/random.ts';
import { openStore } from '../../corpus/store.ts';
import { Editor } from '../../editing/editor.ts';
import { presets, settingsFor, type EditMethodPreset } from '../../editing/presets.ts';
import { readModelFolder } from '../../models/folder.ts';
import { openDataFolder } from '../../server/data-folder.ts';
import type { ImportLine } from '../../server/edit-schemas.ts';
import { readModelInfo } from '../../server/model-info.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';
import type { TaskView } from '../../server/schemas.ts';
import { post, quantilesOf, round } from './beside.ts';
import { askJson, serveProcess, type Served } from './served.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: builtinModel },
    corpus: { type: 'string', default: builtinCorpus },
    documents: { type: 'string', default: '500' },
    batch: { type: 'string', default: '64' },
    preset: { type: 'string', default: 'ledger' },
    steps: { type: 'string', default: '10' },
    kills: { type: 'string', default: '1' },
  },
});
const [count, batch, steps, kills] = [values.documents, values.batch, values.steps, values.kills].map(Number);
const preset = values.preset as EditMethodPreset;
if (!Object.hasOwn(presets, preset)) throw new Error(`--preset: expected one of ${Object.keys(presets).join(', ')}`);

/** Three to six sentences of three documents in each, so that no two say the same; and questions for searches. */
function linesOfDocuments(): { readonly body: string; readonly queries: readonly string[] } {
  const store = openStore(':memory:');
  importCorpus(store, values.corpus);
  const queries = store.queries('test').map(({ text }) => text);
  const sentences = [...store.eachDocument()].map(({ text }) =>
    text.split(/(?<=[.!?])\s+/).filter((one) => one !== ''),
  );
  store.close();
  const rng = createRng(1);
  const draw = <T>(from: readonly T[]): T => from[rng.int(from.length)];
  const document = (i: number): string => {
    const texts = [draw(sentences), draw(sentences), draw(sentences)];
    const text = Array.from({ length: 3 + rng.int(4) }, (_, j) => draw(texts[j % 3])).join(' ');
    return JSON.stringify({ docid: `bulk-${i}`, title: `Number ${i}`, text });
  };
  return { body: Array.from({ length: count }, (_, i) => `${document(i)}\n`).join(''), queries };
}

/** A data folder that edits by the preset. */
async function seed(dir: string): Promise<void> {
  const folder = readModelFolder(values.model);
  const model = await readModelInfo(values.model);
  const data = openDataFolder({ dir, model, corpus: values.corpus });
  const settings = settingsFor(preset, folder.genir!.docids.length);
  const editor = await Editor.open({ store: data.store, folder, dataDir: dir, settings });
  await editor.close();
  data.close();
}

const bytesOf = (dir: string): number =>
  readdirSync(dir, { withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isDirectory() ? bytesOf(join(dir, entry.name)) : statSync(join(dir, entry.name)).size),
    0,
  );
const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

interface Step {
  readonly documents: number;
  readonly perSecond: number;
  readonly cpuMs: number;
  readonly residentMb: number;
  readonly folderMb: number;
  readonly searchP50Ms: number;
}

const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-bulk-'));
const { body, queries } = linesOfDocuments();
await seed(dataDir);
let server = await serveProcess({ dataDir, modelDir: values.model });
const taskOf = (path: string): Promise<TaskView> => askJson<TaskView>(server, 'GET', path);

async function begin({ url, key }: Served): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' };
  const to = `${url}/documents/import?task=true&budget=1&batch=${batch}`;
  const answer = await fetch(to, { method: 'POST', headers, body });
  if (answer.status !== 202) throw new Error(`the import was answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as TaskView).id;
}

let isOver = false;
let times: number[] = [];
async function search(): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  for (let i = 0; !isOver; i++) {
    const fromMs = performance.now();
    const query = queries[(i * 7919) % queries.length];
    const status = await post(agent, `${server.url}/retrieve`, { query, k: 10 }).catch(() => 0);
    if (status === 200) times.push(performance.now() - fromMs);
    await delay(Math.max(0, fromMs + 250 - performance.now()));
  }
  agent.destroy();
}

const searching = search();
const id = await begin(server);
const rows: Step[] = [];
let [done, cpu, killed] = [0, server.cpuMs(), 0];
let ms = performance.now();
const beginMs = ms;
let task = await taskOf(`/tasks/${id}`);
for (let next = count / steps; ; task = await taskOf(`/tasks/${id}`)) {
  const now = task.progress?.done ?? 0;
  const isEnded = task.finishedAt !== null;
  if (now >= next || (isEnded && now > done)) {
    const [cpuNow, msNow] = [server.cpuMs(), performance.now()];
    rows.push({
      documents: now,
      perSecond: round((now - done) / ((msNow - ms) / 1000)),
      cpuMs: round((cpuNow - cpu) / (now - done)),
      residentMb: megabytes(server.residentBytes()),
      folderMb: megabytes(bytesOf(dataDir)),
      searchP50Ms: quantilesOf(times).p50,
    });
    process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
    [done, cpu, ms, times] = [now, cpuNow, msNow, []];
    next = now + count / steps;
  }
  if (isEnded) break;
  if (now >= (count * (killed + 1)) / (kills + 1) && killed < kills) {
    killed++;
    const spent = server.cpuMs() - cpu;
    const atMs = performance.now();
    await server.end('SIGKILL');
    server = await serveProcess({ dataDir, modelDir: values.model });
    cpu = -spent; // what the step cost the process that is gone
    process.stderr.write(
      `killed at ${now} documents, answers again after ${round((performance.now() - atMs) / 1000)} s\n`,
    );
  }
  await delay(100);
}
const seconds = (performance.now() - beginMs) / 1000;
isOver = true;
await searching;

const headers = { authorization: `Bearer ${server.key}` };
const results = (await (await fetch(`${server.url}/tasks/${id}/results`, { headers })).text())
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as ImportLine);
const isComplete = results.length === count && results.every(({ line }, i) => line === i + 1);
const found = (await askJson<{ total: number }>(server, 'GET', '/documents?limit=0')).total;
await server.end('SIGTERM');
rmSync(dataDir, { recursive: true });
console.log(
  JSON.stringify({
    ...{ preset, documents: count, batch, kills, state: task.state, result: task.result, error: task.error },
    ...{ oneResultPerLine: isComplete, added: results.filter(({ status }) => status === 201).length, found },
    ...{ seconds: round(seconds), perSecond: round(count / seconds), steps: rows },
    lastToFirst: rows.length > 1 ? round(rows.at(-1)!.cpuMs / rows[0].cpuMs) : null,
    machine: { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0] },
  }),
);
if (!isComplete) process.exitCode = 1;
