/**
 * What a checkpoint of T5-large's size takes, from Hugging Face folder to edits: seconds and peak memory of each part.
 *
 *     npm run bench -- t5-large [--layers N] [--documents N] [--queries N] [--parts NAMES] [--dir DIR]
 *
 * The checkpoint is random, float16, with a token for each of 100,000 documents; it is written to a temporary folder, or to
 * DIR, where what is there already is used again. Each part runs in a process of its own:
 *
 *     write     the checkpoint and its corpus
 *     import    import-hf, from the command line
 *     serve     an inference thread on two cores: opening, then one query after the other
 *     int8      the same with linear maps in int8
 *     analyze   contributions and the logit lens on 8 queries
 *     rows      one document added: its row alone
 *     ledger    one document added: its row, and the weights of an MLP
 *
 * JSON on stdout; what each part says of its process is told in parts.ts.
 */
import { existsSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Subject } from '../../analysis/experiments/experiment.ts';
import { EXPERIMENTS } from '../../analysis/experiments/table.ts';
import { Lab } from '../../analysis/lab.ts';
import type { Population } from '../../analysis/population.ts';
import { storeStages, type Stages } from '../../analysis/stages.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { createRng } from '../../corpus/random.ts';
import { openStore } from '../../corpus/store.ts';
import { Editor } from '../../editing/editor.ts';
import { settingsFor, type EditMethodPreset } from '../../editing/presets.ts';
import { readModelFolder } from '../../models/folder.ts';
import { InferencePool } from '../../models/pool.ts';
import { randomText, writeLargeCheckpoint, writeLargeCorpus } from '../support/large-checkpoint.ts';
import { round } from './beside.ts';
import { machine, memory, runParts, tenths, type Figures } from './parts.ts';

const { values } = parseArgs({
  options: {
    layers: { type: 'string', default: '24' },
    documents: { type: 'string', default: '100000' },
    queries: { type: 'string', default: '40' },
    parts: { type: 'string', default: 'write,import,serve,int8,analyze,rows,ledger' },
    bank: { type: 'string' },
    dir: { type: 'string' },
    child: { type: 'string' },
  },
});
const [layers, documents, queries] = [values.layers, values.documents, values.queries].map(Number);
const threads = Math.min(2, availableParallelism());

interface Places {
  readonly checkpoint: string;
  readonly corpus: string;
  readonly model: string;
  readonly data: string;
}
const placesIn = (dir: string): Places => ({
  checkpoint: join(dir, 'checkpoint'),
  corpus: join(dir, 'corpus.jsonl'),
  model: join(dir, 'model'),
  data: join(dir, 'data'),
});

// ---------------------------------------------------------------------------------------------- parts

type Part = (places: Places) => Promise<Figures>;

const parts: Readonly<Record<string, Part>> = {
  async write({ checkpoint, corpus }) {
    if (!existsSync(join(checkpoint, 'config.json'))) writeLargeCheckpoint(checkpoint, { layers, documents });
    if (!existsSync(corpus)) await writeLargeCorpus(corpus, documents);
    return { fileGb: gigabytes(join(checkpoint, 'model.safetensors')) };
  },
  async import({ checkpoint, corpus, model }) {
    process.argv = [...process.argv.slice(0, 2), 'import-hf', checkpoint, '--corpus', corpus, '--out', model, '--json'];
    const log = process.stdout.write.bind(process.stdout);
    process.stdout.write = () => true;
    await import('../../server/cli/main.ts');
    process.stdout.write = log;
    return { fileGb: gigabytes(join(model, 'model.safetensors')) };
  },
  serve: (places) => search(places, false),
  int8: (places) => search(places, true),
  async analyze({ model }) {
    const lab = new Lab(readModelFolder(model), { threads });
    const texts = drawQueries(8);
    const questions = await questionsAbout(lab, texts);
    const encoded = await lab.encode(texts);
    const population: Population = {
      ...{ ranking: 'docids', asked: texts.length, questions },
      correct: { vocabulary: 0, docids: texts.length },
    };
    const subject: Subject = {
      ...{ lab, population, encoded, stages: thirds(lab.layers, texts.length) },
      ...{ dev: [], test: [], donors: [], seed: 1, onProgress: () => undefined },
    };
    const seconds: Figures = {};
    for (const name of ['contributions', 'rank-development'] as const)
      seconds[name] = await clock(() => EXPERIMENTS[name].run(subject));
    await lab.close();
    return { queries: texts.length, experiments: seconds };
  },
  rows: (places) => addOne(places, 'rows'),
  ledger: (places) => addOne(places, 'ledger'),
};

const drawQueries = (count: number): string[] => {
  const rng = createRng(2);
  return Array.from({ length: count }, () => randomText(rng, 4 + rng.int(9)));
};

async function search({ model }: Places, int8: boolean): Promise<Figures> {
  let pool!: InferencePool;
  const openSeconds = await clock(async () => (pool = await InferencePool.open({ modelDir: model, threads, int8 })));
  const residentGib = memory('VmRSS');
  const texts = drawQueries(queries);
  const milliseconds: number[] = [];
  const found: number[][] = [];
  for (const query of texts) {
    const started = performance.now();
    const [{ rows }] = await pool.retrieve([{ query, k: 10 }]);
    milliseconds.push(performance.now() - started);
    found.push([...rows]);
  }
  await pool.close();
  milliseconds.sort((a, b) => a - b);
  const at = (share: number): number => Math.round(milliseconds[Math.floor(share * (milliseconds.length - 1))]);
  return { openSeconds, residentGib, queries, p50Ms: at(0.5), p95Ms: at(0.95), found };
}

/** Each text as a question about the document that the model ranks first for it. */
async function questionsAbout(lab: Lab, texts: readonly string[]): Promise<Population['questions']> {
  const { state } = await lab.decode(await lab.encode(texts));
  // Document 0, or the best other one.
  const out = await lab.lens(state, { kinds: ['ranks', 'rivals'], documents: new Int32Array(texts.length) });
  const [zero, rival] = [out.logit.data, out.docid_rival_logit.data] as Float32Array[];
  return texts.map((text, q) => ({
    ...{ id: String(q), text },
    document: zero[q] > rival[q] ? 0 : Number(out.docid_rival.data[q]),
  }));
}

async function addOne({ model, corpus, data }: Places, preset: EditMethodPreset): Promise<Figures> {
  storeStages(model, thirds(layers, 8));
  const store = openStore(':memory:');
  const importSeconds = await clock(() => importCorpus(store, corpus));
  const usual = settingsFor(preset, documents);
  const settings = { ...usual, bank: { ...usual.bank, size: Number(values.bank ?? 1000) } };
  let editor!: Editor;
  const folder = readModelFolder(model);
  const openSeconds = await clock(
    async () => (editor = await Editor.open({ store, folder, dataDir: data, settings, threads })),
  );
  const add = (docid: string): ReturnType<Editor['edit']> => {
    const document = { docid, title: 'a new one', text: randomText(createRng(docid.length), 40) };
    return editor.edit({ operations: [{ kind: 'add', document }], budget: 1 });
  };
  const first = await add('new');
  const second = await add('another');
  await editor.close();
  store.close();
  return {
    ...{ importSeconds, openSeconds, bank: settings.bank.size },
    edits: [first, second].map(({ accepted, seconds, bytes }) => ({ accepted, seconds: tenths(seconds), bytes })),
  };
}

function thirds(count: number, asked: number): Stages {
  const stage = (i: number) => {
    const [from, to] = [Math.round((i * count) / 3), Math.round(((i + 1) * count) / 3)];
    const [fromInterval, toInterval] = [from, to].map((at): [number, number] => [at, at]);
    return { from, to, fromInterval, toInterval, confidence: 1 };
  };
  return {
    ...{ version: 1, layers: count, ranking: 'docids', queries: asked, mlps: [] },
    ...{ priming: stage(0), bridging: stage(1), interaction: stage(2) },
  };
}

// ---------------------------------------------------------------------------------------------- measuring

const gigabytes = (file: string): number => Math.round(statSync(file).size / 1e7) / 100;

async function clock(work: () => unknown): Promise<number> {
  const started = performance.now();
  await work();
  return tenths((performance.now() - started) / 1000);
}

type Lists = readonly (readonly number[])[];

/** Share of queries with the same first document, and of the ten documents that both lists have. */
function agreement(a: Lists, b: Lists): Figures {
  const first = a.filter(([document], q) => b[q][0] === document).length / a.length;
  const both = a.map((list, q) => list.filter((document) => b[q].includes(document)).length / list.length);
  return { sameFirst: first, sameTen: round(both.reduce((x, y) => x + y, 0) / a.length) };
}

const inDir = Object.fromEntries(
  Object.entries(parts).map(([name, part]) => [name, (dir: string) => part(placesIn(dir))]),
);
const results = await runParts(import.meta.filename, inDir, values, (figures) =>
  console.error(JSON.stringify({ ...figures, found: undefined })),
);
if (results) {
  const [exact, rounded] = ['serve', 'int8'].map((name) => results.find(({ part }) => part === name)?.found);
  const report = {
    ...{ bench: 't5-large', date: new Date().toISOString(), machine: { ...machine(), threads }, layers, documents },
    parts: results.map((result) => ({ ...result, found: undefined })),
    ...(exact !== undefined && rounded !== undefined && { int8: agreement(exact as Lists, rounded as Lists) }),
  };
  console.log(JSON.stringify(report, undefined, 2));
}
