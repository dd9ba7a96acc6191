/**
 * What adding a document takes, from its text to a state that could be published: pseudo-queries, their observation, the row,
 * targets, the neighbours' rows, ΔW, and the gate.
 *
 *     npm run bench -- edit-speed [--model DIR] [--corpus DIR] [--additions DIR] [--limit N] [--presets ledger,rows] [--threads N]
 *
 * Documents are added one after the other, each to the model with all before it. Milliseconds of this process's CPU and of the
 * clock, p50 and p95 over documents; on a machine with other work compare the former. `last` are the p50 of the last quarter:
 * what neighbours and the number of edits cost. JSON on stdout.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { EditedModel } from '../../editing/edited-model.ts';
import { EditModel } from '../../editing/edit-model.ts';
import { makeDocumentEntry } from '../../editing/entry.ts';
import { encodeEntry } from '../../editing/entry-codec.ts';
import { measure } from '../../editing/gate.ts';
import { presets, settingsFor, type EditMethodPreset } from '../../editing/presets.ts';
import { drawBank, QueryBank } from '../../editing/query-bank.ts';
import { readModelFolder } from '../../models/folder.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: builtinModel },
    corpus: { type: 'string', default: builtinCorpus },
    additions: { type: 'string', default: join(builtinCorpus, 'additions') },
    limit: { type: 'string', default: '40' },
    presets: { type: 'string', default: 'ledger,rows' },
    threads: { type: 'string', default: '1' },
  },
});

function read<T>(path: string, from: (store: Store) => T): T {
  const store = openStore(':memory:');
  try {
    importCorpus(store, path);
    return from(store);
  } finally {
    store.close();
  }
}

interface Time {
  readonly cpu: number;
  readonly wall: number;
}
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
async function timed<T>(work: () => Promise<T>): Promise<[T, Time]> {
  const [cpu, wall] = [cpuMs(), performance.now()];
  const result = await work();
  return [result, { cpu: cpuMs() - cpu, wall: performance.now() - wall }];
}
const quantile = (all: readonly number[], share: number): number =>
  Math.round([...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(share * all.length))]);
const quantiles = (all: readonly number[]): { p50: number; p95: number } => ({
  p50: quantile(all, 0.5),
  p95: quantile(all, 0.95),
});

const folder = readModelFolder(values.model);
const model = await EditModel.open(folder, { threads: Number(values.threads) });
const { documents, train, dev } = read(values.corpus, (store) => ({
  documents: folder.genir!.docids.map((docid) => store.document(docid)!),
  train: store.queries('train'),
  dev: store.queries('dev'),
}));
const added = read(values.additions, (store) => [...store.eachDocument()]).slice(0, Number(values.limit));
const queries = drawBank(documents, train, dev, presets.ledger.bank);
const [bank, opening] = await timed(() => QueryBank.open(model, queries, documents));
for (const layer of model.layers) bank.covariance(layer);

const steps = ['entry', 'trial', 'gate', 'all'] as const;
const results = [];
for (const preset of values.presets.split(',') as EditMethodPreset[]) {
  const settings = settingsFor(preset, documents.length);
  const edited = await EditedModel.open(model, bank, settings);
  const times: Record<(typeof steps)[number], Time>[] = [];
  let bytes = 0;
  for (const [i, { docid, title, text }] of added.entries()) {
    const id = `e${String(i).padStart(6, '0')}`;
    const [entry, making] = await timed(() => makeDocumentEntry(model, bank, { id, docid, title, text }, settings));
    const [after, trying] = await timed(() => edited.trial({ add: [entry] }));
    const [, measuring] = await timed(() => measure(model, bank, edited.state, after, [entry]));
    edited.apply(after);
    bytes += encodeEntry(entry).length;
    const sum = (of: keyof Time): number => making[of] + trying[of] + measuring[of];
    times.push({ entry: making, trial: trying, gate: measuring, all: { cpu: sum('cpu'), wall: sum('wall') } });
  }
  const warm = times.slice(1); // the first one opens sessions and compiles
  const last = warm.slice(-Math.ceil(warm.length / 4));
  results.push({
    preset,
    documents: times.length,
    ...Object.fromEntries(
      steps.map((step) => [
        step,
        {
          cpuMs: quantiles(warm.map((time) => time[step].cpu)),
          wallMs: quantiles(warm.map((time) => time[step].wall)),
          lastCpuMs: quantile(
            last.map((time) => time[step].cpu),
            0.5,
          ),
        },
      ]),
    ),
    drift: edited.state.drift,
    bytesPerEntry: Math.round(bytes / times.length),
  });
}
await model.close();
console.log(
  JSON.stringify(
    {
      bench: 'edit-speed',
      date: new Date().toISOString(),
      machine: {
        cpu: cpus()[0].model,
        cores: availableParallelism(),
        loadAverage: loadavg(),
        node: process.versions.node,
      },
      model: values.model,
      bank: { queries: bank.size, canaries: bank.canaries.rowOf.length, openingMs: opening },
      results,
    },
    null,
    2,
  ),
);
