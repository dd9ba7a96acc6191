/**
 * What the analysis of a T5-large takes: peak memory and seconds of E2, E5 and E3 on 64 queries.
 *
 *     npm run bench -- analysis-memory [--layers N] [--queries N] [--experiments NAMES] [--model DIR]
 *
 * The model is random and has the shape of T5-large with 10,000 docids. It is written as float16 to a temporary folder;
 * with --model to DIR, which is used again where it holds a model. A random model answers nothing correctly, so each
 * query is about the document that the model ranks first for it. Stages are thirds of the decoder. JSON on stdout;
 * `peakGib` is the most memory that the process has had resident by the end of that step, `cpuSeconds` the time that its
 * threads computed, which other processes on the machine change less than `seconds`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Subject } from '../../analysis/experiments/experiment.ts';
import { atomicExperimentNames, experimentsNamed } from '../../analysis/experiments/names.ts';
import { EXPERIMENTS } from '../../analysis/experiments/table.ts';
import { Lab } from '../../analysis/lab.ts';
import type { Population } from '../../analysis/population.ts';
import type { Stages } from '../../analysis/stages.ts';
import { createRng, type Rng } from '../../corpus/random.ts';
import { readModelFolder } from '../../models/folder.ts';
import { elementCount } from '../../models/weights.ts';
import { randomText, writeLargeCheckpoint } from '../support/large-checkpoint.ts';

const SEED = 1;
const DOCUMENTS = 10_000;
const LONGEST_QUERY = 20;

const randomQuery = (rng: Rng): string => randomText(rng, 1 + rng.int(LONGEST_QUERY));

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

/** Linux: the most that was resident at any moment so far. */
const peakGib = (): number => {
  const kib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
  return Math.round((kib / 2 ** 20) * 100) / 100;
};

const toSeconds = (milliseconds: number): number => Math.round(milliseconds / 100) / 10;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      layers: { type: 'string', default: '24' },
      queries: { type: 'string', default: '64' },
      experiments: { type: 'string', default: 'contributions,rank-development,stage-patching' },
      model: { type: 'string' },
    },
  });
  const [layers, queries] = [values.layers, values.queries].map(Number);
  const asked = values.experiments.split(',').flatMap(experimentsNamed);
  const names = atomicExperimentNames.filter((name) => asked.includes(name));
  const machine = {
    ...{ cpu: cpus()[0].model, cores: cpus().length, loadAverage: loadavg() },
    ...{ memoryGib: Math.round(totalmem() / 2 ** 30), node: process.versions.node },
  };
  const scratch = mkdtempSync(join(tmpdir(), 'palimpsest-analysis-bench-'));
  const steps: { step: string; seconds: number; cpuSeconds: number; peakGib: number }[] = [];
  const timed = async <T>(step: string, work: () => T | Promise<T>): Promise<T> => {
    const [started, cpu] = [performance.now(), process.cpuUsage()];
    const result = await work();
    const { user, system } = process.cpuUsage(cpu);
    const [seconds, cpuSeconds] = [performance.now() - started, (user + system) / 1000].map(toSeconds);
    steps.push({ step, seconds, cpuSeconds, peakGib: peakGib() });
    console.error(JSON.stringify(steps.at(-1)));
    return result;
  };
  try {
    const dir = values.model ?? join(scratch, 'model');
    if (!existsSync(join(dir, 'config.json')))
      await timed('write the model', () => writeLargeCheckpoint(dir, { layers, documents: DOCUMENTS }));
    const folder = readModelFolder(dir);
    const lab = await timed('open', () => new Lab(folder, { threads: availableParallelism() }));
    const rng = createRng(SEED);
    const texts = Array.from({ length: queries }, () => randomQuery(rng));
    const questions = await timed('questions', () => questionsAbout(lab, texts));
    const encoded = await timed('encode', () => lab.encode(texts));
    const population: Population = {
      ...{ ranking: 'docids', asked: queries, questions },
      correct: { vocabulary: 0, docids: queries },
    };
    const subject: Subject = {
      ...{ lab, population, encoded, stages: thirds(lab.layers, queries) },
      ...{ dev: [], test: [], donors: [], seed: SEED, onProgress: () => undefined },
    };
    for (const name of names) await timed<unknown>(name, () => EXPERIMENTS[name].run(subject));
    await lab.close();
    const parameters = [...folder.weights.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const model = {
      encoderLayers: folder.config.num_layers,
      decoderLayers: lab.layers,
      parameters,
      documents: DOCUMENTS,
    };
    const result = {
      bench: 'analysis-memory',
      date: new Date().toISOString(),
      machine,
      model,
      queries,
      steps,
      peakGib: peakGib(),
    };
    console.log(JSON.stringify(result, undefined, 2));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function thirds(layers: number, queries: number): Stages {
  const stage = (i: number) => {
    const [from, to] = [Math.round((i * layers) / 3), Math.round(((i + 1) * layers) / 3)];
    return {
      from,
      to,
      fromInterval: [from, from] as [number, number],
      toInterval: [to, to] as [number, number],
      confidence: 1,
    };
  };
  return {
    ...{ version: 1, layers, ranking: 'docids', queries, mlps: [] },
    ...{ priming: stage(0), bridging: stage(1), interaction: stage(2) },
  };
}

await main();
