/**
 * What activates MLP neurons (E7, as published), for all queries at once against one neuron and one component at a time.
 *
 *     npm run bench -- neuron-sources [--model DIR] [--corpus DIR] [--random] [--queries N] [--rounds N] [--threads N]
 *
 * Both sides begin with the texts of the same correct queries and end with the share of every writer in every MLP's
 * positive input. The loop is how the published script goes about it: a batch of one query, its activations read, then one
 * dot product for each active neuron and earlier component. It is plain TypeScript over typed arrays, which the JIT
 * compiles, with nothing of a tensor library between two products. With PYTHON, an interpreter with torch, the same loop
 * is timed as the script has it, a tensor product and an .item() each, over the same activations of a few queries and
 * scaled to all; its forward pass is not counted. `--random` takes random weights of T5-base's sizes with six decoder layers
 * instead of a model: half of its neurons are active, where the built-in model has one in fifteen. Sides take turns in an order that is reversed every round. JSON on stdout.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writers, writersBefore } from '../../analysis/components.ts';
import { neuronOutputs, neuronSourcesGraph } from '../../analysis/graphs/sources.ts';
import { Lab } from '../../analysis/lab.ts';
import { correctQueries } from '../../analysis/population.ts';
import { ShareSum } from '../../analysis/source-groups.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { createRng } from '../../corpus/random.ts';
import { openStore } from '../../corpus/store.ts';
import type { ActivationName } from '../../models/activations.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import type { FloatTensor } from '../../models/session.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';
import { randomQuery, writeTinyModel } from '../support/tiny-model.ts';

const TOLERANCE = 1e-4;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: builtinModel },
    corpus: { type: 'string', default: builtinCorpus },
    random: { type: 'boolean', default: false },
    queries: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: String(availableParallelism()) },
  },
});

const BASE = { d_model: 768, d_kv: 64, d_ff: 3072, num_heads: 12, num_layers: 1, num_decoder_layers: 6 };
const limit = Number(values.queries);
const pythonQueries = Math.min(limit, values.random ? 2 : 10);

function randomModel(): ModelFolder {
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-bench-'));
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
  return readModelFolder(writeTinyModel(dir, { config: BASE }));
}

/** Texts of queries that the model answers correctly. */
async function correctTexts(): Promise<string[]> {
  const store = openStore(':memory:');
  importCorpus(store, values.corpus);
  const judged = [...store.queries('dev'), ...store.queries('test')];
  const { questions } = await correctQueries(lab, judged, { ranking: 'docids', limit, seed: 1 });
  store.close();
  return questions.map(({ text }) => text);
}

const folder = values.random ? randomModel() : readModelFolder(values.model);
const threads = Number(values.threads);
const lab = new Lab(folder, { threads });
const single = new Lab(folder, { threads, batchSize: 1 });
const rng = createRng(1);
const texts = values.random ? Array.from({ length: limit }, () => randomQuery(rng)) : await correctTexts();
const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
const D = lab.config.d_model;

/** Shares by layer and writer. */
type Shares = readonly (readonly number[])[];

interface Outcome {
  readonly shares: Shares;
  /** Milliseconds of each part, in order. */
  readonly parts: Readonly<Record<string, number>>;
}

/** Milliseconds since it was last asked. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const passed = now - last;
    last = now;
    return passed;
  };
}

async function atOnce(asked = texts): Promise<Outcome> {
  const lap = stopwatch();
  const encoded = await lab.encode(asked);
  const encoder = lap();
  const wanted = layers.map((layer) => neuronOutputs(layer).shares.published);
  const session = await lab.session('published', () => neuronSourcesGraph(lab.config, lab.weight, wanted));
  const sums = layers.map(() => new ShareSum());
  for (const batch of encoded.batches) {
    const out = (await session.run(lab.startFeeds(batch))) as Record<string, FloatTensor>;
    for (const layer of layers) sums[layer].add(out[wanted[layer]]);
  }
  return { shares: sums.map((sum) => sum.mean()), parts: { encoder, decoderAndShares: lap() } };
}

const wiName = (layer: number): string =>
  `decoder.block.${layer}.layer.2.DenseReluDense.${lab.config.feed_forward_proj === 'relu' ? 'wi' : 'wi_0'}.weight`;
const weights = layers.map((layer) => lab.weight(wiName(layer)).data);
const read = [
  ...writers(lab.layers).map(({ at }) => at),
  ...layers.map((layer): ActivationName => `decoder.${layer}.mlp_pre`),
];

/** Dot products that the loop takes. */
let products = 0;

async function oneByOne(): Promise<Outcome> {
  const lap = stopwatch();
  const encoded = await single.encode(texts);
  const parts = { encoder: lap(), decoder: 0, shares: 0 };
  const shares = layers.map((layer) => writersBefore(lab.layers, 'mlp', layer).map(() => 0));
  const answered = layers.map(() => 0);
  products = 0;
  for await (const { out } of single.decodeBatches(encoded, { read })) {
    parts.decoder += lap();
    for (const layer of layers) {
      const outputs = writersBefore(lab.layers, 'mlp', layer).map(({ at }) => out[at].data);
      const pre = out[`decoder.${layer}.mlp_pre`].data;
      const ofQuery = outputs.map(() => 0);
      let neurons = 0;
      for (let i = 0; i < pre.length; i++) {
        if (pre[i] <= 0) continue;
        const row = weights[layer].subarray(i * D, (i + 1) * D);
        const positive = outputs.map((output) => {
          let product = 0;
          for (let d = 0; d < D; d++) product += row[d] * output[d];
          return Math.max(0, product);
        });
        const total = positive.reduce((a, b) => a + b, 0);
        if (total === 0) continue;
        neurons++;
        positive.forEach((value, c) => (ofQuery[c] += value / total));
      }
      if (!neurons) continue;
      answered[layer]++;
      ofQuery.forEach((value, c) => (shares[layer][c] += value / neurons));
      products += neurons * outputs.length;
    }
    parts.shares += lap();
  }
  const means = shares.map((sums, layer) => sums.map((sum) => (answered[layer] ? sum / answered[layer] : 0)));
  return { shares: means, parts };
}

/** The published way in Python: for each active neuron and component a tensor product and its number. */
const script = `
import json, struct, sys, time, torch
folder = sys.argv[1]
about = json.load(open(folder + '/about.json'))
D, F = about['D'], about['F']
def tensor(name, *shape):
    data = bytearray(open(folder + '/' + name, 'rb').read())
    return torch.frombuffer(data, dtype=torch.float32).reshape(shape)
torch.set_num_threads(about['threads'])
weights = [tensor('wi.%d' % layer, F, D) for layer in range(about['layers'])]
outputs = tensor('outputs', about['queries'], about['writers'], D)
pre = tensor('pre', about['queries'], about['layers'], F)
start = time.perf_counter()
result = []
with torch.no_grad():
    for layer in range(about['layers']):
        before = 3 * layer + 3
        total, answered = [0.0] * before, 0
        for q in range(about['queries']):
            shares, neurons = [0.0] * before, 0
            for i in torch.nonzero(pre[q, layer] > 0).flatten().tolist():
                values = [max(0.0, (weights[layer][i] @ outputs[q, c]).item()) for c in range(before)]
                whole = sum(values)
                if whole == 0:
                    continue
                neurons += 1
                shares = [a + b / whole for a, b in zip(shares, values)]
            if neurons:
                answered += 1
                total = [a + b / neurons for a, b in zip(total, shares)]
        result.append([a / max(1, answered) for a in total])
print(json.dumps({'seconds': time.perf_counter() - start, 'shares': result, 'torch': torch.__version__}))
`;

async function inPython(python: string): Promise<{ seconds: number; shares: Shares; torch: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-bench-'));
  try {
    const few = texts.slice(0, pythonQueries);
    const reading = await lab.decode(await lab.encode(few), { read });
    const F = lab.config.d_ff;
    const pack = (names: readonly ActivationName[], width: number): Float32Array => {
      const all = new Float32Array(few.length * names.length * width);
      few.forEach((_, q) =>
        names.forEach((name, i) =>
          all.set(reading[name].data.subarray(q * width, (q + 1) * width), (q * names.length + i) * width),
        ),
      );
      return all;
    };
    const outputs = writers(lab.layers).map(({ at }) => at);
    const save = (name: string, { buffer, byteOffset, byteLength }: Float32Array): void =>
      writeFileSync(join(dir, name), new Uint8Array(buffer, byteOffset, byteLength));
    save('outputs', pack(outputs, D));
    save(
      'pre',
      pack(
        layers.map((layer): ActivationName => `decoder.${layer}.mlp_pre`),
        F,
      ),
    );
    weights.forEach((data, layer) => save(`wi.${layer}`, data));
    const about = { D, F, layers: layers.length, queries: few.length, writers: outputs.length, threads };
    writeFileSync(join(dir, 'about.json'), JSON.stringify(about));
    return JSON.parse(execFileSync(python, ['-c', script, dir], { encoding: 'utf8' })) as Awaited<
      ReturnType<typeof inPython>
    >;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const sides = { atOnce, oneByOne };
type Side = keyof typeof sides;
const outcomes: Record<Side, Outcome[]> = { atOnce: [], oneByOne: [] };
await atOnce(); // sessions are opened and code is compiled before anything is timed
await oneByOne();
for (let round = 0; round < Number(values.rounds); round++) {
  const order: Side[] = ['atOnce', 'oneByOne'];
  for (const side of round % 2 ? order.reverse() : order) outcomes[side].push(await sides[side]());
}

const largestDifference = (a: Shares, b: Shares): number =>
  Math.max(...a.flatMap((row, layer) => row.map((share, c) => Math.abs(share - b[layer][c]))));
const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1];
const totals = (side: Side): number[] =>
  outcomes[side].map(({ parts }) => Object.values(parts).reduce((a, b) => a + b, 0));
const partsOf = (side: Side): Record<string, number> =>
  Object.fromEntries(
    Object.keys(outcomes[side][0].parts).map((part) => [part, median(outcomes[side].map(({ parts }) => parts[part]))]),
  );
const shares = outcomes.atOnce[0].shares;
const difference = largestDifference(shares, outcomes.oneByOne[0].shares);
const python = process.env.PYTHON;
const published = python === undefined ? undefined : await inPython(python);
const few = published && (await atOnce(texts.slice(0, pythonQueries)));
const pythonDifference = published && few && largestDifference(published.shares, few.shares);
for (const found of [difference, pythonDifference ?? 0])
  if (!(found <= TOLERANCE))
    throw new Error(`neuron-sources: expected shares equal to ${TOLERANCE}, got a difference of ${found}`);

const [ours, theirs] = [median(totals('atOnce')), median(totals('oneByOne'))];
const [oursAfter, theirsAfter] = [ours - partsOf('atOnce').encoder, theirs - partsOf('oneByOne').encoder];
const pythonMs = published && (published.seconds * 1000 * texts.length) / pythonQueries;
console.log(
  JSON.stringify(
    {
      bench: 'neuron-sources',
      date: new Date().toISOString(),
      machine: { cpu: cpus()[0].model, cores: availableParallelism(), loadAverage: loadavg(), node: process.version },
      model: values.random ? BASE : values.model,
      queries: texts.length,
      products,
      threads,
      ms: { atOnce: ours, oneByOne: theirs },
      ratio: theirs / ours,
      ratioAfterEncoder: theirsAfter / oursAfter,
      largestDifference: difference,
      partsMs: { atOnce: partsOf('atOnce'), oneByOne: partsOf('oneByOne') },
      rawMs: { atOnce: totals('atOnce'), oneByOne: totals('oneByOne') },
      python: published && {
        torch: published.torch,
        queriesMeasured: pythonQueries,
        secondsMeasured: published.seconds,
        msScaledToAll: pythonMs,
        largestDifference: pythonDifference,
        ratioAfterEncoder: pythonMs! / oursAfter,
      },
    },
    undefined,
    2,
  ),
);
await Promise.all([lab.close(), single.close()]);
