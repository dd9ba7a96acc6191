/**
 * What a circuit saves: the decoder of the circuit that is stored with a model against the whole decoder.
 *
 *     npm run bench -- circuit [--model DIR] [--corpus DIR] [--rounds N] [--threads N]
 *
 * The built-in model has a circuit; into others `analyze` puts one. JSON on stdout, for batches of 1 and 32 test queries:
 * median milliseconds of the decoder with the scoring of docids, given what the encoder makes of the queries; of that
 * scoring alone; and of whole retrievals. The variants take turns, in an order that rotates. Beside them Success@1 of
 * both on the test split.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { circuitOf, count, storedCircuit, type Circuit } from '../../models/circuit-record.ts';
import { decodeCircuitStart } from '../../models/circuit.ts';
import { DocidDecoder, MAX_QUERY_TOKENS, wordWeights } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { editableParts, encoderGraph, scoreDocids } from '../../models/graphs.ts';
import { Graph, type Value } from '../../models/onnx/graph.ts';
import * as op from '../../models/onnx/ops.ts';
import { int64, Session, tensor, type Feeds } from '../../models/session.ts';
import { decodeStart, embed, readyForUnembed, unembedName } from '../../models/t5.ts';
import { loadTokenizer, padBatch } from '../../models/tokenizer.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';

const K = 10;
const BATCHES = [1, 32];
/** Batches of each size that are timed in every round. */
const TIMED = 24;
/** Runs of one variant before the next has its turn: so many that each finds its weights in the caches. */
const BLOCK = 8;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: builtinModel },
    corpus: { type: 'string', default: builtinCorpus },
    rounds: { type: 'string', default: '10' },
    threads: { type: 'string', default: '1' },
  },
});
const threads = Number(values.threads);
const folder = readModelFolder(values.model);
const { docids, firstDocidToken } = folder.genir!;
const config = { ...folder.config, vocab_size: firstDocidToken };
const weights = wordWeights(folder, firstDocidToken);
const D = config.d_model;
const stored = storedCircuit(folder.dir, folder.genir!, config);

const store = openStore(':memory:');
importCorpus(store, values.corpus);
const test = store.queries('test');
store.close();

/** The decoder with the scoring of docids: the whole one, or a circuit. encoder_out [B, S, D], attention_mask [B, S] → … */
function decoderGraph(circuit?: Circuit): Graph {
  const g = new Graph();
  const encoderOut = g.input('encoder_out', 'float32', ['B', 'S', D]);
  const mask = g.input('attention_mask', 'float32', ['B', 'S']);
  const { fixed, live } = editableParts(config, g, weights, []);
  const whole = (): Value => {
    const zeros = op.Mul(op.Cast(op.ReduceSum(mask, [1], true), 'int64'), g.literal('int64', [0], []));
    const start = embed(live, op.Add(zeros, g.literal('int64', [config.decoder_start_token_id], [])));
    return op.Reshape(readyForUnembed(live, decodeStart(live, start, encoderOut, mask)), ['B', D]);
  };
  scoreDocids(circuit ? decodeCircuitStart(fixed, live, circuit, encoderOut, mask) : whole());
  return g;
}

function scoringGraph(): Graph {
  const g = new Graph();
  scoreDocids(g.input('x', 'float32', ['B', D]));
  return g;
}

type Variant = (batch: number) => Promise<unknown>;

/** Median milliseconds of each variant over all batches and rounds; a first round warms up. */
async function time(variants: Record<string, Variant>, rounds: number): Promise<Record<string, number>> {
  const names = Object.keys(variants);
  const times: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++)
    for (let first = 0; first < TIMED; first += BLOCK)
      for (let j = 0; j < names.length; j++) {
        const name = names[(round + 1 + first / BLOCK + j) % names.length];
        for (let batch = first; batch < first + BLOCK; batch++) {
          const start = performance.now();
          await variants[name](batch);
          if (round >= 0) times[name].push(performance.now() - start);
        }
      }
  return Object.fromEntries(names.map((name) => [name, round3(median(times[name]))]));
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1];
const round3 = (x: number): number => Math.round(x * 1000) / 1000;

const tokenizer = loadTokenizer(folder, MAX_QUERY_TOKENS);
const [encoder, whole, part, scoring] = await Promise.all(
  [encoderGraph(config, weights), decoderGraph(), decoderGraph(circuitOf(stored)), scoringGraph()].map((graph) =>
    Session.open(graph, { threads }),
  ),
);
const served = {
  full: await DocidDecoder.open(folder, { threads }),
  circuit: await DocidDecoder.open(folder, { threads, circuit: true }),
};

const { data } = folder.tensor(unembedName(folder.config));
const scoringFeeds: Feeds = {
  rows: tensor(data.slice(firstDocidToken * D, (firstDocidToken + docids.length) * D), [docids.length, D]),
  bias: tensor(new Float32Array(docids.length), [1, docids.length]),
  k: int64([K]),
};

async function timesOf(size: number): Promise<unknown> {
  const texts = Array.from({ length: TIMED }, (_, i) =>
    Array.from({ length: size }, (_, j) => test[(i * size + j) % test.length].text),
  );
  const encoded: { input: Feeds; feeds: Feeds }[] = [];
  for (const batch of texts) {
    const { inputIds, mask, length } = padBatch(batch.map((text) => tokenizer.encode(text)));
    const attention_mask = tensor(mask, [size, length]);
    const input = { input_ids: tensor(inputIds, [size, length]), attention_mask };
    const { encoder_out } = await encoder.run(input);
    encoded.push({ input, feeds: { ...scoringFeeds, encoder_out, attention_mask } });
  }
  const x = tensor(new Float32Array(size * D).fill(0.1), [size, D]);
  const outputs = ['scores', 'row_indices'];
  const ms = await time(
    {
      encoder: (i) => encoder.run(encoded[i].input),
      'decoder and scoring, full': (i) => whole.run(encoded[i].feeds, outputs),
      'decoder and scoring, circuit': (i) => part.run(encoded[i].feeds, outputs),
      'scoring alone': () => scoring.run({ ...scoringFeeds, x }, outputs),
      'retrieval, full': (i) => served.full.retrieve(texts[i].map((query) => ({ query, k: K }))),
      'retrieval, circuit': (i) => served.circuit.retrieve(texts[i].map((query) => ({ query, k: K }))),
    },
    Number(values.rounds),
  );
  const ratio = (what: string): number => round3(ms[`${what}, full`] / ms[`${what}, circuit`]);
  return {
    batch: size,
    medianMs: ms,
    timesFaster: { 'decoder and scoring': ratio('decoder and scoring'), retrieval: ratio('retrieval') },
  };
}

async function success(decoder: DocidDecoder): Promise<number> {
  let found = 0;
  for (let i = 0; i < test.length; i += 32) {
    const batch = test.slice(i, i + 32);
    const answers = await decoder.retrieve(batch.map(({ text }) => ({ query: text, k: 1 })));
    answers.forEach(({ rows }, j) => (found += Number(batch[j].relevant.includes(docids[rows[0]]))));
  }
  return found / test.length;
}

const times = [];
for (const size of BATCHES) times.push(await timesOf(size));
const [full, circuit] = [await success(served.full), await success(served.circuit)];
console.log(
  JSON.stringify(
    {
      model: values.model,
      machine: { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0], threads },
      circuit: { kept: count(stored.layers, 'keep'), components: 3 * stored.layers.length, layers: stored.layers },
      times,
      success1: { queries: test.length, full, circuit, relativeLoss: round3((full - circuit) / full) },
    },
    undefined,
    2,
  ),
);
await Promise.all([
  ...[encoder, whole, part, scoring].map((one) => one.release()),
  ...Object.values(served).map((one) => one.close()),
]);
