/**
 * What an edit of one MLP output matrix takes by the ledger: pairs into the sums, a new delta, a trial, and back.
 *
 *     npm run bench -- ledger [--sizes 512,1024] [--pairs 100,500,2000] [--d-model N] [--batch N] [--rounds N] [--library]
 *
 * Keys are ReLU of random numbers. For every size F of a key and number of pairs in the ledger, an edit adds a batch of
 * pairs and asks for the delta, then takes it back: the bytes must be those before. `fill` is what a ledger made anew
 * from stored entries takes, which is also what every edit would take if sums were not kept. With `--library` ml-matrix
 * factors the same matrix and solves for 32 columns, scaled to all. Milliseconds of this process's CPU and of the clock,
 * medians over rounds; on a machine with other work compare the former. JSON on stdout.
 */
import assert from 'node:assert/strict';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { CholeskyDecomposition, Matrix } from 'ml-matrix';
import { createRng } from '../../corpus/random.ts';
import { CovarianceFitter, shrink } from '../../editing/covariance.ts';
import { factorize, solve } from '../../editing/linear-algebra/cholesky.ts';
import { Ledger } from '../../editing/methods/ledger.ts';
import { prior, type EditedLayer, type EditPairs } from '../../editing/methods/method.ts';

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '512,1024' },
    pairs: { type: 'string', default: '100,500,2000' },
    'd-model': { type: 'string', default: '384' },
    batch: { type: 'string', default: '16' },
    rounds: { type: 'string', default: '3' },
    library: { type: 'boolean', default: false },
  },
});
const list = (text: string): number[] => text.split(',').map(Number);
const [D, batch, rounds] = [values['d-model'], values.batch, values.rounds].map(Number);
const OPTIONS = { lambda: 100, ridge: 1 };
const LIBRARY_COLUMNS = 32;

interface Time {
  readonly cpuMs: number;
  readonly wallMs: number;
}
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
function timed(work: () => void): Time {
  const [cpu, wall] = [cpuMs(), performance.now()];
  work();
  return { cpuMs: cpuMs() - cpu, wallMs: performance.now() - wall };
}
const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1];
const medians = (all: readonly Time[]): Time => ({
  cpuMs: Math.round(10 * median(all.map((t) => t.cpuMs))) / 10,
  wallMs: Math.round(10 * median(all.map((t) => t.wallMs))) / 10,
});

const rng = createRng(1);
const uniform = (length: number): Float32Array => Float32Array.from({ length }, () => 2 * rng.next() - 1);
const reluKeys = (n: number, F: number): Float32Array => uniform(n * F).map((x) => Math.max(0, x));
const randomPairs = (n: number, F: number): EditPairs => ({ keys: reluKeys(n, F), residuals: uniform(n * D) });

function layerOf(F: number): EditedLayer {
  const fitter = new CovarianceFitter(F);
  fitter.update(reluKeys(500, F));
  return { covariance: shrink(fitter.finish().fitted, 0.1), d_model: D };
}

function editsOf(layer: EditedLayer, F: number, pairs: number): object {
  const made = new Ledger(layer, OPTIONS);
  const entries = Array.from({ length: Math.ceil(pairs / batch) }, () => randomPairs(batch, F));
  const fill = timed(() => entries.forEach((entry, i) => made.add(`d${i}`, entry)));
  const before = made.delta();
  const edit = randomPairs(batch, F);
  const steps = Array.from({ length: rounds + 1 }, () => {
    const trial = timed(() => made.trial({ add: [edit] }));
    const add = timed(() => made.add('new', edit));
    const delta = timed(() => made.delta());
    const remove = timed(() => made.remove('new'));
    assert.deepEqual(made.delta(), before);
    return { add, delta, trial, remove };
  }).slice(1); // the first one compiles
  const step = (name: 'add' | 'delta' | 'trial' | 'remove'): Time => medians(steps.map((s) => s[name]));
  return {
    ...{ F, D, pairs: made.size, fill: medians([fill]) },
    ...{ add: step('add'), delta: step('delta'), trial: step('trial'), remove: step('remove') },
  };
}

function libraryOf(layer: EditedLayer, F: number): object {
  const a = prior(layer.covariance, OPTIONS);
  const b = Float64Array.from(uniform(F * D));
  const ours = Array.from({ length: rounds + 1 }, () => {
    const [copy, right] = [a.slice(), b.slice()];
    const factor = timed(() => factorize(copy, F, 'bench'));
    return { factor, solve: timed(() => solve({ size: F, upper: copy }, right, D)) };
  }).slice(1);
  const matrix = Matrix.from1DArray(F, F, a);
  const columns = Matrix.from1DArray(F, D, b).subMatrix(0, F - 1, 0, LIBRARY_COLUMNS - 1);
  let made: CholeskyDecomposition;
  const factor = timed(() => (made = new CholeskyDecomposition(matrix)));
  const solved = timed(() => made.solve(columns));
  const scale = D / LIBRARY_COLUMNS;
  return {
    F,
    ours: { factor: medians(ours.map((t) => t.factor)), solve: medians(ours.map((t) => t.solve)) },
    mlMatrix: {
      factor: medians([factor]),
      solve: medians([{ cpuMs: scale * solved.cpuMs, wallMs: scale * solved.wallMs }]),
    },
  };
}

const edits: object[] = [];
const library: object[] = [];
for (const F of list(values.sizes)) {
  const layer = layerOf(F);
  for (const pairs of list(values.pairs)) {
    edits.push(editsOf(layer, F, pairs));
    console.error(JSON.stringify(edits.at(-1)));
  }
  if (values.library) library.push(libraryOf(layer, F));
}
console.log(
  JSON.stringify(
    {
      bench: 'ledger',
      date: new Date().toISOString(),
      machine: { cpu: cpus()[0].model, cores: availableParallelism(), loadAverage: loadavg(), node: process.version },
      ...{ batch, rounds, edits, library },
    },
    undefined,
    2,
  ),
);
