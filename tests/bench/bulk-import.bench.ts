/**
 * Imports many documents as a task of a server, in a data folder of its own: documents a second, CPU and memory as it grows.
 *
 *     npm run bench -- bulk-import [--model DIR] [--corpus DIR] [--documents N] [--batch N] [--preset ledger|rows] [--steps N]
 *
 * The documents are made of the sentences of the corpus, drawn by a seed: new texts of known words. One line for each step:
 * documents a second by the clock, milliseconds of CPU of all threads for a document, resident memory and the data folder.
 * An import that slows down with what is there shows in the second: the last line compares first and last step. JSON on stdout.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
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
import type { Imported } from '../../server/imports/input.ts';
import { readModelInfo } from '../../server/model-info.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';
import type { TaskView } from '../../server/schemas.ts';
import { startServer } from '../../server/serve.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: builtinModel },
    corpus: { type: 'string', default: builtinCorpus },
    documents: { type: 'string', default: '500' },
    batch: { type: 'string', default: '64' },
    preset: { type: 'string', default: 'ledger' },
    steps: { type: 'string', default: '10' },
  },
});
const [count, batch, steps] = [values.documents, values.batch, values.steps].map(Number);
const preset = values.preset as EditMethodPreset;
if (!Object.hasOwn(presets, preset)) throw new Error(`--preset: expected one of ${Object.keys(presets).join(', ')}`);

/** Three to six sentences of three documents in each, so that no two say the same. */
function linesOfDocuments(): string {
  const store = openStore(':memory:');
  importCorpus(store, values.corpus);
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
  return Array.from({ length: count }, (_, i) => `${document(i)}\n`).join('');
}

/** A data folder that edits by the preset. */
async function seed(dataDir: string): Promise<void> {
  const folder = readModelFolder(values.model);
  const model = await readModelInfo(values.model);
  const data = openDataFolder({ dir: dataDir, model, corpus: values.corpus });
  const settings = settingsFor(preset, folder.genir!.docids.length);
  const editor = await Editor.open({ store: data.store, folder, dataDir, settings });
  await editor.close();
  data.close();
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const bytesOf = (dir: string): number =>
  readdirSync(dir, { withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isDirectory() ? bytesOf(join(dir, entry.name)) : statSync(join(dir, entry.name)).size),
    0,
  );
const round = (x: number, digits = 1): number => Number(x.toFixed(digits));
const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

const dataDir = mkdtempSync(join(tmpdir(), 'palimpsest-bulk-'));
const body = linesOfDocuments();
await seed(dataDir);
const adminKey = 'the-admin-key-of-the-benchmark';
const server = await startServer({ modelDir: values.model, dataDir, port: 0, host: '127.0.0.1', adminKey });
const headers = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/x-ndjson' };
const ask = async (path: string, init: RequestInit = {}): Promise<TaskView> =>
  (await (await fetch(`${server.url}${path}`, { headers, ...init })).json()) as TaskView;
const { id } = await ask(`/documents/import?task=true&budget=1&batch=${batch}`, { method: 'POST', body });

interface Step {
  readonly documents: number;
  readonly perSecond: number;
  readonly cpuMs: number;
  readonly residentMb: number;
  readonly folderMb: number;
}
const rows: Step[] = [];
let [done, cpu, ms] = [0, cpuMs(), performance.now()];
let task = await ask(`/tasks/${id}`);
const begin = ms;
for (let next = count / steps; !task.finishedAt; task = await ask(`/tasks/${id}`)) {
  const now = task.progress?.done ?? 0;
  if (now < next) {
    await delay(100);
    continue;
  }
  const [cpuNow, msNow] = [cpuMs(), performance.now()];
  rows.push({
    documents: now,
    perSecond: round((now - done) / ((msNow - ms) / 1000)),
    cpuMs: round((cpuNow - cpu) / (now - done)),
    residentMb: megabytes(process.memoryUsage.rss()),
    folderMb: megabytes(bytesOf(dataDir)),
  });
  process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
  [done, cpu, ms] = [now, cpuNow, msNow];
  next = now + count / steps;
}
const seconds = (performance.now() - begin) / 1000;
await server.close();
rmSync(dataDir, { recursive: true });
console.log(
  JSON.stringify({
    ...{ preset, documents: count, batch, result: task.result as Imported, error: task.error },
    ...{ seconds: round(seconds), perSecond: round(count / seconds), steps: rows },
    lastToFirst: rows.length > 1 ? round(rows.at(-1)!.cpuMs / rows[0].cpuMs, 2) : null,
    machine: { cpu: cpus()[0].model, threads: availableParallelism(), load: loadavg()[0] },
  }),
);
