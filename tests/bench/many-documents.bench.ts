/**
 * The ten best of very many docid rows: all looked at, as `serve --rows exact` does, against graphs, as `--rows hnsw`.
 *
 *     npm run bench -- many-documents [--rows N] [--width D] [--kind clustered|trained|gaussian] [--per-topic N] [--queries N]
 *         [--shards N] [--threads N] [--dir DIR]
 *
 * Rows and states are drawn by tests/support/drawn-rows.ts (`drawn` in the output says how) and written as a model folder with a
 * T5 of one small layer; the model's own work is not in the times. Each part runs in a process of its own; what lies in DIR already,
 * rows and graphs, is used again, so that a run that was broken off goes on with the graphs that are whole.
 *
 *     draw     rows, and states of queries
 *     build    the graphs, by as many threads as there are cores or `--threads`; along how many axes they hold rows, and how widely each
 *              is searched
 *     exact    onnxruntime's product with all rows, log-softmax and top 10, one state at a time on one core; then 32 at a time
 *     hnsw     the same by graphs, exact logits of the candidates and the estimated sum included; recall of exact's ten; how wide
 *              the search is against recall and time; filters; edits put into the graphs
 *
 * JSON on stdout; what each part says of its process is told in parts.ts.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createRng } from '../../corpus/random.ts';
import { createConfig } from '../../models/config.ts';
import type { Retrieved, RowChange } from '../../models/decode.ts';
import { expectedWeights, readModelFolder, writeModelFolder, type Genir } from '../../models/folder.ts';
import { rowScoresGraph, sampleDocids } from '../../models/graphs.ts';
import { Graph } from '../../models/onnx/graph.ts';
import { FORBIDDEN, readTop, rowFeeds, type LiveRows, type RowQuery } from '../../models/rows/exact-rows.ts';
import { IndexedRows } from '../../models/rows/indexed-rows.ts';
import { along } from '../../models/rows/axes.ts';
import { prepareRowGraphs } from '../../models/rows/prepare.ts';
import { RowGraph } from '../../models/rows/row-graph.ts';
import type { RowShard } from '../../models/rows/shards.ts';
import { Session, tensor, type FloatTensor } from '../../models/session.ts';
import { trainTokenizer } from '../../models/tokenizer-training.ts';
import { elementCount, type WeightTensor } from '../../models/weights.ts';
import { DrawnRows, INTRINSIC, rowKinds, SPREADS, TRAINED, type RowKind } from '../support/drawn-rows.ts';
import { quantilesOf, round } from './beside.ts';
import { machine, memory, runParts, type Figures, type Parts } from './parts.ts';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    width: { type: 'string', default: '768' },
    kind: { type: 'string', default: 'clustered' },
    'per-topic': { type: 'string', default: '20' },
    queries: { type: 'string', default: '200' },
    shards: { type: 'string' },
    threads: { type: 'string' },
    parts: { type: 'string', default: 'draw,build,exact,hnsw' },
    dir: { type: 'string' },
    child: { type: 'string' },
  },
});
const [N, D, perTopic, queries] = [options.rows, options.width, options['per-topic'], options.queries].map(Number);
const kind = rowKinds.find((name) => name === options.kind);
if (!kind) throw new Error(`--kind: expected ${rowKinds.join(' or ')}, got ${options.kind}`);
const shards = options.shards === undefined ? undefined : Number(options.shards);

const K = 10;
const WORDS = 400;
/** How widely graphs are searched, as far as is measured. */
const WIDTHS = [16, 32, 64, 128, 256, 512];
/** Shares of the documents that a filter leaves, drawn by lot. */
const SHARES = [0.5, 0.1, 0.02, 0.005, 0.001];

// ---------------------------------------------------------------------------------------------- parts

const parts: Parts = {
  async draw(dir) {
    if (!existsSync(statesFile(dir))) draw(dir, kind);
    const { size } = statSync(join(modelIn(dir), 'model.safetensors'));
    return { fileGb: round(size / 1e9) };
  },
  async build(dir) {
    let built = false;
    let told = 0;
    const files = await prepareRowGraphs({
      ...graphOptions(dir),
      ...(options.threads !== undefined && { threads: Number(options.threads) }),
      onBuild: () => (built = true),
      onProgress({ done, secondsLeft }) {
        if (performance.now() - told < 30_000) return;
        told = performance.now();
        console.error(`${done} of ${N} rows, about ${Math.round(secondsLeft)} s left`);
      },
    });
    const bytes = files.reduce((sum, { file }) => sum + statSync(file).size, 0);
    const found = { axes: files[0].axes?.shape[0] ?? 'none', reaches: files.map(({ reach }) => reach) };
    return { built, shards: files.length, fileGb: round(bytes / 1e9), ...found };
  },
  async exact(dir) {
    const { live, states } = open(dir);
    const session = await Session.open(rowScoresGraph(D));
    const score = async (batch: readonly Float32Array[], queries: readonly RowQuery[]): Promise<Retrieved[]> => {
      const feeds = { known_state: joined(batch), ...rowFeeds(queries, live) };
      return readTop(await session.run(feeds, ['scores', 'row_indices']), queries, live);
    };
    await score([states[0]], [{ k: K }]);
    const times: number[] = [];
    const lists: Retrieved[] = [];
    for (const state of states) {
      const started = performance.now();
      lists.push(...(await score([state], [{ k: K }])));
      times.push(performance.now() - started);
    }
    const together = states.slice(0, 32);
    const queriesTogether = together.map(() => ({ k: K }));
    await score(together, queriesTogether);
    const started = performance.now();
    await score(together, queriesTogether);
    const batch = { queries: together.length, ms: round(performance.now() - started) };
    await session.release();
    const plain = lists.map(({ rows, scores }) => ({ rows: [...rows], scores: [...scores] }));
    writeFileSync(truthFile(dir), JSON.stringify(plain));
    const first = lists.map(({ scores }) => scores[0]);
    const tenth = lists.map(({ scores }) => scores[K - 1]);
    const logProbability = { ofFirst: round(mean(first)), ofTenth: round(mean(tenth)) };
    return { ms: quantilesOf(times), batch, logProbability };
  },
  async hnsw(dir) {
    const { live, states } = open(dir);
    const truth = JSON.parse(readFileSync(truthFile(dir), 'utf8')) as { rows: number[]; scores: number[] }[];
    const [checkMs, files] = await clock(() => prepareRowGraphs(graphOptions(dir)));
    const [openMs, index] = await clock(() => IndexedRows.open(files, D));
    index.publish(live, []);
    const residentGib = memory('VmRSS');
    const g = new Graph();
    sampleDocids(g.input('x', 'float32', ['B', D]));
    const sampling = await Session.open(g);
    const ask = async (batch: readonly Float32Array[], query: RowQuery): Promise<Retrieved[]> => {
      const { state, sample_logits } = await sampling.run({ x: joined(batch), sample: index.sample });
      const queries = batch.map(() => query);
      return index.retrieve(queries, state as FloatTensor, sample_logits as FloatTensor);
    };
    const measure = async (query: RowQuery, of = states) => {
      const times: number[] = [];
      const lists: Retrieved[] = [];
      for (const state of of) {
        const [ms, [list]] = await clock(() => ask([state], query));
        times.push(ms);
        lists.push(list);
      }
      return { ms: quantilesOf(times), lists };
    };
    await measure({ k: K }, states.slice(0, 20));
    const served = await measure({ k: K });
    const together = states.slice(0, 32);
    const [batchMs] = await clock(() => ask(together, { k: K }));
    const errors = served.lists.map(({ rows, scores }, q) => {
      const at = truth[q].rows.indexOf(rows[0]);
      return at < 0 ? 0 : Math.abs(scores[0] - truth[q].scores[at]);
    });
    const filters: Figures[] = [];
    const rng = createRng(3);
    for (const share of SHARES) {
      const allowed = Uint8Array.from({ length: N }, () => Number(rng.next() < share));
      filters.push({ share, ms: (await measure({ k: K, allowed }, states.slice(0, 50))).ms });
    }
    const edits = await edit(index, live);
    await Promise.all([index.close(), sampling.release()]);
    return {
      ...{ checkSeconds: round(checkMs / 1000), openSeconds: round(openMs / 1000), residentGib },
      ...{ ms: served.ms, recall: recall(served.lists, truth) },
      batch: { queries: together.length, ms: round(batchMs) },
      errorOfSum: { mean: round4(mean(errors)), largest: round4(Math.max(...errors)) },
      ...{ filters, edits, widths: widths(files, live, states, truth) },
    };
  },
};

/** Versions that change one row each, as edits do. */
async function edit(index: IndexedRows, live: LiveRows): Promise<Figures> {
  const rng = createRng(4);
  const times: Record<'change' | 'delete' | 'undo', number[]> = { change: [], delete: [], undo: [] };
  const table = live.rows.data;
  for (let i = 0; i < 30; i++) {
    const [row, other, gone] = [rng.int(N), rng.int(N), rng.int(N)];
    const before = table.slice(row * D, (row + 1) * D);
    const values = table.slice(other * D, (other + 1) * D).map((x, d) => 0.5 * (x + before[d]));
    const change: RowChange[] = [{ row, values }];
    const hidden = { ...live, bias: live.bias.slice() };
    hidden.bias[gone] = FORBIDDEN;
    table.set(values, row * D);
    times.change.push((await clock(() => index.publish(live, change)))[0]);
    times.delete.push((await clock(() => index.publish(hidden, change)))[0]);
    table.set(before, row * D);
    times.undo.push((await clock(() => index.publish(live, [])))[0]);
  }
  return Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, quantilesOf(ms)]));
}

/** Time of the graphs alone, and recall, by how widely they are searched. */
function widths(
  shards: readonly RowShard[],
  { rows }: LiveRows,
  states: readonly Float32Array[],
  truth: readonly Lists[],
): Figures[] {
  const { axes } = shards[0];
  const graphs = shards.map((shard) => RowGraph.load(shard, axes?.shape[0] ?? D));
  return WIDTHS.map((width) => {
    const times: number[] = [];
    const lists = states.map((state) => {
      const started = performance.now();
      const found = graphs.flatMap((graph) => graph.nearest(Array.from(along(state, axes)), width));
      times.push(performance.now() - started);
      const logit = (row: number): number => state.reduce((sum, x, d) => sum + x * rows.data[row * D + d], 0);
      const best = found.map((row) => [row, logit(row)] as const).sort((a, b) => b[1] - a[1]);
      return { rows: best.slice(0, K).map(([row]) => row) };
    });
    return { width, recall: recall(lists, truth), ms: quantilesOf(times) };
  });
}

interface Lists {
  readonly rows: readonly number[] | Int32Array;
}

/** Share of the ten best that were found. */
function recall(lists: readonly Lists[], truth: readonly Lists[]): number {
  const shares = lists.map(({ rows }, q) => truth[q].rows.filter((row) => rows.includes(row)).length / K);
  return round4(mean(shares));
}

// ---------------------------------------------------------------------------------------------- rows and states

const graphOptions = (dir: string) => ({
  ...{ modelDir: modelIn(dir), rows: N, dir: graphsIn(dir) },
  ...(shards !== undefined && { shards }),
});
const modelIn = (dir: string): string => join(dir, 'model');
const graphsIn = (dir: string): string => join(dir, 'graphs');
const statesFile = (dir: string): string => join(dir, 'states.f32');
const truthFile = (dir: string): string => join(dir, 'exact.json');

function draw(dir: string, kind: RowKind): void {
  const rng = createRng(1);
  const drawn = new DrawnRows({ kind, width: D, rng, perTopic }, N);
  const tokenizer = trainTokenizer(['a text for a tokenizer'], { vocabSize: WORDS, minWordCount: 1 });
  const config = createConfig({
    ...{ d_model: D, d_kv: 8, d_ff: 8, num_layers: 1, num_decoder_layers: 1, num_heads: 1 },
    vocab_size: WORDS + N,
  });
  const table = new Float32Array((WORDS + N) * D);
  for (let at = WORDS * D; at < table.length; at += D) drawn.row(table.subarray(at, at + D));
  const weights = new Map(
    expectedWeights(config).map(({ name, shape }): [string, WeightTensor] => [
      name,
      { shape, data: name === 'shared.weight' ? table : new Float32Array(elementCount(shape)).fill(0.1) },
    ]),
  );
  const genir: Genir = {
    ...{ format: 'palimpsest-genir', version: 1, scheme: 'atomic', firstDocidToken: WORDS },
    docids: Array.from({ length: N }, (_, i) => `d${i}`),
    corpus: { fingerprint: null, documents: N },
  };
  mkdirSync(dir, { recursive: true });
  writeModelFolder(modelIn(dir), { config, weights, genir, ...tokenizer });
  const states = new Float32Array(queries * D);
  for (let q = 0; q < queries; q++) {
    const at = (WORDS + rng.int(N)) * D;
    states.set(drawn.stateOf(table.subarray(at, at + D)), q * D);
  }
  writeFileSync(statesFile(dir), new Uint8Array(states.buffer));
}

function open(dir: string): { live: LiveRows; states: Float32Array[] } {
  const folder = readModelFolder(modelIn(dir));
  const rows = tensor(folder.rows('shared.weight', WORDS, WORDS + N), [N, D]);
  const bytes = readFileSync(statesFile(dir));
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const states = Array.from({ length: Math.min(queries, all.length / D) }, (_, q) => all.slice(q * D, (q + 1) * D));
  return { live: { rows, bias: new Float32Array(N) }, states };
}

function joined(states: readonly Float32Array[]): FloatTensor {
  const all = new Float32Array(states.length * D);
  states.forEach((state, b) => all.set(state, b * D));
  return tensor(all, [states.length, D]);
}

// ---------------------------------------------------------------------------------------------- measuring

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const round4 = (x: number): number => Math.round(x * 1e4) / 1e4;

async function clock<T>(work: () => T | Promise<T>): Promise<[ms: number, result: T]> {
  const started = performance.now();
  const result = await work();
  return [performance.now() - started, result];
}

const results = await runParts(import.meta.filename, parts, options);
if (results) {
  const drawn = {
    clustered: `${Math.round(N / perTopic)} topics, normal in ${INTRINSIC} dimensions; documents about them with a spread of ${SPREADS.document}; turned into ${D} dimensions; noise of ${SPREADS.noise} in each`,
    trained: `independent normal numbers, squares falling to 1/e in ${TRAINED.fold} of the dimensions; ${TRAINED.common} of the squared length in common`,
    gaussian: 'independent normal numbers',
  }[kind];
  const states = `each the row of a document drawn by lot, with noise of ${SPREADS.query} in each dimension`;
  const report = {
    ...{
      bench: 'many-documents',
      date: new Date().toISOString(),
      machine: machine(),
      rows: N,
      width: D,
      drawn,
      states,
    },
    parts: results,
  };
  console.log(JSON.stringify(report, undefined, 2));
}
