import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createRng } from '../../corpus/random.ts';
import { outputWeight } from '../../editing/edit-graphs.ts';
import { EditModel, NoInteractionStageError } from '../../editing/edit-model.ts';
import { dotAt, logSumExpOf } from '../../editing/methods/rows/problem.ts';
import { baseVersion, DocidDecoder, type WeightDelta } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { tensor } from '../../models/session.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { gaussians } from '../support/edit-layer.ts';
import { writeAnalysedModel } from '../support/edit-world.ts';
import { randomQuery, texts, writeTinyModel } from '../support/tiny-model.ts';

const dir = tempFolder();
const folder = readModelFolder(writeAnalysedModel(join(dir, 'model')));
const model = await EditModel.open(folder);
after(() => model.close());
const rng = createRng(3);
const queries = [...texts, ...Array.from({ length: 20 }, () => randomQuery(rng))];
const { d_model: D, d_ff: F } = folder.config;
const N = 10;

/** Log-probabilities of all documents by a served decoder, by row. */
async function served(deltas: readonly WeightDelta[]): Promise<Float64Array[]> {
  const decoder = await DocidDecoder.open(folder);
  await decoder.publish({ ...baseVersion(N), editSeq: 1, deltas });
  const found = await decoder.retrieve(queries.map((query) => ({ query, k: N })));
  await decoder.close();
  return found.map(({ rows, scores }) => {
    const byRow = new Float64Array(N);
    rows.forEach((row, i) => (byRow[row] = scores[i]));
    return byRow;
  });
}

/** The same from states. */
const fromStates = (states: Float32Array): Float64Array[] =>
  queries.map((_, q) => {
    const scores = Float64Array.from({ length: N }, (_, n) => dotAt(model.rows.data, n, states, q, D));
    const all = logSumExpOf(scores);
    return scores.map((score) => score - all);
  });

const deltaOf = (layer: number): WeightDelta => ({
  weight: outputWeight(layer),
  delta: gaussians(rng, F * D).map((x) => 0.2 * x),
});

describe('a base model opened for editing', () => {
  it('observes states that score as a served model does', async () => {
    const { states } = await model.observe(queries);
    const [expected, actual] = [await served([]), fromStates(states.data)];
    queries.forEach((query, q) => assertClose(actual[q], expected[q], query));
  });

  it('gives the same bytes for the same texts', async () => {
    const [a, b] = [await model.observe(queries), await model.observe(queries)];
    assert.deepEqual(a, b);
  });

  it('observes nothing of no texts', async () => {
    const { states, keys } = await model.observe([]);
    assert.deepEqual(
      [states.shape, keys.get(1)!.shape],
      [
        [0, D],
        [0, F],
      ],
    );
  });

  for (const layers of [[1], [0], [0, 1]])
    it(`restates queries as a served model with deltas of layers ${layers.join(', ')} has them`, async () => {
      const deltas = layers.map(deltaOf);
      const observed = await model.observe(queries);
      const [expected, actual] = [await served(deltas), fromStates((await model.restate(observed, deltas)).data)];
      queries.forEach((query, q) => assertClose(actual[q], expected[q], query));
      assert.ok(Math.abs(expected[0][0] - (await served([]))[0][0]) > 1e-3);
    });

  it('leaves states as they are without deltas', async () => {
    const observed = await model.observe(queries);
    assert.equal(await model.restate(observed, []), observed.states);
  });

  it('scores as brute force does', async () => {
    const states = tensor(gaussians(rng, 12 * D), [12, D]);
    const own = Int32Array.from({ length: 12 }, (_, q) => (q % 3 ? q % N : -1));
    const aside = [2, 7];
    const found = await model.scores(states, own, aside);
    for (let q = 0; q < 12; q++) {
      const scores = Float64Array.from({ length: N }, (_, n) => dotAt(model.rows.data, n, states.data, q, D));
      const present = [...scores.keys()].filter((n) => !aside.includes(n));
      const rivals = present.filter((n) => n !== own[q]).sort((a, b) => scores[b] - scores[a]);
      assert.equal(found.rivals[q], rivals[0]);
      assertClose([found.best[q]], [scores[rivals[0]]], 'best');
      assertClose([found.logSumExp[q]], [logSumExpOf(Float64Array.from(present, (n) => scores[n]))], 'log sum exp');
      if (own[q] >= 0 && !aside.includes(own[q])) assertClose([found.own[q]], [scores[own[q]]], 'own');
      if (own[q] < 0) assert.equal(found.own[q], -Infinity);
    }
  });

  it('finds no rival where there is none', async () => {
    const one = tensor(model.rows.data.slice(0, D), [1, D]);
    const found = await model.scoresOf(tensor(gaussians(rng, D), [1, D]), one, Int32Array.of(0));
    assert.deepEqual([found.rivals[0], found.best[0]], [-1, -Infinity]);
    const none = await model.scoresOf(one, tensor(new Float32Array(0), [0, D]));
    assert.deepEqual([none.rivals[0], none.logSumExp[0]], [-1, -Infinity]);
  });

  it('is refused without an interaction stage, and says what to do', async () => {
    const plain = readModelFolder(writeTinyModel(join(dir, 'plain')));
    await assert.rejects(EditModel.open(plain), (error) => {
      assert.ok(error instanceof NoInteractionStageError);
      assert.match(error.message, /expected stages .* got no stages; run "analyze/);
      return true;
    });
  });
});
