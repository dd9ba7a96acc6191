/**
 * Constrained beam search, 10 beams: what it costs on top of the model, and against transformers on the same weights.
 *
 *     npm run bench -- beam-search [--size small|base|both] [--rounds N] [--threads N] [--queries N] [--batches 1,8]
 *
 * A random model in the shape of a size, 3,000 docids of three tokens. Three sides answer the same queries in turn, query by
 * query: `ours`, text in and documents out; `bare`, the onnxruntime calls of that search again, their tensors at hand;
 * `transformers`, PyTorch's `generate` with the prefix constraint, token ids in, in a process of its own. JSON on stdout: medians of
 * milliseconds, and of processor time, which tells more where other programs run. Without Python's transformers (PYTHON says
 * which interpreter) that side is left out.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, promisify } from 'node:util';
import { createRng } from '../../corpus/random.ts';
import { SequenceDecoder } from '../../models/beam/sequence-decoder.ts';
import type { Retrieved } from '../../models/decode.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { pathIds, type PathGenir } from '../../models/genir.ts';
import { Session } from '../../models/session.ts';
import { loadTokenizer } from '../../models/tokenizer.ts';
import { SIZES } from '../../models/training/sizes.ts';
import { writeSequenceModel } from '../support/sequence-model.ts';

const BEAMS = 10;
const DOCUMENTS = 3000;
/** Codes on each of three levels. */
const BRANCHES = 15;
const TOLERANCE = 1e-3;
/** Queries until V8 has compiled what runs often. */
const WARM_UP = 100;

const python = process.env.PYTHON ?? 'python3';
const builtin = join(import.meta.dirname, '..', '..', 'corpus', 'builtin');
const readJsonl = (file: string): { title?: string; text: string }[] =>
  readFileSync(join(builtin, file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { text: string });

type Size = 'small' | 'base';

function writeModel(dir: string, size: Size): ModelFolder {
  const { vocabulary, d_model, d_kv, d_ff, num_heads, num_layers, num_decoder_layers } = SIZES[size];
  const levels = ['a', 'b', 'c'];
  const codes = levels.flatMap((level) => Array.from({ length: BRANCHES }, (_, i) => `${level}${i}`));
  const paths = new Set<string>();
  for (const rng = createRng(1); paths.size < DOCUMENTS;)
    paths.add(levels.map((level) => `${level}${rng.int(BRANCHES)}`).join(' '));
  const corpus = readJsonl('corpus.jsonl');
  return readModelFolder(
    writeSequenceModel(join(dir, size), {
      config: { d_model, d_kv, d_ff, num_heads, num_layers, num_decoder_layers },
      ...{ words: vocabulary, codes, paths: [...paths] },
      trainingTexts: corpus.slice(0, 1000).map(({ title = '', text }) => `${title} ${text}`),
    }),
  );
}

/** A side's time for one batch of queries. */
interface Taken {
  readonly ms: number;
  readonly cpuMs: number;
}

async function timed(run: () => Promise<unknown>): Promise<Taken> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await run();
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - start, cpuMs: (user + system) / 1000 };
}

interface Call {
  readonly session: Session;
  readonly args: Parameters<Session['run']>;
}

/** The runs of onnxruntime that `work` makes. */
async function recorded(work: () => Promise<unknown>): Promise<Call[]> {
  const calls: Call[] = [];
  // eslint-disable-next-line @typescript-eslint/unbound-method
  const { run } = Session.prototype;
  Session.prototype.run = function (...args) {
    calls.push({ session: this, args });
    return run.apply(this, args);
  };
  try {
    await work();
  } finally {
    Session.prototype.run = run;
  }
  return calls;
}

async function replay(calls: readonly Call[]): Promise<void> {
  for (const { session, args } of calls) await session.run(...args);
}

interface Peer {
  readonly version: string;
  search(queries: readonly (readonly number[])[]): Promise<Taken & { documents: number[][]; scores: number[][] }>;
  close(): void;
}

async function openPeer(folder: ModelFolder, scratch: string, threads: number): Promise<Peer> {
  const { tokens, offsets } = pathIds(folder.genir as PathGenir, folder.tokenizerJson);
  const paths = Array.from({ length: DOCUMENTS }, (_, n) => [...tokens.subarray(offsets[n], offsets[n + 1])]);
  const file = join(scratch, 'paths.json');
  writeFileSync(file, JSON.stringify(paths));
  const script = join(import.meta.dirname, 'beam_search.py');
  const flags = ['--threads', `${threads}`, '--beams', `${BEAMS}`];
  const env = { ...process.env, OMP_NUM_THREADS: `${threads}`, MKL_NUM_THREADS: `${threads}` };
  const child = spawn(python, [script, folder.dir, file, ...flags], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(): Promise<T> => {
    const line = (await lines.next()) as IteratorResult<string, undefined>;
    if (line.done) throw new Error(`beam_search.py ended with ${child.exitCode}`);
    return JSON.parse(line.value) as T;
  };
  const { version } = await next<{ version: string }>();
  return {
    version,
    search(queries) {
      child.stdin.write(`${JSON.stringify(queries)}\n`);
      return next();
    },
    close: () => child.stdin.end(),
  };
}

async function reasonToSkip(): Promise<string | undefined> {
  try {
    await promisify(execFile)(python, ['-c', 'import torch, transformers']);
    return undefined;
  } catch (error) {
    const line = (error as { stderr?: string; message: string }).stderr?.trim().split('\n').at(-1);
    return `${python}: ${line || (error as Error).message}; set PYTHON to an interpreter with torch and transformers`;
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];
const round = (x: number): number => Math.round(x * 100) / 100;

function assertSame(ours: readonly Retrieved[], documents: readonly number[][], scores: readonly number[][]): void {
  ours.forEach((found, b) => {
    assert.deepEqual([...found.rows], documents[b]);
    found.scores.forEach((score, i) => assert.ok(Math.abs(score - scores[b][i]) < TOLERANCE));
  });
}

interface Settings {
  readonly rounds: number;
  readonly threads: number;
  readonly queries: number;
  readonly batches: readonly number[];
  readonly skip: string | undefined;
}

async function bench(size: Size, scratch: string, settings: Settings): Promise<object> {
  const { rounds, threads, skip } = settings;
  const folder = writeModel(scratch, size);
  const tokenizer = loadTokenizer(folder);
  const decoder = await SequenceDecoder.open(folder, { threads });
  const peer = skip === undefined ? await openPeer(folder, scratch, threads) : undefined;
  const all = readJsonl('queries.jsonl').map(({ text }) => text);
  for (const query of all.slice(-WARM_UP)) await decoder.retrieve([{ query, k: BEAMS }]);
  const rows: object[] = [];
  for (const batch of settings.batches) {
    const taken = { ours: [] as Taken[], bare: [] as Taken[], transformers: [] as Taken[] };
    for (let i = 0; i < settings.queries; i++) {
      const texts = all.slice(i * batch, (i + 1) * batch);
      const inputs = texts.map((query) => ({ query, k: BEAMS, beams: BEAMS }));
      const ids = texts.map((text) => tokenizer.encode(text));
      const calls = await recorded(() => decoder.retrieve(inputs));
      if (peer) {
        const { documents, scores } = await peer.search(ids);
        assertSame(await decoder.retrieve(inputs), documents, scores);
      }
      const sides = {
        ours: () => timed(() => decoder.retrieve(inputs)),
        bare: () => timed(() => replay(calls)),
        ...(peer && { transformers: () => peer.search(ids) }),
      };
      const order = Object.entries(sides);
      for (let r = 0; r < rounds; r++) {
        for (const [side, run] of order) taken[side as keyof typeof taken].push(await run());
        order.push(order.shift()!); // who comes after transformers finds its caches empty
      }
    }
    const of = (side: keyof typeof taken, unit: keyof Taken): number => round(median(taken[side].map((t) => t[unit])));
    const both = (side: keyof typeof taken) => ({ ms: of(side, 'ms'), cpuMs: of(side, 'cpuMs') });
    // Of runs that came one after the other: what else the machine did then, it did to both.
    const ratio = (a: keyof typeof taken, b: keyof typeof taken) => {
      const each = (unit: keyof Taken): number => round(median(taken[a].map((t, i) => t[unit] / taken[b][i][unit])));
      return { ms: each('ms'), cpuMs: each('cpuMs') };
    };
    rows.push({
      batch,
      ...{ ours: both('ours'), bare: both('bare'), oursToBare: ratio('ours', 'bare') },
      ...(peer && { transformers: both('transformers'), timesFaster: ratio('transformers', 'ours') }),
    });
  }
  peer?.close();
  await decoder.close();
  const { d_model, vocab_size, num_decoder_layers } = folder.config;
  return { size, d_model, vocab_size, num_decoder_layers, peer: peer?.version ?? { skipped: skip }, rows };
}

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'both' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
    queries: { type: 'string', default: '8' },
    batches: { type: 'string', default: '1,8' },
  },
});
const sizes: Size[] = values.size === 'both' ? ['small', 'base'] : [values.size as Size];
const scratch = mkdtempSync(join(tmpdir(), 'palimpsest-beams-'));
try {
  const [rounds, threads, queries] = [values.rounds, values.threads, values.queries].map(Number);
  const batches = values.batches.split(',').map(Number);
  const skip = await reasonToSkip();
  const models: object[] = [];
  for (const size of sizes) models.push(await bench(size, scratch, { rounds, threads, queries, batches, skip }));
  const machine = { cpu: cpus()[0].model, loadAverage: loadavg().map(round), node: process.version };
  console.log(
    JSON.stringify({ bench: 'beam-search', date: new Date().toISOString(), machine, threads, models }, null, 2),
  );
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
