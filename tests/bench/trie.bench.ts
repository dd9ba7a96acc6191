/**
 * The trie of docid paths at size: building, memory, a step of ten beams, a filter, adding a document.
 *
 *     npm run bench -- trie [--documents N] [--rounds N] [--added N]
 *
 * Shapes of paths of length 6: `balanced` has ten tokens on each level (clusters), `words` draws each token from
 * 20,000 with a chance of 1 / rank (title and salient words; hundreds to thousands of children at the top, single paths below), `pairs`
 * is the worst for memory (two documents for each prefix of five). A step collects the permitted children of ten nodes, one level per step, of
 * ten random documents' paths; also under a filter that lets a tenth through and after documents were added and as many removed. Without a
 * filter a trie keeps the children of nodes with very many, so `afterEditUs` is what the root's take right after an edit.
 * Memory is what is held after a collection; times are of this process's CPU, but for single additions. JSON on stdout: medians over rounds.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ChildList, DocidTrie, type PathIds, type TrieView } from '../../corpus/docids/trie.ts';
import { createRng } from '../../corpus/random.ts';

const { values } = parseArgs({
  options: {
    documents: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '5' },
    added: { type: 'string', default: '5000' },
  },
});
const [N, rounds, added] = [values.documents, values.rounds, values.added].map(Number);
const [LENGTH, BEAMS] = [6, 10];

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
async function heldMb(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    collect();
    await sleep(50); // array buffers are freed in the background
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1];
const rounded = (x: number): number => Number(x.toPrecision(3));

const rng = createRng(1);
const words = 20_000;
const cumulated = new Float64Array(words);
for (let w = 0, sum = 0; w < words; w++) cumulated[w] = sum += 1 / (w + 1);
function drawWord(): number {
  const x = rng.next() * cumulated[words - 1];
  let [low, high] = [0, words - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulated[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Of a document or, beyond them, of one to be added: different for each, and none inside another. */
type Shape = (document: number) => number[];
const digits = (n: number, base: number, count: number): number[] =>
  Array.from({ length: count }, (_, t) => Math.floor(n / base ** (count - 1 - t)) % base);
const shapes: Record<string, Shape> = {
  balanced: (n) =>
    n < N ? digits(n, Math.ceil(N ** (1 / LENGTH)), LENGTH) : [...digits(n * 7919, 10, 5), 100_000 + n],
  // The last word is what makes a path unique; the last two numbers of a million are seldom enough.
  words: (n) => [...Array.from({ length: LENGTH - 1 }, drawWord), words + n],
  pairs: (n) => [Math.floor(n / 1000), (n >> 1) % 500, 1, 1, 1, n & 1],
};

function pathsOf(shape: Shape): PathIds {
  const tokens = new Int32Array(N * LENGTH);
  for (let n = 0; n < N; n++) tokens.set(shape(n), n * LENGTH);
  return { tokens, offsets: Int32Array.from({ length: N + 1 }, (_, n) => n * LENGTH) };
}

/** Microseconds of one step, for each number of tokens generated before it. */
function stepMicroseconds(
  trie: DocidTrie,
  view: TrieView,
  removed = new Set<number>(),
): { us: number[]; children: number[] } {
  const out = new ChildList();
  const steps = 2000;
  const us = new Float64Array(LENGTH);
  const children = new Float64Array(LENGTH);
  const nodesAt = Array.from({ length: LENGTH }, () => new Int32Array(steps * BEAMS));
  for (let s = 0; s < steps * BEAMS; s++) {
    let document = rng.int(N);
    while (removed.has(document)) document = rng.int(N);
    const path = trie.pathOf(document);
    let node = trie.root;
    for (let t = 0; t < LENGTH; t++) {
      nodesAt[t][s] = node;
      out.clear();
      trie.restrict().children(node, out);
      node = out.nodes[out.tokens.subarray(0, out.length).indexOf(path[t])];
    }
  }
  for (let t = 0; t < LENGTH; t++) {
    const beams = t === 0 ? 1 : BEAMS;
    const started = cpuMs();
    for (let s = 0; s < steps; s++) {
      out.clear();
      for (let b = 0; b < beams; b++) children[t] += view.children(nodesAt[t][s * BEAMS + b], out);
    }
    us[t] = ((cpuMs() - started) * 1000) / steps;
  }
  return { us: [...us].map(rounded), children: [...children].map((sum) => rounded(sum / steps)) };
}

async function measure(shape: Shape): Promise<object> {
  const paths = pathsOf(shape);
  const before = await heldMb();
  const buildMs: number[] = [];
  let trie!: DocidTrie;
  for (let r = 0; r < rounds; r++) {
    const started = cpuMs();
    trie = DocidTrie.build(paths);
    buildMs.push(cpuMs() - started);
  }
  const heldMbOfTrie = (await heldMb()) - before;
  const tenth = Uint8Array.from({ length: N + added }, () => Number(rng.int(10) === 0));
  const restrictMs: number[] = [];
  let filtered!: TrieView;
  for (let r = 0; r < rounds; r++) {
    const started = cpuMs();
    filtered = trie.restrict(tenth);
    restrictMs.push(cpuMs() - started);
  }
  stepMicroseconds(trie, filtered); // compiles
  const step = { all: stepMicroseconds(trie, trie.restrict()), filtered: stepMicroseconds(trie, filtered) };
  const rehearsed = trie.asBuilt(); // compiles
  for (let i = 0; i < 500; i++) rehearsed.add(N + i, shape(N + i));
  const news = Array.from({ length: added }, (_, i) => shape(N + i));
  const addUs: number[] = news.map((path, i) => {
    const started = performance.now();
    trie.add(N + i, path);
    return (performance.now() - started) * 1000;
  });
  const afterEditUs = news.slice(0, 500).map((_, i) => {
    trie.remove(N + i);
    trie.revive(N + i);
    const out = new ChildList();
    const started = performance.now();
    trie.restrict().children(trie.root, out);
    return (performance.now() - started) * 1000;
  });
  const removed = new Set(Array.from({ length: added }, () => rng.int(N)));
  for (const document of removed) trie.remove(document);
  return {
    ...{ buildMs: rounded(median(buildMs)), heldMb: rounded(heldMbOfTrie), restrictMs: rounded(median(restrictMs)) },
    step,
    added: {
      ...{
        documents: added,
        medianUs: rounded(median(addUs)),
        afterEditUs: rounded(median(afterEditUs)),
        p99Us: rounded(addUs.sort((a, b) => a - b)[Math.floor(0.99 * added)]),
      },
      step: {
        all: stepMicroseconds(trie, trie.restrict(), removed),
        filtered: stepMicroseconds(trie, trie.restrict(tenth), removed),
      },
    },
  };
}

const measured: Record<string, object> = {};
for (const [name, shape] of Object.entries(shapes)) measured[name] = await measure(shape);
const machine = { cpu: cpus()[0].model, cores: availableParallelism(), loadAverage: loadavg(), node: process.version };
console.log(
  JSON.stringify(
    { bench: 'trie', date: new Date().toISOString(), machine, documents: N, length: LENGTH, ...measured },
    undefined,
    2,
  ),
);
